"""Data types as Redshift writes them.

Source: Redshift Database Developer Guide, "Data types", "Unsupported PostgreSQL data types".
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deployer.sql.refused import Refused
from deployer.sql.types import DEFAULT_VARCHAR, MAX_PRECISION, MAX_VARCHAR, RedshiftType, decimal

if TYPE_CHECKING:
    from deployer.sql.parse.cursor import Cursor

MAX_CHAR = 4096
MAX_SCALE = 37
MAX_VARBYTE = 16_777_216

_PLAIN = {
    "smallint": "smallint", "int2": "smallint", "integer": "integer", "int": "integer", "int4": "integer",
    "bigint": "bigint", "int8": "bigint", "real": "real", "float4": "real", "float8": "double",
    "boolean": "boolean", "bool": "boolean", "date": "date", "timestamptz": "timestamptz", "timetz": "timetz",
    "super": "super", "datetime": "timestamp",
}  # fmt: skip
PLAIN_TYPES = frozenset(_PLAIN) - {"date", "timestamptz", "timetz"} | frozenset(
    """double float decimal numeric dec varchar nvarchar text bpchar char character nchar national varbyte
    varbinary""".split()
)
"""The first words of types that the guide gives no literals of the form TYPE 'value'."""
_NOT_YET = frozenset("geometry geography hllsketch".split())
_CATALOG = {
    "oid": "INTEGER or BIGINT", "name": "VARCHAR(128)", "cstring": "VARCHAR", "int2vector": "SUPER",
    "oidvector": "SUPER",
    "regclass": "the oid of PG_CLASS", "regproc": "the oid of PG_PROC", "regprocedure": "the oid of PG_PROC",
    "regtype": "the oid of PG_TYPE", "regnamespace": "the oid of PG_NAMESPACE",
}  # fmt: skip
"""Types that the catalog's own columns have, with what a user takes instead."""
REFUSED_TYPES = {
    "bit": "VARBYTE or BOOLEAN", "bit varying": "VARBYTE", "bytea": "VARBYTE", "json": "SUPER", "jsonb": "SUPER",
    "hstore": "SUPER",
    "uuid": "VARCHAR(36)", "xml": "VARCHAR or SUPER", "money": "DECIMAL", "serial": "BIGINT IDENTITY(1, 1)",
    "serial4": "INTEGER IDENTITY(1, 1)", "serial8": "BIGINT IDENTITY(1, 1)", "bigserial": "BIGINT IDENTITY(1, 1)",
    "serial2": "SMALLINT and a number of your own", "smallserial": "SMALLINT and a number of your own",
    "inet": "VARCHAR", "cidr": "VARCHAR", "macaddr": "VARCHAR", "macaddr8": "VARCHAR", "point": "GEOMETRY",
    "line": "GEOMETRY", "lseg": "GEOMETRY", "box": "GEOMETRY", "path": "GEOMETRY", "polygon": "GEOMETRY",
    "circle": "GEOMETRY", "tsvector": "VARCHAR", "tsquery": "VARCHAR", "txid_snapshot": "BIGINT",
    "pg_snapshot": "BIGINT", "pg_lsn": "VARCHAR", "int4range": "two columns", "int8range": "two columns",
    "numrange": "two columns", "tsrange": "two columns", "tstzrange": "two columns", "daterange": "two columns",
    "citext": "VARCHAR and LOWER(), or a case-insensitive collation", "any": "a type of its own",
    "anyelement": "a type of its own", "anyarray": "SUPER", "record": "the columns one by one",
    "trigger": "a stored procedure", "void": "no result", "xid": "BIGINT", "cid": "BIGINT", "tid": "a key of your own",
    "abstime": "TIMESTAMP", "reltime": "BIGINT", "tinterval": "two columns", "aclitem": "VARCHAR",
    "internal": "a type of its own", "timestamp_ns": "TIMESTAMP",
}  # fmt: skip
"""PostgreSQL types that Redshift lacks, with what it offers."""


def read_type(cursor: Cursor, *, ddl: bool = False) -> RedshiftType:
    """The data type at the cursor."""
    start = cursor.token
    # psql writes pg_catalog.text in catalog queries
    cursor.accept("pg_catalog") and cursor.expect_op(".")
    token = cursor.next()
    if token.kind == "quoted":
        if token.value == "char":
            message = 'type "char" is not supported on Redshift; use CHAR(1)'
            if ddl:
                raise Refused(message, position=token.start)
            # The catalog's own columns have it: r_DROP_TABLE's example compares them with 'i'::"char".
            cursor.leader_node.append(Refused(message, position=token.start))
            return RedshiftType("char", length=1)
        raise Refused(f'type "{token.value}" does not exist', position=token.start, sqlstate="42704")
    if token.kind != "word":
        cursor.fail(token)
    found = _read_word(cursor, token.value, token.start, ddl)
    if cursor.is_op("["):
        if start.value == "pg_catalog" or not ddl:
            cursor.only_on_catalogs("array types are not supported on Redshift; use SUPER", cursor.token)
            while cursor.accept_op("["):
                cursor.expect_op("]")
            return RedshiftType("array")
        cursor.refuse("array types are not supported on Redshift; use SUPER")
    return found


def _read_word(cursor: Cursor, word: str, pos: int, ddl: bool) -> RedshiftType:
    if word == "timestamp" or word == "time":
        return _time_type(cursor, word)
    if word in _PLAIN:
        return RedshiftType(_PLAIN[word])
    if word == "double":
        cursor.expect("precision")
        return RedshiftType("double")
    if word == "float":
        return _float(cursor)
    if word in ("decimal", "numeric", "dec"):
        return _decimal(cursor, pos)
    if word in ("varchar", "nvarchar"):
        return _sized(cursor, "varchar", MAX_VARCHAR, DEFAULT_VARCHAR if ddl else None)
    if word == "text":
        return RedshiftType("varchar", length=DEFAULT_VARCHAR) if ddl else RedshiftType("varchar")
    if word == "bpchar":
        # BPCHAR is CHAR(256): DG "Character types". As a cast target PostgreSQL 8 keeps the length.
        return RedshiftType("char", length=DEFAULT_VARCHAR) if ddl else RedshiftType("char")
    if word in ("char", "character", "nchar", "national"):
        if word == "national" and not (cursor.accept("character") or cursor.accept("char")):
            cursor.fail()
        if cursor.accept("varying"):
            return _sized(cursor, "varchar", MAX_VARCHAR, DEFAULT_VARCHAR if ddl else None)
        return _sized(cursor, "char", MAX_CHAR, 1)
    if word in ("varbyte", "varbinary") or (word == "binary" and cursor.accept("varying")):
        return _sized(cursor, "varbyte", MAX_VARBYTE, 64_000)
    if word == "interval":
        return _interval(cursor, ddl)
    if word in _NOT_YET:
        raise Refused(f"type {word.upper()} is not supported by the local Redshift yet", position=pos)
    if word in _CATALOG:
        # Without any table it passes as well: sqlalchemy-redshift asks select 'a.b'::regclass::oid.
        cursor.leader_node.append(
            Refused(
                f"type {word.upper()} is not supported on Redshift, but in queries that read the system catalog only; "
                f"use {_CATALOG[word]}",
                position=pos,
            )
        )
        return RedshiftType("array" if word.endswith("vector") or word == "cstring" else word)
    if word == "bit" and cursor.accept("varying"):
        word = "bit varying"
    if word in REFUSED_TYPES:
        raise Refused(refused_type(word), position=pos)
    raise Refused(f'type "{word}" does not exist', position=pos, sqlstate="42704")


def refused_type(word: str) -> str:
    """Why a type of REFUSED_TYPES is refused."""
    return f"type {word.upper()} is not supported on Redshift; use {REFUSED_TYPES[word]}"


def _time_type(cursor: Cursor, word: str) -> RedshiftType:
    if cursor.is_op("("):
        cursor.refuse(
            f"{word.upper()} takes no precision on Redshift: it always holds microseconds", sqlstate="42601"
        )
    zone = ""
    if cursor.accept("with", "time", "zone"):
        zone = "tz"
    else:
        cursor.accept("without", "time", "zone")
    return RedshiftType(word + zone)


def _float(cursor: Cursor) -> RedshiftType:
    if not cursor.accept_op("("):
        return RedshiftType("double")
    bits = cursor.integer()
    cursor.expect_op(")")
    if not 1 <= bits <= 53:
        cursor.refuse("precision for type float must be 1 to 53 bits", sqlstate="22023")
    return RedshiftType("real" if bits <= 24 else "double")


def _decimal(cursor: Cursor, pos: int) -> RedshiftType:
    if not cursor.accept_op("("):
        return decimal(18, 0)
    precision = cursor.integer()
    scale = cursor.integer() if cursor.accept_op(",") else 0
    cursor.expect_op(")")
    if not 1 <= precision <= MAX_PRECISION:
        raise Refused(
            f"NUMERIC precision {precision} must be between 1 and 38", position=pos, sqlstate="22023"
        )
    if not 0 <= scale <= min(precision, MAX_SCALE):
        raise Refused(
            f"NUMERIC scale {scale} must be between 0 and precision {min(precision, MAX_SCALE)}",
            position=pos,
            sqlstate="22023",
        )
    return decimal(precision, scale)


def _sized(cursor: Cursor, name: str, most: int, default: int | None) -> RedshiftType:
    if not cursor.accept_op("("):
        return RedshiftType(name, length=default)
    size = most if cursor.accept("max") else cursor.integer()
    cursor.expect_op(")")
    if not 1 <= size <= most:
        raise Refused(
            f"length for type {name} must be between 1 and {most}",
            position=cursor.token.start,
            sqlstate="22023",
        )
    return RedshiftType(name, length=size)


def _interval(cursor: Cursor, ddl: bool) -> RedshiftType:
    qualifier = interval_qualifier(cursor)
    if ddl and not qualifier:
        cursor.refuse(
            "an INTERVAL column needs a qualifier on Redshift: INTERVAL YEAR TO MONTH or INTERVAL DAY TO SECOND"
        )
    return RedshiftType("interval", qualifier=qualifier)


_QUALIFIERS = frozenset(["year", "month", "day", "hour", "minute", "second"])
_RANGES = frozenset(
    ["year to month", "day to hour", "day to minute", "day to second", "hour to minute", "hour to second",
     "minute to second"]
)  # fmt: skip


def interval_qualifier(cursor: Cursor) -> str:
    """The qualifier of an interval type or literal (r_interval_data_types), with the digits of its seconds; or ""."""
    token = cursor.token
    word = token.value.removesuffix("s")
    if token.kind != "word" or word not in _QUALIFIERS:
        return ""
    cursor.next()
    if cursor.accept("to"):
        word += " to " + cursor.next().value.removesuffix("s")
        if word not in _RANGES:
            cursor.fail(token)
    if word.endswith("second") and cursor.accept_op("("):
        word += f"({cursor.integer()})"
        cursor.expect_op(")")
    return word


def redshift_text(kind: RedshiftType) -> str:
    """`kind` as Redshift writes it in messages and catalogs."""
    if kind.is_decimal:
        return f"numeric({kind.precision},{kind.scale})"
    if kind.name in ("varchar", "char") and kind.length:
        return f"{'character varying' if kind.name == 'varchar' else 'character'}({kind.length})"
    return {"double": "double precision", "varchar": "character varying", "char": "character",
            "timestamptz": "timestamp with time zone", "timestamp": "timestamp without time zone",
            }.get(kind.name, kind.name)  # fmt: skip
