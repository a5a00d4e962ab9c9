"""Kill -9 at every step of an archive run and of a restore: the view shows every row once, always."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from archive_project import DELETING, ArchiveProject, fill, rows
from small_project import SmallProject
from test_deploy_faults import killed

from deployer.errors import StatementFailed
from deployer.operations.archive import restore
from deployer.operations.archive import run as operations
from deployer.operations.archive.external import SCHEMA, view_name
from deployer.sql.classify import classify
from deployer.warehouse import archive_ledger as ledger
from deployer.warehouse import lease
from deployer.warehouse.session import Session

VIEW = view_name("old")


def empty(archive: ArchiveProject, session: Session) -> None:
    """The table as it was before anything was archived, and nothing of an archive."""
    archive.bucket.delete(archive.keys())
    session.execute(f"drop view if exists {VIEW}")
    for table in session.execute(
        "select tablename from svv_external_tables where schemaname = %s", (SCHEMA,)
    ).rows:
        session.execute(f'drop table {SCHEMA}."{table[0]}"')
    if session.execute("select 1 from svv_external_schemas where schemaname = %s", (SCHEMA,)).rows:
        session.execute(f"drop schema {SCHEMA}")
    for name in (
        "archive.runs",
        "archive.run_columns",
        "archive.partitions",
        "archive.horizons",
        "shop.closed",
    ):
        session.execute(f"delete from {name}")
    fill(session)


def seen(session: Session) -> list[tuple[Any, ...]]:
    """What analysts see: the view, or the table as long as there is none."""
    try:
        return rows(session, VIEW)
    except StatementFailed as error:
        assert error.sqlstate == "42P01", error
        return rows(session)


def settled(archive: ArchiveProject, session: Session, before: list[tuple[Any, ...]]) -> None:
    """Nothing is left of what was killed: one good run at most, and only its files."""
    assert rows(session, VIEW) == before
    assert lease.holder(session) is None
    good = {run.archive_run for run in ledger.runs(session) if run.state in ledger.HELD}
    assert all(run.state in (*ledger.HELD, ledger.PRUNED) for run in ledger.runs(session))
    assert {key.split("archive_run=")[1].split("/")[0] for key in archive.keys()} == good and len(good) == 1
    assert {part.archive_run for part in ledger.partitions(session)} == good


def points(work: Callable[[], Any]) -> list[int]:
    """Where `killed` is to strike: behind each statement that commits, and behind the last one before each COMMIT.

    Dead earlier in a transaction is the same: all of it is taken back.
    """
    import redshift_connector

    sent: list[str] = []
    original = redshift_connector.Cursor.execute

    def execute(self: Any, *arguments: Any, **options: Any) -> Any:
        result = original(self, *arguments, **options)
        if classify(arguments[0].replace("%s", "null")).name != "select":
            sent.append(arguments[0])
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(redshift_connector.Cursor, "execute", execute)
        work()
    found, is_open = [], False
    for number, text in enumerate(sent, start=1):
        is_open = (is_open or text == "begin") and text != "commit"
        if not is_open or sent[number : number + 1] == ["commit"]:
            found.append(number)
    return found


def deleting(small: SmallProject, session: Session) -> tuple[ArchiveProject, list[tuple[Any, ...]]]:
    """A deployed project whose policy deletes what it archives, and all rows of its table."""
    archive = ArchiveProject(small)
    archive.policy("old", DELETING)
    archive.deploy()
    fill(session)
    before = rows(session)
    return archive, before


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_an_archive_run_that_is_killed_anywhere(small: SmallProject, session: Session) -> None:
    archive, before = deleting(small, session)
    empty(archive, session)
    numbers = points(archive.run)
    assert len(numbers) > 15
    settled(archive, session, before)
    for number in numbers:
        empty(archive, session)
        killed(archive.run, number)
        assert seen(session) == before, number
        archive.run()
        settled(archive, session, before)
        assert rows(session) == before[3:], number


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_a_restore_that_is_killed_anywhere(small: SmallProject, session: Session) -> None:
    archive, before = deleting(small, session)

    def back() -> None:
        project = small.load()
        restore.restore(project, project.environment("local"), "old", wait=240)

    empty(archive, session)
    archive.run()
    numbers = points(back)
    assert len(numbers) > 4
    for number in numbers:
        empty(archive, session)
        archive.run()
        killed(back, number)
        assert seen(session) == before, number
        if any(run.is_visible for run in ledger.runs(session)):
            back()
        else:
            # It was done, all but giving the lease back: whoever comes next takes that over, and has nothing to do.
            archive.run()
        settled(archive, session, before)
        assert rows(session) == before, number


@pytest.mark.slow
def test_ctrl_c_during_an_unload_is_no_broken_connection(
    small: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive, before = deleting(small, session)
    # Files of an earlier test.
    empty(archive, session)

    def interrupted(work: operations.Work, *_: Any) -> None:
        # As Session.execute leaves it.
        work.session.close()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(operations, "_unload", interrupted)
        with pytest.raises(KeyboardInterrupt):
            archive.run()
    # The lease names this process, which lives on here.
    session.execute("delete from zeroshift_deploy.lease")
    archive.run()
    settled(archive, session, before)
