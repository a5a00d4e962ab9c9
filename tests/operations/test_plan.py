"""The plan: what it says, that it changes nothing, and that a deployment does exactly what it says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_project import SmallProject

from deployer.cli.main import execute
from deployer.errors import StatementFailed, Unsafe, UsageError
from deployer.operations import plan as plans
from deployer.operations import plan_objects
from deployer.operations.changes import Change
from deployer.operations.deploy import Deployment, deploy
from deployer.operations.plan import Plan, warnings
from deployer.operations.plan_migrations import losses_of
from deployer.project.zero_etl_aws import AwsZeroEtl
from deployer.warehouse import catalog, ledger
from deployer.warehouse.session import Session


def plan(small: SmallProject, *, prune: bool = False) -> Plan:
    project = small.load()
    return plans.plan(project, project.environment("local"), prune=prune)


def run(small: SmallProject, **options: Any) -> Deployment:
    project = small.load()
    return deploy(project, project.environment("local"), **options)


def done(made: Plan) -> list[tuple[str, str]]:
    return [(change.action, change.name) for change in made.changes]


def change(made: Plan, name: str) -> Change:
    return next(item for item in made.changes if item.name == name)


@contextmanager
def sent() -> Iterator[list[str]]:
    """Every statement that goes to a warehouse meanwhile."""
    import redshift_connector

    statements: list[str] = []
    original = redshift_connector.Cursor.execute

    def record(self: object, operation: str, *arguments: object, **options: object) -> object:
        statements.append(operation)
        return original(self, operation, *arguments, **options)

    redshift_connector.Cursor.execute = record
    try:
        yield statements
    finally:
        redshift_connector.Cursor.execute = original


def test_a_first_plan_shows_all_of_it_and_leaves_the_warehouse_empty(
    small: SmallProject, session: Session
) -> None:
    made = plan(small)
    assert done(made) == [
        ("apply", "0001_step"),
        ("create", "shop.add_one"),
        ("create", "shown.a_base"),
        ("create", "shown.nothing_else"),
        ("create", "shown.totals"),
    ]
    migration = change(made, "0001_step")
    assert migration.statements[0] == "create schema shop"
    assert (migration.path, migration.destructive) == ("migrations/versions/0001_step.py", "")
    assert change(made, "shown.totals").diff.startswith("--- /dev/null\n+++ b/procedures/shown/totals.sql\n")
    assert ledger.missing(session)
    assert not catalog.view_names(session) & {"shown.totals"}


def test_a_plan_waits_for_nobody_and_changes_nothing(small: SmallProject, session: Session) -> None:
    run(small)
    before = (catalog.definitions(session), ledger.read(session), ledger.deployments(session))
    small.view("shown.a_base", "select 1 as one, id, amount from shop.sales")
    small.view("shown.nothing_else", "select id from shown.a_base")
    with session.transaction():
        # A reader in the middle of its transaction, which a DROP or REPLACE would have to wait for.
        session.execute("select * from shown.a_base, shown.totals, shown.nothing_else")
        made = plan(small)
    assert done(made) == [
        ("replace", "shown.a_base"),
        ("replace", "shown.nothing_else"),
        ("recreate", "shown.totals"),
    ]
    assert "one integer comes" in change(made, "shown.a_base").reason
    assert change(made, "shown.a_base").line == 3
    assert (catalog.definitions(session), ledger.read(session), ledger.deployments(session)) == before
    schemas = session.execute("select count(*) from pg_namespace where nspname like 'zeroshift_probe%%'", ())
    assert schemas.rows == ((0,),)


def test_a_plan_that_a_deployment_has_broken_into_is_made_again(
    small: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(small)
    small.view("shown.nothing_else", "select id from shop.sales")
    compared = plan_objects.plan

    def disturbed(*arguments: Any, **options: Any) -> Any:
        # What we ask about is gone, for somebody has deployed since we began.
        monkeypatch.setattr(plan_objects, "plan", compared)
        assert run(small).replaced == ("shown.nothing_else",)
        raise StatementFailed('relation "shown.nothing_else" does not exist', sqlstate="42P01")

    monkeypatch.setattr(plan_objects, "plan", disturbed)
    assert plan(small).is_empty


def test_a_deployment_sends_what_the_plan_has_shown_and_keeps_grants_and_comments(
    small: SmallProject, session: Session
) -> None:
    run(small)
    session.execute("create user bea password 'Secret123'")
    session.execute("grant select on shown.totals to role reader")
    session.execute("grant select (amount) on shown.totals to bea")
    session.execute("grant execute on procedure shop.add_one(bigint) to bea")
    session.execute("comment on view shown.totals is 'it''s the total'")
    session.execute("comment on column shown.totals.sales is 'how many'")
    small.migration(
        "0002", "0001", "create table shop.more (note varchar(20))", "insert into shop.more values ('5%')"
    )
    small.view("shown.a_base", "select id, cast(amount as decimal(14, 2)) as amount from shop.sales")
    small.procedure("shop.add_one", "(new_id integer)", "insert into shop.sales (id) values (new_id);")
    run_first = plan(small)
    # The migration might change what the columns are.
    assert "known only after" not in change(run_first, "shown.a_base").reason
    with sent() as statements:
        run(small)
    planned = [statement for item in run_first.changes for statement in item.statements]
    assert [statement for statement in statements if statement in planned] == planned
    assert 'drop view "shown"."totals"' in planned and 'drop procedure "shop"."add_one"(bigint)' in planned
    assert [grant.grantee for grant in catalog.grants(session, "shown", "totals")] == ["reader"]
    assert [(grant.grantee, grant.column) for grant in catalog.column_grants(session, "shown", "totals")] == [
        ("bea", "amount")
    ]
    assert [grant.grantee for grant in catalog.execute_grants(session, "shop", "add_one")] == ["bea"]
    comments = catalog.comments(session, "shown", "totals")
    assert (comments.relation, comments.columns) == ("it's the total", (("sales", "how many"),))
    assert session.execute("select note from shop.more").rows == (("5%",),)
    assert plan(small).is_empty


def test_columns_that_a_pending_migration_brings_are_known_only_after_it(
    small: SmallProject, session: Session
) -> None:
    run(small)
    small.migration("0002", "0001", "alter table shop.sales add column note varchar(20)")
    small.view("shown.a_base", "select id, amount, note from shop.sales")
    made = plan(small)
    assert "known only after the pending migrations" in change(made, "shown.a_base").reason
    done_then = run(small)
    assert (done_then.replaced, done_then.recreated) == (("shown.a_base",), ("shown.totals",))
    assert plan(small).is_empty


@pytest.mark.parametrize(
    ("statement", "lost"),
    [
        ("drop table if exists a.b", "the table a.b"),
        ("alter table a.b drop column c", "the column c of a.b"),
        ('alter table "a".b drop "c" restrict', "the column c of a.b"),
        ("alter table a.b alter column c type varchar(3)", "values of c of a.b that do not fit its new type"),
        ("alter table a.b append from a.c", "the rows of a.c, which move to a.b"),
        ("truncate a.b", "all rows of a.b"),
        ("delete from a.b where x = 1", "rows of a.b"),
        ("with q as (select 1) delete from a.b using q", "rows of a.b"),
        ("drop schema s", "the schema s"),
        ("drop database d", "the database d"),
        ("alter table a.b add column dropped integer", None),
        ("alter table a.b drop constraint k", None),
        ("insert into a.b select 'drop table a.b'", None),
        ("create table a.b (type varchar(3))", None),
    ],
)
def test_what_a_statement_would_lose(statement: str, lost: str | None) -> None:
    assert losses_of(statement) == ([] if lost is None else [lost])


def test_what_destroys_is_refused_unless_it_is_allowed_by_name(small: SmallProject, session: Session) -> None:
    run(small)
    small.migration(
        "0002", "0001", "create table shop.more (id bigint)", "delete from shop.sales where id = 1"
    )
    small.file("shop.add_one").unlink()
    made = plan(small, prune=True)
    assert [item.name for item in made.destructive] == ["0002_step", "shop.add_one"]
    assert change(made, "0002_step").line == 15
    for allow in ((), ("0002_step",), ("shop.add_one",)):
        with pytest.raises(Unsafe, match="nothing was changed") as caught:
            run(small, prune=True, allow=allow)
        assert ("--allow-destructive 0002_step" in str(caught.value)) == ("0002_step" not in allow)
    assert ledger.migration_heads(session) == ("0001",)
    run(small, prune=True, allow=("0002_step", "shop.add_one"))
    assert session.execute("select count(*) from shop.sales").rows == ((1,),)
    assert plan(small, prune=True).is_empty


def test_a_plan_file_holds_only_while_nothing_moves(
    small: SmallProject, session: Session, tmp_path: Path
) -> None:
    run(small)
    path = tmp_path / "plan.json"
    small.view("shown.nothing_else", "select id from shop.sales where id > 5")
    made = plan(small)
    plans.write(made, path)
    assert plans.read(path) == made
    # The files move.
    small.view("shown.nothing_else", "select id from shop.sales where id > 6")
    with pytest.raises(Unsafe, match=r"differ from what .* was made of .*view shown\.nothing_else"):
        run(small, plan_file=path)
    small.view("shown.nothing_else", "select id from shop.sales where id > 5")
    # Somebody changes the plan.
    content = json.loads(path.read_text())
    content["plan"]["changes"][0]["statements"] = ["drop schema shop"]
    (tmp_path / "forged.json").write_text(json.dumps(content))
    with pytest.raises(Unsafe, match="was changed after it was written"):
        run(small, plan_file=tmp_path / "forged.json")
    # Untouched, it is applied, once.
    assert run(small, plan_file=path).replaced == ("shown.nothing_else",)
    with pytest.raises(Unsafe, match="the warehouse has moved"):
        run(small, plan_file=path)
    (tmp_path / "none.json").write_text("{}")
    with pytest.raises(UsageError, match="is no plan file"):
        run(small, plan_file=tmp_path / "none.json")


def test_a_plan_that_rests_on_grants_does_not_hold_when_they_change(
    small: SmallProject, session: Session, tmp_path: Path
) -> None:
    run(small)
    small.view("shown.a_base", "select id, amount, 1 as one from shop.sales")
    path = tmp_path / "plan.json"
    plans.write(plan(small), path)
    session.execute("grant select on shown.totals to role reader")
    with pytest.raises(Unsafe, match=r"view shown\.totals"):
        run(small, plan_file=path)


def test_grants_that_the_deployer_cannot_see_are_not_lost_in_silence(
    small: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(small)
    session.execute("grant select on shown.totals to role reader")
    small.view("shown.a_base", "select id, amount, 1 as one from shop.sales")
    monkeypatch.setattr(catalog, "grants", lambda *arguments: ())
    with pytest.raises(
        Unsafe, match=r"shown\.totals must be dropped .* granted on it to reader: that would be lost"
    ):
        plan(small)


def test_no_secret_and_no_account_is_in_a_plan_in_any_shape(
    small: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small.migration("0002", "0001", "create user ann password 'Verysecret1'")
    small.view("shown.roles", "select 'arn:aws:iam::123456789012:role/loader' as loader")
    assert "password '***'" in change(plan(small), "0002_step").statements[0]
    monkeypatch.chdir(small.root)
    shown = ""
    for options in ([], ["--json"], ["--markdown"], ["--out", str(tmp_path / "file.plan")]):
        assert execute(["plan", *options]) == 0
        shown += "".join(capsys.readouterr())
    shown += (tmp_path / "file.plan").read_text()
    assert execute(["deploy", "--json"]) == 0
    shown += "".join(capsys.readouterr())
    assert shown.count("***") >= 6
    assert "Verysecret1" not in shown and "123456789012" not in shown


def test_a_limit_for_a_pipeline_that_there_is_not_is_refused(small: SmallProject) -> None:
    toml = small.root / "zeroshift.toml"
    toml.write_text(toml.read_text() + "\n[pipeline.rentals]\nstatement_timeout = 60\n")
    with pytest.raises(
        UsageError, match=r"zeroshift.toml:7: there is no pipeline 'rentals': no file creates"
    ):
        plan(small)


def test_a_serializable_database_is_told_by_plan_and_deployment(
    small: SmallProject, engine: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # The local Redshift has no such database: its view is made to tell what one would.
    (real,) = engine.execute(
        "select pg_get_viewdef('redshift_catalog.stv_db_isolation_level'::regclass)"
    ).fetchone()
    view = "create or replace view redshift_catalog.stv_db_isolation_level as "
    engine.execute(
        f"{view} select current_database()::character(128) as db_name, 'Serializable'::character(20) as isolation_level"
    )
    try:
        (told,) = plan(small).warnings
        assert "SERIALIZABLE" in told and "error 1023" in told
        monkeypatch.chdir(small.root)
        assert execute(["plan", "--markdown"]) == 0
        assert "> :warning: **the database dev runs at isolation level" in capsys.readouterr().out
        assert execute(["deploy"]) == 0
        captured = capsys.readouterr()
        assert "WARNING: the database dev runs" in captured.out
        assert "WARNING: the database dev runs" in captured.err, "before anything is done, too"
    finally:
        engine.execute(view + real)
    assert plan(small).warnings == ()


def test_history_that_is_needed_and_not_kept_is_told(small: SmallProject, session: Session) -> None:
    small.view("shown.landed", "select _record_is_active from shop_in.shop.sold with no schema binding")
    off = AwsZeroEtl("shop", "cluster", "shop_in", history_mode=False, line=7)
    project = small.load()
    (told,) = warnings(session, project, replace(project.environment("local"), integrations=(off,)))
    assert (
        told.startswith("zeroshift.toml:7: history_mode = false")
        and "procedures/shown/landed.sql:3 reads" in told
    )


def test_a_migration_that_reads_runs_when_its_turn_comes(small: SmallProject, session: Session) -> None:
    run(small)
    path = small.migration("0002", "0001", "create table shop.counted (n bigint)")
    path.write_text(
        path.read_text()
        + "    found = op.get_bind().exec_driver_sql('select count(*) from shop.sales').scalar()\n"
        "    op.execute(f'insert into shop.counted values ({found})')\n"
    )
    made = plan(small)
    assert (
        "it reads from the warehouse (migrations/versions/0002_step.py:15)"
        in change(made, "0002_step").reason
    )
    run(small)
    assert session.execute("select n from shop.counted").rows == ((2,),)


def test_the_first_error_is_shown_and_not_what_follows_from_it(small: SmallProject, session: Session) -> None:
    run(small)
    path = small.migration("0002", "0001", "create table shop.more (id bigint)")
    path.write_text(
        path.read_text() + "    try:\n"
        "        op.get_bind().exec_driver_sql('select no_such_column from shop.sales').scalar()\n"
        "    except Exception:\n"
        "        pass\n"
        "    op.execute('create table shop.other (id bigint)')\n"
    )
    with pytest.raises(StatementFailed, match="no_such_column") as caught:
        run(small)
    assert (caught.value.sqlstate, caught.value.where) == ("42703", "migrations/versions/0002_step.py:16")
    assert ledger.migration_heads(session) == ("0001",)


@pytest.mark.parametrize("statement", ["begin", "commit", "rollback"])
def test_a_migration_does_not_end_our_transaction(small: SmallProject, statement: str) -> None:
    small.migration("0002", "0001", "create table shop.more (id bigint)", statement)
    with pytest.raises(UsageError, match=r"0002_step.py:15: a migration neither begins nor ends"):
        plan(small)


def test_a_contract_that_would_break_stops_the_plan(small: SmallProject) -> None:
    run(small)
    contract = small.file("shown.totals").with_suffix(".contract.toml")
    contract.write_text('view = "shown.totals"\n[columns]\nsales = "bigint"\namount = "decimal(38,2)"\n')
    assert plan(small).is_empty
    small.view("shown.totals", "select count(*) as sales from shown.a_base")
    with pytest.raises(Unsafe, match=r"shown\.totals\.amount is promised"):
        plan(small)


def test_providers_take_part_in_their_order(small: SmallProject, connect: Callable[..., Any]) -> None:
    class Provider:
        def __init__(self, stage: str, log: list[str]) -> None:
            self.name = self.stage = stage
            self.fingerprint = "one"
            self._log = log

        def changes(self, *arguments: object) -> tuple[Change, ...]:
            return () if self._log else (Change("modify", "thing", self.stage),)

        def apply(self, project: object, environment: object, session: Session, *rest: object) -> None:
            there = "shown.totals" in catalog.view_names(session)
            self._log.append(f"{self.stage}: {there}")

    log: list[str] = []
    project = small.load()
    providers = [Provider(stage, log) for stage in (plans.LAST, plans.AFTER, plans.BEFORE)]
    result = deploy(project, project.environment("local"), providers=providers)
    assert log == ["before the SQL: False", "after the SQL: True", "last: True"]
    assert [item.name for item in result.changes][0] == "before the SQL"
    assert [item.name for item in result.changes][-2:] == ["after the SQL", "last"]
    assert result.other == ("modify thing before the SQL", "modify thing after the SQL", "modify thing last")
