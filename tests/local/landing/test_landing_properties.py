"""Laws of loading, over random snapshots and random values."""

from __future__ import annotations

import csv
import re
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from landing_source import START, Source, empty

from deployer.errors import UsageError
from deployer.local.landing.dates import DateFormat
from deployer.local.landing.resync import resync
from deployer.local.landing.stage import _staging_type
from deployer.local.landing.tables import APARTMENT_ATTRIBUTES, APARTMENTS, BOOKINGS, Column, Table
from deployer.local.landing.values import Value, parse, pattern

ISO = DateFormat()

# Text that CSV has to quote, and text that looks like something else.
texts = st.one_of(
    st.none(),
    st.text(alphabet="a\"',\n\r\\. é🏠N;", min_size=1, max_size=6),
    st.sampled_from(["NULL", "\\N", "\\.", '"', '""', " ", "\n", "\r\n", "null"]),
)
SIZED = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])


def _values(column: Column) -> st.SearchStrategy[Value]:
    match column.kind:
        case "bigint":
            return st.none() | st.sampled_from([0, 1, -1, 2**63 - 1, -(2**63), 5_668_626_895])
        case "int":
            return st.none() | st.integers(-(2**31), 2**31 - 1)
        case "boolean":
            return st.none() | st.sampled_from([0, 1])
        case "decimal":
            limit = 10**column.size - 1
            return st.none() | st.integers(-limit, limit).map(lambda n: Decimal(n).scaleb(-column.scale))
        case "date":
            return st.none() | st.dates(date(1000, 1, 1))
        case "datetime":
            return st.none() | st.datetimes(datetime(1000, 1, 1)).map(lambda t: t.replace(microsecond=0))
        case "char":
            return st.none() | st.sampled_from(["EUR", "eur", "é", "$"])
        case _:
            return texts


def _rows(table: Table) -> st.SearchStrategy[dict[int, tuple[Value, ...]]]:
    """A snapshot: rows without their key, by key."""
    return st.dictionaries(st.integers(1, 4), st.tuples(*map(_values, table.columns[1:])), max_size=4)


def _write(path: Path, table: Table, rows: dict[int, tuple[Value, ...]], dialect: int) -> None:
    if any("\r" in value for values in rows.values() for value in values if isinstance(value, str)):
        # Python's csv module leaves a lone carriage return unquoted before lines that end with LF.
        dialect |= 1
    with path.open("w", encoding="utf-8", newline="") as out:
        writer = csv.writer(
            out,
            quoting=csv.QUOTE_ALL if dialect & 1 else csv.QUOTE_MINIMAL,
            lineterminator="\r\n" if dialect & 2 else "\n",
        )
        writer.writerow(table.names)
        for key, values in rows.items():
            writer.writerow([key, *values])


@pytest.mark.slow
@SIZED
@given(
    table=st.sampled_from([APARTMENTS, BOOKINGS, APARTMENT_ATTRIBUTES]),
    data=st.data(),
    dialect=st.integers(0, 3),
)
def test_present_rows_are_the_snapshot_and_history_is_a_chain(
    source: Source, table: Table, data: st.DataObject, dialect: int
) -> None:
    empty(source.dsn)
    at = START
    model: dict[int, list[tuple[tuple[Value, ...], datetime, datetime | None]]] = {}
    for _ in range(data.draw(st.integers(1, 5))):
        rows = data.draw(_rows(table))
        at += timedelta(hours=data.draw(st.sampled_from([0, 0, 1, 30])))
        if data.draw(st.integers(0, 9)) == 0:
            resync(source.dsn, table.name, at)
            model = {
                key: [(versions[-1][0], at, None)]
                for key, versions in model.items()
                if versions[-1][2] is None
            }
        _write(source.directory / f"{table.name}.csv", table, rows, dialect)
        counts = source.load(at).tables[table.name]

        inserted = updated = deleted = 0
        for key in model.keys() | rows.keys():
            versions = model.setdefault(key, [])
            present = versions[-1] if versions and versions[-1][2] is None else None
            new = rows.get(key)
            if present is not None and new is not None and present[0] == new:
                continue
            if present is not None:
                versions[-1] = (present[0], present[1], at)
            if new is not None:
                versions.append((new, at, None))
            inserted += present is None and new is not None
            updated += present is not None and new is not None
            deleted += present is not None and new is None
        assert (counts.inserted, counts.updated, counts.deleted) == (inserted, updated, deleted)
        assert counts.unchanged == len(rows) - inserted - updated
        assert {row[0]: row[1:-3] for row in source.rows(table.name)} == rows

    found = source.query(f'select * from "rental_landing.rental".{table.name}')
    expected = [
        (key, *values, ended is None, begun, ended)
        for key, versions in model.items()
        for values, begun, ended in versions
    ]
    assert sorted(found, key=repr) == sorted(expected, key=repr)
    # A chain of half-open versions: none begins before the one ahead of it has ended.
    for versions in model.values():
        for (_, begun, ended), (_, next_begun, _) in zip(versions, versions[1:], strict=False):
            assert begun <= ended <= next_begun


COLUMNS = {
    "bigint": BOOKINGS.column("user_id"),
    "int": BOOKINGS.column("num_guests"),
    "boolean": APARTMENTS.column("is_active"),
    "decimal": BOOKINGS.column("total_price"),
    "date": BOOKINGS.column("checkin_date"),
    "datetime": BOOKINGS.column("booking_date"),
    "char": BOOKINGS.column("currency"),
    "varchar": BOOKINGS.column("payment_status"),
}

# Mutations of good values are more often nearly right than random text is.
_good = st.sampled_from(
    [
        "2024-02-29",
        "2023-02-29",
        "2024-02-29 10:20:30",
        "2024-02-29T23:59",
        "2024-02-29 10:20:30.000",
        "9999-12-31",
    ]
    + [
        "0",
        "-1",
        "+7",
        "9223372036854775807",
        "2147483648",
        "10.50",
        "0.005",
        "-.5",
        "5.",
        "9999999999.99",
        "1e3",
    ]
    + [
        "true",
        "FALSE",
        "t",
        "EUR",
        "é",
        "NaN",
        "infinity",
        "paid",
        "a" * 21,
        " " * 25,
        "0x1f",
        "1_0",
        "today",
    ]
)


@st.composite
def nearly(draw: st.DrawFn) -> str:
    text = draw(_good)
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + draw(st.sampled_from(list("0129-+:. TZe/é,_\t") + [""]))
            + text[at + draw(st.integers(0, 1)) :]
        )
    return text


@pytest.fixture(scope="module")
def staging(engine_dsn: str):  # noqa: ANN201 - a psycopg connection
    with psycopg.connect(engine_dsn, autocommit=True) as connection:
        connection.execute("set datestyle = 'ISO, YMD'")
        for kind, column in COLUMNS.items():
            connection.execute(
                f"create temporary table value_{kind} (v {_staging_type(column, ISO).as_string(connection)})"
            )
        yield connection


@settings(deadline=None, max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(sorted(COLUMNS)), text=nearly())
def test_the_three_checks_agree(staging: psycopg.Connection, kind: str, text: str) -> None:
    """The regular expression and PostgreSQL together take what `parse` takes, and as the same value."""
    column = COLUMNS[kind]
    try:
        expected, accepted = parse(column, text, ISO), True
    except ValueError:
        expected, accepted = None, False
    quoted = '"' + text.replace('"', '""') + '"'
    fits = re.fullmatch(pattern(column, ISO, required=False), quoted.encode()) is not None
    stored = None
    if fits:
        staging.execute(f"truncate value_{kind}")
        try:
            with staging.cursor().copy(f"copy value_{kind} from stdin (format csv, force_null (v))") as copy:
                copy.write(quoted + "\n")
            cast = {"boolean": "v::int", "char": "v::text"}.get(kind, "v")
            stored = staging.execute(f"select {cast} from value_{kind}").fetchone()[0]  # type: ignore[index]
        except psycopg.DataError:
            fits = False
    assert fits == accepted
    assert stored == expected


@given(
    form=st.sampled_from(["%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y%m%d", "%d%m%Y", "%Y-%m-%d", "%d %m %Y"]),
    day=st.dates(date(1000, 1, 1)),
)
def test_a_date_format_reads_what_strftime_writes(form: str, day: date) -> None:
    # strftime does not pad years below 1000, which are not drawn.
    assert DateFormat(form).parse_date(day.strftime(form)) == day


@given(text=st.text(alphabet='ab,"\r\n', max_size=12))
@SIZED
def test_any_file_is_read_as_the_csv_module_reads_it_or_refused(source: Source, text: str) -> None:
    """Whatever the bytes, a row that is loaded is the row that Python's csv module finds."""
    path = source.directory / "apartments.csv"
    path.write_bytes(
        f"id,title,source,price,currency,listing_created_on,is_active,last_modified_timestamp\n1,{text},,,,\n".encode()
    )
    empty(source.dsn)
    try:
        source.load(START)
    except UsageError as error:
        assert re.search(r"apartments\.csv:\d+: ", str(error))
        return
    with path.open(encoding="utf-8", newline="") as lines:
        rows = list(csv.reader(lines, strict=True))[1:]
    assert source.rows("apartments", "id::text, title, source, price::text") == [
        tuple(value or None for value in row[:4]) for row in rows
    ]
