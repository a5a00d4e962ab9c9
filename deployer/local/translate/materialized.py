"""Materialized views: CREATE, REFRESH, ALTER and DROP.

Source: Redshift Database Developer Guide, materialized-view-create-sql-command, materialized-view-refresh-sql-command,
r_ALTER_MATERIALIZED_VIEW, materialized-view-drop-sql-command. Every refresh computes the whole view here: the result of
an incremental one is the same. STV_MV_INFO tells which of the two Redshift would do.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.local.translate.api import MATERIALIZED_VIEW, Relation, Translation
from deployer.local.translate.bind_from import physical
from deployer.local.translate.bind_queries import Binder, stored_types
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import SYSTEM_SCHEMAS, Context, finish
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.ddl_table import _check_keys, table_attributes
from deployer.local.translate.tables import Table, new_name, record, zone_map
from deployer.local.translate.users import DONE
from deployer.sql.names import Name, quote_ident
from deployer.sql.parse.nodes import FunctionCall, Join, Query, Select, SetOperation
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused

_MUTABLE = frozenset(
    "getdate sysdate current_date current_time current_timestamp timeofday now random current_user current_user_id user"
    " session_user localtime localtimestamp pg_last_query_id pg_backend_pid".split()
)
"""Functions whose answer changes by itself. The guide names date-time functions and RANDOM."""
_INCREMENTAL = frozenset(["count", "sum", "min", "max", "avg"])
"""The aggregates with which a view can be refreshed incrementally."""
_AGGREGATES = frozenset(
    "median percentile_cont percentile_disc listagg stddev_samp stddev_pop stddev variance var_samp var_pop bit_and"
    " bit_or bool_and bool_or approximate any_value".split()
)


def create(parser: Parser, context: Context) -> Translation:
    """CREATE MATERIALIZED VIEW, the word CREATE already read."""
    parser.expect("materialized")
    parser.expect("view")
    pos = parser.token.start
    if parser.is_word("if", "not", "exists"):
        parser.refuse("CREATE MATERIALIZED VIEW takes no IF NOT EXISTS on Redshift", sqlstate="42601")
    table = Table(new_name(parser.name(), context, pos))
    if table.name.name.startswith("#"):
        parser.refuse("a materialized view cannot be temporary", sqlstate="42601")
    table.attributed = True
    if parser.is_op("("):
        parser.refuse("CREATE MATERIALIZED VIEW takes no list of columns: name them in the query")
    table_attributes(parser, table)
    automatic = False
    if parser.accept("auto"):
        parser.expect("refresh")
        automatic = _yes_or_no(parser)
        table_attributes(parser, table)
    if table.distkey is not None:
        table.diststyle = "KEY"
    elif table.diststyle == "AUTO":
        # "If you omit this clause, the distribution style is EVEN."
        table.diststyle = "EVEN"
    parser.expect("as")
    query = parser.query()
    parser.done()
    _check_clauses(query)
    bound = Binder(context).query(query, None)
    context.check(parser.catalog_only, parser.leader_node)
    relations = list(context.reads.values())
    for relation in relations:
        _check_base(relation, context)
    if context.guards:
        parser.refuse("a materialized view cannot read a table with row-level security or masking policies")
    if context.parameters:
        parser.refuse("a view cannot refer to a procedure's variables; build the statement with EXECUTE")
    mutable = any(isinstance(node, FunctionCall) and node.name in _MUTABLE for node in _nodes(query))
    over_view = any(relation.kind == MATERIALIZED_VIEW for relation in relations)
    if automatic and (mutable or over_view):
        what = "reads another materialized view" if over_view else "has a mutable function"
        parser.refuse(f"AUTO REFRESH YES is not supported for a materialized view that {what}")
    columns = stored_types(bound, (), query.pos)
    table.columns = [(name, kind, "") for name, kind in columns]
    _check_keys(parser, table)
    inner = [f"c{number}" for number in range(len(columns))]
    cast = ", ".join(
        f"q.{one}::{pg_type(kind)} AS {quote_ident(name)}"
        for one, (name, kind) in zip(inner, columns, strict=True)
    )
    statements = [
        f"CREATE MATERIALIZED VIEW {table.name.sql()} AS SELECT {cast} FROM ({bound.sql}) AS q ({', '.join(inner)})",
        *([zone_map(table)] if zone_map(table) else []),
        record(table, table.attributes()),
        f"SELECT zeroshift.record_materialized_view({_place(table.name)}, {pg_literal(parser.text)}, "
        f"{str(automatic).upper()}, {int(not mutable and incremental(query))})",
    ]
    return finish(context, statements, kind="create_materialized_view", written=table.name)


def refresh(parser: Parser, context: Context) -> Translation:
    """REFRESH MATERIALIZED VIEW name [RESTRICT | CASCADE]."""
    parser.expect("refresh")
    parser.expect("materialized")
    parser.expect("view")
    if parser.is_word("concurrently"):
        parser.refuse("REFRESH ... CONCURRENTLY is not supported on Redshift; leave it out", sqlstate="42601")
    relation = _named(parser, context)
    parser.accept("restrict")
    if parser.is_word("cascade"):
        parser.refuse(
            "REFRESH MATERIALIZED VIEW ... CASCADE is not supported by the local Redshift yet: refresh the views one "
            "by one, those that others read first"
        )
    parser.done()
    place = ", ".join(map(pg_literal, relation.physical))
    statements = [
        f"SELECT zeroshift.check_refresh({place})",
        f"REFRESH MATERIALIZED VIEW {physical(relation)}",
        f"SELECT zeroshift.note_refresh({place})",
    ]
    return finish(context, statements, kind="refresh", main=1)


def alter(parser: Parser, context: Context) -> Translation:
    """ALTER MATERIALIZED VIEW name AUTO REFRESH YES | NO, the word ALTER already read."""
    parser.expect("materialized")
    parser.expect("view")
    relation = _named(parser, context)
    if not parser.is_word("auto"):
        what = parser.token.value.upper()
        parser.refuse(
            f"ALTER MATERIALIZED VIEW ... {what} is not supported by the local Redshift; AUTO REFRESH is"
        )
    parser.expect("auto")
    parser.expect("refresh")
    automatic = _yes_or_no(parser)
    parser.done()
    place = ", ".join(map(pg_literal, relation.physical))
    sql = f"SELECT zeroshift.alter_materialized_view({place}, {str(automatic).upper()})"
    return finish(context, [sql, DONE], kind="alter_materialized_view", main=1)


def drop(parser: Parser, context: Context) -> Translation:
    """DROP MATERIALIZED VIEW [IF EXISTS] name [, ...], the word DROP already read."""
    parser.expect("materialized")
    parser.expect("view")
    quietly = parser.accept("if", "exists")
    names = []
    while True:
        name = new_name(parser.name(), context, parser.token.start)
        relation = context.catalog.relation(name)
        names.append(name.sql() if relation is None else physical(relation))
        if not parser.accept_op(","):
            break
    behaviour = next((f" {word.upper()}" for word in ("cascade", "restrict") if parser.accept(word)), "")
    parser.done()
    sql = f"DROP MATERIALIZED VIEW {'IF EXISTS ' if quietly else ''}{', '.join(names)}{behaviour}"
    return finish(context, [sql], kind="drop_materialized_view")


def incremental(query: Query) -> bool:
    """Whether Redshift can refresh a view of this query incrementally ("Limitations for incremental refresh")."""
    calls = [node for node in _nodes(query) if isinstance(node, FunctionCall)]
    for call in calls:
        if call.over is not None or call.distinct or call.within or call.name in _AGGREGATES:
            return False
    grouped = any(isinstance(node, Select) and node.group for node in _nodes(query)) or any(
        call.name in _INCREMENTAL for call in calls
    )
    for node in _nodes(query):
        if isinstance(node, Join) and node.kind in ("left", "right", "full"):
            return False
        if isinstance(node, SetOperation) and not (node.op == "union" and node.all and not grouped):
            return False
        if isinstance(node, Select) and (node.distinct or _has_query([node.items, node.where, node.having])):
            return False
    return True


def _has_query(parts: object) -> bool:
    return any(isinstance(node, Query) for node in _nodes(parts))


def _nodes(tree: object) -> Iterator[object]:
    """Every node below `tree`, itself included."""
    if isinstance(tree, list | tuple):
        for one in tree:
            yield from _nodes(one)
    elif hasattr(tree, "__dataclass_fields__"):
        yield tree
        for field in tree.__dataclass_fields__:
            yield from _nodes(getattr(tree, field))


def _check_clauses(query: Query) -> None:
    for node in _nodes(query):
        if not isinstance(node, Query):
            continue
        for clause, given in (("ORDER BY", node.order), ("LIMIT", node.limit), ("OFFSET", node.offset)):
            if given:
                raise Refused(
                    f"a materialized view takes no {clause}",
                    position=query.pos,
                    hint="Sort and cut where it is read.",
                )


def _check_base(relation: Relation, context: Context) -> None:
    """What a materialized view cannot read ("Limitations")."""
    name = relation.name
    if name.database is not None and name.database != context.catalog.database:
        raise Refused(
            f'a materialized view on "{name}" of another database is not supported by the local Redshift: copy its '
            "rows into a table"
        )
    if relation.physical[0] in SYSTEM_SCHEMAS:
        raise Refused(f'a materialized view cannot read the system table "{name}"')
    if relation.physical[0] == "pg_temp":
        raise Refused(f'a materialized view cannot read the temporary table "{name}"')
    if relation.kind not in ("table", MATERIALIZED_VIEW):
        kind = relation.kind.replace("_", " ")
        raise Refused(f'a materialized view cannot read the {kind} "{name}" here: name the tables themselves')


def _named(parser: Parser, context: Context) -> Relation:
    pos = parser.token.start
    name = new_name(parser.name(), context, pos)
    relation = context.catalog.relation(name)
    if relation is None:
        raise Refused(f'relation "{name}" does not exist', position=pos, sqlstate="42P01")
    if relation.kind != MATERIALIZED_VIEW:
        raise Refused(f'"{name}" is not a materialized view', position=pos, sqlstate="42809")
    return relation


def _yes_or_no(parser: Parser) -> bool:
    if parser.accept("yes"):
        return True
    parser.expect("no")
    return False


def _place(name: Name) -> str:
    schema = "current_schema()" if name.schema is None else pg_literal(name.schema)
    return f"{schema}, {pg_literal(name.name)}"
