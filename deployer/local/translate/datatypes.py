"""Data types and literals as PostgreSQL is told them."""

from __future__ import annotations

from deployer.sql.types import RedshiftType

_PG_NAMES = {
    "double": "double precision", "super": "redshift.super", "varbyte": "bytea", "unknown": "text",
    "timestamptz": "timestamp with time zone", "timetz": "time with time zone",
}  # fmt: skip


def pg_type(kind: RedshiftType) -> str:
    """`kind` as PostgreSQL writes it, with its length or precision."""
    if kind.is_decimal:
        return f"numeric({kind.precision},{kind.scale})" if kind.precision is not None else "numeric"
    if kind.name == "varchar":
        return f"character varying({kind.length})" if kind.length else "character varying"
    if kind.name == "char":
        return f"character({kind.length})" if kind.length else "bpchar"
    if kind.name == "interval" and kind.qualifier:
        return f"interval {kind.qualifier}"
    return _PG_NAMES.get(kind.name, kind.name)


def column_type(kind: RedshiftType) -> str:
    """`kind` as the type of a column that is made: with its collation."""
    return pg_type(kind) + (" COLLATE redshift.case_insensitive" if kind.collation == "ci" else "")


def pg_literal(text: str) -> str:
    """A string literal for PostgreSQL that means the same whatever standard_conforming_strings says."""
    quoted = "'" + text.replace("'", "''") + "'"
    return " E" + quoted.replace("\\", "\\\\") if "\\" in text else quoted
