"""What the archive has closed: rows that it may delete do not come back, and what was published of them stays."""

from __future__ import annotations

import itertools
import re
import shutil
from datetime import date
from pathlib import Path

import pytest
from oracle.closing import COLUMNS

from deployer.errors import StatementFailed
from deployer.local.aws.environment import LocalAws
from deployer.operations.archive import restore
from deployer.operations.archive.run import CHECK, run
from deployer.project import config
from deployer.project.archive.model import NEVER_DELETED
from deployer.project.lint.foresee import refusal
from deployer.sql.procedure import parse_create_procedure
from warehouse.conftest import ROOT, House
from warehouse.rows import listing, place, stay, view

EARLY = (
    listing(1),
    place(1),
    stay(1, "2024-01-02", "2024-01-03", "2024-01-05"),
    # Booked long before its stay, and entered long after it: both are open until the later day has passed.
    stay(2, "2024-01-10", "2024-03-12", "2024-03-14"),
    stay(3, "2024-03-20", "2024-01-08", "2024-01-09"),
    # Its customer is one until the middle of February.
    stay(5, "2024-01-20", "2024-01-21", "2024-01-23"),
    view(1, "2024-01-02"),
    view(2, "2024-03-02"),
)
SUMS = (
    "select (select sum(bookings) from metrics.popular_locations_weekly),"
    " (select sum(booked_nights) from metrics.occupancy_rate_monthly),"
    " (select sum(customers) from metrics.repeat_customer_rate_daily),"
    " (select sum(views) from metrics.listing_engagement_weekly)"
)
ACCOUNTS = "select table_name, landing_rows, curated_rows, rejected_rows from ops.accounts"


@pytest.fixture
def closed(house: House) -> House:
    """Published as of April, bookings and views of January and earlier deleted."""
    house.load("2024-01-01", *EARLY)
    house.run("2024-04-10")
    for table in ("curated.bookings", "curated.user_viewings"):
        assert house.warehouse.archive(table, COLUMNS[table], date(2024, 2, 1)) == "closed"
    return house


def test_deleted_rows_do_not_come_back(closed: House) -> None:
    assert closed.ask("select booking_id from curated.bookings") == ["2", "3"]
    before = closed.ask(SUMS)
    closed.run("2024-04-10", "full")
    assert closed.ask("select booking_id from curated.bookings") == ["2", "3"]
    assert closed.ask(SUMS) == before and closed.written() == 0
    assert closed.ask(ACCOUNTS) == ["bookings 2 2 0", "user_viewing 1 1 0"]
    assert closed.ask("select step, rows_read from ops.run_steps where step like '%closed%'") == [
        "curated.bookings: closed by the archive 2", "curated.user_viewings: closed by the archive 1",
    ]  # fmt: skip
    # January's bookings are gone, and no gap: it cannot be computed any more.
    closed.warehouse.engine.execute(
        "delete from metrics.popular_locations_weekly where week_start < '2024-02-01'"
    )
    assert closed.ask("select * from ops.metric_gaps") == []


def test_what_comes_late_changes_nothing_that_is_closed(closed: House) -> None:
    before = closed.ask(SUMS)
    late = stay(4, "2024-01-03", "2024-01-04", "2024-01-06")
    closed.load("2024-04-11", *EARLY, late, view(3, "2024-01-04"))
    closed.run("2024-04-10")
    assert closed.ask(SUMS) == before and closed.written() == 0
    # What moves out of the closed past comes in once, and what moves into it goes.
    moved = stay(1, "2024-04-01", "2024-04-02", "2024-04-05")
    closed.load(
        "2024-04-12", *EARLY[:2], moved, *EARLY[3:4], stay(3, "2024-01-20", "2024-01-08", "2024-01-09")
    )
    closed.run("2024-04-10")
    assert closed.ask("select booking_id from curated.bookings") == ["1", "2"]
    assert closed.ask(ACCOUNTS) == ["bookings 2 2 0", "user_viewing 0 0 0"]
    after = closed.ask(SUMS)
    closed.run("2024-04-10", "full")
    assert closed.ask(SUMS) == after and closed.written() == 0


def test_what_is_brought_back_is_computed_again(closed: House) -> None:
    closed.run("2024-04-10", "full")
    closed.load("2024-04-11", *EARLY, stay(4, "2024-01-03", "2024-01-04", "2024-01-06"))
    closed.run("2024-04-10")
    closed.warehouse.engine.execute("update archive.horizons set horizon = '0001-01-01', changed_at = now()")
    # The same instant and mode as before, and yet not the same run.
    assert closed.run("2024-04-10", "full") == "published"
    assert closed.ask("select booking_id from curated.bookings") == ["1", "2", "3", "4", "5"]
    assert closed.ask(ACCOUNTS) == ["bookings 5 5 0", "user_viewing 2 2 0"]
    assert closed.ask("select sum(bookings) from presentation.top_listings_weekly") == ["5"]


def test_a_metric_s_own_rows_may_go(house: House) -> None:
    house.load("2024-01-01", *EARLY)
    house.run("2024-04-10")
    days = house.ask("select day from presentation.repeat_customer_rate_daily where day >= '2024-02-01'")
    for table, column in COLUMNS.items():
        if table.startswith("metrics."):
            assert house.warehouse.archive(table, column, date(2024, 2, 1)) == "closed", table
    house.run("2024-04-10", "full")
    assert house.ask("select day from presentation.repeat_customer_rate_daily") == days
    assert house.ask("select min(week_start) from presentation.bookings_per_user_weekly") == ["2024-03-18"]
    assert house.ask("select * from ops.metric_gaps") == []


def test_what_cannot_be_closed_or_computed_is_refused(closed: House) -> None:
    calls = [
        (
            "call ops.backfill_rental('2024-01-15', '2024-03-01')",
            "the archive has closed curated.bookings before",
        ),
        ("call ops.run_rental('2024-02-20', 'rewind')", "the archive has closed what is before 2024-02-01"),
        (f"call {CHECK}('curated.bookings', 'checkout_date', '2024-02-01')", "by the period closed_on alone"),
        (f"call {CHECK}('curated.bookings', 'closed_on', '2024-04-01')", "must be 31 days later"),
        *(
            (f"call {CHECK}('{table}', 'id', '2024-02-01')", "are never deleted")
            for table in (*NEVER_DELETED, "curated.exchange_rates", "curated.rejected_bookings", "ops.runs")
        ),
    ]
    for call, told in calls:
        with pytest.raises(StatementFailed, match=told):
            closed.warehouse.session.execute(call)
        closed.warehouse._reconnect()
    closed.warehouse.session.execute("call ops.backfill_rental('2024-02-01', '2024-03-01')")
    closed.warehouse._reconnect()
    closed.warehouse.session.execute(f"call {CHECK}('shop.sold', 'day', '2030-01-01')")


@pytest.mark.slow
def test_lint_foresees_exactly_what_the_warehouse_refuses_by_name(closed: House) -> None:
    text = (ROOT / "procedures" / "archive" / "check_horizon.sql").read_text(encoding="utf-8")
    created = parse_create_procedure(text[: text.index("-- Usage")].strip().removesuffix(";"))
    others = (*NEVER_DELETED, "curated.exchange_rates", "metrics.other", "ops.runs", "shop.sold")
    periods = sorted({*COLUMNS.values(), "checkin_date"})
    for table, period in itertools.product((*COLUMNS, *others), periods):
        foreseen, said = refusal(created, {"of_table": table, "period_column": period}), ""
        try:
            closed.warehouse.session.execute(f"call {CHECK}('{table}', '{period}', '2024-02-01')")
        except StatementFailed as error:
            said = str(error)
        assert (foreseen is not None) == bool(re.search("never deleted|may be deleted by", said)), said
        assert foreseen is None or foreseen in said


@pytest.mark.slow
def test_the_archive_takes_bookings_and_gives_them_back(house: House, tmp_path: Path) -> None:
    """`archive run` and `restore` themselves, on the repository's own policy."""
    for name in ("procedures", "migrations"):
        shutil.copytree(ROOT / name, tmp_path / name)
    shutil.copy(ROOT / "zeroshift.toml", tmp_path)
    policy = tmp_path / "procedures" / "archive" / "bookings.toml"
    text = policy.read_text(encoding="utf-8")
    policy.write_text(text.replace('after = "keep"', 'after = "delete"').replace("24 months", "1 month"))
    project = config.load(tmp_path)
    local = project.environment("local")
    house.load("2024-01-01", *EARLY)
    house.run("2024-04-10")
    sums, seen = house.ask(SUMS), house.ask("select booking_id from curated.bookings")
    try:
        (outcome,) = run(project, local, ["bookings"], as_of=date(2024, 3, 5), wait=30).outcomes
        assert outcome.run is not None and outcome.run.row_count == 2
        assert house.ask("select booking_id from curated.bookings") == ["2", "3"]
        assert house.ask("select booking_id from archive.all_bookings") == seen
        house.run("2024-04-10", "full")
        assert house.ask(SUMS) == sums and house.ask(ACCOUNTS)[0] == "bookings 2 2 0"
        restore.restore(project, local, "bookings", wait=30)
        assert house.ask("select booking_id from curated.bookings") == seen
        house.run("2024-04-10", "full")
        assert house.ask(SUMS) == sums and house.ask(ACCOUNTS)[0] == "bookings 4 4 0"
        assert house.written() == 0
    finally:
        LocalAws(project.home).down()
