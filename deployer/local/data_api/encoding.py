"""Values and columns as the API's answers show them.

Sources: Redshift Management Guide, data-api, "Mapping JDBC data types" (LONG, DOUBLE, BOOLEAN, BLOB, and STRING for
DECIMAL and all dates and times), and the answers printed in data-api-calling: `2022-02-22 00:00:00.0` for a TIMESTAMP,
`int4`, precision 10; `varchar`, precision 200, case-sensitive; `timestamp`, precision 29, scale 6. The numbers for the
other types are those of the JDBC driver's ResultSetMetaData (pgjdbc, TypeInfoCache, whose fork the service uses).
Not documented, and chosen here: VARBYTE is a blobValue (the guide's table has VARBINARY twice, as BLOB and as STRING);
trailing blanks of a CHAR are not shown (so do the guide's examples of bpchar columns).
"""

from __future__ import annotations

import base64
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from deployer.local.gateway.codec import Column

BOOL, INT8, INT2, INT4, OID, FLOAT4, FLOAT8 = 16, 20, 21, 23, 26, 700, 701
BPCHAR, VARCHAR, DATE, TIME, TIMESTAMP, TIMESTAMPTZ = 1042, 1043, 1082, 1083, 1114, 1184
INTERVAL, TIMETZ, NUMERIC, SUPER, VARBYTE = 1186, 1266, 1700, 4000, 6551

TYPE_NAMES = {
    BOOL: "bool", 18: "char", 19: "name", INT8: "int8", INT2: "int2", INT4: "int4", 25: "text", OID: "oid",
    FLOAT4: "float4", FLOAT8: "float8", BPCHAR: "bpchar", VARCHAR: "varchar", DATE: "date", TIME: "time",
    TIMESTAMP: "timestamp", TIMESTAMPTZ: "timestamptz", INTERVAL: "interval", TIMETZ: "timetz", NUMERIC: "numeric",
    SUPER: "super", VARBYTE: "varbyte",
}  # fmt: skip

_UNKNOWN_LENGTH = 2147483647
_PRECISION = {
    INT2: 5, INT4: 10, OID: 10, INT8: 19, FLOAT4: 8, FLOAT8: 17, BOOL: 1, 18: 1, DATE: 13, TIME: 15, TIMETZ: 21,
    TIMESTAMP: 29, TIMESTAMPTZ: 35, INTERVAL: 49,
}  # fmt: skip
_SCALE = {FLOAT4: 8, FLOAT8: 17, TIME: 6, TIMETZ: 6, TIMESTAMP: 6, TIMESTAMPTZ: 6}
_SIGNED = {INT2, INT4, INT8, FLOAT4, FLOAT8, NUMERIC}
_CASELESS = {
    OID, INT2, INT4, INT8, FLOAT4, FLOAT8, BOOL, DATE, TIME, TIMETZ, TIMESTAMP, TIMESTAMPTZ, INTERVAL, NUMERIC,
}  # fmt: skip

NOT_NULL, NULLABLE, UNKNOWN = 0, 1, 2
"""JDBC's columnNoNulls, columnNullable, columnNullableUnknown."""

_WHOLE_SECONDS = re.compile(r"\d{4,}-\d\d-\d\d \d\d:\d\d:\d\d")


@dataclass(frozen=True)
class Origin:
    """The table column that a result column shows."""

    schema: str
    table: str
    nullable: int


def metadata(column: Column, origin: Origin | None) -> dict[str, Any]:
    """A result column's ColumnMetadata; without an origin it is an expression."""
    precision, scale = _measures(column.type, column.modifier)
    return {
        "isCaseSensitive": column.type not in _CASELESS,
        "isCurrency": False,
        "isSigned": column.type in _SIGNED,
        "label": column.name,
        "length": 0,
        "name": column.name,
        "nullable": origin.nullable if origin else UNKNOWN,
        "precision": precision,
        "scale": scale,
        "schemaName": origin.schema if origin else "",
        "tableName": origin.table if origin else "",
        "typeName": TYPE_NAMES.get(column.type, "unknown"),
    }


def _measures(oid: int, modifier: int) -> tuple[int, int]:
    """Precision and scale."""
    if oid == NUMERIC:
        return (0, 0) if modifier < 4 else ((modifier - 4) >> 16 & 0xFFFF, (modifier - 4) & 0xFFFF)
    if oid in (BPCHAR, VARCHAR):
        return (_UNKNOWN_LENGTH if modifier < 4 else modifier - 4), 0
    return _PRECISION.get(oid, _UNKNOWN_LENGTH), _SCALE.get(oid, 0)


def field(oid: int, value: bytes | None) -> Mapping[str, Any]:
    """A value as a Field, from the warehouse's text of it."""
    if value is None:
        return {"isNull": True}
    if oid in (INT2, INT4, INT8, OID):
        return {"longValue": int(value)}
    if oid in (FLOAT4, FLOAT8):
        number = float(value)
        # JSON has no such numbers; Smithy's awsJson1_1 writes their names.
        return {"doubleValue": number if math.isfinite(number) else _NAMES[str(number)]}
    if oid == BOOL:
        return {"booleanValue": value == b"t"}
    if oid == VARBYTE:
        return {"blobValue": base64.b64encode(bytes.fromhex(value.decode())).decode()}
    return {"stringValue": text(oid, value)}


_NAMES = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def text(oid: int, value: bytes) -> str:
    """A value as a string."""
    shown = value.decode()
    if oid == TIMESTAMP and _WHOLE_SECONDS.fullmatch(shown):
        return shown + ".0"
    if oid == BOOL:
        return "true" if shown == "t" else "false"
    return shown.rstrip(" ") if oid == BPCHAR else shown


def csv_row(oids: Sequence[int], row: Sequence[bytes | None]) -> str:
    """A row in CSV, ended by CR LF as documented. NULL is nothing between the commas, an empty text is quoted:
    the guide says nothing of either.
    """
    return csv_line(
        [None if value is None else text(oid, value) for oid, value in zip(oids, row, strict=True)]
    )


def csv_line(values: Sequence[str | None]) -> str:
    """Values as one line of CSV (RFC 4180)."""
    return ",".join(_csv_field(value) for value in values) + "\r\n"


def _csv_field(value: str | None) -> str:
    if value is None:
        return ""
    if value == "" or _SPECIAL.search(value):
        return '"' + value.replace('"', '""') + '"'
    return value


_SPECIAL = re.compile(r'[",\r\n]')
