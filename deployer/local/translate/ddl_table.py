"""CREATE TABLE in its forms: columns, LIKE, AS query, and SELECT INTO.

Source: Redshift Database Developer Guide, r_CREATE_TABLE_NEW, r_CREATE_TABLE_AS.
"""

from __future__ import annotations

from deployer.local.translate.api import Translation
from deployer.local.translate.bind_queries import Binder, Bound, stored_types
from deployer.local.translate.context import Context, finish
from deployer.local.translate.datatypes import column_type
from deployer.local.translate.ddl_columns import column_definition, like_table, set_distkey, table_constraint
from deployer.local.translate.tables import (
    Table,
    afterwards,
    create_sql,
    new_name,
    record,
    target_sql,
    zone_map,
)
from deployer.sql.names import Name, quote_ident
from deployer.sql.parse.nodes import Query
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused


def create_table(parser: Parser, context: Context) -> Translation:
    """CREATE TABLE at the cursor, which stands behind CREATE."""
    start = parser.token
    temporary = _temporary(parser)
    parser.expect("table")
    quietly = parser.accept("if", "not", "exists")
    pos = parser.token.start
    table = Table(new_name(parser.name(), context, pos), temporary)
    table.temporary |= table.name.name.startswith("#")
    if table.temporary and table.name.schema is not None:
        raise Refused(
            "cannot create temporary relation in non-temporary schema", position=pos, sqlstate="42P16"
        )
    names: tuple[str, ...] = ()
    if parser.is_op("("):
        at = parser.at
        if _only_names(parser):
            names = parser.identifiers()
            table_attributes(parser, table)
            if not parser.is_word("as"):
                parser.at = at
                names = ()
        if not names:
            _elements(parser, table, context)
    table_attributes(parser, table)
    if parser.accept("as"):
        if quietly:
            parser.refuse("CREATE TABLE IF NOT EXISTS ... AS is not supported on Redshift", start)
        query = parser.query()
        parser.done()
        return table_from_query(query, table, names, parser, context)
    parser.done()
    if not table.columns:
        parser.refuse("a table must have at least one column", start, "42P16")
    return _finished(table, quietly, context)


def _temporary(parser: Parser) -> bool:
    if parser.is_word("unlogged"):
        parser.refuse("UNLOGGED tables are not supported on Redshift")
    if parser.is_word("global"):
        parser.refuse("GLOBAL TEMPORARY is not supported on Redshift; write TEMPORARY", sqlstate="42601")
    parser.accept("local")
    return parser.accept("temporary") or parser.accept("temp")


def _only_names(parser: Parser) -> bool:
    """Whether the parenthesis holds identifiers and commas only, as before AS query."""
    ahead = 1
    while True:
        if not parser.is_identifier(ahead):
            return False
        if parser.is_op(")", ahead + 1):
            return True
        if not parser.is_op(",", ahead + 1):
            return False
        ahead += 2


def _finished(table: Table, quietly: bool, context: Context) -> Translation:
    """The statements for a table with written columns."""
    if table.parent is not None and (
        table.diststyle != "AUTO" or table.sortstyle != "AUTO" or not table.backup
    ):
        raise Refused(
            "distribution style, sort keys and BACKUP are inherited by a table LIKE another; they cannot be set",
            sqlstate="42601",
        )
    if quietly:
        existing = context.catalog.relation(table.name)
        if existing is not None:
            definition = ", ".join(
                f"{quote_ident(name)} {column_type(kind)}" for name, kind, _ in table.columns
            )
            temp = "TEMP " if table.temporary else ""
            sql = f"CREATE {temp}TABLE IF NOT EXISTS {target_sql(table)} ({definition})"
            return finish(context, [sql], kind="create_table")
    after = afterwards(table)
    # If another session has made one since the catalog was asked, that one must not get our zone map and attributes:
    # then it is an error that there is one. Of two at once PostgreSQL refuses one in any case.
    created = create_sql(table, quietly and not after)
    return finish(context, [created, *after], kind="create_table", written=table.name)


def _elements(parser: Parser, table: Table, context: Context) -> None:
    parser.expect_op("(")
    while True:
        if parser.is_word("like"):
            like_table(parser, table, context)
        elif parser.any_word(("constraint", "primary", "unique", "foreign", "check", "exclude")):
            table_constraint(parser, table, context)
        else:
            column_definition(parser, table, context)
        if not parser.accept_op(","):
            break
    parser.expect_op(")")
    names = [name for name, _, _ in table.columns]
    for name in names:
        if names.count(name) > 1:
            parser.refuse(f'column "{name}" specified more than once', sqlstate="42701")


# attributes behind the columns


def table_attributes(parser: Parser, table: Table) -> None:
    """BACKUP, DISTSTYLE, DISTKEY, SORTKEY, ENCODE AUTO in any order; PostgreSQL's own are refused by name."""
    while True:
        token = parser.token
        if parser.accept("backup"):
            if not parser.accept("yes"):
                parser.expect("no")
                table.backup, table.attributed = False, True
        elif parser.accept("diststyle"):
            _diststyle(parser, table)
        elif parser.accept("distkey"):
            parser.expect_op("(")
            name = _key_column(parser)
            parser.expect_op(")")
            set_distkey(parser, table, name)
        elif parser.any_word(("sortkey", "compound", "interleaved")):
            _sortkey(parser, table)
        elif parser.accept("encode"):
            parser.expect("auto")
        elif parser.accept("inherits"):
            parser.refuse(
                "table inheritance (INHERITS) is not supported on Redshift; use a view with UNION ALL", token
            )
        elif parser.is_word("partition"):
            parser.refuse(
                f"table partitioning (PARTITION {parser.peek().value.upper()}) is not supported on Redshift; use a "
                "SORTKEY and a DISTKEY",
                token,
            )
        elif parser.accept("tablespace"):
            parser.refuse("tablespaces are not supported on Redshift; leave TABLESPACE out", token)
        elif parser.is_word("on", "commit"):
            parser.refuse(
                "ON COMMIT is not supported on Redshift: a temporary table lives as long as its session"
            )
        elif parser.is_word("with") and not parser.is_word("with", "no"):
            parser.refuse(
                "storage parameters (WITH ...) are not supported on Redshift; leave them out", token
            )
        else:
            break
    _check_keys(parser, table)


def _key_column(parser: Parser) -> str:
    """A column of DISTKEY or SORTKEY; CREATE TABLE AS may give its place instead (r_CTAS_examples)."""
    return str(parser.integer()) if parser.token.kind == "number" else parser.identifier()


def _diststyle(parser: Parser, table: Table) -> None:
    token = parser.next()
    style = token.value.upper()
    if style not in ("AUTO", "EVEN", "KEY", "ALL"):
        parser.fail(token)
    if table.distkey is not None and style != "KEY":
        parser.refuse(f"DISTSTYLE {style} and a DISTKEY exclude each other", token, "42P16")
    table.diststyle, table.attributed = style, True


def _sortkey(parser: Parser, table: Table) -> None:
    style = "COMPOUND"
    if parser.accept("interleaved"):
        style = "INTERLEAVED"
    else:
        parser.accept("compound")
    token = parser.expect("sortkey")
    table.attributed = True
    if parser.accept("auto"):
        table.sortstyle = "AUTO"
        return
    if parser.accept("none"):
        table.sortstyle = "NONE"
        return
    parser.expect_op("(")
    columns = [_key_column(parser)]
    while parser.accept_op(","):
        columns.append(_key_column(parser))
    parser.expect_op(")")
    if table.sortkeys:
        parser.refuse("the sort key is specified more than once", token, "42P16")
    if len(columns) > (8 if style == "INTERLEAVED" else 400):
        parser.refuse("too many sort key columns: COMPOUND takes 400, INTERLEAVED 8", token, "54011")
    table.sortkeys, table.sortstyle = columns, style


def _check_keys(parser: Parser, table: Table) -> None:
    if table.diststyle == "KEY" and table.distkey is None and table.columns:
        parser.refuse(
            "DISTSTYLE KEY requires a distribution key column: write DISTKEY (column)", sqlstate="42P16"
        )
    if not table.columns:
        return
    known = {name: kind for name, kind, _ in table.columns}
    named = [*table.sortkeys, *([table.distkey] if table.distkey else [])]
    for constraint in table.constraints:
        named += constraint["columns"]
    for name in named:
        if name not in known:
            parser.refuse(f'column "{name}" named in key does not exist', sqlstate="42703")
    for name in table.sortkeys + ([table.distkey] if table.distkey else []):
        if known[name].name == "super":
            parser.refuse(f'column "{name}" is SUPER and cannot be a DISTKEY or SORTKEY', sqlstate="42P16")


# CREATE TABLE AS, SELECT INTO


def table_from_query(
    query: Query, table: Table, names: tuple[str, ...], parser: Parser, context: Context
) -> Translation:
    """CREATE TABLE with the query's inferred types, then INSERT: the user's statement is the INSERT."""
    bound: Bound = Binder(context).query(query, None)
    context.check(parser.catalog_only, parser.leader_node)
    columns = stored_types(bound, names, query.pos)
    seen: set[str] = set()
    for name, _ in columns:
        if name in seen:
            raise Refused(f'column "{name}" specified more than once', position=query.pos, sqlstate="42701")
        seen.add(name)
    table.columns = [(name, kind, "") for name, kind in columns]
    placed = {str(place): name for place, (name, _) in enumerate(columns, 1)}
    table.sortkeys = [placed.get(key, key) for key in table.sortkeys]
    table.distkey = placed.get(table.distkey, table.distkey) if table.distkey else None
    _check_keys(parser, table)
    listed = ", ".join(quote_ident(name) for name, _ in columns)
    fill = f"INSERT INTO {target_sql(table)} ({listed}) {bound.sql}"
    statements = [create_sql(table), *([zone_map(table)] if zone_map(table) else []), fill]
    main = len(statements) - 1
    if table.attributed:
        statements.append(record(table, table.attributes()))
    return finish(context, statements, kind="create_table_as", main=main, written=table.name)


def select_into(query: Query, name: Name, temporary: bool, parser: Parser, context: Context) -> Translation:
    """SELECT ... INTO [TEMP] table."""
    table = Table(new_name(name, context, query.pos), temporary or name.name.startswith("#"))
    return table_from_query(query, table, (), parser, context)
