"""The demo's source: the same for the same seed, loadable, believable, and bad in every way."""

from __future__ import annotations

import csv
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from deployer.errors import UsageError
from deployer.local.landing.load import load
from deployer.local.landing.tables import TABLES
from deployer.local.marketplace.generator import generate
from deployer.local.marketplace.model import Snapshot

UNTIL = date(2025, 3, 31)
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def snapshots(tmp_path_factory: pytest.TempPathFactory) -> list[Snapshot]:
    return generate(tmp_path_factory.mktemp("marketplace"), seed=3, until=UNTIL, scale=0.3)


@pytest.fixture(scope="module")
def last(snapshots: list[Snapshot]) -> dict[str, Rows]:
    """The rows of every table as they stand in the end."""
    newest = {path.stem: path for snapshot in snapshots for path in snapshot.path.iterdir()}
    return {name: _read(path) for name, path in newest.items()}


def _read(path: Path) -> Rows:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream, strict=True))


def _bytes(snapshots: list[Snapshot]) -> list[tuple[datetime, str, bytes]]:
    return [
        (snapshot.at, path.name, path.read_bytes())
        for snapshot in snapshots
        for path in sorted(snapshot.path.iterdir())
    ]


def test_everything_follows_from_the_seed(tmp_path: Path) -> None:
    first = _bytes(generate(tmp_path / "a", seed=1, until=UNTIL, scale=0.02))
    again = _bytes(generate(tmp_path / "b", seed=1, until=UNTIL, scale=0.02))
    other = _bytes(generate(tmp_path / "c", seed=2, until=UNTIL, scale=0.02))
    assert first == again
    assert first != other


def test_snapshots_go_on_in_time_and_hold_only_what_changed(snapshots: list[Snapshot]) -> None:
    instants = [snapshot.at for snapshot in snapshots]
    assert instants == sorted(set(instants))
    assert instants[-1] == datetime(2025, 3, 31)
    assert instants[-1] - instants[0] > timedelta(days=690)
    assert {path.stem for path in snapshots[0].path.iterdir()} == {table.name for table in TABLES}
    assert "bookings.csv" in {path.name for path in snapshots[-1].path.iterdir()}
    before: dict[str, bytes] = {}
    for snapshot in snapshots:
        for path in snapshot.path.iterdir():
            content = path.read_bytes()
            assert before.get(path.name) != content
            before[path.name] = content


def test_no_row_knows_the_future(snapshots: list[Snapshot]) -> None:
    times = {"apartments": "last_modified_timestamp", "bookings": "booking_date", "user_viewing": "viewed_at"}
    for snapshot in snapshots[::10]:
        for path in snapshot.path.iterdir():
            if path.stem in times:
                found = [row[times[path.stem]] for row in _read(path)]
                assert max(found) <= snapshot.at.isoformat(sep=" ")


def test_a_believable_market(last: dict[str, Rows]) -> None:
    attributes = {row["id"]: row for row in last["apartment_attributes"]}
    cities = Counter(row["cityname"] for row in attributes.values())
    assert len(cities) > 15
    assert max(cities.values()) > 5 * min(cities.values())
    assert {row["currency"] for row in last["apartments"]} >= {"USD", "EUR", "GBP"}
    for table, key in (("apartments", "id"), ("bookings", "booking_id"), ("user_viewing", "viewing_id")):
        assert min(int(row[key]) for row in last[table]) > 2**31
    assert any(not row["title"].isascii() for row in last["apartments"])
    assert any("\n" in row["body"] and '"' in row["body"] for row in attributes.values())

    # Summer in Barcelona, winter in Innsbruck.
    months: dict[str, Counter[bool]] = defaultdict(Counter)
    for row in last["bookings"]:
        place = attributes.get(row["apartment_id"])
        if place is not None and row["checkin_date"]:
            months[place["cityname"]][row["checkin_date"][5:7] in ("06", "07", "08")] += 1
    assert months["Barcelona"][True] > 0.33 * months["Barcelona"].total()
    assert months["Innsbruck"][True] < 0.25 * months["Innsbruck"].total()

    stays = Counter(row["user_id"] for row in last["bookings"])
    assert 0.1 < sum(count > 1 for count in stays.values()) / len(stays) < 0.5
    statuses = Counter(row["booking_status"] for row in last["bookings"])
    assert statuses["confirmed"] > statuses["canceled"] > statuses["pending"] > 0
    assert {"paid", "unpaid", "refunded", "", " "} <= {row["payment_status"] for row in last["bookings"]}


def test_views_lead_to_bookings(last: dict[str, Rows]) -> None:
    viewed: dict[tuple[str, str], str] = {}
    for row in last["user_viewing"]:
        viewed.setdefault((row["user_id"], row["apartment_id"]), row["viewed_at"])
    led = sum(
        viewed.get((row["user_id"], row["apartment_id"]), "9") <= row["booking_date"]
        for row in last["bookings"]
    )
    assert led > 0.8 * len(last["bookings"])
    assert len(last["user_viewing"]) > 2 * len(last["bookings"])


def test_stays_rarely_overlap(last: dict[str, Rows]) -> None:
    stays: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in last["bookings"]:
        if row["booking_status"] == "confirmed" and "" < row["checkin_date"] < row["checkout_date"]:
            stays[row["apartment_id"]].append((row["checkin_date"], row["checkout_date"]))
    overlaps = sum(
        after[0] < before[1]
        for each in stays.values()
        for before, after in zip(sorted(each), sorted(each)[1:], strict=False)
    )
    assert 0 < overlaps < 0.02 * len(last["bookings"])


def test_rates_walk_on_working_days(last: dict[str, Rows]) -> None:
    days = {date.fromisoformat(row["rate_date"]) for row in last["exchange_rates"]}
    assert not [day for day in days if day.weekday() >= 5]
    assert any(row["usd_per_unit"] == "" for row in last["exchange_rates"])
    for currency in ("EUR", "GBP"):
        values = [
            Decimal(row["usd_per_unit"])
            for row in last["exchange_rates"]
            if row["currency"] == currency and row["usd_per_unit"]
        ]
        assert all(abs(b / a - 1) < Decimal("0.04") for a, b in zip(values, values[1:], strict=False))
        assert len(set(values)) > 400


def _reasons(row: dict[str, str], known: set[str]) -> Iterator[str]:
    """Why a booking is rejected, by section 3 of the rental page, in plain Python."""
    keys = ("user_id", "apartment_id", "booking_date", "checkin_date", "checkout_date")
    if any(row[key] == "" for key in keys):
        yield "missing_key"
    if row["apartment_id"] not in known:
        yield "unknown_listing"
    if row["checkin_date"] and row["checkout_date"] and row["checkout_date"] <= row["checkin_date"]:
        yield "reversed_stay"
    if row["total_price"] == "" or Decimal(row["total_price"]) < 0:
        yield "negative_price"
    currency = row["currency"].strip().upper()
    if len(currency) != 3 or not (currency.isascii() and currency.isalpha()):
        yield "unknown_currency"
    if row["booking_status"].strip().lower() not in ("confirmed", "pending", "canceled"):
        yield "unknown_status"


def test_one_to_two_rows_in_a_hundred_are_bad_in_every_way(
    snapshots: list[Snapshot], last: dict[str, Rows]
) -> None:
    # A listing is known once history holds it, also when it is gone.
    known = {
        row["id"]
        for snapshot in snapshots
        for path in snapshot.path.iterdir()
        if path.stem == "apartments"
        for row in _read(path)
    }
    assert known > {row["id"] for row in last["apartments"]}
    reasons = [list(_reasons(row, known)) for row in last["bookings"]]
    assert {reason for found in reasons for reason in found} == {
        "missing_key",
        "unknown_listing",
        "reversed_stay",
        "negative_price",
        "unknown_currency",
        "unknown_status",
    }
    assert max(map(len, reasons)) >= 4
    assert 0.01 < sum(map(bool, reasons)) / len(reasons) < 0.02
    for key in ("user_id", "apartment_id", "booking_date", "checkin_date", "checkout_date"):
        assert any(row[key] == "" for row in last["bookings"])
    assert any(
        row["booking_date"][:10] > row["checkin_date"] > "" and not found
        for row, found in zip(last["bookings"], reasons, strict=True)
    ), "a warning, not a rejection"

    bad_views = [
        row
        for row in last["user_viewing"]
        if not (row["user_id"] and row["viewed_at"]) or row["apartment_id"] not in known
    ]
    assert 0.005 < len(bad_views) / len(last["user_viewing"]) < 0.02
    assert {"user_id", "apartment_id", "viewed_at"} == {
        key for row in bad_views for key in ("user_id", "apartment_id", "viewed_at") if not row[key]
    }


@pytest.mark.slow
def test_some_listings_have_no_valid_location_or_price(tmp_path: Path) -> None:
    generated = generate(tmp_path / "m", seed=3, until=UNTIL, scale=1)
    newest = {path.stem: path for snapshot in generated for path in snapshot.path.iterdir()}
    apartments, attributes = _read(newest["apartments"]), _read(newest["apartment_attributes"])
    assert any(row["cityname"].isspace() for row in attributes)
    assert any(row["state"] == "" for row in attributes)
    assert any((row["latitude"], row["longitude"]) == ("0", "0") for row in attributes)
    assert any(row["latitude"] == "95.5" for row in attributes)
    assert any(row["longitude"] == "" for row in attributes)
    assert {row["id"] for row in apartments} - {row["id"] for row in attributes}
    assert {"", "?", "JPY"} <= {row["currency"] for row in apartments}
    assert any(row["price"] == "" for row in apartments)
    assert any(row["is_active"] == "" for row in apartments)


@pytest.mark.slow
def test_every_snapshot_loads_and_leaves_a_history(
    engine_dsn: str, fresh_database: object, snapshots: list[Snapshot], last: dict[str, Rows]
) -> None:
    for snapshot in snapshots:
        result = load(engine_dsn, snapshot.path, snapshot.at)
        assert not [note for note in result.notices if "there is no" not in note]
    with psycopg.connect(engine_dsn) as connection:
        for table in TABLES:
            found = connection.execute(
                f'select count(*) from "rental_landing.rental".{table.name} where _record_is_active'  # type: ignore[arg-type]
            ).fetchone()
            assert found == (len(last[table.name]),)
        prices = connection.execute(
            'select count(distinct price), count(distinct is_active) from "rental_landing.rental".apartments'
            " group by id"
        ).fetchall()
    assert sum(changed > 1 for changed, _ in prices) > 0.5 * len(prices)
    assert sum(paused > 1 for _, paused in prices) > 0.2 * len(prices)


@pytest.mark.parametrize(
    "arguments, sentence",
    [
        ({"scale": 0}, "a scale of 0 is not between 0.001 and 100"),
        ({"until": date(1800, 1, 1)}, "1800-01-01 is no day that a marketplace can be invented for"),
    ],
)
def test_arguments_out_of_range(tmp_path: Path, arguments: dict[str, object], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        generate(tmp_path / "m", **arguments)  # type: ignore[arg-type]


def test_a_directory_in_use(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").touch()
    with pytest.raises(UsageError, match="is not empty; give a new directory for the snapshots"):
        generate(tmp_path)
