"""Every way in which a file can be bad, and the sentence that says so. Nothing is changed by any of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from landing_source import HEADERS, Source

from deployer.errors import UsageError
from deployer.local.landing import csvfile
from deployer.local.landing.csvfile import CsvFile
from deployer.local.landing.dates import DateFormat
from deployer.local.landing.tables import APARTMENTS

RATES = "currency,rate_date,usd_per_unit\n"
APARTMENT = HEADERS["apartments"] + "\n"
BOOKING = HEADERS["bookings"] + "\n"
ATTRIBUTES = HEADERS["apartment_attributes"] + "\n"
VIEWING = HEADERS["user_viewing"] + "\n"


def booking(number: int = 1, **changed: str) -> str:
    """A line of bookings.csv with some values replaced."""
    values = {
        "booking_id": str(number),
        "user_id": "2",
        "apartment_id": "3",
        "booking_date": "2024-01-01 10:00:00",
        "checkin_date": "2024-01-02",
        "checkout_date": "2024-01-03",
        "total_price": "10.00",
        "currency": "USD",
        "booking_status": "confirmed",
        "payment_status": "paid",
        "num_guests": "1",
    }
    return ",".join((values | changed).values()) + "\n"


REFUSED = [
    # The header.
    ("bookings", b"", "bookings.csv is empty: it needs at least a header line with the names of the columns"),
    (
        "exchange_rates",
        "currency,rate_date,rate\n",
        "exchange_rates.csv:1: unknown column 'rate'; exchange_rates has: currency, rate_date, usd_per_unit",
    ),
    (
        "exchange_rates",
        "currency;rate_date;usd_per_unit\nEUR;2024-01-01;1\n",
        "exchange_rates.csv:1: unknown column 'currency;rate_date;usd_per_unit'; exchange_rates has:"
        " currency, rate_date, usd_per_unit; are the columns separated by commas?",
    ),
    (
        "exchange_rates",
        "Currency,rate_date,usd_per_unit\n",
        "exchange_rates.csv:1: unknown column 'Currency';"
        " exchange_rates has: currency, rate_date, usd_per_unit",
    ),
    ("exchange_rates", "currency,usd_per_unit\n", "exchange_rates.csv:1: the column rate_date is missing"),
    ("exchange_rates", "currency,rate_date\n", "exchange_rates.csv:1: the column usd_per_unit is missing"),
    (
        "exchange_rates",
        "currency,rate_date,usd_per_unit,currency\n",
        "exchange_rates.csv:1: the column currency stands in the header twice",
    ),
    (
        "exchange_rates",
        'currency,"rate_date,usd_per_unit\n',
        "exchange_rates.csv:1: the header line does not end; is this a CSV file?",
    ),
    (
        "exchange_rates",
        "currency,rate_date,usd_per_unit\n".encode("utf-16"),
        "exchange_rates.csv:1: '\\xff\\xfec\\x00u\\x00r\\x00r\\x00e\\x00n\\x00c\\x00y\\x00' is not UTF-8",
    ),
    (
        "exchange_rates",
        "currency,rate_date,usd_per_unit\rEUR,2024-01-01,1\r",
        "exchange_rates.csv:1: a carriage return stands outside of quotes",
    ),
    # Values of a wrong type.
    (
        "bookings",
        BOOKING + booking() + booking(2, user_id="two"),
        "bookings.csv:3: column user_id: 'two' is not a whole number",
    ),
    (
        "bookings",
        BOOKING + booking(user_id="1.0"),
        "bookings.csv:2: column user_id: '1.0' is not a whole number",
    ),
    (
        "bookings",
        BOOKING + booking(user_id=" 1"),
        "bookings.csv:2: column user_id: ' 1' is not a whole number",
    ),
    (
        "bookings",
        BOOKING + booking(user_id="0x1F"),
        "bookings.csv:2: column user_id: '0x1F' is not a whole number",
    ),
    (
        "bookings",
        BOOKING + booking(user_id="1_000"),
        "bookings.csv:2: column user_id: '1_000' is not a whole number",
    ),
    ("bookings", BOOKING + booking(user_id="٣"), "bookings.csv:2: column user_id: '٣' is not a whole number"),
    (
        "bookings",
        BOOKING + booking(user_id="NULL"),
        "bookings.csv:2: column user_id: 'NULL' is not a whole number",
    ),
    (
        "bookings",
        BOOKING + booking(total_price="$10"),
        "bookings.csv:2: column total_price: '$10' is not a decimal number",
    ),
    (
        "bookings",
        BOOKING + booking(total_price="NaN"),
        "bookings.csv:2: column total_price: 'NaN' is not a decimal number",
    ),
    (
        "bookings",
        BOOKING + booking(total_price="1e2"),
        "bookings.csv:2: column total_price: '1e2' is not a decimal number",
    ),
    (
        "bookings",
        BOOKING + booking(total_price='"1,000.00"'),
        "bookings.csv:2: column total_price: '1,000.00' is not a decimal number",
    ),
    (
        "bookings",
        BOOKING + booking(total_price="."),
        "bookings.csv:2: column total_price: '.' is not a decimal number",
    ),
    (
        "apartments",
        APARTMENT + "1,t,s,1,EUR,,yes,\n",
        "apartments.csv:2: column is_active: 'yes' is not a boolean (0, 1, true or false)",
    ),
    (
        "apartments",
        APARTMENT + "1,t,s,1,EUR,,2,\n",
        "apartments.csv:2: column is_active: '2' is not a boolean (0, 1, true or false)",
    ),
    # Dates. PostgreSQL alone would take most of these, each in its own way.
    *(
        (
            "bookings",
            BOOKING + booking(checkin_date=text),
            f"bookings.csv:2: column checkin_date: '{text}' is not a date (YYYY-MM-DD)",
        )
        for text in (
            "2024-1-5",
            "20240105",
            "today",
            "infinity",
            "Jan 5 2024",
            "2024-01-05 00:00:00",
            "24-01-05",
            "0000-00-00",
            "0999-12-31",
        )
    ),
    (
        "bookings",
        BOOKING + booking(checkin_date="27/03/2024"),
        "bookings.csv:2: column checkin_date: '27/03/2024' is not a date (YYYY-MM-DD);"
        " --date-format takes other forms",
    ),
    (
        "bookings",
        BOOKING + booking(booking_date="3.4.2024 10:00"),
        "bookings.csv:2: column booking_date: '3.4.2024 10:00' is not a timestamp"
        " (YYYY-MM-DD, or that and HH:MM:SS); --date-format takes other forms",
    ),
    (
        "bookings",
        BOOKING + booking(checkin_date="2023-02-29"),
        "bookings.csv:2: column checkin_date: '2023-02-29' is not a day of the calendar",
    ),
    *(
        (
            "bookings",
            BOOKING + booking(booking_date=text),
            f"bookings.csv:2: column booking_date: '{text}' is not a timestamp"
            " (YYYY-MM-DD, or that and HH:MM:SS)",
        )
        for text in ("now", "2024-01-01 24:00:00", "2024-01-01 10", "2024-01-01 10:00:60", "10:00 2024-01-01")
    ),
    (
        "bookings",
        BOOKING + booking(booking_date="2024-13-01 10:00"),
        "bookings.csv:2: column booking_date: '2024-13-01 10:00' is not a day of the calendar",
    ),
    (
        "bookings",
        BOOKING + booking(booking_date="2024-01-01T10:00:00Z"),
        "bookings.csv:2: column booking_date: '2024-01-01T10:00:00Z' has a time zone;"
        " source timestamps are UTC and written without one",
    ),
    (
        "bookings",
        BOOKING + booking(booking_date="2024-01-01 10:00:00.5"),
        "bookings.csv:2: column booking_date: '2024-01-01 10:00:00.5' has a fraction of a second,"
        " which a DATETIME cannot hold",
    ),
    # Out of range, too long, too many decimals.
    (
        "bookings",
        BOOKING + booking(user_id="9223372036854775808"),
        "bookings.csv:2: column user_id: '9223372036854775808' is out of the range of BIGINT",
    ),
    (
        "bookings",
        BOOKING + booking(num_guests="-2147483649"),
        "bookings.csv:2: column num_guests: '-2147483649' is out of the range of INT",
    ),
    (
        "bookings",
        BOOKING + booking(total_price="10000000000"),
        "bookings.csv:2: column total_price: '10000000000' is out of the range of DECIMAL(12,2)",
    ),
    (
        "bookings",
        BOOKING + booking(total_price="10.005"),
        "bookings.csv:2: column total_price: '10.005' has more than 2 decimals",
    ),
    (
        "apartment_attributes",
        ATTRIBUTES + "1,,,,1.25,,,,,,,,,,,,\n",
        "apartment_attributes.csv:2: column bathrooms: '1.25' has more than 1 decimal",
    ),
    (
        "apartment_attributes",
        ATTRIBUTES + "1,,,,,,,,,,,,,,,,1000\n",
        "apartment_attributes.csv:2: column longitude: '1000' is out of the range of DECIMAL(9,6)",
    ),
    (
        "bookings",
        BOOKING + booking(currency="EURO"),
        "bookings.csv:2: column currency: 'EURO' is longer than 3 characters",
    ),
    (
        "bookings",
        BOOKING + booking() + booking(2, booking_status="é" * 21),
        f"bookings.csv:3: column booking_status: '{'é' * 21}' is longer than 20 characters",
    ),
    (
        "apartment_attributes",
        ATTRIBUTES + f"1,,{'é' * 32_768},,,,,,,,,,,,,,\n",
        f"apartment_attributes.csv:2: column body: '{'é' * 60}...' is longer than 65535 bytes",
    ),
    # Keys.
    (
        "bookings",
        BOOKING + booking(7) + booking(8) + booking(9) + booking(8),
        "bookings.csv:5: column booking_id: '8' is the key of line 3 too",
    ),
    (
        "bookings",
        BOOKING + booking(7) + booking(0, booking_id="+007"),
        "bookings.csv:3: column booking_id: '+007' is the key of line 2 too",
    ),
    (
        "exchange_rates",
        RATES + "EUR,2024-01-01,1\nEUR,2024-01-02,1\nEUR,2024-01-01,2\n",
        "exchange_rates.csv:4: columns currency, rate_date: 'EUR', '2024-01-01' is the key of line 2 too",
    ),
    (
        # Both are the CHAR(3) 'EU'.
        "exchange_rates",
        RATES + '"EU ",2024-01-01,1\nEU,2024-01-01,2\n',
        "exchange_rates.csv:3: columns currency, rate_date: 'EU', '2024-01-01' is the key of line 2 too",
    ),
    (
        "bookings",
        BOOKING + booking(booking_id=""),
        "bookings.csv:2: column booking_id: '' is NULL, which a key cannot be",
    ),
    (
        "exchange_rates",
        RATES + '"",2024-01-01,1\n',
        "exchange_rates.csv:2: column currency: '' is NULL, which a key cannot be",
    ),
    (
        "user_viewing",
        VIEWING + "1,2,3,,0,\n,2,3,,0,\n",
        "user_viewing.csv:3: column viewing_id: '' is NULL, which a key cannot be",
    ),
    # The form of the file.
    (
        "exchange_rates",
        RATES + "EUR,2024-01-01\n",
        "exchange_rates.csv:2: the row has 2 values, the header 3 columns",
    ),
    (
        "exchange_rates",
        RATES + "EUR,2024-01-01,1,\n",
        "exchange_rates.csv:2: the row has 4 values, the header 3 columns",
    ),
    ("exchange_rates", RATES + "EUR,2024-01-01,1\n\n", "exchange_rates.csv:3: the line is empty"),
    ("exchange_rates", RATES + "EUR\n", "exchange_rates.csv:2: the row has 1 value, the header 3 columns"),
    ("exchange_rates", RATES + "\\.\n", "exchange_rates.csv:2: the row has 1 value, the header 3 columns"),
    (
        "exchange_rates",
        RATES + "EUR,2024-01-01,1\r\n",
        "exchange_rates.csv:2: the line does not end with LF as the header line does",
    ),
    (
        "exchange_rates",
        "currency,rate_date,usd_per_unit\r\nEUR,2024-01-01,1\nGBP,2024-01-01,1\r\n",
        "exchange_rates.csv:2: the line does not end with CR LF as the header line does",
    ),
    (
        "apartments",
        APARTMENT + "1,a\rb,s,1,EUR,,1,\n",
        "apartments.csv:2: a carriage return stands outside of quotes",
    ),
    (
        "apartments",
        APARTMENT + '1,5" pipe,s,1,EUR,,1,\n',
        "apartments.csv:2: column title: '5': a quote stands in the middle of a value; quote the whole value",
    ),
    (
        "apartments",
        APARTMENT + '1,"a" b,s,1,EUR,,1,\n',
        "apartments.csv:2: column title: '\"a\"': a closing quote must be followed by"
        " a comma or the line's end",
    ),
    (
        "apartments",
        APARTMENT + '1,"a\nb","c\n,1,EUR,,1,\n2,d,s,1,EUR,,1,\n',
        "apartments.csv:3: the quote that opens here is never closed",
    ),
    (
        "apartments",
        APARTMENT + '1,"a""\n',
        "apartments.csv:2: the quote that opens here is never closed",
    ),
    # Not text.
    (
        "apartments",
        APARTMENT.encode() + b"1,caf\xe9,s,1,EUR,,1,\n",
        "apartments.csv:2: column title: 'caf\\xe9' is not UTF-8",
    ),
    (
        "apartments",
        APARTMENT.encode() + b"1,\xed\xa0\x80,s,1,EUR,,1,\n",
        "apartments.csv:2: column title: '\\xed\\xa0\\x80' is not UTF-8",
    ),
    (
        "apartments",
        APARTMENT + "1,a\x00b,s,1,EUR,,1,\n",
        "apartments.csv:2: column title: 'a\\x00b' holds a NUL character",
    ),
    # Lines are counted through quoted line breaks.
    (
        "apartments",
        APARTMENT + '1,"a\nb\n\nc",s,1,EUR,,1,\n2,"a\nb",s,1,EUR,,maybe,\n',
        "apartments.csv:7: column is_active: 'maybe' is not a boolean (0, 1, true or false)",
    ),
    (
        "apartments",
        APARTMENT.encode() + b'1,"a\nb\n\nc",s,1,EUR,,1,\n2,"a\nb",caf\xe9,1,EUR,,1,\n',
        "apartments.csv:7: column source: 'caf\\xe9' is not UTF-8",
    ),
]


@pytest.mark.parametrize(
    "table, content, sentence", REFUSED, ids=[f"{n}-{case[0]}" for n, case in enumerate(REFUSED)]
)
def test_refused(
    source: Source, refused: Callable[..., str], table: str, content: str | bytes, sentence: str
) -> None:
    # There is something to be changed: good rows, and a good file that comes before.
    source.write("apartments", "1,t,s,1,EUR,,1,")
    source.write("exchange_rates", "EUR,2024-01-01,1")
    source.load()
    source.write("apartments", "1,changed,s,1,EUR,,1,")
    path = source.directory / f"{table}.csv"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    assert refused() == sentence


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("2024-07-09", "bookings.csv:2: column checkin_date: '2024-07-09' is not a date (%d/%m/%Y)"),
        ("31/02/2024", "bookings.csv:2: column checkin_date: '31/02/2024' is not a day of the calendar"),
        ("07/31/2024", "bookings.csv:2: column checkin_date: '07/31/2024' is not a day of the calendar"),
        ("1/1/24", "bookings.csv:2: column checkin_date: '1/1/24' is not a date (%d/%m/%Y)"),
    ],
)
def test_refused_with_a_date_format(
    source: Source, refused: Callable[..., str], text: str, sentence: str
) -> None:
    source.write(
        "bookings", booking(booking_date="01/01/2024", checkin_date=text, checkout_date="02/01/2024").strip()
    )
    assert refused(date_format="%d/%m/%Y") == sentence


def test_equal_days_written_differently_are_one_key(source: Source, refused: Callable[..., str]) -> None:
    source.write("exchange_rates", "EUR,01/02/2024,1", "EUR,1/2/2024,1")
    assert refused(date_format="%d/%m/%Y") == (
        "exchange_rates.csv:3: columns currency, rate_date: 'EUR', '1/2/2024' is the key of line 2 too"
    )


def test_a_bad_row_far_behind_is_found_by_its_line(source: Source, refused: Callable[..., str]) -> None:
    """Chunk borders shift no line number, whether Python or PostgreSQL finds the row."""
    rows = [f'{n},"two\nlines",s,1,EUR,,1,' for n in range(1, 30_001)]
    path = source.write("apartments", *rows, "30001,t,s,x,EUR,,1,")
    assert path.stat().st_size > 3 * csvfile._CHUNK // 2
    assert refused() == "apartments.csv:60002: column price: 'x' is not a decimal number"
    source.write("apartments", *rows, "30001,t,s,1,EURO,,1,")
    assert refused() == "apartments.csv:60002: column currency: 'EURO' is longer than 3 characters"
    source.write("apartments", *rows, "1,t,s,1,EUR,,1,")
    assert refused() == "apartments.csv:60002: column id: '1' is the key of line 2 too"


def test_an_open_quote_does_not_read_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "apartments.csv"
    path.write_text(APARTMENT + '1,"a,s,1,EUR,,1,\n' + "2,b,s,1,EUR,,1,\n" * 500_000)
    file = CsvFile(path, APARTMENTS, DateFormat())
    with pytest.raises(UsageError, match="apartments.csv:2: the quote that opens here is never closed"):
        list(file.chunks())
    assert file.bytes_read < csvfile._RECORD_LIMIT + 2 * csvfile._CHUNK < path.stat().st_size


def test_a_file_that_cannot_be_read(source: Source, refused: Callable[..., str]) -> None:
    (source.directory / "bookings.csv").mkdir()
    assert refused() == "cannot read bookings.csv: Is a directory"
