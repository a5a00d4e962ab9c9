"""`zeroshift lineage` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from deployer.cli import main
from deployer.operations import lineage as operations
from deployer.project import config

ROOT = Path(__file__).resolve().parents[2]
COLUMN = "presentation.bookings_per_user_weekly.spend_usd"


@pytest.fixture(scope="module")
def graph() -> object:
    return operations.read(config.load(ROOT))


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch, graph: object) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(operations, "read", lambda _: graph)


def printed(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    assert main.execute(["lineage", *arguments]) == code
    told = capsys.readouterr()
    return told.err if code else told.out


def test_text_has_sources_with_their_ways_and_the_rest_by_table(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, COLUMN).splitlines()
    assert lines[:4] == [COLUMN, "", "Computed from", "  rental_landing.rental.bookings.total_price"]
    ways = [line.split()[1] for line in lines[4:8]]
    assert ways == [
        "raw.bookings_history.total_price",
        "curated.bookings.total_price_usd",
        "metrics.bookings_per_user_weekly.spend_usd",
        COLUMN,
    ]
    at = lines.index("Chosen by (CASE, windows, outer joins)")
    assert lines[at + 1] == (
        "  rental_landing.rental.bookings: booking_date, booking_status, currency, payment_status"
    )
    assert "Not followed" not in "".join(lines)


def test_temps_are_shown_when_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    assert "temporary table" not in printed(capsys, COLUMN)
    assert "staged_bookings.total_price (temporary table of curated.stage_bookings)" in printed(
        capsys, COLUMN, "--temps"
    )


def test_json_has_every_hop(capsys: pytest.CaptureFixture[str]) -> None:
    found = json.loads(printed(capsys, COLUMN, "--json"))
    assert (found["relation"], found["column"], found["downstream"], found["gaps"]) == (
        "presentation.bookings_per_user_weekly", "spend_usd", False, [],
    )  # fmt: skip
    first = found["ends"][0]
    assert (first["relation"], first["column"], first["influence"]) == (
        "rental_landing.rental.bookings", "total_price", "value",
    )  # fmt: skip
    assert first["way"][1]["path"] == "procedures/raw/rental/bookings_history.sql"
    assert first["way"][1]["line"] > 1


def test_mermaid_dots_what_only_chooses(capsys: pytest.CaptureFixture[str]) -> None:
    lines = printed(capsys, COLUMN, "--mermaid").splitlines()
    assert lines[0] == "flowchart LR"
    nodes = {}
    box = ""
    for line in lines[1:]:
        words = line.strip()
        if words.startswith("subgraph"):
            box = words.partition('"')[2].removesuffix('"]')
        elif "[" in words:
            nodes[words.partition("[")[0]] = (
                f"{box}.{words.partition(chr(34))[2].removesuffix(chr(34) + ']')}"
            )
    arrows = {
        (nodes[one], arrow, nodes[other])
        for one, arrow, other in (line.split() for line in lines if "->" in line)
    }
    metric = "metrics.bookings_per_user_weekly.spend_usd"
    assert ("curated.bookings.total_price_usd", "-->", metric) in arrows
    assert ("curated.bookings.is_stay", "-.->", metric) in arrows


def test_downstream_lists_what_depends(capsys: pytest.CaptureFixture[str]) -> None:
    text = printed(capsys, "rental_landing.rental.user_viewing.call_to_action", "--downstream")
    assert "  presentation.listing_engagement_weekly: contact_rate" in text.splitlines()


def test_what_decides_about_a_constant_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert printed(capsys, "presentation.freshness.pipeline").splitlines() == [
        "presentation.freshness.pipeline",
        "",
        "Chosen by (CASE, windows, outer joins)",
        "  argument as_of of ops.run_rental",
        "  argument from_date of ops.backfill_rental",
        "  argument to_date of ops.backfill_rental",
        "  getdate()",
    ]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("presentation.freshness.nothing",
         "presentation.freshness has no column nothing; it has: pipeline, as_of, published_at, newest_change_at,"
         " rejected_rows"),
        ("presentation.fresness",
         "no migration, view or procedure of this project knows presentation.fresness; did you mean"
         " presentation.freshness?"),
        ("xyz",
         "no migration, view or procedure of this project knows xyz; write schema.table or schema.table.column"),
        ("rental_landing.rental.exchange_rates.rate",
         "no file reads a column rate of rental_landing.rental.exchange_rates; those that are read:"
         " _record_create_time, _record_delete_time, _record_is_active, currency, rate_date, usd_per_unit"),
    ],
)  # fmt: skip
def test_what_is_not_known_is_said(capsys: pytest.CaptureFixture[str], name: str, sentence: str) -> None:
    assert printed(capsys, name, code=1) == f"zeroshift: {sentence}\n"
