"""SHOW DATABASES, SCHEMAS, TABLES, COLUMNS, GRANTS, PROCEDURES, FUNCTIONS and CONSTRAINTS: lists of what there is.

Source: Redshift Database Developer Guide, the page of each; the columns of SHOW PROCEDURES and SHOW CONSTRAINTS are
those that redshift_connector reads. The lists say what the SVV_ALL views say, to whom these say it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployer.local.translate.api import Relation, Translation
from deployer.local.translate.casts import pg_literal
from deployer.sql.lexer import tokenize
from deployer.sql.names import Name
from deployer.sql.parse.words import RESERVED
from deployer.sql.plpgsql_reader import BodyError, Reader, read_tokens
from deployer.sql.refused import Refused

ROWS = 10_000
"""The most that LIMIT takes, and the most rows of an answer."""


@dataclass(frozen=True)
class Listing:
    """PostgreSQL's text for a SHOW: `check` raises unless what it is about is there."""

    sql: str
    check: str = ""
    late_binding: bool = False
    """Columns of late-binding views are in it."""


def lists(text: str) -> bool:
    """Whether a statement is one of these."""
    words = [token.value for token in tokenize(text)[:3]]
    return words[:1] == ["show"] and (words[1] in _READERS or words[1:] == ["column", "grants"])


_LATE_BINDING = Relation(Name("svv_columns"), "view", ("redshift_catalog", "svv_columns"), ())
"""What late_binding.tell looks for."""


def translation(text: str, database: str) -> Translation:
    """The PostgreSQL text of one of these. Raises Refused."""
    try:
        reader = Reader(text, read_tokens(text))
        reader.expect("show")
        if reader.is_word("column"):
            raise Refused(
                "SHOW COLUMN GRANTS is not supported by the local Redshift; ask SVV_COLUMN_PRIVILEGES"
            )
        found = _READERS[reader.next().value](_Show(reader, database))
        if reader.token.kind != "end":
            reader.fail()
    except BodyError as error:
        raise Refused(error.message, position=error.position, sqlstate="42601") from None
    return Translation(
        (found.sql,),
        reads=(_LATE_BINDING,) if found.late_binding else (),
        checks=(found.check,) if found.check else (),
    )


class _Show:
    """The reader, and what all SHOW commands share."""

    def __init__(self, reader: Reader, database: str) -> None:
        self.reader = reader
        self.database = database

    def name(self, parts: int, least: int = 1) -> list[str]:
        """A name of so many parts; the missing ones in front are the session's database."""
        found = [self.identifier()]
        while self.reader.token.kind == "op" and self.reader.token.value == ".":
            self.reader.next()
            found.append(self.identifier())
        if not least <= len(found) <= parts:
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

    def filtered(self, sql: str, column: str, order: str) -> str:
        """`sql` with LIKE 'pattern' on `column` and LIMIT, ordered. LIKE tells upper from lower case."""
        if self.accept("like"):
            token = self.reader.token
            if token.kind != "string":
                self.reader.fail()
            self.reader.next()
            sql += f" and {column} like {pg_literal(token.value)}"
        limit = ROWS
        if self.accept("limit"):
            token = self.reader.token
            if token.kind != "number" or not token.value.isdigit() or int(token.value) > ROWS:
                raise Refused(
                    f"LIMIT takes a number from 0 to {ROWS}", position=token.start, sqlstate="42601"
                )
            self.reader.next()
            limit = int(token.value)
        return f"{sql} order by {order} limit {limit}"


def _there(what: str, name: str, exists: str) -> str:
    return f"select zeroshift.require_shown({pg_literal(what)}, {pg_literal(name)}, exists ({exists}))"


def _in(columns: tuple[str, ...], values: list[str]) -> str:
    return " and ".join(
        f"{column} = {pg_literal(value)}" for column, value in zip(columns, values, strict=True)
    )


def _databases(show: _Show) -> Listing:
    if show.reader.token.value == "from":
        raise Refused("SHOW DATABASES FROM DATA CATALOG is not supported by the local Redshift: it has none")
    sql = (
        "select database_name, database_owner, database_type, database_acl, null::varchar as parameters,"
        " database_isolation_level from redshift_catalog.svv_redshift_databases where true"
    )
    return Listing(show.filtered(sql, "database_name", "database_name"))


def _schemas(show: _Show) -> Listing:
    show.reader.expect("from", "database")
    (name,) = show.name(1)
    where = _in(("database_name",), [name])
    sql = f"select * from redshift_catalog.svv_all_schemas where {where}"
    check = _there("database", name, f"select from redshift_catalog.svv_redshift_databases where {where}")
    return Listing(show.filtered(sql, "schema_name", "schema_name"), check)


_SCHEMA = ("database_name", "schema_name")


def _schema_is_there(place: list[str]) -> str:
    return _there(
        "schema", place[1], f"select from redshift_catalog.svv_all_schemas where {_in(_SCHEMA, place)}"
    )


def _tables(show: _Show) -> Listing:
    show.reader.expect("from", "schema")
    place = show.name(2)
    sql = f"select * from zeroshift.shown_tables where {_in(_SCHEMA, place)}"
    return Listing(show.filtered(sql, "table_name", "table_name"), _schema_is_there(place))


_TABLE = (*_SCHEMA, "table_name")


def _table_columns(show: _Show) -> Listing:
    show.reader.expect("from", "table")
    place = show.name(3, 2)
    where = _in(_TABLE, place)
    sql = show.filtered(
        f"select * from zeroshift.shown_columns where {where}", "column_name", "ordinal_position"
    )
    return Listing(sql, _table_is_there(place), late_binding=True)


def _table_is_there(place: list[str]) -> str:
    return _there(
        "relation", ".".join(place[1:]), f"select from zeroshift.shown_tables where {_in(_TABLE, place)}"
    )


def _grants(show: _Show) -> Listing:
    check = ""
    where = "true"
    if show.accept("on"):
        if show.accept("database"):
            place = show.name(1)
            where = f"object_type = 'DATABASE' and {_in(('database_name',), place)}"
        elif show.accept("schema"):
            place = show.name(2)
            where, check = f"object_type = 'SCHEMA' and {_in(_SCHEMA, place)}", _schema_is_there(place)
        elif show.accept("table"):
            place = show.name(3, 2)
            where = f"object_type = 'TABLE' and {_in((*_SCHEMA, 'object_name'), place)}"
            check = _table_is_there(place)
        else:
            what = show.reader.token.value.upper()
            raise Refused(
                f"SHOW GRANTS ON {what} is not supported by the local Redshift: it takes DATABASE, SCHEMA and TABLE",
                position=show.reader.token.start,
            )
    elif show.reader.token.value != "for":
        show.reader.fail()
    if show.accept("for"):
        if show.accept("public"):
            where += " and identity_type = 'public'"
        elif show.accept("role"):
            where += f" and identity_type = 'role' and {_in(('identity_name',), [show.identifier()])}"
        elif show.accept("group"):
            where += f" and identity_type = 'group' and {_in(('identity_name',), [show.identifier()])}"
        else:
            where += f" and identity_type = 'user' and {_in(('identity_name',), [show.identifier()])}"
    sql = f"select * from zeroshift.shown_grants where {where}"
    order = "object_type, schema_name, object_name, identity_type, identity_name, privilege_type"
    return Listing(show.filtered(sql, "object_name", order), check)


def _procedures(show: _Show) -> Listing:
    show.reader.expect("from", "schema")
    place = show.name(2)
    sql = f"select * from zeroshift.shown_procedures where {_in(_SCHEMA, place)}"
    return Listing(
        show.filtered(sql, "procedure_name", "procedure_name, argument_list"), _schema_is_there(place)
    )


def _functions(show: _Show) -> Listing:
    """There are no user-defined functions here."""
    show.reader.expect("from", "schema")
    place = show.name(2)
    sql = (
        "select database_name, schema_name, procedure_name as function_name, number_of_arguments, argument_list,"
        " return_type, remarks from zeroshift.shown_procedures where false"
    )
    return Listing(show.filtered(sql, "procedure_name", "function_name"), _schema_is_there(place))


def _constraints(show: _Show) -> Listing:
    reader = show.reader
    if show.accept("primary", "keys"):
        columns = "database_name, schema_name, table_name, column_name, key_seq, key_name as pk_name"
        kind, at = "p", _TABLE
    else:
        reader.expect("foreign", "keys")
        columns = (
            "database_name as pk_database_name, pk_schema_name, pk_table_name, pk_column_name,"
            " database_name as fk_database_name, schema_name as fk_schema_name, table_name as fk_table_name,"
            " column_name as fk_column_name, key_seq, 3::smallint as update_rule, 3::smallint as delete_rule,"
            " key_name as fk_name, null::varchar as pk_name, 7::smallint as deferrability"
        )
        exported = show.accept("exported")
        kind, at = "f", ("database_name", "pk_schema_name", "pk_table_name") if exported else _TABLE
    reader.expect("from", "table")
    place = show.name(3, 2)
    sql = f"select {columns} from zeroshift.shown_keys where kind = '{kind}' and {_in(at, place)}"
    return Listing(show.filtered(sql, "column_name", "key_name, key_seq"), _table_is_there(place))


_READERS: dict[str, Callable[[_Show], Listing]] = {
    "databases": _databases,
    "schemas": _schemas,
    "tables": _tables,
    "columns": _table_columns,
    "grants": _grants,
    "procedures": _procedures,
    "functions": _functions,
    "constraints": _constraints,
}
