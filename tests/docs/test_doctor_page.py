"""Holds docs/doctor.md to the code: every part stands in its table, and the states are those that are printed."""

from __future__ import annotations

from pathlib import Path

from deployer.cli import doctor
from deployer.operations.doctor import examine

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "doctor.md").read_text(encoding="utf-8")


def test_every_part_and_every_state_stands_in_a_table() -> None:
    rows = [line.split("|")[1].strip() for line in PAGE.splitlines() if line.startswith("| ")]
    assert rows == [
        "",
        *(f"`{mark}`" for mark in doctor._MARKS.values()),
        "part",
        *(name for name, _ in examine._PARTS),
    ]
