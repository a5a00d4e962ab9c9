"""CREATE TABLE, and the column definitions that ALTER TABLE ADD COLUMN shares with it.

Source: Redshift Database Developer Guide, r_CREATE_TABLE_NEW, r_CREATE_TABLE_AS.
"""

from __future__ import annotations

from deployer.project.lint.ddl import ColumnDef, CreateTable
from deployer.sql.parse.parser import Parser
from deployer.sql.types import RedshiftType

TABLE_ENDS = frozenset(["constraint", "primary", "unique", "foreign", "check", "exclude"])
"""Words that begin a constraint of the table rather than a column."""

_SIZED = frozenset(
    "varchar nvarchar text bpchar char character nchar national decimal numeric dec varbyte".split()
)


def create_table(parser: Parser, start: int, *, temporary: bool) -> CreateTable:
    """CREATE TABLE behind the word TABLE; `start` is the statement's own. Raises Refused."""
    quietly = parser.accept("if", "not", "exists")
    table = CreateTable(parser.qualified(), temporary, quietly, pos=start)
    table.temporary |= table.parts[-1].startswith("#")
    if parser.is_op("("):
        at = parser.at
        names = _names_only(parser)
        if names:
            table.names = names
            _attributes(parser, table)
            if not parser.is_word("as"):
                parser.at, table.names = at, ()
        if not table.names:
            _elements(parser, table)
    _attributes(parser, table)
    if parser.accept("as"):
        table.query = parser.query()
    parser.done()
    return table


def _names_only(parser: Parser) -> tuple[str, ...]:
    """The identifiers of a parenthesis that holds nothing else, as before AS query; else nothing."""
    at = parser.at
    parser.next()
    names: list[str] = []
    while parser.is_identifier():
        names.append(parser.identifier())
        if parser.accept_op(")"):
            return tuple(names)
        if not parser.accept_op(","):
            break
    parser.at = at
    return ()


def _elements(parser: Parser, table: CreateTable) -> None:
    parser.expect_op("(")
    while True:
        if parser.accept("like"):
            table.like = parser.qualified()
            if parser.accept("including") or parser.accept("excluding"):
                parser.expect("defaults")
        elif parser.any_word(TABLE_ENDS):
            _table_constraint(parser, table)
        else:
            table.columns.append(column_definition(parser))
        if not parser.accept_op(","):
            break
    parser.expect_op(")")


def no_enforcement(parser: Parser) -> None:
    """Refuse the constraints that Redshift lacks."""
    for word in ("check", "exclude"):
        if parser.is_word(word):
            parser.refuse(
                f"{word.upper()} constraints are not supported on Redshift; check the rows in a procedure"
            )


def _table_constraint(parser: Parser, table: CreateTable) -> None:
    if parser.accept("constraint"):
        parser.identifier()
    no_enforcement(parser)
    token = parser.next()
    kind = {"primary": "primary key", "foreign": "foreign key"}.get(token.value, token.value)
    parser.accept("key")
    parser.identifiers()
    if token.value == "foreign":
        _references(parser)
    table.keys.append((kind, token.start))


def _references(parser: Parser) -> None:
    parser.expect("references")
    parser.qualified()
    if parser.is_op("("):
        parser.identifiers()
    if parser.any_word(("on", "match", "deferrable", "initially")):
        parser.refuse(f"{parser.token.value.upper()} in a foreign key is not supported on Redshift")


def column_definition(parser: Parser) -> ColumnDef:
    """name type [attributes and constraints]."""
    start = parser.token
    name = parser.identifier()
    column = ColumnDef(name, *_type(parser), pos=start.start)
    while parser.token.kind == "word":
        if parser.accept("not", "null"):
            column.not_null = True
        elif parser.accept("null"):
            continue
        elif parser.accept("default"):
            column.default = parser._predicate()
        elif parser.is_word("generated") or parser.is_word("identity"):
            _identity(parser, column)
        elif parser.accept("encode"):
            column.encode = parser.next().value
        elif parser.accept("distkey"):
            column.distkey = True
        elif parser.accept("sortkey"):
            column.sortkey = True
        elif parser.accept("collate"):
            parser.next()
        elif parser.any_word(("constraint", "primary", "unique", "references", "check")):
            _column_constraint(parser, column)
        else:
            break
    return column


def _type(parser: Parser) -> tuple[RedshiftType, int, bool]:
    start = parser.token
    kind = parser.type(ddl=True)
    written = parser.text[start.start : parser.peek(-1).end]
    return kind, start.start, "(" in written or start.value not in _SIZED


def _identity(parser: Parser, column: ColumnDef) -> None:
    if parser.accept("generated") and not parser.accept("by", "default", "as"):
        parser.refuse("GENERATED ALWAYS is not supported on Redshift; write IDENTITY(seed, step)")
    parser.expect("identity")
    if parser.accept_op("("):
        parser.integer()
        parser.expect_op(",")
        parser.integer()
        parser.expect_op(")")
    column.identity = True


def _column_constraint(parser: Parser, column: ColumnDef) -> None:
    if parser.accept("constraint"):
        parser.identifier()
    no_enforcement(parser)
    if parser.is_word("references"):
        _references(parser)
        column.key = "references"
    elif parser.accept("primary"):
        parser.expect("key")
        column.key, column.not_null = "primary key", True
    else:
        parser.expect("unique")
        column.key = "unique"


def _attributes(parser: Parser, table: CreateTable) -> None:
    while True:
        token = parser.token
        if parser.accept("backup"):
            parser.next()
        elif parser.accept("diststyle"):
            table.diststyle = parser.next().value
        elif parser.accept("distkey"):
            (table.distkey,) = parser.identifiers()[:1]
            table.diststyle = table.diststyle or "key"
        elif parser.any_word(("sortkey", "compound", "interleaved")):
            _sortkey(parser, table)
        elif parser.accept("encode"):
            parser.expect("auto")
        elif parser.is_word("inherits"):
            parser.refuse(
                "table inheritance (INHERITS) is not supported on Redshift; use a view with UNION ALL"
            )
        elif parser.is_word("partition", "by"):
            parser.refuse(
                "table partitioning (PARTITION BY) is not supported on Redshift; use a SORTKEY and a DISTKEY"
            )
        elif parser.is_word("tablespace"):
            parser.refuse("tablespaces are not supported on Redshift; leave TABLESPACE out")
        elif parser.is_word("on", "commit"):
            parser.refuse(
                "ON COMMIT is not supported on Redshift: a temporary table lives as long as its session"
            )
        elif parser.is_word("with"):
            parser.refuse(
                "storage parameters (WITH ...) are not supported on Redshift; leave them out", token
            )
        else:
            return


def _sortkey(parser: Parser, table: CreateTable) -> None:
    table.sort_pos = parser.token.start
    style = "compound"
    if parser.accept("interleaved"):
        style = "interleaved"
    else:
        parser.accept("compound")
    parser.expect("sortkey")
    if parser.is_op("("):
        table.sortkeys = list(parser.identifiers())
        table.sortstyle = style
    else:
        table.sortstyle = parser.next().value
