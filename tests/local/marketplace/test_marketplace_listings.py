"""Real listings: the quirks of the UCI file, and what is refused."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.local.landing.load import load
from deployer.local.marketplace.cities import STATE_CENTRES
from deployer.local.marketplace.generator import generate
from deployer.local.marketplace.listings import COLUMNS, invent, read

HEADER = ",".join(f'"{name}"' for name in COLUMNS)
GOOD = '"1",5668626895,"null","0","USD","No","Thumbnail","None",790,"$790","Monthly",101,"Washington","DC"'
ROWS = (
    GOOD,
    '"2",5664597177,"2.5","1","USD","No","Yes","Cats,Dogs",1425,"$1,425","Monthly",1006,"O\'Fallon","MO"',
    '"3",5664567303,"1","null","USD","No","No","null",525,"$525","Monthly|Weekly",200,"null","null"',
    '"4",5659276240,"1","1","USD","No","Yes","Dogs",1560,"$1,560 Weekly","Weekly",200,"New Bern","NC"',
)
UCI = (
    Path(__file__).parents[4]
    / "shared/data/uci_apartments_10k/apartments_for_rent_classified_10K_reduced.csv"
)


def write(path: Path, *rows: str, header: str = HEADER) -> Path:
    path.write_text("\n".join([header, *rows, ""]), encoding="utf-8")
    return path


def test_the_quirks_of_the_file(tmp_path: Path) -> None:
    found = read(write(tmp_path / "uci.csv", *ROWS))
    first, second, third, fourth = found.listings
    assert [listing.id for listing in found.listings] == [5668626895, 5664597177, 5664567303, 5659276240]
    assert (first.bathrooms, first.bedrooms, first.pets_allowed, first.has_photo) == (None, 0, False, True)
    assert (second.bathrooms, second.price, second.square_feet) == (Decimal("2.5"), 1425, 1006)
    assert (second.pets_allowed, second.price_display, second.title) == (
        True,
        "$1,425",
        "1-bedroom home in O'Fallon, MO",
    )
    assert (third.bedrooms, third.pets_allowed, third.has_photo, third.title) == (None, None, False, "Home")
    assert (third.cityname, third.state, third.latitude, third.longitude) == (None, None, None, None)
    assert [listing.nights_priced for listing in found.listings] == [30, 30, 30, 7]
    assert fourth.cost(fourth.price, 14) == Decimal("3120.00")
    assert second.cost(second.price, 10) == Decimal("475.00")


def test_places_are_made_up_honestly(tmp_path: Path) -> None:
    path = write(tmp_path / "uci.csv", *ROWS)
    found = read(path)
    assert found.listings == read(path).listings
    assert found.notices == (
        "4 listings read from uci.csv; the file has no coordinates, so 3 are put near the middle of their"
        " state:"
        " latitude and longitude are made up, prices, rooms and places are real",
        "1 listings name no city and state: they have no valid location and count in none of the metrics by"
        " city",
        "titles, bookings, views, exchange rates and the price history are invented around the listings",
    )
    for listing in found.listings:
        if listing.state is not None and listing.latitude is not None and listing.longitude is not None:
            latitude, longitude = STATE_CENTRES[listing.state]
            assert abs(float(listing.latitude) - latitude) < 0.34
            assert abs(float(listing.longitude) - longitude) < 0.34


def replaced(old: str, new: str) -> str:
    assert GOOD.count(old) == 1
    return GOOD.replace(old, new)


@pytest.mark.parametrize(
    "rows, sentence",
    [
        ([], " holds no listings"),
        ([GOOD, GOOD], ":3: column id: '5668626895' stands there twice"),
        (["1,2"], ":2: the row has 2 values, the header 14 columns"),
        ([replaced("5668626895", "x")], ":2: column id: 'x' is not a number"),
        ([replaced("5668626895", "1.5")], ":2: column id: '1.5' is not a number that can stand there"),
        ([replaced("790,", '"null",')], ":2: column price: 'null' is not a number"),
        ([replaced("790,", "-790,")], ":2: column price: '-790' is not a number that can stand there"),
        ([replaced("790,", "NaN,")], ":2: column price: 'NaN' is not a number that can stand there"),
        (
            [replaced('"Monthly"', '"Yearly"')],
            ":2: column price_type: 'Yearly' is not one of: Monthly, Weekly, Monthly|Weekly",
        ),
        (
            [replaced('"None"', '"Snakes"')],
            ":2: column pets_allowed: 'Snakes' is not one of: None, Cats, Dogs, Cats,Dogs",
        ),
        (
            [replaced('"DC"', '"Bavaria"')],
            ":2: column state: 'Bavaria' is not the two-letter code of a state of the USA",
        ),
    ],
)
def test_rows_that_are_refused(tmp_path: Path, rows: list[str], sentence: str) -> None:
    path = write(tmp_path / "uci.csv", *rows)
    with pytest.raises(UsageError) as caught:
        read(path)
    assert str(caught.value) == f"{path}{sentence}"


def test_files_that_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        UsageError, match="uci.csv:1: these are not the columns of the UCI apartments file; they have"
    ):
        read(write(tmp_path / "uci.csv", header="id;category;title"))
    with pytest.raises(UsageError, match="cannot read .*nothing.csv: No such file or directory"):
        read(tmp_path / "nothing.csv")
    (tmp_path / "latin.csv").write_bytes(HEADER.encode() + b"\n\xe9\n")
    with pytest.raises(UsageError, match="latin.csv is not UTF-8"):
        read(tmp_path / "latin.csv")
    with pytest.raises(UsageError, match=r"uci.csv:2: not a CSV file"):
        read(write(tmp_path / "uci.csv", '"1'))


def test_a_marketplace_around_given_listings(engine_dsn: str, fresh_database: object, tmp_path: Path) -> None:
    listings = read(write(tmp_path / "uci.csv", *ROWS)).listings
    snapshots = generate(tmp_path / "m", seed=1, until=date(2025, 3, 31), scale=0.01, listings=listings)
    for snapshot in snapshots:
        load(engine_dsn, snapshot.path, snapshot.at)
    bookings = (snapshots[-1].path / "bookings.csv").read_text().splitlines()
    assert len(bookings) > 50
    assert sum(any(str(listing.id) in line for listing in listings) for line in bookings) > 0.9 * len(
        bookings
    )


@pytest.mark.skipif(not UCI.is_file(), reason="the shared data set is not here")
def test_the_real_file() -> None:
    found = read(UCI)
    assert len(found.listings) == 10_000
    assert sum(listing.latitude is None for listing in found.listings) == 77
    assert sum(listing.price for listing in found.listings) == Decimal(14_862_775)
    assert min(listing.id for listing in found.listings) > 2**31


def test_invented_listings_fit_the_sources_columns() -> None:
    listings = invent(300, seed=5)
    assert len({listing.id for listing in listings}) == 300
    assert all(len(listing.title) <= 255 and listing.price >= 25 for listing in listings)
