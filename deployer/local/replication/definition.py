"""Source tables as they are defined, and how zero-ETL lands them or why it does not.

Types: Aurora User Guide, "Data type differences between Aurora and Amazon Redshift databases" (facts/redshift.md
1.9). Whether VARCHAR(n) lands in n characters or bytes is not said there: as for the CSV source, four bytes are
taken for each character. SMALLINT UNSIGNED is missing from the page; INTEGER is the smallest type that holds it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Any

import pymysql

BYTES_PER_CHARACTER = 4
LONGEST_TEXT = 65_535

NO_PRIMARY_KEY = "The table has no primary key"
"""SVV_INTEGRATION_TABLE_STATE.reason; its texts are not documented, the causes are (Redshift Management Guide,
"Troubleshooting zero-ETL integrations", and Aurora's "Limitations")."""

_WHOLE = {
    ("tinyint", False): "smallint",
    ("tinyint", True): "smallint",
    ("smallint", False): "smallint",
    ("smallint", True): "integer",
    ("mediumint", False): "integer",
    ("mediumint", True): "integer",
    ("int", False): "integer",
    ("int", True): "bigint",
    ("bigint", False): "bigint",
    ("bigint", True): "decimal(20,0)",
}
_FIXED = {
    "float": "real",
    "double": "double precision",
    "date": "date",
    "datetime": "timestamp",
    "timestamp": "timestamp",
    "time": "varchar(18)",
    "year": "varchar(4)",
    "tinytext": "varchar(255)",
    "text": f"varchar({LONGEST_TEXT})",
    "mediumtext": f"varchar({LONGEST_TEXT})",
    "longtext": f"varchar({LONGEST_TEXT})",
    "enum": "varchar(1020)",
    "set": "varchar(1020)",
    "json": "super",
}
TEXTS = frozenset(["char", "varchar", "tinytext", "text", "mediumtext", "longtext", "enum", "set"])
BINARIES = frozenset(["binary", "varbinary", "bit"])
_FOREIGN_KEY = re.compile(
    r"\s*CONSTRAINT `(.+?)` FOREIGN KEY .* ON (?:DELETE|UPDATE) (CASCADE|SET NULL|SET DEFAULT)", re.I
)


@dataclass(frozen=True)
class ColumnDefinition:
    """One source column. `type` is MySQL's word for it (json also for MariaDB's alias); `size` its characters, bytes or
    bits, or a decimal's precision, `scale` its decimals or a time's fractional digits.
    """

    name: str
    type: str
    size: int = 0
    scale: int = 0
    unsigned: bool = False

    @property
    def landing_type(self) -> str | None:
        """The type in Redshift's words; None where zero-ETL does not support the column."""
        if (self.type, self.unsigned) in _WHOLE:
            return _WHOLE[self.type, self.unsigned]
        if self.type in _FIXED:
            return _FIXED[self.type]
        match self.type:
            case "decimal" if self.size <= 38 and self.scale <= 37:
                return f"decimal({self.size},{self.scale})"
            case "char" | "varchar":
                return f"varchar({min(max(self.size, 1) * BYTES_PER_CHARACTER, LONGEST_TEXT)})"
            case "binary" | "varbinary":
                return f"varbyte({max(self.size, 1)})"
            case "bit":
                return "varbyte(8)"
        return None

    @property
    def engine_type(self) -> str:
        """The type in the local engine; only of supported columns."""
        landing = self.landing_type
        assert landing is not None
        if landing == "super":
            return "redshift.super"
        return "bytea" if landing.startswith("varbyte") else landing

    @property
    def most_bytes(self) -> int | None:
        """The bytes that a value may have in landing where the source's own type allows more."""
        landing = self.landing_type or ""
        return int(landing[8:-1]) if landing.startswith("varchar(") and self.type in TEXTS else None

    @property
    def can_be_longer(self) -> bool:
        """Whether the source's own type allows more than `most_bytes`."""
        most = self.most_bytes
        return most is not None and (
            self.type not in ("char", "varchar") or self.size * BYTES_PER_CHARACTER > most
        )

    @property
    def condition(self) -> str:
        """What a value must meet to be one of Redshift's, as SQL with {} for the column; "" where every value does."""
        return ""


@dataclass(frozen=True)
class TableDefinition:
    """One source table. `problem` says why zero-ETL does not replicate it, "" when it does."""

    schema: str
    name: str
    columns: tuple[ColumnDefinition, ...]
    key: tuple[str, ...]
    problem: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def key_places(self) -> tuple[int, ...]:
        return tuple(self.names.index(name) for name in self.key)

    def as_json(self) -> dict[str, Any]:
        """For the state in the engine; `from_json` turns it back."""
        return {
            "key": list(self.key),
            "columns": [[c.name, c.type, c.size, c.scale, c.unsigned] for c in self.columns],
        }

    @classmethod
    def from_json(cls, schema: str, name: str, value: dict[str, Any]) -> TableDefinition:
        if "oid" in value:
            from deployer.local.replication.postgres import definition as postgres

            return postgres.from_json(schema, name, value)
        return cls(
            schema, name, tuple(ColumnDefinition(*each) for each in value["columns"]), tuple(value["key"])
        )


@dataclass
class _Found:
    columns: list[ColumnDefinition] = field(default_factory=list)
    key: list[str] = field(default_factory=list)
    problem: str = ""


def read(
    connection: Any, wanted: set[tuple[str, str]] | None, is_mariadb: bool
) -> dict[tuple[str, str], TableDefinition]:
    """The definitions of base tables by (database, table): of those `wanted`, or of all that are not the system's."""
    found: dict[tuple[str, str], _Found] = {}
    where, arguments = _condition(wanted)
    with connection.cursor() as cursor:
        cursor.execute(
            "select t.table_schema, t.table_name, t.engine from information_schema.tables as t"
            f" where t.table_type = 'BASE TABLE' and {where}",
            arguments,
        )
        for schema, table, engine in cursor.fetchall():
            made = found[schema, table] = _Found()
            if (engine or "").lower() != "innodb":
                made.problem = f"The table's storage engine is {engine}; only InnoDB is supported"
        cursor.execute(
            "select t.table_schema, t.table_name, t.column_name, t.data_type, t.column_type,"
            " t.character_maximum_length, t.numeric_precision, t.numeric_scale, t.datetime_precision"
            " from information_schema.columns as t"
            f" where {where} order by t.table_schema, t.table_name, t.ordinal_position",
            arguments,
        )
        for schema, table, *row in cursor.fetchall():
            if (schema, table) in found:
                found[schema, table].columns.append(_column(*row))
        cursor.execute(
            "select t.table_schema, t.table_name, t.column_name from information_schema.key_column_usage as t"
            f" where t.constraint_name = 'PRIMARY' and {where} order by t.ordinal_position",
            arguments,
        )
        for schema, table, column in cursor.fetchall():
            if (schema, table) in found:
                found[schema, table].key.append(column)
        for (schema, table), made in found.items():
            made.problem = made.problem or _cascade(cursor, schema, table)
        if is_mariadb:
            _mark_json(cursor, found, where, arguments)
    return {place: _definition(place, made) for place, made in found.items()}


def _cascade(cursor: Any, schema: str, table: str) -> str:
    """What is wrong with the table's foreign keys. REFERENTIAL_CONSTRAINTS shows nothing to who may only read."""
    try:
        cursor.execute(f"show create table {quoted(schema)}.{quoted(table)}")
    except pymysql.err.ProgrammingError:
        # Dropped since it was listed.
        return ""
    for line in cursor.fetchone()[1].splitlines():
        match = _FOREIGN_KEY.match(line)
        if match is not None:
            return f"The foreign key {match[1]} has {match[2]}, which is not supported"
    return ""


def quoted(name: str) -> str:
    """An identifier as MySQL quotes it."""
    return "`" + name.replace("`", "``") + "`"


def _condition(wanted: set[tuple[str, str]] | None) -> tuple[str, list[str]]:
    if wanted is None:
        return "t.table_schema not in ('mysql', 'sys', 'information_schema', 'performance_schema')", []
    places = sorted(wanted) or [("", "")]
    return f"(t.table_schema, t.table_name) in ({', '.join(['(%s, %s)'] * len(places))})", [
        text for place in places for text in place
    ]


def _column(
    name: str,
    kind: str,
    full: str,
    characters: int | None,
    precision: int | None,
    scale: int | None,
    digits: int | None,
) -> ColumnDefinition:
    kind = kind.lower()
    unsigned = "unsigned" in full.lower()
    if kind in ("char", "varchar", "binary", "varbinary"):
        return ColumnDefinition(name, kind, size=characters or 0)
    if kind in ("decimal", "bit"):
        return ColumnDefinition(name, kind, size=precision or 1, scale=scale or 0)
    if kind in ("datetime", "timestamp", "time"):
        return ColumnDefinition(name, kind, scale=digits or 0)
    whole = (kind, unsigned) in _WHOLE
    return ColumnDefinition(name, kind, unsigned=unsigned and whole)


def _mark_json(cursor: Any, found: dict[tuple[str, str], _Found], where: str, arguments: list[str]) -> None:
    """MariaDB's JSON is a LONGTEXT with the check json_valid(`column`) (MariaDB Knowledge Base, "JSON Data Type")."""
    cursor.execute(
        "select t.constraint_schema, t.table_name, t.check_clause from information_schema.check_constraints as t"
        f" where {where.replace('table_schema', 'constraint_schema')}",
        arguments,
    )
    checks = {(schema, table, clause) for schema, table, clause in cursor.fetchall()}
    for (schema, table), made in found.items():
        made.columns = [
            replace(column, type="json")
            if column.type == "longtext" and (schema, table, f"json_valid(`{column.name}`)") in checks
            else column
            for column in made.columns
        ]


def _definition(place: tuple[str, str], made: _Found) -> TableDefinition:
    problem = made.problem
    for column in made.columns:
        if column.landing_type is None:
            problem = (
                problem or f"The column {column.name} has the unsupported data type {column.type.upper()}"
            )
        if column.name in ("_record_is_active", "_record_create_time", "_record_delete_time"):
            problem = problem or f"The column {column.name} has a name of history mode's own columns"
    if not made.key:
        problem = problem or NO_PRIMARY_KEY
    return TableDefinition(*place, tuple(made.columns), tuple(made.key), problem)
