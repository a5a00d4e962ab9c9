"""The way in: one Redshift statement becomes PostgreSQL text."""

from __future__ import annotations

from collections.abc import Mapping

from deployer.local.translate import ddl, ddl_table, session
from deployer.local.translate.api import Catalog, Translation
from deployer.local.translate.bind_dml import DmlBinder
from deployer.local.translate.bind_from import physical
from deployer.local.translate.bind_queries import Binder
from deployer.local.translate.context import Context, finish
from deployer.sql.parse.cursor import to_name
from deployer.sql.parse.nodes import CommonTable, Query, Select
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

NO_VARIABLES: Mapping[str, RedshiftType] = {}


def translate(
    sql: str, catalog: Catalog, variables: Mapping[str, RedshiftType] = NO_VARIABLES
) -> Translation:
    """Translate one statement.

    `variables` are the variables of the procedure that runs it, by name ("rec.field" for a record's field): an
    unqualified identifier that is one of them becomes a typed parameter, listed in Translation.parameters.
    Keys "$1", "$2" ... give the types of a client's own parameters, which keep their numbers.

    Raises Refused, with the offset into `sql` where it can be told.
    """
    parser = Parser(sql)
    context = Context(catalog, variables)
    try:
        return _statement(parser, context)
    except RecursionError:
        raise Refused(
            "stack depth limit exceeded: the statement is nested too deeply", sqlstate="54001"
        ) from None


def translate_expression(
    sql: str, catalog: Catalog, variables: Mapping[str, RedshiftType] = NO_VARIABLES
) -> Translation:
    """Translate an expression of a procedure, as SELECT of one column. Offsets of errors are into `sql`."""
    prefix = "select ("
    try:
        found = translate(f"{prefix}{sql}\n)", catalog, variables)
    except Refused as error:
        if error.position is not None:
            error.position = min(max(error.position - len(prefix), 0), len(sql))
        raise
    if len(found.columns) != 1:
        raise Refused("an expression is expected", position=0, sqlstate="42601")
    return found


def _statement(parser: Parser, context: Context) -> Translation:
    start = parser.token
    if start.kind == "end":
        return Translation(("",), kind="empty")
    if parser.starts_query():
        return _query_or_write(parser, context)
    word = start.value if start.kind == "word" else ""
    if word in ("insert", "update", "delete", "merge"):
        return _write(parser, context, [], False)
    found = ddl.statement(parser, context) or session.statement(parser, context, _statement)
    if found is None:
        parser.fail(start)
    return found


def _query_or_write(parser: Parser, context: Context) -> Translation:
    at = parser.at
    if parser.is_word("with"):
        ctes, recursive = parser.with_clause()
        if parser.any_word(("insert", "update", "delete", "merge")):
            return _write(parser, context, ctes, recursive)
        parser.at = at
    query = parser.query()
    parser.done()
    into = _into(query)
    if into is not None:
        parts, temporary = into
        return ddl_table.select_into(query, to_name(parts), temporary, parser, context)
    bound = Binder(context).query(query, None)
    context.check(parser.catalog_only, parser.leader_node)
    return finish(context, [bound.sql], kind="select", columns=tuple(bound.columns))


def _into(query: Query) -> tuple[tuple[str, ...], bool] | None:
    body = query.body
    while not isinstance(body, Select):
        body = body.body if isinstance(body, Query) else body.left
    found, body.into = body.into, None
    return found


def _write(parser: Parser, context: Context, ctes: list[CommonTable], recursive: bool) -> Translation:
    binder = DmlBinder(context)
    kind = parser.token.value
    main = 0
    if kind == "insert":
        insert = parser.insert(ctes, recursive)
        parser.done()
        statements = [binder.insert(insert)]
    elif kind == "update":
        update = parser.update(ctes, recursive)
        parser.done()
        statements = [binder.update(update)]
    elif kind == "delete":
        delete = parser.delete(ctes, recursive)
        parser.done()
        statements = [binder.delete(delete)]
    else:
        if ctes:
            parser.refuse("MERGE takes no WITH clause on Redshift; put the query into USING (...)")
        merge = parser.merge()
        parser.done()
        statements, main = binder.merge(merge)
    context.check(parser.catalog_only, parser.leader_node)
    # DG "Write and read/write operations": INSERT and COPY share the table, the others need its exclusive lock. Nobody
    # else sees a temporary table.
    shared = kind == "insert" or binder.target.physical[0] == "pg_temp"
    return finish(
        context,
        statements,
        kind=kind,
        main=main,
        written=binder.target.name,
        exclusive="" if shared else physical(binder.target),
    )
