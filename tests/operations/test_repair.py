"""Migrations that were tampered with: what the plan says about them, and what repair does."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from small_project import SmallProject

from deployer.errors import Unsafe, UsageError
from deployer.operations import plan as plans
from deployer.operations import repair
from deployer.operations.deploy import Deployment, deploy
from deployer.operations.plan_migrations import Problem
from deployer.warehouse import ledger
from deployer.warehouse.ledger import SCHEMA, Steps
from deployer.warehouse.session import Session


def run(small: SmallProject) -> Deployment:
    project = small.load()
    return deploy(project, project.environment("local"))


def problems(small: SmallProject) -> tuple[Problem, ...]:
    project = small.load()
    return plans.plan(project, project.environment("local")).problems


def mend(small: SmallProject) -> repair.Repair:
    project = small.load()
    return repair.repair(project, project.environment("local"))


@pytest.fixture
def second_migration(small: SmallProject) -> Path:
    path = small.migration("0002", "0001", "create table shop.more (id bigint)")
    run(small)
    return path


def test_an_edited_migration_is_found_and_accepted_only_by_repair(
    small: SmallProject, session: Session, second_migration: Path
) -> None:
    before = session.execute(f"select revision, deployment_id from {SCHEMA}.applied order by 1").rows
    second_migration.write_text(second_migration.read_text() + "# a second thought\n")
    (found,) = problems(small)
    assert (found.code, found.name, found.path) == ("edited", "0002", "migrations/versions/0002_step.py")
    assert "write a new migration" in found.message
    with pytest.raises(Unsafe, match=r"0002_step.py:1: migration 0002 was edited.*zeroshift repair.*nothing"):
        run(small)
    assert mend(small).repaired == (found,)
    assert problems(small) == ()
    assert run(small).did_nothing
    # Who applied it stays known.
    assert session.execute(f"select revision, deployment_id from {SCHEMA}.applied order by 1").rows == before


def test_line_ends_of_a_checkout_change_nothing(small: SmallProject, second_migration: Path) -> None:
    second_migration.write_bytes(second_migration.read_bytes().replace(b"\n", b"\r\n"))
    assert problems(small) == ()


def test_a_checksum_over_other_line_ends_is_explained(
    small: SmallProject, session: Session, second_migration: Path
) -> None:
    windows = hashlib.sha256(second_migration.read_bytes().replace(b"\n", b"\r\n")).hexdigest()
    session.execute(
        f"update {SCHEMA}.applied set checksum = %s where revision = '0002'", (f"sha256:{windows}",)
    )
    (found,) = problems(small)
    assert "taken over Windows line ends; the text is the same" in found.message
    mend(small)
    assert problems(small) == ()
    session.execute(f"update {SCHEMA}.applied set checksum = 'md5:1' where revision = '0002'")
    (found,) = problems(small)
    assert "taken with 'md5'" in found.message


def test_a_missing_migration_comes_back_as_it_was_applied(
    small: SmallProject, session: Session, second_migration: Path
) -> None:
    small.migration("0003", "0002", "create table shop.third (id bigint)")
    run(small)
    text = second_migration.read_text()
    second_migration.unlink()
    # The line of descent is broken in the files themselves.
    with pytest.raises(UsageError, match="migrations form one line"):
        problems(small)
    third = second_migration.with_name("0003_step.py")
    third.unlink()
    (found,) = problems(small)
    assert (found.code, found.name) == ("unknown head", "0003")
    session.execute(f"update {SCHEMA}.{ledger.VERSION_TABLE} set version_num = '0001'")
    session.execute(f"delete from {SCHEMA}.applied where revision = '0003'")
    assert problems(small) == ()
    # One in the middle: the files end behind it.
    first = small.root / "migrations" / "versions" / "0001_step.py"
    kept = first.read_text()
    second_migration.write_text(text.replace("down_revision = '0001'", "down_revision = None"))
    first.unlink()
    session.execute(f"update {SCHEMA}.{ledger.VERSION_TABLE} set version_num = '0002'")
    found_now = problems(small)
    assert [(item.code, item.name) for item in found_now] == [("missing", "0001"), ("edited", "0002")]
    assert "git checkout <commit> -- migrations/versions/0001_step.py" in found_now[0].message
    mend(small)
    assert first.read_text() == kept


def test_two_heads_in_the_warehouse(small: SmallProject, session: Session, second_migration: Path) -> None:
    session.execute(f"insert into {SCHEMA}.{ledger.VERSION_TABLE} (version_num) values ('0001')")
    (found,) = problems(small)
    assert found.code == "two heads" and "(0001, 0002)" in found.message
    mend(small)
    assert ledger.migration_heads(session) == ("0002",)
    assert run(small).did_nothing


def test_two_heads_in_the_files_are_named_with_the_line(small: SmallProject, second_migration: Path) -> None:
    small.migration("0003", "0001", "create table shop.fork (id bigint)")
    with pytest.raises(
        UsageError, match=r"0003_step.py:8: down_revision is .0001., but the migration before"
    ):
        problems(small)


def test_one_that_stands_half_applied_and_was_edited_needs_people(
    small: SmallProject, session: Session, second_migration: Path
) -> None:
    path = small.migration("0003", "0002", "create table shop.third (id bigint)", "vacuum shop.sales")
    ledger.record_steps(session, Steps("0003", "sha256:other", 1, 1))
    (found,) = problems(small)
    assert (found.code, found.repair) == ("half applied", "")
    assert "1 of its statements are done, and one of those was edited since" in found.message
    path.unlink()
    (found,) = problems(small)
    assert "its file is gone" in found.message
    assert mend(small).repaired == ()


def test_an_older_zeroshift_kept_no_checksums_and_gets_those_of_the_files(
    small: SmallProject, session: Session, second_migration: Path
) -> None:
    session.execute(f"drop table {SCHEMA}.applied")
    assert problems(small) == ()
    run(small)
    assert [item.deployment_id for item in ledger.applied(session).values()] == [0, 0]
    second_migration.write_text(second_migration.read_text() + "# edited\n")
    assert [item.code for item in problems(small)] == ["edited"]
