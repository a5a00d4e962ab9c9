"""The rental pipeline's own lineage: every presentation column, checked by hand against the contract of the domain."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from deployer.operations import lineage as operations
from deployer.operations.lineage import Lineage
from deployer.project import config
from deployer.project.config import Project
from deployer.project.lineage.build import build
from deployer.project.lineage.model import Graph

ROOT = Path(__file__).parents[2]
LANDING = "rental_landing.rental."

STATE = "apartment_attributes.state"
CITY = "apartment_attributes.cityname"
VERSION = (
    "apartments._record_create_time apartments._record_delete_time apartments.listing_created_on".split()
)
"""What the time line of a listing's versions is computed from: the first is extended back to its creation."""
NIGHTS = [*VERSION, "bookings.checkin_date", "bookings.checkout_date"]
USD = ["bookings.total_price", "exchange_rates.usd_per_unit"]
ROWS = "bookings.*"

VALUES: Mapping[str, Mapping[str, list[str]]] = {
    # The weeks are those of versions; a changed rate queues the week of its day.
    "average_listing_price_weekly": {
        "week_start": [*VERSION, "exchange_rates.rate_date"],
        "state": [STATE],
        "cityname": [CITY],
        "currency": ["apartments.currency"],
        "active_listings": ["apartments.*"],
        "avg_price": ["apartments.price"],
        "avg_price_usd": ["apartments.price", "exchange_rates.usd_per_unit"],
        "new_listings": ["apartments.listing_created_on"],
        "new_listing_avg_price": ["apartments.listing_created_on", "apartments.price"],
    },
    # Nights come from where versions and stays begin and end.
    "occupancy_rate_monthly": {
        "month_start": NIGHTS,
        "state": [STATE],
        "cityname": [CITY],
        "available_nights": NIGHTS,
        "booked_nights": NIGHTS,
        "occupancy_rate": NIGHTS,
        "overbooked_nights": NIGHTS,
    },
    "popular_locations_weekly": {
        "week_start": ["bookings.booking_date"],
        "state": [STATE],
        "cityname": [CITY],
        "bookings": [ROWS],
        "nights": ["bookings.checkin_date", "bookings.checkout_date"],
        "location_rank": [ROWS],
    },
    "top_listings_weekly": {
        "week_start": ["bookings.booking_date"],
        "apartment_id": ["bookings.apartment_id"],
        "bookings": [ROWS],
        "revenue_usd": USD,
        "unconverted_bookings": USD,
        "revenue_rank": USD,
    },
    # Bookings that are stays: a number made of the two statuses.
    "bookings_per_user_weekly": {
        "week_start": ["bookings.booking_date"],
        "user_id": ["bookings.user_id"],
        "bookings": ["bookings.booking_status", "bookings.payment_status"],
        "all_bookings": [ROWS],
        "spend_usd": USD,
    },
    "average_booking_duration_monthly": {
        "month_start": ["bookings.checkin_date"],
        "state": [STATE],
        "cityname": [CITY],
        "stays": [ROWS],
        "total_nights": ["bookings.checkin_date", "bookings.checkout_date"],
        "avg_nights": ["bookings.checkin_date", "bookings.checkout_date"],
    },
    "repeat_customer_rate_daily": {
        "day": ["bookings.booking_date"],
        "customers": [ROWS],
        "repeat_customers": [ROWS],
        "repeat_rate": [ROWS],
    },
    "listing_engagement_weekly": {
        "week_start": ["user_viewing.viewed_at"],
        "state": [STATE],
        "cityname": [CITY],
        "views": ["user_viewing.*"],
        "unique_viewers": ["user_viewing.user_id"],
        "wishlist_rate": ["user_viewing.is_wishlisted"],
        "contact_rate": ["user_viewing.call_to_action"],
        "bookings": [ROWS],
        "conversion_rate": [ROWS, "user_viewing.*"],
    },
}

TABLES: Mapping[str, str] = {
    # The tables by any influence that is followed, as the contract's metrics name them: listings, their locations and
    # rates; apartments also where only a known listing's bookings and views count.
    "average_listing_price_weekly": "apartment_attributes apartments exchange_rates",
    "occupancy_rate_monthly": "apartment_attributes apartments bookings",
    "popular_locations_weekly": "apartment_attributes apartments bookings",
    "top_listings_weekly": "apartments bookings exchange_rates",
    "bookings_per_user_weekly": "apartments bookings exchange_rates",
    "average_booking_duration_monthly": "apartment_attributes apartments bookings",
    "repeat_customer_rate_daily": "apartments bookings",
    "listing_engagement_weekly": "apartment_attributes apartments bookings user_viewing",
}

COLUMNS = [(metric, column) for metric, columns in VALUES.items() for column in columns]


@pytest.fixture(scope="module")
def project() -> Project:
    return config.load(ROOT)


@pytest.fixture(scope="module")
def graph(project: Project) -> Graph:
    return build(project)


@pytest.fixture
def ask(project: Project, graph: Graph, monkeypatch: pytest.MonkeyPatch):
    """Questions to one graph, since it takes a third of a second to build."""
    monkeypatch.setattr(operations, "read", lambda _: graph)
    return lambda name, **options: operations.lineage(project, name, **options)


def landing(found: Lineage, *influences: str) -> list[str]:
    """The landing columns of an answer, without the database."""
    return [
        f"{end.relation.removeprefix(LANDING)}.{end.column}".rstrip(".")
        for end in found.ends
        if end.kind == "landing" and (not influences or end.influence in influences)
    ]


def test_all_presentation_columns_are_pinned(graph: Graph) -> None:
    views = {name for name in graph.relations if name.startswith("presentation.")}
    others = {"freshness", "top_locations_weekly", "top_performing_listings_weekly"}
    assert views == {f"presentation.{metric}" for metric in {*VALUES, *others}}
    for metric, columns in VALUES.items():
        assert graph.relations[f"presentation.{metric}"].columns == list(columns)


@pytest.mark.parametrize(("metric", "column"), COLUMNS)
def test_each_column_is_computed_from_the_right_landing_columns(ask, metric: str, column: str) -> None:
    assert landing(ask(f"presentation.{metric}.{column}"), "value") == VALUES[metric][column]


@pytest.mark.parametrize("metric", TABLES)
def test_each_metric_depends_on_the_right_landing_tables(ask, metric: str) -> None:
    assert sorted(landing(ask(f"presentation.{metric}"))) == TABLES[metric].split()


def test_a_short_list_has_the_columns_of_the_metric_it_is_cut_from(ask) -> None:
    for short, long in (
        ("top_locations_weekly", "popular_locations_weekly"),
        ("top_performing_listings_weekly", "top_listings_weekly"),
    ):
        for column, sources in VALUES[long].items():
            assert landing(ask(f"presentation.{short}.{column}"), "value") == sources


def test_what_is_a_stay_decides_about_rows(ask) -> None:
    filters = landing(ask("presentation.occupancy_rate_monthly.occupancy_rate"), "filter")
    assert {"bookings.booking_status", "bookings.payment_status", "bookings.booking_date"} <= set(filters)
    assert "apartments.is_active" in filters
    assert not any("num_guests" in name or "user_viewing" in name for name in filters)


def test_a_rate_is_chosen_by_currency_and_day(ask) -> None:
    chosen = landing(ask("presentation.top_listings_weekly.revenue_usd"), "condition")
    assert chosen == [
        "bookings.booking_date",
        "bookings.currency",
        "exchange_rates.currency",
        "exchange_rates.rate_date",
    ]


def test_the_queue_does_not_mix_what_it_queues(ask) -> None:
    """ops.dirty_work has the periods of all metrics; a metric reads those of its own name only."""
    assert not any("user_viewing" in name for name in landing(ask("presentation.occupancy_rate_monthly")))
    assert "user_viewing" in landing(ask("ops.dirty_work"))


def test_freshness_speaks_for_all_tables(ask) -> None:
    newest = landing(ask("presentation.freshness.newest_change_at"), "value")
    tables = ["apartment_attributes", "apartments", "bookings", "exchange_rates", "user_viewing"]
    assert newest == [f"{table}._record_{event}_time" for table in tables for event in ("create", "delete")]
    as_of = ask("presentation.freshness.as_of")
    assert [end.relation for end in as_of.ends if end.influence == "value"] == [
        "argument as_of of ops.run_rental",
        "getdate()",
    ]
    # Only what a backfill is asked for decides how often it publishes.
    assert landing(ask("presentation.freshness.pipeline")) == []


def test_the_way_names_every_statement(ask) -> None:
    found = ask("presentation.bookings_per_user_weekly.user_id")
    way = found.ends[0].way
    assert [(hop.relation, hop.column) for hop in way if hop.kind not in ("temp", "variable")] == [
        ("rental_landing.rental.bookings", "user_id"),
        ("raw.bookings_history", "user_id"),
        ("curated.bookings", "user_id"),
        ("metrics.bookings_per_user_weekly", "user_id"),
        ("presentation.bookings_per_user_weekly", "user_id"),
    ]
    assert [hop.relation for hop in way if hop.kind == "temp"] == [
        "staged_bookings", "judged_bookings", "new_bookings", "fresh_bookings",
        "new_bookings_per_user_weekly", "changed_bookings_per_user_weekly",
    ]  # fmt: skip
    for hop in way[1:]:
        lines = (ROOT / hop.path).read_text().splitlines()
        word = "create or replace view" if hop.verb == "view" else "insert into"
        assert word in lines[hop.line - 1]
        assert hop.relation.split(".")[-1] in lines[hop.line - 1]


def test_downstream_is_upstream_seen_from_the_other_side(ask) -> None:
    for source in ("bookings.total_price", "exchange_rates.usd_per_unit", "user_viewing.call_to_action"):
        found = ask(f"{LANDING}{source}", downstream=True)
        dependent = {
            (end.relation.removeprefix("presentation."), end.column)
            for end in found.ends
            if end.influence == "value" and end.relation.removeprefix("presentation.") in VALUES
        }
        wanted = {
            (metric, column)
            for metric, columns in VALUES.items()
            for column, sources in columns.items()
            if source in sources
        }
        assert dependent == wanted


def test_everything_includes_what_decides_about_what_decides(ask) -> None:
    near = ask("presentation.occupancy_rate_monthly.occupancy_rate")
    far = ask("presentation.occupancy_rate_monthly.occupancy_rate", everything=True)
    assert landing(near, "value") == landing(far, "value")
    assert not any("user_viewing" in name for name in landing(near))
    assert any("user_viewing" in name for name in landing(far))
    assert set(landing(near)) <= set(landing(far))


def test_nothing_of_the_repository_is_left_out(graph: Graph) -> None:
    # What an archive run unloads is its caller's text.
    assert {site.path for site, _ in graph.gaps} == {"procedures/archive/run_policy.sql"}
    written = {step.target.name for step in graph.steps}
    for name, relation in graph.relations.items():
        # The archive's ledger is written by `zeroshift archive`.
        if relation.kind in ("table", "view") and not name.startswith("archive."):
            assert name in written, f"{name} is written by no step"
    # What a run asks to know whether another one is alive.
    external = {name for name, relation in graph.relations.items() if relation.kind == "external"}
    assert external == {"sys_session_history", "svv_transactions"}
