"""How runs behave: idempotent, superseded, whole or not at all, fenced, and who may see what."""

from __future__ import annotations

from datetime import datetime

import pytest

from deployer.errors import StatementFailed
from warehouse.conftest import House
from warehouse.rows import listing, place, stay, view

ROWS = (
    listing(1),
    place(1),
    stay(1, "2024-01-02", "2024-01-03", "2024-01-05"),
    stay(2, "2024-01-02", "2024-01-03", "2024-01-03"),
    view(1, "2024-01-02"),
)


def test_running_twice_rewrites_nothing(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    house.run("2024-01-08")
    assert house.written() > 0
    before = house.warehouse.row_versions("curated", "metrics")
    fresh = house.ask("select published_at, as_of, newest_change_at from presentation.freshness")
    house.run("2024-01-08")
    assert house.written() == 0
    house.run("2024-01-08", "full")
    assert house.written() == 0
    assert house.warehouse.row_versions("curated", "metrics") == before
    assert house.ask("select published_at, as_of, newest_change_at from presentation.freshness") == fresh


def test_a_late_retry_changes_nothing_and_a_rewind_does(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    house.run("2024-01-08")
    assert house.run("2024-01-01") == "superseded"
    assert house.run("2024-01-01", "full") == "superseded"
    assert house.ask("select sum(bookings) from presentation.top_listings_weekly") == ["1"]
    assert house.run("2024-01-01", "rewind") == "published"
    assert house.ask("select count(*) from presentation.top_listings_weekly") == ["0"]
    assert house.ask("select as_of, rejected_rows from presentation.freshness") == ["2024-01-01 00:00:00 1"]
    assert house.run("2024-01-08") == "published"
    assert house.ask("select sum(bookings) from presentation.top_listings_weekly") == ["1"]


def test_nothing_is_lost_when_publishing_fails(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    house.run("2024-01-08")
    house.load("2024-01-02", *ROWS, stay(3, "2024-01-02", "2024-01-03", "2024-01-05"))
    assert house.warehouse.run(datetime(2024, 1, 8), publish_fails=True) == "failed"
    assert house.ask("select count(*) from curated.bookings") == ["2"]
    assert house.ask("select sum(bookings) from presentation.top_listings_weekly") == ["1"]
    house.run("2024-01-08")
    assert house.ask("select sum(bookings) from presentation.top_listings_weekly") == ["2"]
    # The run that died is closed by the next one.
    assert house.ask("select count(*) from ops.runs where state = 'failed'") == ["1"]


def test_rows_that_landed_out_of_order_are_found(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    house.load("2024-01-02", *ROWS, stay(3, "2024-01-02", "2024-01-03", "2024-01-05"))
    house.run("2024-01-08")
    # Another row lands with a record time a little before the newest one.
    house.warehouse.engine.execute(
        'insert into "rental_landing.rental".bookings'
        " select 4, user_id, apartment_id, booking_date, checkin_date, checkout_date, total_price, currency,"
        " booking_status, payment_status, num_guests, true, timestamp '2024-01-01 23:55:00', null"
        ' from "rental_landing.rental".bookings where booking_id = 3'
    )
    house.run("2024-01-08")
    assert house.ask("select sum(bookings) from presentation.top_listings_weekly") == ["3"]


def test_landing_may_hold_a_row_twice(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    house.warehouse.engine.execute(
        'insert into "rental_landing.rental".bookings select * from "rental_landing.rental".bookings'
    )
    house.run("2024-01-08")
    house.run("2024-01-08", "full")
    assert house.ask("select count(*) from curated.bookings") == ["1"]
    assert house.ask("select landing_rows from ops.accounts where table_name = 'bookings'") == ["2"]


def test_a_held_lease_stops_a_run(house: House) -> None:
    house.load("2024-01-01", *ROWS)
    engine = house.warehouse.engine
    engine.execute(
        "update ops.leases set token = 'deploy', expires_at = now()::timestamp + interval '1 hour'"
    )
    assert house.run("2024-01-08") == "skipped"
    told = house.ask("select error from ops.runs where state = 'skipped'")
    assert told[0].startswith("lease held: pipeline rental is held by deploy until")
    engine.execute("update ops.leases set expires_at = now()::timestamp - interval '1 hour'")
    assert house.run("2024-01-08") == "published"


def test_an_unknown_mode_is_refused(house: House) -> None:
    with pytest.raises(
        StatementFailed, match="unknown mode sideways: use incremental, full, rewind or accept_reseed"
    ):
        house.warehouse.session.execute("call ops.run_rental('2024-01-08', 'sideways')")
    house.warehouse._reconnect()


def test_the_analyst_sees_presentation_and_nothing_else(house: House) -> None:
    schemas = house.ask(
        "select distinct namespace_name from svv_relation_privileges where identity_name = 'analyst'"
    )
    assert schemas == ["presentation"]


def test_every_presentation_column_has_a_description(house: House) -> None:
    without = house.warehouse.engine.execute(
        "select c.relname, a.attname from pg_class as c join pg_namespace as n on n.oid = c.relnamespace"
        " join pg_attribute as a on a.attrelid = c.oid and a.attnum >= 0"
        " where n.nspname = 'presentation' and col_description(c.oid, a.attnum) is null"
    ).fetchall()
    assert without == []
