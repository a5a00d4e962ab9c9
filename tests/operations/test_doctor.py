"""`zeroshift doctor` on the local Redshift: a well environment, and each thing that can be missing with its mend."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from small_project import SmallProject

from deployer.cli.main import execute
from deployer.operations import deploy
from deployer.operations.doctor import examine, model
from deployer.operations.doctor.model import MISSING, OK, UNKNOWN, Check, Diagnosis
from deployer.warehouse import environment_ledger, isolation, ledger
from deployer.warehouse.session import Session, Target


def look(small: SmallProject) -> Diagnosis:
    project = small.load()
    return examine.examine(project, project.environment("local"))


def bad(found: Diagnosis) -> list[Check]:
    return [check for check in found.checks if check.state != OK]


def test_before_and_after_the_first_deployment_all_is_well(small: SmallProject, session: Session) -> None:
    before = look(small)
    assert bad(before) == []
    assert any("the first deployment makes it" in check.found for check in before.checks)
    assert {check.part for check in before.checks} >= {"this machine", "route", "database", "identities"}
    assert not ledger.exists(session), "doctor only looks"

    project = small.load()
    deploy.deploy(project, project.environment("local"))
    session.execute("create role zeroshift_runner")
    after = look(small)
    assert bad(after) == [] and after.is_well
    assert after.checks != before.checks


def test_what_is_missing_comes_with_the_statement_that_mends_it(
    small: SmallProject, session: Session
) -> None:
    small.procedure("ops.run_shop", "(as_of timestamp, mode varchar(32))", "null;")
    small.migration("0002", "0001", "create schema ops", "create role zeroshift_runner")
    project = small.load()
    deploy.deploy(project, project.environment("local"))
    session.execute(
        f"insert into {ledger.SCHEMA}.lease (token, owner, host, process_id, acquired_at, expires_at)"
        " values ('t', 'ann', 'elsewhere', 1, getdate(), dateadd(hour, -1, getdate()))"
    )
    found = bad(look(small))
    assert [(check.name, check.state) for check in found] == [
        ("leases", MISSING),
        ("runner", MISSING),
        ("runner", MISSING),
    ]
    assert "ann on elsewhere" in found[0].found
    assert found[0].mend == "zeroshift unlock --env local"
    for check in found[1:]:
        session.execute(check.mend)
    session.execute(f"delete from {ledger.SCHEMA}.lease")
    assert bad(look(small)) == []


def test_leases_that_were_left_behind(small: SmallProject, session: Session) -> None:
    project = small.load()
    small.migration(
        "0002",
        "0001",
        "create schema ops",
        "create role zeroshift_runner",
        "create table ops.leases (pipeline varchar(64), token varchar(64), expires_at timestamp)",
    )
    deploy.deploy(project, project.environment("local"))
    session.execute(
        "insert into ops.leases values ('dead', 'a', dateadd(hour, -1, getdate())),"
        " ('alive', 'b', dateadd(hour, 1, getdate())), ('free', null, null)"
    )
    environment_ledger.ensure(session)
    environment_ledger.acquire(session, "pr-1", "__pr_1", None)
    leases = [check for check in look(small).checks if check.name == "leases"]
    assert [(check.state, check.found.partition(",")[0]) for check in leases] == [
        (MISSING, "a run of dead died"),
        (OK, "a run of alive is at work"),
    ]
    session.execute(
        f"update {ledger.SCHEMA}.environments set lease_expires_at = dateadd(hour, -1, getdate())"
    )
    (left,) = [check for check in look(small).checks if check.found.startswith("pr-1: left behind by ")]
    assert left.mend == "zeroshift deploy --env pr-1"


def test_objects_of_somebody_else_are_named_to_an_owner_that_is_no_superuser(
    small: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = small.load()
    deploy.deploy(project, project.environment("local"))
    session.execute("create user second password 'Abcdef123456'")
    session.execute(f"grant usage on schema {ledger.SCHEMA} to second")
    session.execute(f"grant select on all tables in schema {ledger.SCHEMA} to second")
    session.execute("grant usage, create on schema shown to second")
    where = session.target
    second = Target(where.host, where.port, where.database, "second", "Abcdef123456")
    monkeypatch.setattr("deployer.operations.doctor.route.target_of", lambda status: second)
    found = {check.name: check for check in look(small).checks if check.part == "identities"}
    assert found["owner"].state == MISSING
    assert "4 deployed objects belong to somebody else, so second cannot replace them" in found["owner"].found
    assert found["owner's rights"].mend.startswith('alter user "second" createuser')
    assert found["admin"] == Check("identities", "admin", OK, "superusers beside this login: admin")
    statement, _, more = found["owner"].mend.partition(", and so on")
    assert more == " for all 4"
    session.execute(statement)
    fewer = {check.name: check for check in look(small).checks if check.part == "identities"}
    assert "3 deployed objects" in fewer["owner"].found


def test_a_machine_without_the_local_redshift(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    SmallProject(tmp_path / "project")
    monkeypatch.setenv("ZEROSHIFT_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "project")
    assert execute(["doctor", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert [check["state"] for check in told["checks"]].count(UNKNOWN) == len(told["checks"]) - 1
    assert told["checks"][0]["mend"] == "zeroshift local up --detach"
    assert execute(["doctor"]) == 1
    shown = capsys.readouterr().out
    assert "MISSING" in shown and "-> zeroshift local up --detach" in shown
    assert not (tmp_path / "home" / "postgres").exists(), "doctor starts nothing"


def test_an_error_that_a_part_did_not_expect_ends_that_part_only(small: SmallProject) -> None:
    project = small.load()
    deploy.deploy(project, project.environment("local"))
    (small.root / "migrations" / "versions" / "0002_bad.py").write_text("revision =")
    found = look(small)
    (rest,) = [check for check in found.checks if check.name == "the rest"]
    assert (rest.part, rest.state) == ("deployments", UNKNOWN)
    assert "0002_bad.py" in rest.found
    assert found.checks[-1].part == "identities"


class _Answers:
    """A session that tells what a view would: the local Redshift has one isolation level only."""

    target = Target("h", 1, "shop", "u", "p")

    def __init__(self, *rows: object) -> None:
        self._rows = iter(rows)

    def execute(self, sql: str, parameters: object = None, *, where: str = "") -> object:
        told = next(self._rows)
        if isinstance(told, Exception):
            raise told
        return type("Result", (), {"rows": told})


@pytest.mark.parametrize(
    ("rows", "level"),
    [
        (([("Serializable        ",)],), isolation.SERIALIZABLE),
        (([("Snapshot Isolation  ",)],), isolation.SNAPSHOT),
        (([], [("Snapshot Isolation",)]), isolation.SNAPSHOT),
        (([], [("UNKNOWN",)]), None),
    ],
)
def test_the_isolation_level_as_both_views_spell_it(rows: tuple[object, ...], level: str | None) -> None:
    assert isolation.level(_Answers(*rows)) == level  # type: ignore[arg-type]


def test_a_serializable_database_is_told_with_its_mend(session: Session) -> None:
    assert isolation.level(session) == isolation.SNAPSHOT
    assert isolation.warning(session) is None
    told = isolation.warning(_Answers([("Serializable",)]))  # type: ignore[arg-type]
    assert told is not None and "error 1023" in told
    assert 'alter database "shop" isolation level snapshot' in told
    assert "create database" in isolation.mend("dev"), "dev cannot be altered"


def test_states() -> None:
    made = Diagnosis("x", "local", (model.ok("a", "b"), model.unknown("c", "d")))
    assert made.is_well, "what cannot be told stops nobody"
    assert not Diagnosis("x", "local", (model.missing("a", "b", "c"),)).is_well
