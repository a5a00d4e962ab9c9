from __future__ import annotations

import shutil
from collections.abc import Sequence
from typing import Any

import pytest
from click.testing import CliRunner
from small_project import SmallProject

from deployer.cli.baseline import baseline as command
from deployer.errors import LeaseHeld, Unsafe, UsageError
from deployer.operations import baseline as operations
from deployer.operations import drift
from deployer.operations.baseline import Baseline
from deployer.operations.deploy import deploy
from deployer.operations.imported import HEADER, query_of
from deployer.project import migrations
from deployer.warehouse import catalog, environment_ledger, lease, ledger
from deployer.warehouse.environment_ledger import Part
from deployer.warehouse.session import Session

BY_HAND = (
    "create schema shop",
    'create schema "raw"',
    "create table shop.sales (id bigint not null, amount decimal(12, 2)) distkey (id) compound sortkey (amount, id)",
    "create role reader",
    "create view shop.plain as select id, amount from shop.sales -- a comment\nwhere id > 1",
    "create view shop.named (first, \"Second\") as select id, 'it''s'::varchar(9) from shop.sales",
    'create view "raw"."Odd View" as select id as "order" from shop.sales with no schema binding',
    "comment on view shop.plain is 'What it''s for'",
    "comment on column shop.plain.amount is 'In euro'",
    "grant select on shop.plain to role reader",
    "create procedure shop.gives(a varchar(10), inout b decimal(12, 2)) as $$ begin b := 1; end; $$"
    " language plpgsql security definer",
    "grant execute on procedure shop.gives(varchar, decimal) to role reader",
    "create procedure shop.two(a bigint) as $$ begin null; end; $$ language plpgsql",
    "create procedure shop.two(a date) as $$ begin null; end; $$ language plpgsql",
)


@pytest.fixture
def bare(small: SmallProject) -> SmallProject:
    """A project without an object and a warehouse that was made by hand."""
    shutil.rmtree(small.root / "procedures")
    return small


def baseline(
    small: SmallProject, *, schemas: Sequence[str] = (), stamp: bool = False, force: bool = False
) -> Baseline:
    project = small.load()
    return operations.baseline(
        project, project.environment("local"), schemas=schemas, stamp=stamp, force=force
    )


def test_a_warehouse_is_adopted_and_the_next_deployment_does_nothing(
    bare: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for sql in BY_HAND:
        session.execute(sql)
    before = catalog.definitions(session)
    with pytest.raises(UsageError, match="there is nothing to adopt in schema nowhere; nothing was adopted"):
        baseline(bare, schemas=["nowhere"])

    # One schema at a time, by the command.
    monkeypatch.chdir(bare.root)
    ran = CliRunner().invoke(command, ["--schema", "raw"], catch_exceptions=False)
    assert "imported procedures/raw/Odd View.sql\n" in ran.output
    assert ran.output.endswith("adopted: 1 objects; 0 were known, 0 left out\n")
    assert "1 migration is pending: if the warehouse has what they make" in ran.output

    done = baseline(bare)
    assert done.imported == (
        "procedures/shop/gives.sql",
        "procedures/shop/named.sql",
        "procedures/shop/plain.sql",
    )
    assert done.known == 1 and done.pending == ("0001",) and done.stamped is None
    assert [(item.name, item.reason) for item in done.left_out] == [
        ("shop.two", "it exists with 2 signatures, and a file holds one object; drop all but one")
    ]
    assert [(table.name, table.columns, table.distkey, table.sortkey) for table in done.tables] == [
        ("shop.sales", 2, "id", ("amount", "id"))
    ]
    assert bare.file("shop.plain").read_text() == (
        HEADER
        + "create or replace view shop.plain as\nselect id, amount from shop.sales -- a comment\nwhere id > 1\n;\n"
        "comment on view shop.plain is 'What it''s for';\n"
        "comment on column shop.plain.amount is 'In euro';\n"
        'grant select on "shop"."plain" to role "reader";\n'
    )
    assert 'create or replace view shop.named (first, "Second") as\n' in bare.file("shop.named").read_text()
    assert (
        'grant execute on procedure "shop"."gives"(character varying, numeric) to role "reader";\n'
        in bare.file("shop.gives").read_text()
    )

    # Again: nothing to import. Stamped: nothing to deploy, and nothing has drifted.
    again = baseline(bare, stamp=True)
    assert (again.imported, again.overwritten, again.matching, again.known) == ((), (), (), 4)
    assert again.stamped == "0001" and again.pending == ()
    project = bare.load()
    assert deploy(project, project.environment("local")).did_nothing
    assert drift.drift(project, project.environment("local")).items[0].name == "shop.two"
    assert catalog.definitions(session) == before
    assert set(ledger.applied(session)) == {m.revision for m in migrations.read(project.migrations)}

    # The files make the same objects, with comments, grants and rights, where there are none.
    grants = catalog.grants(session, "shop", "plain")
    for sql in (
        "view shop.plain",
        "view shop.named",
        'view "raw"."Odd View"',
        "procedure shop.gives(varchar, decimal)",
    ):
        session.execute(f"drop {sql}")
    deploy(project, project.environment("local"))
    assert catalog.definitions(session) == before
    assert catalog.grants(session, "shop", "plain") == grants != ()
    assert session.execute("select description from pg_description where description like 'What%'").rows == (
        ("What it's for",),
    )


TABLES = (
    "create table shop.a_child (id bigint identity(1, 1), sale bigint not null, note varchar(40) default 'at 12:30 :x',"
    " primary key (id), foreign key (sale) references shop.sales (id)) diststyle even sortkey (sale)",
    'create table shop."Odd" ("order" integer)',
    "comment on table shop.sales is 'It''s :all\\\\'",
    "grant select on shop.sales to role reader",
    "grant usage on schema shop to role reader",
    "create user somebody password 'Abcdefg1'",
    "grant select on shop.sales to somebody",
    "create schema empty_of_views",
    "create table empty_of_views.t (a integer)",
)


def test_tables_become_the_first_migration(bare: SmallProject, session: Session, engine: Any) -> None:
    shutil.rmtree(bare.root / "migrations" / "versions")
    for sql in (*BY_HAND[:6], *TABLES):
        session.execute(sql)
    before = catalog.definitions(session)
    names = ("shop.sales", "shop.a_child", 'shop."Odd"', "empty_of_views.t")
    tables = [session.execute(f"show table {name}").rows for name in names]
    grants = [grant for grant in catalog.grants(session, "shop", "sales") if grant.grantee == "reader"]
    done = baseline(bare)
    assert done.migration == "migrations/versions/0001_baseline.py"
    assert done.tables_imported == ("empty_of_views.t", "shop.Odd", "shop.sales", "shop.a_child")
    assert done.stamped == "0001" and done.tables == () and done.left_out == ()
    project = bare.load()
    assert deploy(project, project.environment("local")).did_nothing

    # Killed between the file and the ledger: the same file is stamped by the next run.
    engine.execute("drop schema zeroshift_deploy cascade")
    again = baseline(bare)
    assert again.stamped == "0001" and again.matching == done.imported and again.imported == ()

    # From the files alone, in an empty warehouse.
    for schema in ("zeroshift_deploy", "shop", "raw", "empty_of_views"):
        engine.execute(f"drop schema if exists {schema} cascade")
    engine.execute("drop role reader")
    assert deploy(project, project.environment("local")).migrations == ("0001",)
    assert catalog.definitions(session) == before
    assert [session.execute(f"show table {name}").rows for name in names] == tables
    assert list(catalog.grants(session, "shop", "sales")) == grants != []
    rights = session.execute(
        "select privilege_type, identity_name from svv_schema_privileges where namespace_name = 'shop'"
        " and identity_type = 'role'"
    )
    assert rights.rows == (("USAGE", "reader"),)
    assert session.execute("select description from pg_description where description like 'It%'").rows == (
        ("It's :all\\",),
    )


def test_a_file_that_says_something_else_is_kept_unless_forced(bare: SmallProject, session: Session) -> None:
    for sql in BY_HAND[:5]:
        session.execute(sql)
    path = bare.view("shop.plain", "select id, amount from shop.sales")
    before = path.read_text()
    with pytest.raises(
        Unsafe, match=r"procedures/shop/plain.sql: the file says something else than the warehouse"
    ):
        baseline(bare)
    assert path.read_text() == before and ledger.read(session) == {}

    # Forced, the warehouse's SQL stands under the file's own header.
    done = baseline(bare, force=True, stamp=True)
    assert done.overwritten == ("procedures/shop/plain.sql",)
    assert path.read_text().startswith(
        "-- Purpose: a view.\ncreate or replace view shop.plain as\nselect id, amount"
    )
    assert "where id > 1" in path.read_text()

    # What was changed by hand later is taken over in the same way; what was not is left alone.
    session.execute("create or replace view shop.plain as select id, amount from shop.sales where id > 2")
    done = baseline(bare, force=True)
    assert done.overwritten == ("procedures/shop/plain.sql",) and done.known == 0
    project = bare.load()
    assert deploy(project, project.environment("local")).did_nothing
    assert drift.drift(project, project.environment("local")).items == ()
    # A record that is lost (killed between the files and the ledger) is written by the next run.
    ledger.forget(session, "view", "shop.plain")
    assert baseline(bare).matching == ("procedures/shop/plain.sql",)
    assert deploy(project, project.environment("local")).did_nothing


def test_derived_environments_are_not_adopted(bare: SmallProject, session: Session) -> None:
    for sql in (*BY_HAND[:5], "create schema shop__pr_1", "create view shop__pr_1.plain as select 1 as id"):
        session.execute(sql)
    ledger.ensure(session)
    environment_ledger.ensure(session)
    token = environment_ledger.acquire(session, "pr-1", "__pr_1", None)
    parts = [Part("schema", "shop__pr_1", "", "", True), Part("view", "shop__pr_1", "plain", "", True)]
    environment_ledger.record(session, "pr-1", token, parts, checksum="", git_commit=None, hours=1)
    with pytest.raises(
        UsageError, match="schema shop__pr_1 belongs to the environment pr-1; nothing was adopted"
    ):
        baseline(bare, schemas=["shop__pr_1"])
    assert baseline(bare).imported == ("procedures/shop/plain.sql",)


def test_baseline_waits_for_nobody_and_leaves_no_lease(bare: SmallProject, session: Session) -> None:
    for sql in BY_HAND[:5]:
        session.execute(sql)
    ledger.ensure(session)
    held = lease.acquire(session)
    with pytest.raises(LeaseHeld, match="another deployment is at work"):
        baseline(bare)
    assert not bare.file("shop.plain").exists()
    lease.release(session, held)
    baseline(bare)
    assert lease.holder(session) is None


@pytest.mark.parametrize(
    ("definition", "query"),
    [
        ("SELECT a FROM t;", "SELECT a FROM t"),
        ("create view s.v as select a as b from t", "select a as b from t"),
        (
            'CREATE OR REPLACE VIEW s.v ("as", b) AS (SELECT 1 AS x) WITH NO SCHEMA BINDING;',
            "(SELECT 1 AS x) WITH NO SCHEMA BINDING",
        ),
    ],
)
def test_the_query_of_a_view_however_the_catalog_shows_it(definition: str, query: str) -> None:
    assert query_of(definition) == query
