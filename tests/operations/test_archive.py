"""`zeroshift archive` on the local Redshift and the local AWS's S3."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from archive_project import DELETING, TODAY, ArchiveProject, fill, rows
from small_project import SmallProject

from deployer.errors import Unsafe, UsageError
from deployer.operations.archive import look, prune, restore
from deployer.operations.archive import run as operations
from deployer.operations.archive.run import FAILED, NOTHING, REFUSED
from deployer.warehouse import archive_ledger as ledger
from deployer.warehouse.session import Session


@pytest.fixture
def archive(small: SmallProject) -> ArchiveProject:
    """The project, and nothing in its bucket."""
    made = ArchiveProject(small)
    made.bucket.delete(made.keys())
    return made


def back(archive: ArchiveProject, name: str, **options: Any) -> restore.Restored:
    project = archive.small.load()
    return restore.restore(project, project.environment("local"), name, wait=30, **options)


def verified(archive: ArchiveProject) -> list[str]:
    project = archive.small.load()
    return [one.problem for one in look.verify(project, project.environment("local"))]


def pruned(archive: ArchiveProject, **options: Any) -> prune.Pruned:
    project = archive.small.load()
    return prune.prune(project, project.environment("local"), do=True, wait=30, **options)


@pytest.mark.slow
def test_closed_rows_leave_and_come_back(archive: ArchiveProject, session: Session) -> None:
    archive.policy("old", DELETING)
    archive.deploy()
    fill(session)
    before = rows(session)
    (outcome,) = archive.run().outcomes
    run = outcome.run
    assert outcome.state == "archived" and run is not None
    assert (str(run.period_from), str(run.period_to)) == ("2023-12-01", "2024-02-01")
    assert run.row_count == 3 and run.is_visible
    assert run.rows_per_second and run.bytes_per_second
    assert rows(session) == before[3:]
    assert rows(session, "archive.all_old") == before
    assert [(str(part.archive_period), part.row_count, part.file_count) for part in ledger.partitions(session)] == [
        ("2023-12-01", 1, 1), ("2024-01-01", 2, 1),
    ]  # fmt: skip
    first = ledger.partitions(session)[1]
    assert (str(first.period_min), str(first.period_max)) == ("2024-01-01 00:00:00", "2024-01-31 00:00:00")
    assert ledger.horizons(session) == {"shop.closed": run.period_to}
    assert archive.run().outcomes[0].state == NOTHING
    assert verified(archive) == [""]

    # For a look, and only of one month.
    with pytest.raises(UsageError, match="there is no schema look"):
        back(archive, "old", into="look.january")
    with pytest.raises(UsageError, match="--from 2024-01-02 is after --to 2024-01-01"):
        back(archive, "old", first=date(2024, 1, 2), last=date(2024, 1, 1))
    with pytest.raises(UsageError, match="leave one of them out"):
        back(archive, "old", into="look.january", swap=True)
    session.execute("create schema look")
    seen = back(archive, "old", into="look.january", first=date(2024, 1, 20), last=date(2024, 1, 20))
    assert (seen.table, seen.rows) == ("look.january", 2)
    assert rows(session, "look.january") == before[:2]
    with pytest.raises(UsageError, match="look.january is there already"):
        back(archive, "old", into="look.january")

    # The only copy stays.
    with pytest.raises(Unsafe, match="is the only copy of 3 rows of shop.closed"):
        pruned(archive, before=date(2030, 1, 1))

    assert back(archive, "old").rows == 3
    assert rows(session) == before == rows(session, "archive.all_old")
    assert [item.state for item in ledger.runs(session)] == [ledger.RESTORED]
    assert ledger.horizons(session) == {"shop.closed": date.min}
    with pytest.raises(Unsafe, match="still has the rows"):
        back(archive, "old")
    session.execute("update shop.closed set name = 'spoilt' where id < 4")
    assert back(archive, "old", swap=True).rows == 3
    assert rows(session) == before

    # Now the files may go.
    (step,) = pruned(archive, before=date(2030, 1, 1)).steps
    assert step.what == prune.DELETE and archive.keys() == []
    assert ledger.partitions(session) == ()


@pytest.mark.slow
def test_a_table_that_has_changed_since(archive: ArchiveProject, session: Session) -> None:
    archive.policy("old", DELETING)
    archive.deploy()
    fill(session)
    before = rows(session)
    archive.run()
    session.execute("alter table shop.closed add column colour varchar(10) default 'red'")
    session.execute("alter table shop.closed alter column name type varchar(400)")
    session.execute("alter table shop.closed rename column ratio to share")
    with pytest.raises(Unsafe, match="shop.closed has no column ratio any more"):
        back(archive, "old")
    assert session.execute("select count(*) from shop.closed").rows == ((2,),)
    session.execute("alter table shop.closed rename column share to ratio")
    assert back(archive, "old").rows == 3
    assert rows(session) == before


@pytest.mark.slow
def test_a_snapshot_is_of_its_day(archive: ArchiveProject, session: Session) -> None:
    archive.policy("sold", 'table = "shown.totals"\n')
    archive.deploy()
    first = archive.run(as_of=date(2024, 3, 15)).outcomes[0].run
    assert first is not None and (first.row_count, first.is_visible) == (1, False)
    assert archive.run(as_of=date(2024, 3, 15)).outcomes[0].state == NOTHING
    session.execute("delete from shop.sales")
    archive.run(as_of=date(2024, 3, 16))
    back(archive, first.archive_run, into="shop.first")
    assert [str(value) for value in session.execute("select * from shop.first").rows[0]] == ["2", "30.75"]
    back(archive, "sold", into="shop.two_days")
    assert session.execute("select archive_period, sales from shop.two_days order by 1").rows == (
        (date(2024, 3, 15), 2), (date(2024, 3, 16), 0),
    )  # fmt: skip
    assert session.execute("select archive_period, sales from archive.all_sold order by 1").rows == (
        (date(2024, 3, 15), 2), (date(2024, 3, 16), 0),
    )  # fmt: skip
    with pytest.raises(UsageError, match="is a snapshot"):
        back(archive, "sold")


@pytest.mark.slow
def test_what_s3_lost_or_changed_is_told(archive: ArchiveProject, session: Session) -> None:
    archive.policy("old", DELETING.replace("delete", "keep"))
    archive.deploy()
    fill(session)
    archive.run()
    assert len(rows(session)) == 5
    bucket = archive.bucket
    (key, other) = [key for key in archive.keys() if key.endswith(".parquet")]
    data = bucket.read(other)
    assert data is not None
    bucket.put(other, data + b"x")
    assert "bytes, where the manifest says" in verified(archive)[0]
    bucket.put(other, bucket.read(key) or b"")
    assert verified(archive) != [""]
    # Pages that are damaged behind a footer that is well, and a manifest that is none.
    bucket.put(other, data[:4] + bytes(byte ^ 255 for byte in data[4:60]) + data[60:])
    (problem,) = verified(archive)
    assert problem.startswith(f"Spectrum Scan Error: File '{bucket.url(other)}' cannot be read as Parquet: ")
    bucket.put(other, data)
    (manifest,) = [key for key in archive.keys() if key.endswith("manifest")]
    listed = bucket.read(manifest) or b""
    for wrong in (listed[:30], b"[]", b'{"entries": [{"url": "s3://x/y"}]}'):
        bucket.put(manifest, wrong)
        assert verified(archive) == [
            f"{bucket.url(manifest)} is not the manifest that UNLOAD wrote: restore its version in S3"
        ]
    bucket.put(manifest, listed)
    assert verified(archive) == [""]
    # Of a run in another bucket nobody can tell whether its files are gone.
    (held,) = ledger.runs(session)
    session.execute("update archive.runs set location = 's3://other/' || substring(location, 6)")
    assert pruned(archive) == prune.Pruned((), (), True, (held.archive_run,))
    assert "is not in the bucket" in verified(archive)[0]
    session.execute("update archive.runs set location = %s", (held.location,))
    # S3's lifecycle has expired it: the warehouse still has the rows.
    bucket.delete(archive.keys())
    (step,) = pruned(archive).steps
    assert step.what == prune.EXPIRED
    assert verified(archive) == [] and ledger.partitions(session) == ()


@pytest.mark.slow
def test_a_policy_that_deletes_since_lately_begins_anew(archive: ArchiveProject, session: Session) -> None:
    archive.policy("old", DELETING.replace("delete", "keep"))
    archive.deploy()
    fill(session)
    before = rows(session)
    archive.run()
    session.execute("grant select on archive.all_old to public")
    archive.policy("old", DELETING)
    (outcome,) = archive.run().outcomes
    assert outcome.run is not None and outcome.run.row_count == 3
    assert rows(session) == before[3:] and rows(session, "archive.all_old") == before
    granted = "select privilege_type from svv_relation_privileges where relation_name = 'all_old'"
    assert session.execute(f"{granted} and identity_type = 'public'").rows == (("SELECT",),)
    # Both runs have these rows: they come back once, of the newer one.
    (older, newer) = [run.archive_run for run in ledger.runs(session)]
    assert back(archive, "old", into="shop.look") == restore.Restored("shop.look", 3, (newer,))
    assert rows(session, "shop.look") == before[:3]
    with pytest.raises(Unsafe, match=rf"in {newer}: restore that one first"):
        back(archive, older, swap=True)
    assert back(archive, "old").runs == (newer,)
    assert back(archive, "old", swap=True).runs == (newer,)
    assert rows(session) == before == rows(session, "archive.all_old")
    # One that is given up sets the horizon back to what is really deleted.
    archive.run(as_of=date(2024, 4, 15))
    open_run = replace(outcome.run, archive_run="20240401T000000-open", state=ledger.UNLOADING)
    ledger.register(session, open_run)
    ledger.set_horizon(session, "shop.closed", "old", "day", date(2024, 4, 1))
    assert [step.what for step in pruned(archive, runs=[open_run.archive_run]).steps] == [prune.GIVE_UP]
    assert ledger.horizons(session) == {"shop.closed": date(2024, 3, 1)}


@pytest.mark.slow
def test_what_was_restored_may_leave_again(archive: ArchiveProject, session: Session) -> None:
    def again() -> list[tuple[date, int | None]]:
        project = archive.small.load()
        done = operations.run(project, project.environment("local"), as_of=TODAY, restored=True, wait=30)
        return [(one.run.period_from, one.run.row_count) for one in done.outcomes if one.run is not None]

    archive.policy("old", DELETING)
    archive.deploy()
    fill(session)
    before = rows(session)
    archive.run(as_of=date(2024, 2, 15))
    archive.run()
    assert again() == []
    first, second = (run.archive_run for run in ledger.runs(session))
    back(archive, first)
    session.execute("update shop.closed set name = 'corrected' where id = 3")
    wanted = rows(session, "archive.all_old")
    assert archive.run().outcomes[0].state == NOTHING
    assert again() == [(date(2023, 12, 1), 1)]
    assert rows(session) == before[3:] and rows(session, "archive.all_old") == wanted
    assert ledger.horizons(session) == {"shop.closed": date(2024, 2, 1)}
    assert again() == [] and verified(archive) == ["", "", ""]
    # The newer one comes back, and both leave together.
    assert back(archive, "old").runs == (second, ledger.runs(session)[-1].archive_run)
    assert rows(session) == wanted and ledger.horizons(session) == {"shop.closed": date.min}
    assert again() == [(date(2023, 12, 1), 1), (date(2024, 1, 1), 2)]
    assert rows(session) == before[3:] and rows(session, "archive.all_old") == wanted


@pytest.mark.slow
def test_a_restore_that_ended_between_two_runs(archive: ArchiveProject, session: Session) -> None:
    archive.policy("old", DELETING)
    archive.deploy()
    fill(session)
    before = rows(session)
    archive.run(as_of=date(2024, 2, 15))
    # Each run has its own columns.
    session.execute("alter table shop.closed add column colour varchar(10)")
    session.execute("update shop.closed set colour = 'red'")
    # What an external table is too narrow for would be cut without a word.
    session.execute("alter table shop.closed alter column name type varchar(400)")
    session.execute("update shop.closed set name = repeat('n', 400) where id = 1")
    before = rows(session, "archive.all_old")
    assert len(before[0][9]) == 400
    archive.run()
    assert rows(session, "archive.all_old") == before
    first, second = [run.archive_run for run in ledger.runs(session)]
    assert back(archive, "old", into="shop.look").runs == (first, second)
    assert rows(session, "shop.look") == before[:3]
    assert session.execute("select count(colour) from shop.look").rows == ((2,),)
    assert back(archive, first).rows == 1
    assert back(archive, "old").runs == (second,)
    assert rows(session) == before
    # The view follows the table, also when nothing is due, and finds what was archived without Spectrum.
    session.execute("alter table shop.closed drop column colour")
    session.execute('drop table archive_files."old"')
    assert archive.run().outcomes[0].state == NOTHING
    assert rows(session, "archive.all_old") == before
    assert session.execute('select count(*) from archive_files."old"').rows == ((3,),)
    # Another type is refused before anything is unloaded.
    session.execute("alter table shop.closed drop column small")
    session.execute("alter table shop.closed add column small bigint")
    with pytest.raises(Unsafe, match="shop.closed.small was archived as smallint and is bigint now"):
        archive.run(as_of=date(2024, 5, 15))
    assert len(ledger.runs(session)) == 2


@pytest.mark.slow
def test_a_policy_that_fails_keeps_no_other_from_its_turn(archive: ArchiveProject, session: Session) -> None:
    archive.policy("a_wrong", DELETING.replace('"day"', '"dai"').replace("delete", "keep"))
    archive.policy("b_other", DELETING.replace("shop.closed", "shop.clothed").replace("delete", "keep"))
    archive.policy("c_own", 'table = "shop.own"\n')
    archive.policy("e_number", DELETING.replace("shop.closed", "shop.numbered"))
    archive.policy("f_masked", 'table = "shop.masked"\n')
    archive.policy("g_masked", 'table = "shop.masked_for_others"\n')
    archive.policy("d_view", DELETING.replace("shop.closed", "shop.seen"))
    archive.policy("old", DELETING.replace("delete", "keep"))
    archive.deploy()
    fill(session)
    session.execute("create table shop.own (archive_run integer)")
    session.execute("create table shop.numbered (id bigint identity(1, 1), day date)")
    session.execute("create table shop.masked (card varchar(4))")
    session.execute("create table shop.masked_for_others (card varchar(4))")
    session.execute("create role masked_role")
    session.execute("create masking policy hide with (card varchar(4)) using ('x'::varchar(4))")
    session.execute("attach masking policy hide on shop.masked (card) to public")
    session.execute("attach masking policy hide on shop.masked_for_others (card) to role masked_role")
    session.execute("create view shop.seen as select id, day from shop.closed")
    done = {outcome.policy: outcome for outcome in archive.run().outcomes}
    assert {name: outcome.state for name, outcome in done.items()} == {
        "old": ledger.ARCHIVED, "a_wrong": FAILED, "b_other": FAILED, "c_own": REFUSED, "d_view": REFUSED,
        "e_number": REFUSED, "f_masked": REFUSED, "g_masked": ledger.ARCHIVED,
    }  # fmt: skip
    assert done["a_wrong"].problem.startswith(
        "procedures/archive/a_wrong.toml:2: shop.closed has no column dai;"
    )
    assert done["b_other"].problem.startswith(
        "procedures/archive/b_other.toml:1: there is no shop.clothed in the"
    )
    assert done["c_own"].problem.startswith(
        "procedures/archive/c_own.toml:1: shop.own has a column archive_run, which"
    )
    assert "d_view.toml:4: shop.seen is a view, whose rows nobody can delete" in done["d_view"].problem
    assert (
        "f_masked.toml:1: the masking policy hide hides values of shop.masked from"
        in done["f_masked"].problem
    )
    assert "e_number.toml:4: shop.numbered.id is an IDENTITY column" in done["e_number"].problem
    with pytest.raises(UsageError, match=r"a_wrong.toml:2: shop.closed has no column dai"):
        archive.run("a_wrong")
    with pytest.raises(Unsafe, match="--as-of 9999-01-01 is in the future"):
        archive.run("old", as_of=date(9999, 1, 1))
    # A run that was killed, and can never be finished.
    session.execute("drop table shop.masked")
    session.execute("drop table shop.masked_for_others")
    session.execute("drop masking policy hide")
    session.execute("update archive.runs set state = 'unloaded', finished_at = null where policy = 'old'")
    archive.bucket.delete(archive.keys())
    for name in ("a_wrong", "b_other", "c_own", "d_view", "e_number", "f_masked", "g_masked"):
        (archive.small.root / "procedures" / "archive" / f"{name}.toml").unlink()
    with pytest.raises(
        Unsafe, match=r"cannot be finished: .*manifest is missing.*prune --run .* --yes` gives the run up"
    ):
        archive.run()


@pytest.mark.slow
@pytest.mark.parametrize("number, ends", [(1, "has changed from"), (4, "")])
def test_somebody_writes_the_table_while_its_rows_go(
    archive: ArchiveProject, session: Session, monkeypatch: pytest.MonkeyPatch, number: int, ends: str
) -> None:
    """A pipeline's run commits behind the deleting transaction's snapshot: it is done again, and sees the change."""
    archive.policy("old", DELETING)
    archive.deploy()
    fill(session)
    delete = operations._delete
    tries = []

    def disturbed(*arguments: Any) -> None:
        if not tries:
            session.execute(f"update shop.closed set name = 'new' where id = {number}")
        tries.append(1)
        delete(*arguments)

    monkeypatch.setattr(operations, "_delete", disturbed)
    if ends:
        with pytest.raises(Unsafe, match=ends):
            archive.run()
        assert len(tries) == 2 and len(rows(session)) == 5
    else:
        archive.run()
        assert len(rows(session)) == 2


@pytest.mark.slow
def test_the_project_s_own_procedure_may_refuse_a_horizon(archive: ArchiveProject, session: Session) -> None:
    archive.policy("old", DELETING)
    (archive.small.root / "procedures" / "archive" / "check_horizon.sql").write_text(
        "-- Purpose: Refuse.\ncreate or replace procedure archive.check_horizon(of_table varchar(255), period_column"
        " varchar(128), horizon_day date)\nas $$\nbegin\n    raise exception '% % before %: not yet', of_table,"
        " period_column, horizon_day;\nend;\n$$ language plpgsql;\n"
    )
    archive.deploy()
    fill(session)
    with pytest.raises(Unsafe, match=r"archive/old.toml:4: shop.closed day before 2024-02-01: not yet"):
        archive.run()
    assert ledger.runs(session) == () and ledger.horizons(session) == {}


@pytest.mark.slow
def test_deleting_is_refused_where_it_is_not_safe(archive: ArchiveProject, session: Session) -> None:
    archive.policy("old", DELETING)
    archive.small.procedure("shop.add_old", "()", "insert into shop.closed (id) values (1);")
    archive.deploy()
    fill(session)
    with pytest.raises(
        Unsafe, match=r"procedures/archive/old.toml:4: procedures/shop/add_old.sql writes shop.closed"
    ):
        archive.run()
    assert len(rows(session)) == 5 and archive.keys() == []
