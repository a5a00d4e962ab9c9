"""ops.backfill_rental: periods computed anew in slices, resumable, equal to a full refresh; and how gaps are found."""

from __future__ import annotations

import pytest
from oracle.metrics import VIEWS

from deployer.errors import StatementFailed
from warehouse.conftest import House
from warehouse.rows import listing, place, stay, view

ROWS = (
    listing(1),
    place(1),
    stay(1, "2024-01-02", "2024-01-03", "2024-01-05"),
    stay(2, "2024-02-10", "2024-02-12", "2024-03-02"),
    stay(3, "2024-03-20", "2024-03-21", "2024-03-22"),
    stay(4, "2024-03-25", "2024-04-21", "2024-04-22"),
    view(1, "2024-01-02"),
    view(2, "2024-02-12"),
    view(3, "2024-03-20"),
)
METRICS = (
    "average_listing_price_weekly", "occupancy_rate_monthly", "popular_locations_weekly", "top_listings_weekly",
    "bookings_per_user_weekly", "average_booking_duration_monthly", "repeat_customer_rate_daily",
    "listing_engagement_weekly",
)  # fmt: skip


@pytest.fixture
def published(house: House) -> House:
    house.load("2024-01-01", *ROWS)
    house.run("2024-04-10")
    return house


def shown(house: House) -> dict[str, object]:
    return {name: house.warehouse.rows(name) for name in VIEWS}


def spoil(house: House) -> None:
    """Rows are lost, and others say something else, in every metric."""
    engine = house.warehouse.engine
    for metric in METRICS:
        (period,) = engine.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum = 1",
            [f"metrics.{metric}"],
        ).fetchone()  # type: ignore[misc]
        engine.execute(f"delete from metrics.{metric} where {period} between '2024-02-01' and '2024-02-20'")
    engine.execute(
        "update metrics.occupancy_rate_monthly set booked_nights = 31 where month_start = '2024-03-01'"
    )
    engine.execute("update metrics.top_listings_weekly set bookings = 9")


def test_a_backfill_equals_a_full_refresh(published: House) -> None:
    right = shown(published)
    assert published.ask("select * from ops.metric_gaps") == []
    spoil(published)
    assert shown(published) != right
    published.warehouse.session.execute("call ops.backfill_rental('2024-01-01', '2024-04-30')")
    assert shown(published) == right
    assert published.ask("select as_of from presentation.freshness") == ["2024-04-10 00:00:00"]
    assert published.ask("select mode, state from ops.runs where mode = 'backfill'") == ["backfill succeeded"]
    slices = published.ask("select step from ops.run_steps where step like 'backfill %'")
    assert len(slices) >= 4 and slices[-1] == "backfill 2024-04-01 to 2024-04-10"
    # Nothing is written where nothing differs.
    before = published.warehouse.row_versions("curated", "metrics")
    published.warehouse.session.execute("call ops.backfill_rental('2024-01-01', '2024-04-30')")
    assert published.warehouse.row_versions("curated", "metrics") == before


def test_only_the_range_is_computed(published: House) -> None:
    published.warehouse.engine.execute("update metrics.top_listings_weekly set bookings = 9")
    published.warehouse.session.execute("call ops.backfill_rental('2024-02-10', '2024-02-10')")
    assert published.ask("select week_start, bookings from metrics.top_listings_weekly") == [
        "2024-01-01 9", "2024-02-05 1", "2024-03-18 9", "2024-03-25 9",
    ]  # fmt: skip


def test_a_backfill_that_stopped_goes_on_behind_its_last_slice(published: House) -> None:
    right = shown(published)
    spoil(published)
    engine = published.warehouse.engine
    engine.execute(
        "create function public.zs_test_fault() returns trigger language plpgsql as"
        " $$ begin raise exception 'no space left'; end $$"
    )
    engine.execute(
        "create trigger zs_test_fault before update on ops.backfills for each row"
        " when (new.done_to >= '2024-03-01') execute function public.zs_test_fault()"
    )
    try:
        with pytest.raises(StatementFailed, match="no space left"):
            published.warehouse.session.execute("call ops.backfill_rental('2024-01-01', '2024-04-30')")
    finally:
        engine.execute("drop function public.zs_test_fault() cascade")
    published.warehouse._reconnect()
    assert published.ask("select done_to, finished_at from ops.backfills") == ["2024-02-29 null"]
    # A run in between does not disturb it.
    published.run("2024-04-10 06:00")
    published.run("2024-04-10", "rewind")
    published.warehouse.session.execute("call ops.backfill_rental('2024-01-01', '2024-04-30')")
    last = published.ask(
        "select step from ops.run_steps where step like 'backfill %' and run_id = (select max(run_id) from ops.runs)"
    )
    assert last == ["backfill 2024-03-01 to 2024-03-31", "backfill 2024-04-01 to 2024-04-10"]
    assert published.ask("select done_to from ops.backfills where finished_at is not null") == ["2024-04-10"]
    assert shown(published) == right


def test_what_a_failed_run_left_is_published_too(house: House) -> None:
    from datetime import datetime

    house.load("2024-01-01", *ROWS[:-1])
    house.run("2024-04-10")
    house.load("2024-01-02", *ROWS, stay(9, "2024-01-02", "2024-01-03", "2024-01-05"))
    assert house.warehouse.run(datetime(2024, 4, 10), publish_fails=True) == "failed"
    house.warehouse.session.execute("call ops.backfill_rental('2024-04-01', '2024-04-02')")
    backfilled = shown(house)
    house.warehouse.run(datetime(2024, 4, 10), "full", unguarded=True)
    assert shown(house) == backfilled
    assert house.ask("select sum(bookings) from presentation.top_listings_weekly") == ["5"]


def test_gaps_are_found_in_every_metric(published: House) -> None:
    spoil(published)
    found = published.ask("select metric, min(period_start), count(*) from ops.metric_gaps group by metric")
    assert {line.split()[0] for line in found} == set(METRICS)
    assert "repeat_customer_rate_daily 2024-02-01 20" in found
    assert "occupancy_rate_monthly 2024-02-01 1" in found
    published.warehouse.session.execute("call ops.backfill_rental('2024-02-01', '2024-02-20')")
    assert published.ask("select * from ops.metric_gaps") == []


def test_what_cannot_be_backfilled(house: House) -> None:
    for call, told in (
        ("call ops.backfill_rental('2024-02-01', '2024-01-01')", "the earlier one first"),
        ("call ops.backfill_rental('2024-01-01', null)", "the earlier one first"),
        (
            "call ops.backfill_rental('2024-01-01', '2024-02-01')",
            "nothing of pipeline rental is published yet",
        ),
        ("call ops.run_rental('2024-01-01', 'backfill')", "unknown mode backfill"),
    ):
        with pytest.raises(StatementFailed, match=told):
            house.warehouse.session.execute(call)
        house.warehouse._reconnect()
