"""Redshift's data types, as far as inference and conversion need them.

Source: Redshift Database Developer Guide, "Data types" and "Computations with numeric values".
"""

from __future__ import annotations

from dataclasses import dataclass, field

MAX_PRECISION = 38
MAX_VARCHAR = 65535
DEFAULT_VARCHAR = 256

INTEGERS = {"smallint": 5, "integer": 10, "bigint": 19}
"""Integer type -> the decimal digits that Redshift counts for it when it meets a DECIMAL."""


@dataclass(frozen=True)
class RedshiftType:
    """One type.

    `name` is one of: smallint integer bigint decimal real double boolean char varchar date time timetz
    timestamp timestamptz interval super varbyte oid name unknown. `unknown` is the type of a bare string
    literal or NULL. `precision` and `scale` belong to decimal, `length` (bytes) to char, varchar, varbyte;
    a varchar without a length is an expression whose length was not derived.
    """

    name: str
    precision: int | None = None
    scale: int | None = None
    length: int | None = None
    collation: str = ""
    """Of char and varchar: "ci" when it compares without regard to case (COLLATE CASE_INSENSITIVE)."""
    qualifier: str = field(default="", compare=False)
    """Of interval: "month", "day to second(3)" and so on, what its values are cut to. Any two intervals are alike."""

    @property
    def is_integer(self) -> bool:
        return self.name in INTEGERS

    @property
    def is_decimal(self) -> bool:
        return self.name == "decimal"

    @property
    def is_float(self) -> bool:
        return self.name in ("real", "double")

    @property
    def is_numeric(self) -> bool:
        return self.is_integer or self.is_decimal or self.is_float

    @property
    def is_text(self) -> bool:
        return self.name in ("char", "varchar", "name")


SMALLINT = RedshiftType("smallint")
INTEGER = RedshiftType("integer")
BIGINT = RedshiftType("bigint")
REAL = RedshiftType("real")
DOUBLE = RedshiftType("double")
BOOLEAN = RedshiftType("boolean")
VARCHAR = RedshiftType("varchar")
DATE = RedshiftType("date")
TIME = RedshiftType("time")
TIMETZ = RedshiftType("timetz")
TIMESTAMP = RedshiftType("timestamp")
TIMESTAMPTZ = RedshiftType("timestamptz")
INTERVAL = RedshiftType("interval")
SUPER = RedshiftType("super")
OID = RedshiftType("oid")
NAME = RedshiftType("name")
UNKNOWN = RedshiftType("unknown")

BY_OID = {
    16: BOOLEAN, 19: NAME, 20: BIGINT, 21: SMALLINT, 23: INTEGER, 25: VARCHAR, 26: OID, 700: REAL, 701: DOUBLE,
    705: UNKNOWN, 1042: RedshiftType("char"), 1043: VARCHAR, 1082: DATE, 1083: TIME, 1114: TIMESTAMP,
    1184: TIMESTAMPTZ, 1186: INTERVAL, 1188: INTERVAL, 1190: INTERVAL, 1266: TIMETZ, 1700: RedshiftType("decimal"),
    4000: SUPER, 6551: RedshiftType("varbyte"),
}  # fmt: skip
"""The types by the numbers that catalogs and the wire protocol give them, without lengths and precisions.

From 4000 on, and 1188 and 1190 (the two kinds of intervals), they are Redshift's own: redshift_connector's RedshiftOID.
"""


def decimal(precision: int, scale: int) -> RedshiftType:
    """DECIMAL(precision, scale)."""
    return RedshiftType("decimal", precision=precision, scale=scale)
