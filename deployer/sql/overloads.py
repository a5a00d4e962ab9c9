"""Which of several procedures of one name a CALL means, told by the types of its arguments.

Source: Redshift Database Developer Guide, "Overloading procedure names": by the number and the types of the arguments.
How near two types are it does not say. Here an argument may be of the declared type, an untyped literal, or of a type
of the same category ("Type compatibility and conversion"); anything else needs a cast.
"""

from __future__ import annotations

from deployer.sql.types import RedshiftType

_CATEGORIES = (
    ("smallint", "integer", "bigint", "decimal", "real", "double"),
    ("char", "varchar", "name"),
    ("date", "timestamp", "timestamptz"),
    ("time", "timetz"),
)
"""Types that convert into each other, each one into those behind it without loss."""


def type_name(kind: RedshiftType) -> str:
    """A type as messages and catalogs name it, without its length."""
    return {
        "decimal": "numeric", "varchar": "character varying", "char": "character", "double": "double precision",
        "timestamp": "timestamp without time zone", "timestamptz": "timestamp with time zone",
    }.get(kind.name, kind.name)  # fmt: skip


def distance(given: RedshiftType, declared: RedshiftType) -> int | None:
    """How far an argument's type is from the declared one; None when it does not convert by itself."""
    if given.name == declared.name:
        return 0
    if given.name == "unknown":
        return 1
    for category in _CATEGORIES:
        if given.name in category and declared.name in category:
            step = category.index(declared.name) - category.index(given.name)
            return 1 + step if step > 0 else 20 - step
    return None
