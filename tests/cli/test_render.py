from __future__ import annotations

import csv
import datetime
import io
import json
from decimal import Decimal

import pytest
from rich.cells import cell_len

from deployer.cli import render
from deployer.warehouse.session import Column


def columns(*names: str) -> list[Column]:
    return [Column(name, 0) for name in names]


def joined(parts: object) -> str:
    return "".join(parts)  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "true"),
        (False, "false"),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+3"), "1000"),
        (Decimal("0.000001"), "0.000001"),
        (datetime.date(2026, 1, 2), "2026-01-02"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5), "2026-01-02 03:04:05"),
        (datetime.datetime(2026, 1, 2, 3, 4, 5, 6000), "2026-01-02 03:04:05.006000"),
        (5_664_597_177, "5664597177"),
        (b"\x01\xff", "01ff"),
    ],
)
def test_values_are_written_exactly(value: object, text: str) -> None:
    assert render.text_of(value) == text


def test_csv_is_rfc_4180_and_tells_null_from_empty() -> None:
    rows = [
        (1, 'a "quoted", text', None),
        (2, "two\nlines", ""),
        (3, " blank ", Decimal("1.10")),
    ]
    text = joined(render.csv_lines(columns("id", "words", "x"), rows))
    assert text == ('id,words,x\r\n1,"a ""quoted"", text",\r\n2,"two\nlines",""\r\n3," blank ",1.10\r\n')
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["id", "words", "x"],
        ["1", 'a "quoted", text', ""],
        ["2", "two\nlines", ""],
        ["3", " blank ", "1.10"],
    ]


def test_json_keeps_every_digit_and_scale() -> None:
    wide = Decimal("12345678901234567890123456789012345.670")
    described = [
        Column("n", 0),
        Column("b", 16),
        Column("s", render.SUPER_OID),
        Column("t", 0),
        Column("f", 0),
    ]
    rows = [(wide, True, '{"a": [1.50]}', 'quote " and \n', float("nan")), (None, None, None, None, 1.5)]
    text = joined(render.json_lines(described, rows))
    read = json.loads(text, parse_float=Decimal)
    assert read[0]["n"] == wide
    assert str(read[0]["n"]) == str(wide)
    assert read[0]["s"] == {"a": [Decimal("1.50")]}
    assert read[0]["t"] == 'quote " and \n'
    assert read[0]["f"] == "nan"
    assert read[1] == {"n": None, "b": None, "s": None, "t": None, "f": Decimal("1.5")}


def test_json_of_no_rows_is_an_empty_array() -> None:
    assert json.loads(joined(render.json_lines(columns("a"), []))) == []


WIDE = columns(
    "week_start",
    "state",
    "cityname",
    "currency",
    "active_listings",
    "avg_price",
    "avg_price_usd",
    "new_listings",
    "new_listing_avg_price",
)
WIDE_ROW = (
    datetime.date(2026, 1, 5),
    "Bavaria",
    "Garmisch-Partenkirchen",
    "EUR",
    1203,
    Decimal("1234.50"),
    Decimal("1300.10"),
    4,
    None,
)


def test_a_wide_table_fits_80_columns_and_loses_nothing() -> None:
    text = joined(render.table_lines(WIDE[:-1], [WIDE_ROW[:-1]], 80))
    assert max(cell_len(line) for line in text.splitlines()) <= 80
    assert "-- row" not in text
    for part in ("2026-01-05", "Bavaria", "EUR", "1203", "1234.50", "1300.10"):
        assert part in text
    # The city is the one text that had to be broken.
    rows = text.splitlines()[-2:]
    start, end = rows[0].index("Garmisch"), rows[0].index("EUR")
    assert "".join(row[start:end].strip() for row in rows) == "Garmisch-Partenkirchen"


def test_headers_break_at_underscores_and_numbers_stand_right() -> None:
    lines = joined(
        render.table_lines(columns("avg_price_usd", "city"), [(Decimal("1.00"), "X")], 20)
    ).splitlines()
    assert lines[-1].startswith(" ") and lines[-1].split() == ["1.00", "X"]
    assert "".join(line.split("  ")[0].strip() for line in lines[:-2]).startswith("avg_price")


def test_what_cannot_fit_becomes_records() -> None:
    text = joined(render.table_lines(WIDE, [WIDE_ROW], 40))
    assert text.startswith("-- row 1 ")
    assert "new_listing_avg_price |" in text
    assert max(cell_len(line) for line in text.splitlines()) <= 40


def test_wide_characters_are_measured_in_cells() -> None:
    rows = [("東京都", 1), ("Rom", 2)]
    lines = joined(render.table_lines(columns("city", "n"), rows, 80)).splitlines()
    assert cell_len(lines[2]) == cell_len(lines[3])


def test_control_characters_cannot_drive_the_terminal() -> None:
    text = joined(render.table_lines(columns("a"), [("x\x1b[31mred\nnext",)], 80))
    assert "\x1b" not in text
    assert "\\x1b[31mred\\nnext" in text


def test_long_words_are_cut_into_lines_without_loss() -> None:
    word = "x" * 50
    text = joined(render.table_lines(columns("id", "words"), [(1, word)], 30))
    assert text.count("x") == 50
    assert max(len(line) for line in text.splitlines()) <= 30


def test_an_empty_result_has_its_header() -> None:
    assert joined(render.table_lines(columns("a", "b"), [], 80)) == "a  b\n-  -\n"
