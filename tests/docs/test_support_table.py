"""The table of what is supported: every row is tried, and the page shows it as it is."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redshift_connector import ProgrammingError

from deployer.local import support_page
from deployer.local.support import COMMANDS, REFUSED, SETUP

ROOT = Path(__file__).resolve().parents[2]
REFERENCE = ROOT.parent / "shared" / "data" / "redshift_reference" / "commands.tsv"


def test_the_page_shows_the_table() -> None:
    text = support_page.PAGE.read_text(encoding="utf-8")
    assert support_page.page(text) == text, "run: python -m deployer.local.support_page"


@pytest.mark.skipif(not REFERENCE.is_file(), reason="the reference lists are not here")
def test_every_documented_command_is_in_the_table() -> None:
    with REFERENCE.open(encoding="utf-8") as file:
        documented = {row["command"] for row in csv.DictReader(file, delimiter="\t")}
    assert len(documented) > 90
    assert documented <= {command.name for command in COMMANDS}


def test_names_are_unique_and_sorted() -> None:
    names = [command.name for command in COMMANDS]
    assert names == sorted(names) and len(set(names)) == len(names)


def test_each_row_is_as_the_table_says(connect: Callable[..., Any], fresh_database: object) -> None:
    cursor = connect(autocommit=True).cursor()
    for statement in SETUP:
        cursor.execute(statement)
    wrong = []
    for command in COMMANDS:
        told = None
        for statement in filter(None, command.example.split(";;")):
            try:
                cursor.execute(statement)
            except ProgrammingError as error:
                told = error.args[0]
                break
        if command.verdict == REFUSED:
            if told is None or command.name not in told["M"]:
                wrong.append((command.name, told))
        elif told is not None:
            wrong.append((command.name, told))
    assert not wrong, "\n".join(f"{name}: {told and told['M']}" for name, told in wrong)


def test_the_views_are_those_of_the_catalog(engine: Any) -> None:
    rows = engine.execute(
        "select relname from pg_class where relnamespace = 'redshift_catalog'::regnamespace and relkind = 'v'"
    ).fetchall()
    assert sorted(name for (name,) in rows) == support_page.views()
