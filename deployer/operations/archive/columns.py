"""A relation's columns on their way to Parquet and back.

What Parquet cannot hold is converted, so that the way back is exact. Source: Redshift Database Developer Guide,
"UNLOAD" (usage notes: VARBYTE unloads to text and CSV only, TIMESTAMPTZ loses its zone) and
"COPY from columnar data formats".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployer.errors import Unsafe, UsageError
from deployer.project.archive.model import PERIOD_COLUMN, RUN_COLUMN
from deployer.sql.names import Name, quote_ident
from deployer.warehouse import catalog
from deployer.warehouse.session import Session

HEX, UTC, TEXT = "to_hex", "utc", "text"
CONVERSIONS = {HEX: "hexadecimal digits", UTC: "the instant in UTC, without a zone", TEXT: "text"}

_TYPES = {
    "character varying": "varchar", "character": "char", "numeric": "decimal", "binary varying": "varbyte",
    "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz",
    "time without time zone": "time", "time with time zone": "timetz", "name": "varchar",
}  # fmt: skip
_PLAIN = frozenset(
    "smallint integer bigint decimal real boolean char varchar date timestamp super".split()
) | {"double precision"}
_NUMBERS = ("smallint", "integer", "bigint")
_SUMMED_DIGITS = 28
"""SUM of a DECIMAL has 38 digits ("SUM function"): ten are left for the number of rows."""


@dataclass(frozen=True)
class Column:
    """A column by name and full type, as DDL writes it (`decimal(12,2)`). `file_type` is what its file holds.

    `conversion` is empty, or one of CONVERSIONS. `is_own`: the archive's own, which the warehouse does not have.
    """

    name: str
    type: str
    file_type: str
    conversion: str = ""
    is_own: bool = False

    @property
    def base(self) -> str:
        return base_of(self.file_type)

    @property
    def unloaded(self) -> str:
        """What UNLOAD selects."""
        name = quote_ident(self.name)
        if self.conversion == HEX:
            return f"to_hex({name}) as {name}"
        if self.conversion == UTC:
            return f"cast({name} at time zone 'UTC' as timestamp) as {name}"
        if self.conversion == TEXT:
            return f"cast({name} as {self.file_type}) as {name}"
        return name

    @property
    def restored(self) -> str:
        """The warehouse's value, of the file's."""
        name = quote_ident(self.name)
        if self.conversion == HEX:
            return f"from_hex({name})"
        if self.conversion == UTC:
            return f"{name} at time zone 'UTC'"
        return f"cast({name} as {self.type})" if self.conversion == TEXT else name

    @property
    def checksum(self) -> str:
        """A number that the column's rows have together, in any order; of the file's value.

        Sums of the values themselves where they cannot overflow, else of 32 bits of each value's MD5.
        """
        name, base = quote_ident(self.name), self.base
        if base in _NUMBERS:
            return f"sum(cast({name} as decimal(38, 0)))"
        if base == "boolean":
            return f"sum(case when {name} then 1 else 0 end)"
        if base == "date":
            return f"sum(datediff(day, date '1970-01-01', {name}))"
        if base == "timestamp":
            return (
                f"sum(cast(datediff(microsecond, timestamp '1970-01-01 00:00:00', {name}) as decimal(38, 0)))"
            )
        if base == "decimal" and _numbers(self.file_type)[0] <= _SUMMED_DIGITS:
            return f"sum({name})"
        if base == "super":
            text = f"json_serialize_to_varbyte({name})"
        elif base in ("varchar", "char"):
            text = name
        else:
            text = f"cast({name} as varchar(64))"
        return f"sum(cast(strtol(left(md5({text}), 8), 16) as decimal(38, 0)))"


OWN = Column(PERIOD_COLUMN, "date", "date", is_own=True)


def of_relation(session: Session, table: str) -> tuple[Column, ...]:
    """The columns of `table`, in order. Raises UsageError when it is not there, Unsafe for one that cannot be kept."""
    schema, name = table.split(".")
    found = catalog.columns(session, schema, name)
    if not found:
        raise UsageError(
            f"there is no {table} in the warehouse, or no right to see it; deploy first, and check the name"
        )
    return tuple(_column(table, *row) for row in found)


def _column(
    table: str, name: object, kind: object, length: object, precision: object, scale: object
) -> Column:
    base = _TYPES.get(str(kind), str(kind))
    full = base
    if base in ("varchar", "char") and length is not None:
        full = f"{base}({length})"
    elif base == "decimal":
        full = f"decimal({precision},{scale})"
    elif base == "varbyte":
        # SVV_COLUMNS does not tell a VARBYTE's length: the longest there is ("VARBYTE type").
        full = "varbyte(16777216)"
    if str(name) in (PERIOD_COLUMN, RUN_COLUMN):
        raise Unsafe(
            f"{table} has a column {name}, which is the archive's own name: rename it, or archive a view"
        )
    if base in _PLAIN:
        return Column(str(name), full, full)
    if base == "varbyte":
        return Column(str(name), full, "varchar(65535)", HEX)
    if base == "timestamptz":
        return Column(str(name), full, "timestamp", UTC)
    if base in ("time", "timetz"):
        return Column(str(name), full, "varchar(32)", TEXT)
    raise Unsafe(
        f"{table}.{name} is {str(kind).upper()}, which Parquet cannot bring back exactly: archive a view without it"
    )


def is_identity(default: object) -> bool:
    """Whether a column's default, as SVV_COLUMNS has it, is that of IDENTITY: INSERT cannot give it a value.

    GENERATED BY DEFAULT AS IDENTITY takes one ("INSERT", usage notes). No page says how its default is written: what is
    not told apart by default_identity counts as the other kind.
    """
    text = str(default or "").lower()
    return "identity" in text and "default_identity" not in text


def base_of(type_text: str) -> str:
    """The type's name without length or precision."""
    return type_text.partition("(")[0].strip()


def filled_and_checksum(columns: Sequence[Column]) -> str:
    """A select list: the number of rows, then for each column how many are not NULL, and its checksum."""
    parts = ["count(*)"]
    for column in columns:
        parts += [f"count({quote_ident(column.name)})", column.checksum]
    return ", ".join(parts)


def mapped(
    archived: Sequence[Column], present: Sequence[Column], required: Mapping[str, bool], table: str
) -> tuple[list[str], list[str]]:
    """The columns of `table` that are filled, and the expressions over the archived ones that fill them, by name.

    `required`: columns that are NOT NULL without a default. Raises Unsafe where a value would be lost, cut or invented.
    """
    there = {column.name: column for column in present}
    names, values = [], []
    for column in archived:
        if column.is_own:
            continue
        target = there.get(column.name)
        if target is None:
            raise Unsafe(
                f"{table} has no column {column.name} any more, which the archive has: restore into another table"
                " with --into, and bring it over by hand"
            )
        if not _fits(column.type, target.type):
            raise Unsafe(
                f"{table}.{column.name} is {target.type} now and was {column.type}: restore into another table with"
                " --into, and bring it over by hand"
            )
        names.append(quote_ident(column.name))
        values.append(column.restored)
    known = {column.name for column in archived}
    for column in present:
        if column.name not in known and required.get(column.name):
            raise Unsafe(
                f"{table}.{column.name} is NOT NULL and newer than the archive: give it a default, or restore into"
                " another table with --into"
            )
    return names, values


def united(runs: Sequence[tuple[str, Sequence[Column]]]) -> list[Column]:
    """The columns of several runs' files, the newest's first, for a table that takes the rows of all.

    Raises Unsafe where a column's values in one do not fit its type in a newer one.
    """
    found: dict[str, tuple[str, Column]] = {}
    for name, listed in reversed(runs):
        for column in listed:
            if column.is_own:
                continue
            newer, known = found.setdefault(column.name, (name, column))
            if not _fits(column.type, known.type):
                raise Unsafe(
                    f"column {column.name} is {column.type} in {name} and {known.type} in {newer}: bring each run"
                    " into a table of its own, by its name"
                )
    return [column for _, column in found.values()]


def _fits(old: str, new: str) -> bool:
    """Whether every value of `old` is a value of `new`."""
    if old == new:
        return True
    before, after = base_of(old), base_of(new)
    if before in _NUMBERS and after in _NUMBERS:
        return _NUMBERS.index(before) <= _NUMBERS.index(after)
    if before == after == "varchar":
        return length_of(old) <= length_of(new)
    if before == after == "decimal":
        (digits, scale), (room, places) = _numbers(old), _numbers(new)
        return scale <= places and digits - scale <= room - places
    return (before, after) in (
        ("real", "double precision"),
        ("date", "timestamp"),
    ) or before == after == "varbyte"


def length_of(type_text: str) -> int:
    """How many bytes a VARCHAR or CHAR has room for; 0 for other types."""
    return _numbers(type_text)[0] if base_of(type_text) in ("varchar", "char") else 0


def _numbers(type_text: str) -> tuple[int, ...]:
    inside = type_text.partition("(")[2].rstrip(")")
    return tuple(int(part) for part in inside.split(",")) if inside else (0,)


def table_name(table: str) -> str:
    """schema.table, quoted."""
    schema, name = table.split(".")
    return Name(name, schema).sql()
