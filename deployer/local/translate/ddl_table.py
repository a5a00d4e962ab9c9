"""CREATE TABLE in its forms: columns, LIKE, AS query, and SELECT INTO.

Source: Redshift Database Developer Guide, r_CREATE_TABLE_NEW, r_CREATE_TABLE_AS. What PostgreSQL has no place for
(distribution, sort keys, encodings, informational constraints) is recorded by zeroshift.record_table_attributes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from deployer.local.translate.api import Refused, Relation, Translation
from deployer.local.translate.bind_from import physical
from deployer.local.translate.bind_queries import Binder, Bound, stored_types
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context, finish
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.nodes import Query
from deployer.local.translate.parser import Parser
from deployer.local.translate.scope import Scope
from deployer.sql.names import Name, quote_ident
from deployer.sql.types import RedshiftType

ENCODINGS = frozenset(
    """
    auto raw az64 bytedict delta delta32k lzo mostly8 mostly16 mostly32 runlength text255 text32k zstd
    """.split()
)
_NOT_INDEXED = frozenset(["boolean", "super", "varbyte", "interval"])
"""Types without a BRIN operator class."""

LIKED = " LIKE"
"""Marks a column that PostgreSQL's own LIKE brings."""

PAGES_PER_RANGE = 16
"""128 kB of rows for one zone-map entry, as near to Redshift's 1 MB blocks as pays on small local tables."""


@dataclass
class Table:
    """A table under construction."""

    name: Name
    temporary: bool = False
    columns: list[tuple[str, RedshiftType, str]] = field(default_factory=list)
    """Name, type, and the rest of the column's definition."""
    diststyle: str = "AUTO"
    distkey: str | None = None
    sortstyle: str = "AUTO"
    sortkeys: list[str] = field(default_factory=list)
    encodings: dict[str, str] = field(default_factory=dict)
    constraints: list[dict[str, Any]] = field(default_factory=list)
    backup: bool = True
    likes: list[str] = field(default_factory=list)
    """Tables whose NOT NULL columns LIKE copies, as PostgreSQL names."""
    attributed: bool = False
    """Something must be recorded."""

    def attributes(self) -> dict[str, Any]:
        return {
            "diststyle": self.diststyle,
            "distkey": self.distkey,
            "sortstyle": self.sortstyle,
            "sortkeys": self.sortkeys,
            "encodings": self.encodings,
            "constraints": self.constraints,
            "backup": self.backup,
        }


def new_name(name: Name, context: Context, pos: int) -> Name:
    """The name of an object to be made: it must be of this database, and #t is temporary."""
    local = context.local(name)
    if local.database is not None:
        raise Refused(
            f'cannot create "{name}": objects can be created in the session\'s own database only, and a zero-ETL '
            "integration's database is read-only",
            position=pos,
        )
    if local.schema is not None and local.schema in ("pg_catalog", "information_schema", "redshift", "zeroshift"):
        raise Refused(
            f'permission denied to create "{name}": the schema is a system one', position=pos, sqlstate="42501"
        )
    return local


def target_sql(table: Table) -> str:
    """The table's name for PostgreSQL; a temporary one goes without a schema."""
    return quote_ident(table.name.name) if table.temporary else table.name.sql()


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
        raise Refused("cannot create temporary relation in non-temporary schema", position=pos, sqlstate="42P16")
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
    if parser.is_word("external"):
        parser.refuse("CREATE EXTERNAL TABLE is not supported by the local Redshift yet")
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
    if quietly:
        existing = context.catalog.relation(table.name)
        if existing is not None:
            definition = ", ".join(f"{quote_ident(name)} {pg_type(kind)}" for name, kind, _ in table.columns)
            temp = "TEMP " if table.temporary else ""
            sql = f"CREATE {temp}TABLE IF NOT EXISTS {target_sql(table)} ({definition})"
            return finish(context, [sql], kind="create_table")
    created = create_sql(table, quietly)
    return finish(context, [created, *afterwards(table)], kind="create_table", written=table.name)


def create_sql(table: Table, quietly: bool = False) -> str:
    """CREATE TABLE for PostgreSQL, with the checks that count bytes."""
    parts = [f"LIKE {like}" for like in table.likes]
    parts += [f"{quote_ident(name)} {pg_type(kind)}{rest}" for name, kind, rest in table.columns if rest != LIKED]
    parts += [check for name, kind, _ in table.columns if (check := byte_check(name, kind))]
    temp = "TEMP " if table.temporary else ""
    exists = "IF NOT EXISTS " if quietly else ""
    return f"CREATE {temp}TABLE {exists}{target_sql(table)} ({', '.join(parts)})"


def byte_check(column: str, kind: RedshiftType) -> str:
    """The CHECK that holds CHAR(n) and VARCHAR(n) to n bytes; the gateway knows it by its name."""
    if kind.name not in ("varchar", "char") or not kind.length:
        return ""
    return f"CONSTRAINT {check_name(column, kind)} CHECK (octet_length({quote_ident(column)}) <= {kind.length})"


def check_name(column: str, kind: RedshiftType) -> str:
    """The name of a column's byte check. The gateway reads the length out of it."""
    return quote_ident(f"zs_bytes_{kind.length}_{column}".encode()[:63].decode(errors="ignore"))


def afterwards(table: Table) -> list[str]:
    """The zone map and the record of what PostgreSQL does not keep."""
    found = []
    index = zone_map(table)
    if index:
        found.append(index)
    if table.attributed:
        found.append(record(table, table.attributes()))
    return found


def zone_map(table: Table) -> str:
    """A BRIN index over the sort key. VARCHAR is indexed as it is compared: without trailing blanks."""
    kinds = {name: kind for name, kind, _ in table.columns}
    return brin_sql(target_sql(table), [(name, kinds[name]) for name in table.sortkeys])


def brin_sql(target: str, columns: list[tuple[str, RedshiftType]]) -> str:
    keys = [
        f"(({quote_ident(name)})::bpchar)" if kind.name == "varchar" else quote_ident(name)
        for name, kind in columns
        if kind.name not in _NOT_INDEXED
    ]
    if not keys:
        return ""
    return f"CREATE INDEX ON {target} USING brin ({', '.join(keys)}) WITH (pages_per_range = {PAGES_PER_RANGE})"


def record(table: Table, attributes: dict[str, Any]) -> str:
    """The call that records `attributes` of a table that was just made."""
    if table.temporary:
        schema = "NULL"
    elif table.name.schema is None:
        schema = "current_schema()"
    else:
        schema = pg_literal(table.name.schema)
    return (
        f"SELECT zeroshift.record_table_attributes({schema}, {pg_literal(table.name.name)}, "
        f"{pg_literal(json.dumps(attributes))}::jsonb)"
    )


# columns and table constraints


def _elements(parser: Parser, table: Table, context: Context) -> None:
    parser.expect_op("(")
    while True:
        if parser.is_word("like"):
            _like(parser, table, context)
        elif parser.any_word(("constraint", "primary", "unique", "foreign", "check", "exclude")):
            _table_constraint(parser, table, context)
        else:
            column_definition(parser, table, context)
        if not parser.accept_op(","):
            break
    parser.expect_op(")")
    names = [name for name, _, _ in table.columns]
    for name in names:
        if names.count(name) > 1:
            parser.refuse(f'column "{name}" specified more than once', sqlstate="42701")


def column_definition(parser: Parser, table: Table, context: Context) -> None:
    """name type [attributes and constraints], appended to the table."""
    name = parser.identifier()
    kind = parser.type(ddl=True)
    if kind.name in ("oid", "name", "array") or kind.name.startswith("reg"):
        parser.refuse(f"type {kind.name.upper()} cannot be a column's type on Redshift; use BIGINT or VARCHAR")
    rest = ""
    while True:
        token = parser.token
        if parser.accept("not", "null"):
            rest += " NOT NULL"
        elif parser.accept("null"):
            rest += " NULL"
        elif parser.accept("default"):
            rest += f" DEFAULT {_default(parser, context)}"
        elif parser.is_word("identity") or parser.is_word("generated"):
            rest += _identity(parser, kind)
        elif parser.accept("encode"):
            table.encodings[name] = encoding(parser)
            table.attributed = True
        elif parser.accept("distkey"):
            _set_distkey(parser, table, name)
        elif parser.accept("sortkey"):
            table.sortkeys.append(name)
            table.sortstyle, table.attributed = "COMPOUND", True
        elif parser.accept("collate"):
            parser.refuse("a column's COLLATE is not supported by the local Redshift yet; it compares bytes", token)
        elif parser.any_word(("constraint", "primary", "unique", "references", "check")):
            rest += _column_constraint(parser, table, name, context)
        else:
            break
    table.columns.append((name, kind, rest))


def _default(parser: Parser, context: Context) -> str:
    """DG: variable-free; sub-queries and references to columns are not allowed."""
    token = parser.token
    node = parser._predicate()
    value = Binder(context).expr(node, Scope())
    if "SELECT " in value.sql and parser.text[token.start :].lstrip("( ").lower().startswith("select"):
        parser.refuse("a DEFAULT cannot hold a sub-query", token, "0A000")
    return value.sql if value.sql.startswith("(") or "(" not in value.sql else f"({value.sql})"


def _identity(parser: Parser, kind: RedshiftType) -> str:
    token = parser.token
    word = "ALWAYS"
    if parser.accept("generated"):
        if not parser.accept("by", "default", "as"):
            parser.refuse(
                "GENERATED ALWAYS is not supported on Redshift; write IDENTITY(seed, step) or GENERATED BY DEFAULT AS "
                "IDENTITY(seed, step)", token,
            )  # fmt: skip
        word = "BY DEFAULT"
    parser.expect("identity")
    seed = step = 1
    if parser.accept_op("("):
        seed = parser.integer()
        parser.expect_op(",")
        step = parser.integer()
        parser.expect_op(")")
    if kind.name not in ("integer", "bigint"):
        parser.refuse("an IDENTITY column must be INTEGER or BIGINT", token, "42804")
    if step == 0:
        parser.refuse("the step of IDENTITY must not be 0", token, "22023")
    low = min(seed, 1) if step > 0 else -(2**31 if kind.name == "integer" else 2**63)
    high = max(seed, -1) if step < 0 else (2**31 if kind.name == "integer" else 2**63) - 1
    return f" GENERATED {word} AS IDENTITY (START WITH {seed} INCREMENT BY {step} MINVALUE {low} MAXVALUE {high})"


def encoding(parser: Parser) -> str:
    """The encoding at the cursor; several of them are reserved words."""
    token = parser.next()
    if token.kind not in ("word", "quoted") or token.value not in ENCODINGS:
        parser.refuse(f'invalid encoding type specified: "{token.value}"', token, "42601")
    return token.value


def _set_distkey(parser: Parser, table: Table, name: str) -> None:
    if table.distkey is not None:
        parser.refuse("Cannot specify more than one distribution key.", sqlstate="42P16")
    if table.diststyle not in ("AUTO", "KEY"):
        parser.refuse(f"DISTSTYLE {table.diststyle} and a DISTKEY exclude each other", sqlstate="42P16")
    table.distkey, table.diststyle, table.attributed = name, "KEY", True


def _references(parser: Parser, context: Context) -> dict[str, Any]:
    target = context.local(parser.name())
    columns = list(parser.identifiers()) if parser.is_op("(") else []
    if parser.any_word(("on", "match", "deferrable", "initially")):
        parser.refuse(f"{parser.token.value.upper()} in a foreign key is not supported on Redshift")
    return {"references": str(target), "referenced": columns}


def _no_enforcement(parser: Parser) -> None:
    if parser.is_word("check"):
        parser.refuse("CHECK constraints are not supported on Redshift; check the rows in a procedure")
    if parser.is_word("exclude"):
        parser.refuse("EXCLUDE constraints are not supported on Redshift; check the rows in a procedure")


def _column_constraint(parser: Parser, table: Table, column: str, context: Context) -> str:
    name = parser.identifier() if parser.accept("constraint") else None
    _no_enforcement(parser)
    table.attributed = True
    if parser.accept("primary"):
        parser.expect("key")
        table.constraints.append({"name": name, "type": "p", "columns": [column]})
        return " NOT NULL"
    if parser.accept("unique"):
        table.constraints.append({"name": name, "type": "u", "columns": [column]})
        return ""
    parser.expect("references")
    table.constraints.append({"name": name, "type": "f", "columns": [column], **_references(parser, context)})
    return ""


def _table_constraint(parser: Parser, table: Table, context: Context) -> None:
    name = parser.identifier() if parser.accept("constraint") else None
    _no_enforcement(parser)
    table.attributed = True
    if parser.accept("primary"):
        parser.expect("key")
        columns = parser.identifiers()
        table.constraints.append({"name": name, "type": "p", "columns": list(columns)})
        for index, (column, kind, rest) in enumerate(table.columns):
            if column in columns and "NOT NULL" not in rest:
                table.columns[index] = (column, kind, rest + " NOT NULL")
    elif parser.accept("unique"):
        table.constraints.append({"name": name, "type": "u", "columns": list(parser.identifiers())})
    else:
        parser.expect("foreign", "key")
        columns = parser.identifiers()
        parser.expect("references")
        table.constraints.append(
            {"name": name, "type": "f", "columns": list(columns), **_references(parser, context)}
        )


def _like(parser: Parser, table: Table, context: Context) -> None:
    """LIKE copies columns and NOT NULL; with INCLUDING DEFAULTS the defaults too."""
    pos = parser.expect("like").start
    relation = context.relation(parser.name(), pos)
    defaults = False
    if parser.accept("including"):
        parser.expect("defaults")
        defaults = True
    elif parser.accept("excluding"):
        parser.expect("defaults")
    if defaults:
        parser.refuse("LIKE ... INCLUDING DEFAULTS is not supported by the local Redshift yet; write the columns")
    table.columns += [(name, kind, LIKED) for name, kind in relation.columns]
    table.likes.append(physical(relation))


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
            name = parser.identifier()
            parser.expect_op(")")
            _set_distkey(parser, table, name)
        elif parser.any_word(("sortkey", "compound", "interleaved")):
            _sortkey(parser, table)
        elif parser.accept("encode"):
            parser.expect("auto")
        elif parser.accept("inherits"):
            parser.refuse("table inheritance (INHERITS) is not supported on Redshift; use a view with UNION ALL", token)
        elif parser.is_word("partition", "by"):
            parser.refuse(
                "table partitioning (PARTITION BY) is not supported on Redshift; use a SORTKEY and a DISTKEY", token
            )
        elif parser.accept("tablespace"):
            parser.refuse("tablespaces are not supported on Redshift; leave TABLESPACE out", token)
        elif parser.is_word("on", "commit"):
            parser.refuse("ON COMMIT is not supported on Redshift: a temporary table lives as long as its session")
        elif parser.is_word("with") and not parser.is_word("with", "no"):
            parser.refuse("storage parameters (WITH ...) are not supported on Redshift; leave them out", token)
        else:
            break
    _check_keys(parser, table)


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
    columns = list(parser.identifiers())
    if table.sortkeys:
        parser.refuse("the sort key is specified more than once", token, "42P16")
    if len(columns) > (8 if style == "INTERLEAVED" else 400):
        parser.refuse("too many sort key columns: COMPOUND takes 400, INTERLEAVED 8", token, "54011")
    table.sortkeys, table.sortstyle = columns, style


def _check_keys(parser: Parser, table: Table) -> None:
    if table.diststyle == "KEY" and table.distkey is None and table.columns:
        parser.refuse("DISTSTYLE KEY requires a distribution key column: write DISTKEY (column)", sqlstate="42P16")
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


def existing(relation: Relation) -> Table:
    """A table of the catalog, to write statements about it."""
    temporary = relation.physical[0].startswith("pg_temp")
    name = Name(relation.physical[1], None if temporary else relation.physical[0])
    return Table(name, temporary, [(column, kind, "") for column, kind in relation.columns])
