"""SHOW DATABASES, SCHEMAS, TABLES, COLUMNS, PROCEDURES, FUNCTIONS, PARAMETERS, CONSTRAINTS: lists of what there is.
And SHOW EXTERNAL TABLE.

Source: Redshift Database Developer Guide, the page of each (r_SHOW_TABLES and so on): columns, their order and their
values are those of the examples there. The lists say what the SVV_ALL views say, to whom these say it. Rights are in
show_rights.
"""

from __future__ import annotations

from collections.abc import Callable

from deployer.local.gateway import show_rights
from deployer.local.gateway.show_reader import (
    SCHEMA,
    TABLE,
    Listing,
    Show,
    equal,
    schema_is_there,
    table_is_there,
    there,
)
from deployer.local.translate.api import Relation, Translation
from deployer.local.translate.casts import pg_literal
from deployer.sql.lexer import tokenize
from deployer.sql.names import Name
from deployer.sql.plpgsql_reader import BodyError, Reader, read_tokens
from deployer.sql.refused import Refused


def lists(text: str) -> bool:
    """Whether a statement is one of these."""
    words = [token.value for token in tokenize(text)[:3]]
    return words[:1] == ["show"] and (words[1] in _READERS or " ".join(words[1:]) in _PAIRS)


_LATE_BINDING = Relation(Name("svv_columns"), "view", ("redshift_catalog", "svv_columns"), ())
"""What late_binding.tell looks for."""


def translation(text: str, database: str) -> Translation:
    """The PostgreSQL text of one of these. Raises Refused."""
    try:
        reader = Reader(text, read_tokens(text))
        reader.expect("show")
        first = reader.next().value
        pair = f"{first} {reader.token.value}"
        if pair in _PAIRS:
            reader.next()
        found = (_PAIRS[pair] if pair in _PAIRS else _READERS[first])(Show(reader, database))
        if reader.token.kind != "end":
            reader.fail()
    except BodyError as error:
        raise Refused(error.message, position=error.position, sqlstate="42601") from None
    return Translation(
        (found.sql,), reads=(_LATE_BINDING,) if found.late_binding else (), checks=found.checks
    )


def _databases(show: Show) -> Listing:
    if show.reader.token.value == "from":
        raise Refused("SHOW DATABASES FROM DATA CATALOG is not supported by the local Redshift: it has none")
    sql = (
        "select database_name, database_owner, database_type, database_acl, null::varchar(128) as parameters,"
        " database_isolation_level from redshift_catalog.svv_redshift_databases where true"
    )
    return show.limited(sql + show.like("database_name"), "database_name", "SHOW DATABASES")


def _schemas(show: Show) -> Listing:
    show.reader.expect("from", "database")
    (name,) = show.name(1)
    where = equal(("database_name",), [name])
    sql = f"select * from redshift_catalog.svv_all_schemas where {where}" + show.like("schema_name")
    check = there("database", name, f"select from redshift_catalog.svv_redshift_databases where {where}")
    return show.limited(sql, "schema_name", "SHOW SCHEMAS", check)


def _tables(show: Show) -> Listing:
    show.reader.expect("from", "schema")
    place = show.name(2)
    sql = f"select * from zeroshift.shown_tables where {equal(SCHEMA, place)}" + show.like("table_name")
    return show.limited(sql, "table_name", "SHOW TABLES", schema_is_there(place))


def _table_columns(show: Show) -> Listing:
    show.reader.expect("from", "table")
    place = show.name(3, 2)
    sql = f"select * from zeroshift.shown_columns where {equal(TABLE, place)}" + show.like("column_name")
    return show.limited(sql, "ordinal_position", "SHOW COLUMNS", table_is_there(place), late_binding=True)


def _routines(kind: str, what: str) -> Callable[[Show], Listing]:
    def read(show: Show) -> Listing:
        show.reader.expect("from", "schema")
        place = show.name(2)
        name = f"{what}_name"
        sql = (
            f"select database_name, schema_name, routine_name as {name}, number_of_arguments, argument_list,"
            f" return_type, remarks from zeroshift.shown_routines where kind = '{kind}' and {equal(SCHEMA, place)}"
        ) + show.like("routine_name")
        return show.limited(sql, f"{name}, argument_list", f"SHOW {what.upper()}S", schema_is_there(place))

    return read


def _parameters(show: Show) -> Listing:
    """The page's list of columns ends with remarks, which its examples do not have: neither have we."""
    show.reader.expect("of")
    kind, what = ("f", "function") if show.accept("function") else ("p", "procedure")
    if kind == "p":
        show.reader.expect("procedure")
    place = show.name(3, 2)
    types = show.input_types()
    where = f"kind = '{kind}' and {equal((*SCHEMA, 'routine_name'), place)} and input_types = {types}"
    sql = (
        f"select database_name, schema_name, routine_name as {what}_name, parameter_name, ordinal_position,"
        " parameter_type, data_type, character_maximum_length, numeric_precision, numeric_scale"
        f" from zeroshift.shown_parameters where {where}"
    ) + show.like("parameter_name")
    check = there(what, ".".join(place[1:]), f"select from zeroshift.shown_routines where {where}")
    return Listing(f"{sql} order by ordinal_position", (check,))


def _constraints(show: Show) -> Listing:
    reader = show.reader
    if show.accept("primary", "keys"):
        columns = "database_name, schema_name, table_name, key_name as pk_name, column_name, key_seq"
        kind, at, order = "p", TABLE, "key_seq"
    else:
        reader.expect("foreign", "keys")
        # The examples show the last three empty: keys are informational, nothing is done when a row goes.
        columns = (
            "database_name as pk_database_name, pk_schema_name, pk_table_name, pk_column_name,"
            " database_name as fk_database_name, schema_name as fk_schema_name, table_name as fk_table_name,"
            " column_name as fk_column_name, key_seq, key_name as fk_name, pk_name,"
            " null::smallint as update_rule, null::smallint as delete_rule, null::smallint as deferrability"
        )
        exported = show.accept("exported")
        kind, at = "f", ("database_name", "pk_schema_name", "pk_table_name") if exported else TABLE
        order = "fk_schema_name, fk_table_name, fk_name, key_seq"
    reader.expect("from", "table")
    place = show.name(3, 2)
    sql = f"select {columns} from zeroshift.shown_keys where kind = '{kind}' and {equal(at, place)}"
    return show.limited(sql, order, "SHOW CONSTRAINTS", table_is_there(place))


def _external_table(show: Show) -> Listing:
    """SHOW EXTERNAL TABLE. What its column is called is not documented: by analogy with SHOW TABLE."""
    parts = [show.identifier()]
    while show.reader.accept_op("."):
        parts.append(show.identifier())
    if len(parts) not in (2, 3):
        show.reader.fail()
    database, schema, name = [None, *parts][-3:]
    values = [pg_literal(schema or ""), pg_literal(name or ""), pg_literal(database) if database else "null"]
    called = f"zeroshift.external_definition({', '.join(values)}, {show.accept('partition')}, current_user)"
    check = there("relation", ".".join(parts), f"select where {called} is not null")
    return Listing(f'select {called}::varchar as "Show External Table DDL statement"', (check,))


_READERS: dict[str, Callable[[Show], Listing]] = {
    "databases": _databases,
    "schemas": _schemas,
    "tables": _tables,
    "columns": _table_columns,
    "grants": show_rights.grants,
    "procedures": _routines("p", "procedure"),
    "functions": _routines("f", "function"),
    "parameters": _parameters,
    "constraints": _constraints,
}
_PAIRS: dict[str, Callable[[Show], Listing]] = {
    "external table": _external_table,
    "column grants": show_rights.column_grants,
    "rls policies": show_rights.rls_policies,
    "masking policies": show_rights.masking_policies,
}
