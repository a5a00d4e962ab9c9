"""PostgreSQL's types as Redshift names and numbers them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from deployer.local.gateway.codec import Column
from deployer.sql import types
from deployer.sql.types import RedshiftType

SUPER_OID = 4000
VARBYTE_OID = 6551
VARCHAR_OID = 1043
NUMERIC_OID = 1700

_OIDS = {25: VARCHAR_OID, 705: VARCHAR_OID, 114: SUPER_OID, 3802: SUPER_OID, 17: VARBYTE_OID}
"""Types that Redshift does not have -> the type number that its clients expect. The rest has the same in both."""

_BACK = {SUPER_OID: 114, VARBYTE_OID: 17}
"""What a client may declare a parameter as -> PostgreSQL's number. varchar stays varchar."""

BINARY_OIDS = frozenset(
    {16, 18, 19, 20, 21, 23, 26, 700, 701, 1042, 1043, 1082, 1083, 1114, 1184, 1186, 1266}
)
"""Types whose binary form is PostgreSQL's on Redshift too, and intervals (intervals.py). Of numeric it is not
documented and known to differ, and of the types that only Redshift has there is none in PostgreSQL: those are refused
in binary."""

_NAMES = {
    "smallint": types.SMALLINT,
    "integer": types.INTEGER,
    "bigint": types.BIGINT,
    "real": types.REAL,
    "double precision": types.DOUBLE,
    "boolean": types.BOOLEAN,
    "text": types.VARCHAR,
    "character varying": types.VARCHAR,
    "date": types.DATE,
    "time without time zone": types.TIME,
    "time with time zone": types.TIMETZ,
    "timestamp without time zone": types.TIMESTAMP,
    "timestamp with time zone": types.TIMESTAMPTZ,
    "interval": types.INTERVAL,
    "redshift.super": types.SUPER,
    "json": types.SUPER,
    "jsonb": types.SUPER,
    "oid": types.OID,
    "name": types.NAME,
    "bytea": RedshiftType("varbyte"),
    "character": RedshiftType("char", length=1),
    '"char"': RedshiftType("char", length=1),
}
_SIZED = re.compile(
    r"(numeric|character varying|character|timestamp|time|interval)\((\d+)(?:,(-?\d+))?\)(.*)"
)

_BY_OID = {
    16: types.BOOLEAN, 17: RedshiftType("varbyte"), 18: RedshiftType("char", length=1), 19: types.NAME,
    20: types.BIGINT, 21: types.SMALLINT, 23: types.INTEGER, 25: types.VARCHAR, 26: types.OID, 114: types.SUPER,
    700: types.REAL, 701: types.DOUBLE, 1042: RedshiftType("char"), 1043: types.VARCHAR, 1082: types.DATE,
    1083: types.TIME, 1114: types.TIMESTAMP, 1184: types.TIMESTAMPTZ, 1186: types.INTERVAL, 1266: types.TIMETZ,
    3802: types.SUPER, 4000: types.SUPER, 6551: RedshiftType("varbyte"),
}  # fmt: skip


def from_format(name: str) -> RedshiftType:
    """The Redshift type of what PostgreSQL's format_type() calls `name`; `unknown` for a type Redshift lacks."""
    if name.endswith(" collate ci"):
        return replace(from_format(name.removesuffix(" collate ci")), collation="ci")
    if name in _NAMES:
        return _NAMES[name]
    if name.startswith("interval "):
        return replace(types.INTERVAL, qualifier=name.removeprefix("interval "))
    sized = _SIZED.fullmatch(name)
    if sized is not None:
        kind, first, second, rest = sized.groups()
        if kind == "numeric":
            return types.decimal(int(first), int(second or 0))
        if kind == "character varying":
            return RedshiftType("varchar", length=int(first))
        if kind == "character":
            return RedshiftType("char", length=int(first))
        return _NAMES.get(kind + rest, types.UNKNOWN)
    if name == "numeric":
        return RedshiftType("decimal")
    return types.UNKNOWN


def from_oid(oid: int, modifier: int = -1) -> RedshiftType:
    """The Redshift type of a PostgreSQL type number and modifier; `unknown` for a type Redshift lacks."""
    if oid == NUMERIC_OID:
        if modifier < 4:
            return RedshiftType("decimal")
        return types.decimal((modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0x7FF)
    known = _BY_OID.get(oid, types.UNKNOWN)
    if known.name in ("varchar", "char") and modifier > 4:
        return replace(known, length=modifier - 4)
    return known


def redshift_oid(oid: int) -> int:
    return _OIDS.get(oid, oid)


def postgres_oid(oid: int) -> int:
    return _BACK.get(oid, oid)


def shown(
    columns: Sequence[Column], inferred: Sequence[tuple[str, RedshiftType | None]]
) -> tuple[Column, ...]:
    """The row description as Redshift would send it.

    Redshift's type numbers; lengths and precisions that PostgreSQL does not carry through an expression come
    from the types that the translator has inferred; table and attribute numbers are PostgreSQL's.
    """
    result = []
    for index, column in enumerate(columns):
        known = inferred[index][1] if len(inferred) == len(columns) else None
        modifier = column.modifier
        if modifier == -1 and known is not None:
            if column.type == NUMERIC_OID and known.precision is not None and known.scale is not None:
                modifier = (known.precision << 16 | known.scale) + 4
            elif column.type in (25, 1043) and known.name == "varchar" and known.length is not None:
                modifier = known.length + 4
        result.append(replace(column, type=redshift_oid(column.type), modifier=modifier))
    return tuple(result)
