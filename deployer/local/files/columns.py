"""Redshift's types in Parquet and in text files.

Source: Redshift Database Developer Guide, "UNLOAD" (usage notes) and "COPY from columnar data formats".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deployer.sql.names import quote_ident
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

PARTITION_TYPES = frozenset(
    "smallint integer bigint decimal real boolean char varchar name date timestamp".split()
)
"""What may be a partition key: UNLOAD, "PARTITION BY clause"."""

_MANIFEST_NAMES = {
    "double": "double precision", "varchar": "character varying", "char": "character", "decimal": "numeric",
    "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone", "name": "character varying",
    "time": "time without time zone", "timetz": "time with time zone", "unknown": "character varying",
}  # fmt: skip


def check_parquet(name: str, kind: RedshiftType) -> None:
    """Raise Refused for a column that Parquet cannot carry."""
    if kind.name == "varbyte":
        raise Refused(
            f'UNLOAD: column "{name}" is VARBYTE, which unloads to text or CSV only; for Parquet use TO_HEX'
        )
    if kind.name in ("time", "timetz", "interval"):
        # No page says what Redshift writes for them.
        raise Refused(
            f'UNLOAD: column "{name}" is {kind.name.upper()}, which the documentation does not name for Parquet;'
            " CAST it to VARCHAR"
        )


def arrow_type(kind: RedshiftType) -> Any:
    """The Arrow type whose Parquet form stands for `kind`.

    TIMESTAMP is INT64 in microseconds: no page says whether Redshift writes that or INT96, and only the former holds
    every timestamp. TIMESTAMPTZ loses its zone ("only the timestamp values are unloaded"), SUPER is JSON.
    """
    import pyarrow as pa

    plain = {
        "smallint": pa.int16(), "integer": pa.int32(), "bigint": pa.int64(), "oid": pa.int64(), "real": pa.float32(),
        "double": pa.float64(), "boolean": pa.bool_(), "date": pa.date32(), "timestamp": pa.timestamp("us"),
        "timestamptz": pa.timestamp("us"),
    }  # fmt: skip
    if kind.is_decimal and kind.precision is not None:
        return pa.decimal128(kind.precision, kind.scale or 0)
    return plain.get(kind.name, pa.string())


def selection(query: str, columns: Sequence[tuple[str, RedshiftType]], *, parquet: bool) -> str:
    """PostgreSQL text that reads the translated `query` and gives each column as its files want it."""
    parts = []
    for number, (name, kind) in enumerate(columns):
        column = f"c{number}"
        if kind.name == "varbyte":
            column = f"pg_catalog.encode({column}, 'hex')"
        elif parquet and kind.name == "timestamptz":
            column = f"({column} at time zone 'UTC')"
        parts.append(f"{column} as {quote_ident(name)}")
    names = ", ".join(f"c{number}" for number in range(len(columns)))
    return f"select {', '.join(parts)} from ({query}) as unloaded({names})"


def schema_element(name: str, kind: RedshiftType) -> dict[str, Any]:
    """A column in the manifest of MANIFEST VERBOSE."""
    told: dict[str, Any] = {"base": _MANIFEST_NAMES.get(kind.name, kind.name)}
    if kind.is_decimal and kind.precision is not None:
        told |= {"precision": kind.precision, "scale": kind.scale or 0}
    elif kind.is_text and kind.length:
        told["max_length"] = kind.length
    return {"name": name, "type": told}


def release_memory() -> None:
    """Give back what Arrow keeps for the next time: the daemon lives on, and the next time may never come."""
    import pyarrow as pa

    pa.default_memory_pool().release_unused()
