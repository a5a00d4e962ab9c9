"""The whitelist covers Redshift's function list, and refuses the rest by name."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from deployer.local.functions import registry
from deployer.sql.functions import NOT_YET, POSTGRESQL_ONLY
from deployer.sql.refused import Refused

REFERENCE = Path(__file__).parents[4] / "shared" / "data" / "redshift_reference"
needs_reference = pytest.mark.skipif(not REFERENCE.is_dir(), reason="the reference lists are not here")


def rows(name: str) -> list[dict[str, str]]:
    if not REFERENCE.is_dir():
        return []
    with (REFERENCE / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file, delimiter="\t"))


@needs_reference
@pytest.mark.parametrize("name", sorted({row["function"].lower() for row in rows("functions.tsv")}))
def test_every_documented_function_is_accepted_or_refused_by_name(name: str) -> None:
    if name in registry.SYNTAX:
        return
    if name in registry.FUNCTIONS:
        assert registry.lookup(name).name == name
        return
    with pytest.raises(Refused, match=re.escape(name.upper())) as refused:
        registry.lookup(name)
    assert refused.value.sqlstate == "0A000"


def test_the_reference_list_is_read() -> None:
    if REFERENCE.is_dir():
        assert len(rows("functions.tsv")) > 200


def test_an_unknown_function_is_refused() -> None:
    with pytest.raises(Refused, match="frobnicate.* does not exist on Redshift or is not known"):
        registry.lookup("Frobnicate")


@pytest.mark.parametrize("function", registry.FUNCTIONS.values(), ids=lambda function: function.name)
def test_every_function_names_its_page(function: registry.Function) -> None:
    assert re.fullmatch(r"https://docs\.aws\.amazon\.com/redshift/latest/dg/[\w-]+\.html", function.source)
    assert function.name == function.name.lower()
    assert function.max_args is None or function.min_args <= function.max_args


@pytest.mark.parametrize("name", sorted(NOT_YET))
def test_what_is_not_yet_there_is_refused_in_a_sentence(name: str) -> None:
    with pytest.raises(Refused, match="is a Redshift function that the local Redshift does not run yet"):
        registry.lookup(name)


def test_no_name_stands_in_two_tables() -> None:
    assert not set(registry.FUNCTIONS) & set(NOT_YET)
    assert not set(registry.FUNCTIONS) & set(POSTGRESQL_ONLY)
    assert not set(NOT_YET) & set(POSTGRESQL_ONLY)
    assert len(registry.FUNCTIONS) == sum(len(chapter) for chapter in registry.CHAPTERS)


@needs_reference
@pytest.mark.parametrize("name", ["now", "age", "current_timestamp", "current_time", "localtimestamp"])
def test_leader_node_functions_are_marked(name: str) -> None:
    assert registry.lookup(name).leader_only
