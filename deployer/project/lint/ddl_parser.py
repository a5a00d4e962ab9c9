"""Parse the statements of `ddl`. What is not understood gives no tree; what Redshift lacks is refused by name."""

from __future__ import annotations

from deployer.project.lint.ddl import (
    AlterAction,
    AlterTable,
    CallNode,
    CreateFunction,
    CreateUser,
    CreateView,
    Drop,
    Grant,
    Grantee,
    Truncate,
)
from deployer.project.lint.ddl_tables import TABLE_ENDS, column_definition, create_table, no_enforcement
from deployer.sql.lacking import COMMANDS, DEFINITIONS
from deployer.sql.parse.nodes import Node
from deployer.sql.parse.parser import Parser


def parse(parser: Parser) -> Node | None:
    """The definition at the cursor, or None for one that no rule looks into. Raises Refused."""
    token = parser.token
    word = token.value if token.kind == "word" else ""
    if word in COMMANDS:
        parser.refuse(COMMANDS[word])
    if parser.accept("create"):
        return _create(parser, token.start)
    if parser.accept("alter"):
        return _alter(parser, token.start)
    if parser.accept("drop"):
        return _drop(parser, token.start)
    if parser.accept("truncate"):
        parser.accept("table")
        return Truncate(parser.qualified(), pos=token.start)
    if word in ("grant", "revoke", "attach", "detach"):
        return _grant(parser)
    if parser.accept("call"):
        return _call(parser, token.start)
    return None


def _lacking(parser: Parser, verb: str) -> None:
    word = parser.token.value if parser.token.kind == "word" else ""
    if word in DEFINITIONS and not (word == "language" and verb == "DROP"):
        parser.refuse(f"{verb} {word.upper()}: {DEFINITIONS[word]}")


def _create(parser: Parser, start: int) -> Node | None:
    parser.accept("or", "replace")
    if parser.any_word(("temp", "temporary", "local", "global", "unlogged")):
        if parser.is_word("unlogged"):
            parser.refuse("UNLOGGED tables are not supported on Redshift")
        if parser.is_word("global"):
            parser.refuse("GLOBAL TEMPORARY is not supported on Redshift; write TEMPORARY")
        parser.accept("local")
        parser.next()
        if parser.is_word("view"):
            parser.refuse("temporary views are not supported on Redshift; use a temporary table or WITH")
        _lacking(parser, "CREATE")
        parser.expect("table")
        return create_table(parser, start, temporary=True)
    if parser.accept("table"):
        return create_table(parser, start, temporary=False)
    if parser.accept("view"):
        return _create_view(parser, start, materialized=False)
    if parser.accept("materialized", "view"):
        return _create_view(parser, start, materialized=True)
    if parser.accept("user"):
        return _user(parser, start)
    if parser.accept("function"):
        return _function(parser, start)
    _lacking(parser, "CREATE")
    return None


def _function(parser: Parser, start: int) -> CreateFunction | None:
    parts = parser.qualified()
    while parser.token.kind != "end":
        if parser.accept("language"):
            token = parser.next()
            return CreateFunction(parts, token.value, token.start, pos=start)
        parser.next()
    return None


def _user(parser: Parser, start: int) -> CreateUser:
    found = CreateUser(parser.identifier(), pos=start)
    while parser.token.kind != "end":
        if parser.accept("password") and parser.token.kind == "string":
            hashed = parser.token.value.startswith(("md5", "sha256|"))
            found.password = -1 if hashed else parser.token.start
        parser.next()
    return found


def _create_view(parser: Parser, start: int, *, materialized: bool) -> CreateView:
    parts = parser.qualified()
    columns = parser.identifiers() if parser.is_op("(") else ()
    if materialized:
        _materialized_options(parser)
    parser.expect("as")
    query = parser.query()
    late = parser.accept("with", "no", "schema", "binding")
    parser.done()
    return CreateView(parts, columns, query, late, materialized, pos=start)


def _materialized_options(parser: Parser) -> None:
    """BACKUP, table attributes and AUTO REFRESH: read over, up to AS."""
    depth = 0
    while not (depth == 0 and parser.is_word("as")):
        if parser.token.kind == "end":
            parser.fail()
        depth += parser.is_op("(") - parser.is_op(")")
        parser.next()


def _alter(parser: Parser, start: int) -> Node | None:
    if parser.accept("user"):
        return _user(parser, start)
    if parser.is_word("default", "privileges"):
        while parser.token.kind != "end" and not parser.any_word(("grant", "revoke")):
            parser.next()
        return _grant(parser)
    if not parser.accept("table"):
        _lacking(parser, "ALTER")
        return None
    table = AlterTable(parser.qualified(), [], pos=start)
    while True:
        table.actions.append(_action(parser))
        if not parser.accept_op(","):
            break
    return table


def _action(parser: Parser) -> AlterAction:
    token = parser.token
    action = AlterAction("", pos=token.start)
    if parser.accept("add"):
        if parser.any_word(TABLE_ENDS) and not parser.is_op("(", 2):
            no_enforcement(parser)
            action.verb = "add constraint"
            _skip(parser)
            return action
        parser.accept("column")
        action.verb, action.column = "add column", column_definition(parser)
        action.name = action.column.name
    elif parser.accept("drop"):
        action.verb = "drop constraint" if parser.accept("constraint") else "drop column"
        parser.accept("column")
        action.name = parser.identifier()
        if parser.is_word("cascade"):
            action.verb += " cascade"
        _skip(parser)
    elif parser.accept("rename"):
        action.verb = "rename column" if parser.accept("column") else "rename table"
        _skip(parser)
    elif parser.accept("alter", "column"):
        action.name = parser.identifier()
        if parser.accept("type"):
            action.verb, action.type = "alter type", parser.type(ddl=True)
        elif parser.any_word(("set", "drop")):
            parser.refuse(
                "ALTER COLUMN ... SET/DROP is not supported on Redshift; add a column, copy, drop, rename"
            )
        else:
            action.verb = "alter encode"
            _skip(parser)
    else:
        action.verb = token.value
        _skip(parser)
    return action


def _skip(parser: Parser) -> None:
    """Over the rest of a clause, up to its comma or the statement's end."""
    depth = 0
    while parser.token.kind != "end" and not (depth == 0 and (parser.is_op(",") or parser.is_op(";"))):
        depth += parser.is_op("(") - parser.is_op(")")
        parser.next()


def _drop(parser: Parser, start: int) -> Node | None:
    if parser.accept("materialized", "view"):
        kind = "materialized view"
    elif parser.any_word(
        ("table", "view", "schema", "procedure", "function", "user", "group", "role", "database")
    ):
        kind = parser.next().value
    else:
        _lacking(parser, "DROP")
        return None
    drop = Drop(kind, [], quietly=parser.accept("if", "exists"), pos=start)
    while True:
        if kind == "schema" and parser.accept("raw"):
            drop.names.append(("raw",))
        else:
            drop.names.append(parser.qualified())
        if parser.is_op("("):
            depth = 0
            while parser.token.kind != "end":
                depth += parser.is_op("(") - parser.is_op(")")
                parser.next()
                if depth == 0:
                    break
        if not parser.accept_op(","):
            break
    if parser.is_word("cascade"):
        drop.cascade = parser.token.start
    return drop


def _grant(parser: Parser) -> Grant:
    """The grantees stand behind the last TO or FROM outside of parentheses."""
    first = parser.next()
    grant = Grant(first.value, [], parser.is_word("role"), pos=first.start)
    depth = 0
    while parser.token.kind != "end" and not (depth == 0 and parser.any_word(("to", "from"))):
        depth += parser.is_op("(") - parser.is_op(")")
        parser.next()
    parser.next()
    while parser.token.kind in ("word", "quoted"):
        token = parser.token
        kind = token.value if token.kind == "word" and token.value in ("role", "group", "public") else "user"
        if kind != "user":
            parser.next()
        name = kind if kind == "public" else parser.next().value
        grant.grantees.append(Grantee(kind, name, pos=token.start))
        if parser.is_word("with"):
            break
        if not parser.accept_op(","):
            break
    return grant


def _call(parser: Parser, start: int) -> CallNode:
    parts = parser.qualified()
    parser.expect_op("(")
    count = 0
    if not parser.is_op(")"):
        while True:
            parser.expr()
            count += 1
            if not parser.accept_op(","):
                break
    parser.expect_op(")")
    parser.done()
    return CallNode(parts, count, pos=start)
