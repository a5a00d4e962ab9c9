"""Types and texts of PostgreSQL's values, without a server."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.local.replication.postgres import types

ANYTHING = st.one_of(st.none(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))


def written(value: Any) -> str:
    """An array as PostgreSQL writes it, each text in quotes."""
    if value is None:
        return "NULL"
    if isinstance(value, list):
        return "{" + ",".join(map(written, value)) + "}"
    return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'


@given(st.lists(st.one_of(ANYTHING, st.lists(ANYTHING))))
def test_arrays_of_texts_as_json(value: list[Any]) -> None:
    assert json.loads(types.array_as_json(written(value), "text")) == value


@pytest.mark.parametrize(
    ("text", "element", "made"),
    [
        ("{1,-2,NULL}", "int4", "[1,-2,null]"),
        ("[0:1]={1,2}", "int4", "[1,2]"),
        ("{1.50,NaN}", "numeric", '[1.50,"NaN"]'),
        ("{t,f}", "bool", "[true,false]"),
        ('{"{\\"a\\": 1}"}', "jsonb", '[{"a": 1}]'),
        ('{"2024-01-01 00:00:00",NULL}', "timestamp", '["2024-01-01 00:00:00",null]'),
        ('{a,"NULL","b,c"}', "text", '["a","NULL","b,c"]'),
        ("{}", "text", "[]"),
    ],
)
def test_arrays_as_json(text: str, element: str, made: str) -> None:
    assert types.array_as_json(text, element) == made


def numeric(precision: int, scale: int) -> int:
    return (precision << 16 | scale & 0x7FF) + 4


@pytest.mark.parametrize(
    ("name", "modifier", "lands"),
    [
        ("numeric", -1, None),
        ("numeric", numeric(12, 2), "decimal(12,2)"),
        ("numeric", numeric(38, 37), "decimal(38,37)"),
        ("numeric", numeric(39, 2), None),
        ("numeric", numeric(5, -2), None),
        ("numeric", numeric(3, 5), None),
        ("bpchar", 9, "char(5)"),
        ("bpchar", 4 + 5000, None),
        ("varchar", 24, "varchar(65535)"),
        ("interval", -1, None),
        ("interval", 0x0006 << 16 | 0xFFFF, "interval year to month"),
        ("interval", 0x1C08 << 16 | 6, "interval day to second"),
        ("interval", 0x0004 << 16 | 0xFFFF, None),
        ("_int4", -1, "super"),
        ("_numeric", -1, "super"),
        ("_point", -1, None),
        ("user.mood", -1, None),
        ("int4range", -1, None),
    ],
)
def test_landing_types(name: str, modifier: int, lands: str | None) -> None:
    assert types.landing_type(name, modifier) == lands
