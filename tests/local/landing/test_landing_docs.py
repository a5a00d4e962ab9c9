"""docs/local-load.md says of the columns what the loader does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from landing_source import HEADERS, Source

from deployer.local.landing.tables import TABLES

PAGE = Path(__file__).parents[3] / "docs/local-load.md"


def test_the_table_of_columns() -> None:
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")][1:]
    documented = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    expected = []
    for table in TABLES:
        for column in table.columns:
            note = "optional" if column.optional else ""
            if column.name in table.key:
                note = "key, may be missing" if table.numbered else "key"
            expected.append([table.name, column.name, column.source_type, column.landing_type, note])
    assert documented == expected


def test_every_documented_refusal_is_made(source: Source, refused: Callable[..., str]) -> None:
    """The page's two examples, at lines of the test's own."""
    page = PAGE.read_text()
    row = "{},2,3,2026-01-01,{},2026-03-01,1,USD,confirmed,paid,1"
    for line, rows in (
        (2, [("1", "2026-02-30")]),
        (4, [("8", "2026-02-01"), ("9", "2026-02-01"), ("8", "2026-02-01")]),
    ):
        source.write("bookings", *(row.format(*values) for values in rows), header=HEADERS["bookings"])
        sentence = refused().removeprefix(f"bookings.csv:{line}: ").replace("line 2", "line 3")
        assert sentence in page
