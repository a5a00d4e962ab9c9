"""ops.assert_fresh: what is caught when events and schedules say nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from deployer.errors import StatementFailed
from warehouse.conftest import House
from warehouse.rows import listing, place, stay

ROWS = (listing(1), place(1), stay(1, "2024-01-02", "2024-01-03", "2024-01-05"))


@pytest.fixture
def stale(house: House) -> Callable[[str], str]:
    """stale("call ops.assert_fresh(...)"): what it raises."""

    def ask(call: str) -> str:
        with pytest.raises(StatementFailed) as caught:
            house.warehouse.session.execute(call)
        house.warehouse._reconnect()
        return str(caught.value)

    return ask


def test_fresh_by_the_clock(house: House, stale: Callable[[str], str]) -> None:
    call = "call ops.assert_fresh('rental', 180)"
    assert "pipeline rental is stale: nothing was ever published; no run has been started since" in stale(
        call
    )
    house.load("2024-01-01", *ROWS)
    session = house.warehouse.session
    session.execute("call ops.run_rental(null, 'incremental')")
    session.execute(call)
    # The last published run was long ago, by either of its two times.
    for column in ("as_of", "published_at"):
        session.execute(f"update ops.freshness set {column} = dateadd(minute, -181, {column})")
        assert "more than 180 minutes before" in stale(call)
        session = house.warehouse.session
        session.execute("call ops.assert_fresh('rental', 182)")
        session.execute(f"update ops.freshness set {column} = dateadd(minute, 181, {column})")
    session.execute(call)


def test_only_what_was_published_is_a_success(house: House, stale: Callable[[str], str]) -> None:
    house.load("2024-01-01", *ROWS)
    house.run("2024-01-08 03:00")
    session = house.warehouse.session
    session.execute("call ops.assert_fresh_at('rental', 180, timestamp '2024-01-08 06:00:00')")
    call = "call ops.assert_fresh_at('rental', 180, timestamp '2024-01-08 06:00:01')"
    assert "as of 2024-01-08 03:00:00 UTC" in stale(call)
    insert = (
        "insert into ops.runs (run_id, pipeline, as_of, mode, state, started_at, finished_at, error)"
        " values ('{0}', 'rental', timestamp '2024-01-08 05:00:00', 'incremental', '{0}',"
        " dateadd(second, {1}, sysdate), sysdate, {2})"
    )
    for seconds, state, error in (
        (1, "superseded", "null"),
        (2, "skipped", "null"),
        (3, "failed", "'disk full'"),
    ):
        house.warehouse.session.execute(insert.format(state, seconds, error))
        told = stale(call)
        assert f"the last run since, {state}, is {state}: " in told
    assert told.endswith("disk full")


def test_a_run_that_is_open_too_long_is_stuck(house: House, stale: Callable[[str], str]) -> None:
    house.load("2024-01-01", *ROWS)
    session = house.warehouse.session
    session.execute("call ops.run_rental(null, 'incremental')")
    session.execute(
        "insert into ops.runs (run_id, pipeline, as_of, mode, state, started_at)"
        " values ('long', 'rental', sysdate, 'full', 'running', dateadd(minute, -181, sysdate))"
    )
    assert "pipeline rental is stuck: run long is open since" in stale("call ops.assert_fresh('rental', 180)")
    house.warehouse.session.execute("call ops.assert_fresh('rental', 182)")


def test_a_typo_is_no_freshness(stale: Callable[[str], str]) -> None:
    assert "there is no pipeline rentals" in stale("call ops.assert_fresh('rentals', 180)")
    assert "is no age" in stale("call ops.assert_fresh('rental', 0)")
    assert "is no age" in stale("call ops.assert_fresh('rental', null)")
