"""What the SHOW commands that list things share: how they are read, and the text that PostgreSQL gets.

Source: Redshift Database Developer Guide, "SHOW TABLES" and its like: "LIKE performs a case-sensitive match",
"row_limit can be 0-10,000", "if more than 10,000 ... would result ..., then an error is returned".
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.local.procedures.create import read_procedure_type
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.datatypes import pg_type
from deployer.sql.parse.words import RESERVED
from deployer.sql.plpgsql_reader import Reader
from deployer.sql.procedure import read_arguments
from deployer.sql.refused import Refused

ROWS = 10_000
"""The most that LIMIT takes, and the most rows of an answer."""

SCHEMA = ("database_name", "schema_name")
TABLE = (*SCHEMA, "table_name")


@dataclass(frozen=True)
class Listing:
    """PostgreSQL's text for a SHOW: each of `checks` raises unless what it is about is as it must be."""

    sql: str
    checks: tuple[str, ...] = ()
    late_binding: bool = False
    """Columns of late-binding views are in it."""


class Show:
    """The reader, and what all SHOW commands share."""

    def __init__(self, reader: Reader, database: str) -> None:
        self.reader = reader
        self.database = database

    def name(self, parts: int, least: int = 1) -> list[str]:
        """A name of so many parts; the missing ones in front are the session's database."""
        found = [self.identifier()]
        while self.reader.accept_op("."):
            found.append(self.identifier())
        if len(found) < least:
            self.reader.fail(f"{found[0]} must be qualified by its schema, as in schema_name.{found[0]}")
        if len(found) > parts:
            self.reader.fail()
        return [self.database] * (len(found) < parts) + found

    def identifier(self) -> str:
        token = self.reader.token
        if token.kind not in ("word", "quoted") or (
            # RAW is on the list of reserved words, and a common name of a schema.
            token.kind == "word" and token.value in RESERVED and token.value != "raw"
        ):
            self.reader.fail()
        self.reader.next()
        return token.value

    def accept(self, *words: str) -> bool:
        """Take these words if they come next."""
        return self.reader.accept(*words)

    def input_types(self) -> str:
        """The parenthesised argument types of a function, as an array of their names in the catalog."""
        arguments = [argument for argument in read_arguments(self.reader) if argument.mode != "out"]
        kinds = [pg_literal(pg_type(read_procedure_type(argument.type_text))) for argument in arguments]
        named = (f"zeroshift.type_name(pg_catalog.to_regtype({kind})::oid)" for kind in kinds)
        return f"array[{', '.join(named)}]::text[]"

    def like(self, column: str) -> str:
        """[LIKE 'pattern'] as a condition on `column`."""
        if not self.accept("like"):
            return ""
        token = self.reader.token
        if token.kind != "string":
            self.reader.fail()
        self.reader.next()
        return f" and {column} like {pg_literal(token.value)}"

    def limited(
        self, listing: str, order: str, what: str, *checks: str, late_binding: bool = False
    ) -> Listing:
        """`listing` with [LIMIT row_limit], ordered. Without it there may be no more than ROWS rows."""
        if self.accept("limit"):
            token = self.reader.token
            if token.kind != "number" or not token.value.isdigit() or int(token.value) > ROWS:
                raise Refused(
                    f"LIMIT takes a number from 0 to {ROWS}", position=token.start, sqlstate="42601"
                )
            self.reader.next()
            return Listing(f"{listing} order by {order} limit {int(token.value)}", checks, late_binding)
        few = (
            f"select zeroshift.require_few({pg_literal(what)}, {ROWS},"
            f" (select count(*) from (select from ({listing}) l limit {ROWS + 1}) c))"
        )
        return Listing(f"{listing} order by {order}", (*checks, few), late_binding)


def there(what: str, name: str, exists: str) -> str:
    """A check that something is there for the user who asks."""
    return f"select zeroshift.require_shown({pg_literal(what)}, {pg_literal(name)}, exists ({exists}))"


def equal(columns: tuple[str, ...], values: list[str]) -> str:
    """The condition that `columns` have these values."""
    return " and ".join(
        f"{column} = {pg_literal(value)}" for column, value in zip(columns, values, strict=True)
    )


def schema_is_there(place: list[str]) -> str:
    return there(
        "schema", place[1], f"select from redshift_catalog.svv_all_schemas where {equal(SCHEMA, place)}"
    )


def table_is_there(place: list[str]) -> str:
    return there(
        "relation", ".".join(place[1:]), f"select from zeroshift.shown_tables where {equal(TABLE, place)}"
    )
