"""CREATE, ALTER and DROP FUNCTION: SQL user-defined functions.

Source: Redshift Database Developer Guide, r_CREATE_FUNCTION, r_ALTER_FUNCTION, r_DROP_FUNCTION,
udf-creating-a-scalar-sql-udf. PostgreSQL gets a function of the same name, schema and types with the translated text.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass

from deployer.local.functions.registry import FUNCTIONS
from deployer.local.translate import grants
from deployer.local.translate.api import FunctionName, Translation, UserFunction
from deployer.local.translate.bind_functions import argument
from deployer.local.translate.bind_queries import Binder
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context, finish
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.scope import Scope
from deployer.local.translate.tables import new_name
from deployer.local.translate.users import DONE
from deployer.sql.lexer import Token
from deployer.sql.names import Name, quote_ident
from deployer.sql.parse.datatypes import redshift_text
from deployer.sql.parse.nodes import Expr, FunctionCall, Parameter, Query, Select
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

MAX_ARGUMENTS = 32
PYTHON = (
    "Python user-defined functions are not run by the local Redshift, and Redshift itself makes no new ones since its "
    "patch 198; write it as LANGUAGE sql"
)
_VOLATILITY = ("volatile", "stable", "immutable")
_LONG = {
    "timestamp": "timestamp without time zone", "time": "time without time zone", "varbyte": "bytea",
}  # fmt: skip
_SAME = (frozenset(["char", "varchar", "unknown"]),)
"""Result types that stand for each other. A literal without a type is taken for any."""


def create(parser: Parser, context: Context, *, replace: bool) -> Translation:
    """CREATE [OR REPLACE] FUNCTION, the word FUNCTION next. Raises Refused."""
    parser.expect("function")
    if parser.is_word("if"):
        parser.refuse(
            "CREATE FUNCTION takes no IF NOT EXISTS on Redshift; use CREATE OR REPLACE", sqlstate="42601"
        )
    pos = parser.token.start
    name = new_name(parser.name(), context, pos)
    if _is_python(parser):
        parser.refuse(PYTHON)
    kinds = _arguments(parser)
    parser.expect("returns")
    result = _type(parser)
    volatility, body = _clauses(parser)
    parser.done()
    text = _translated(body, kinds, result, parser, context)
    inputs = ", ".join(_bare(kind) for kind in kinds)
    schema = "current_schema()" if name.schema is None else pg_literal(name.schema)
    listed = ", ".join(pg_literal(_kept(kind)) for kind in kinds)
    head = f"CREATE {'OR REPLACE ' if replace else ''}FUNCTION {name.sql()}({inputs}) RETURNS {_bare(result)}"
    return finish(
        context,
        [
            f"SELECT zeroshift.check_function_name({pg_literal(name.name)})",
            f"{head} LANGUAGE sql {volatility.upper()} AS {pg_literal('SELECT ' + text)}",
            f"SELECT zeroshift.record_function({schema}, {pg_literal(name.name)}, {pg_literal(inputs)}, "
            f"ARRAY[{listed}]::text[], {pg_literal(_kept(result))}, {pg_literal(body.value)})",
        ],
        main=1,
        kind="create_function",
    )


def _is_python(parser: Parser) -> bool:
    words = [token.value for token in parser.tokens]
    return any(pair == ("language", "plpythonu") for pair in zip(words, words[1:], strict=False))


def _arguments(parser: Parser) -> list[RedshiftType]:
    """The types in parentheses."""
    opening = parser.expect_op("(")
    kinds: list[RedshiftType] = []
    while not parser.accept_op(")"):
        if kinds:
            parser.expect_op(",")
        kinds.append(_type(parser))
        if not parser.is_op(",") and not parser.is_op(")"):
            parser.refuse(
                "a SQL user-defined function has a list of types, without names of arguments",
                sqlstate="42601",
            )
    if len(kinds) > MAX_ARGUMENTS:
        parser.refuse(
            f"a user-defined function has at most {MAX_ARGUMENTS} arguments on Redshift", opening, "54023"
        )
    return kinds


def _type(parser: Parser) -> RedshiftType:
    token = parser.token
    if parser.is_identifier() and parser.peek().kind == "word" and _names_argument(parser):
        parser.refuse(
            "a SQL user-defined function has a list of types, without names of arguments", token, "42601"
        )
    return parser.type(ddl=True)


def _names_argument(parser: Parser) -> bool:
    """Whether a name stands before the type: the word after it begins a type, and it does not itself."""
    at = parser.at
    try:
        parser.type(ddl=True)
    except Refused:
        return parser.tokens[at].kind == "word"
    finally:
        parser.at = at
    return False


def _clauses(parser: Parser) -> tuple[str, Token]:
    """What stands behind the result's type: the volatility and the body's token."""
    volatility = ""
    body: Token | None = None
    language = False
    start = parser.token
    while parser.token.kind == "word":
        if parser.any_word(_VOLATILITY):
            if volatility:
                parser.refuse("conflicting or redundant options", sqlstate="42601")
            volatility = parser.next().value
        elif parser.accept("as"):
            body = parser.next()
            if body.kind != "string" or not parser.text.startswith("$", body.start):
                parser.refuse(
                    "a function's body must be quoted with dollar signs: AS $$ ... $$", body, "42601"
                )
        elif parser.accept("language"):
            token = parser.next()
            if token.value != "sql":
                parser.refuse(
                    f'language "{token.value}" is not one of Redshift\'s for functions', token, "42704"
                )
            language = True
        else:
            parser.fail()
    if not volatility:
        parser.refuse("CREATE FUNCTION needs VOLATILE, STABLE or IMMUTABLE on Redshift", start, "42601")
    if body is None or not language:
        parser.refuse("CREATE FUNCTION needs AS $$ ... $$ and LANGUAGE sql", sqlstate="42601")
    return volatility, body


def _translated(
    body: Token, kinds: list[RedshiftType], result: RedshiftType, parser: Parser, context: Context
) -> str:
    """The one expression of the body as PostgreSQL text, converted to the result's type."""
    start = parser.text.index("$", body.start + 1) + 1
    try:
        inner = Parser(body.value)
        query = inner.query()
        inner.done()
        expr = _expression(query)
        _check_nodes(expr, len(kinds))
        variables = {f"${number}": kind for number, kind in enumerate(kinds, 1)}
        own = Context(context.catalog, variables)
        value = Binder(own).expr(expr, Scope())
        own.check(inner.catalog_only, inner.leader_node)
        found = value.type
        if found is not None and not _answers(found, result):
            raise Refused(
                f"return type mismatch in function declared to return {redshift_text(result)}: the SELECT clause gives "
                f"{redshift_text(found)}; CAST it",
                position=expr.pos,
                sqlstate="42P13",
            )
        return argument(value, result, expr)
    except Refused as error:
        error.position = start + (error.position or 0)
        raise


def _answers(found: RedshiftType, result: RedshiftType) -> bool:
    if found.name in ("unknown", result.name):
        return True
    return any(found.name in group and result.name in group for group in _SAME)


def _expression(query: Query) -> Expr:
    """The expression of a bare SELECT clause. Raises Refused for anything else."""
    body = query.body
    clauses: list[tuple[object, str]] = [
        (query.order, "ORDER BY"), (query.limit, "LIMIT or TOP"), (query.offset, "OFFSET"), (query.ctes, "WITH"),
    ]  # fmt: skip
    if isinstance(body, Select):
        clauses += [
            (body.tables, "FROM"), (body.into, "INTO"), (body.where, "WHERE"),
            (body.group or body.group_all, "GROUP BY"), (body.having, "HAVING"), (body.qualify, "QUALIFY"),
            (body.top, "TOP"), (body.distinct, "DISTINCT"),
            (body.connect, "CONNECT BY"),
        ]  # fmt: skip
    for written, what in clauses:
        if written:
            raise Refused(
                f"the SELECT clause of a SQL user-defined function cannot include {what}; put it into the "
                "statement that calls the function",
                position=body.pos,
            )
    if not isinstance(body, Select):
        raise Refused(
            "a SQL user-defined function is one SELECT clause, without set operators", position=body.pos
        )
    if len(body.items) != 1:
        raise Refused(
            "a SQL user-defined function returns one value: its SELECT clause has one expression",
            position=body.pos,
            sqlstate="42P13",
        )
    return body.items[0].expr


def _check_nodes(node: object, count: int) -> None:
    """Raises Refused for sub-queries (they have a FROM), for aggregates, and for arguments that were not declared."""
    if isinstance(node, Query):
        raise Refused(
            "the SELECT clause of a SQL user-defined function cannot include a sub-query: it has no FROM",
            position=node.pos,
        )
    if isinstance(node, FunctionCall):
        known = FUNCTIONS.get(node.name)
        if node.over is not None or (known is not None and known.kind != "scalar"):
            # No page says it; without FROM there is nothing to aggregate.
            raise Refused(
                f"{node.name.upper()} is not a scalar function: a SQL user-defined function has no rows to read",
                position=node.pos,
            )
    if isinstance(node, Parameter) and not 1 <= node.number <= count:
        raise Refused(f"there is no parameter ${node.number}", position=node.pos, sqlstate="42P02")
    if isinstance(node, list | tuple):
        for item in node:
            _check_nodes(item, count)
    elif is_dataclass(node):
        for one in fields(node):
            _check_nodes(getattr(node, one.name), count)


def _bare(kind: RedshiftType) -> str:
    """A type as pg_proc holds it: without length or precision."""
    return pg_type(RedshiftType(kind.name))


def _kept(kind: RedshiftType) -> str:
    """A type in the form that gateway.types.from_format reads."""
    return _LONG.get(kind.name) or pg_type(kind)


def _existing(parser: Parser, context: Context) -> tuple[Name, str]:
    """The function that the statement names by its types: its full name, and the types as PostgreSQL has them."""
    if parser.is_word("if"):
        parser.refuse("IF EXISTS is not supported on Redshift for functions", sqlstate="42601")
    pos = parser.token.start
    name = new_name(parser.name(), context, pos)
    if not parser.is_op("("):
        parser.refuse(
            "a function is named with the types of its arguments: f(integer, varchar)", sqlstate="42601"
        )
    signature = grants.signature(parser)
    found = existing(name, signature, context)
    if found is None:
        raise Refused(f"function {name}{signature} does not exist", position=pos, sqlstate="42883")
    return Name(found.name, found.schema), signature


def existing(name: Name, signature: str, context: Context) -> UserFunction | None:
    """The user-defined function with this signature, the first on the search path."""
    for found in context.catalog.functions(FunctionName(name.name, name.schema)):
        if f"({', '.join(_bare(kind) for kind in found.arguments)})" == signature:
            return found
    return None


def alter(parser: Parser, context: Context) -> Translation:
    """ALTER FUNCTION, that word next."""
    parser.expect("function")
    name, signature = _existing(parser, context)
    head = f"ALTER FUNCTION {name.sql()}{signature}"
    if parser.accept("rename"):
        parser.expect("to")
        new = parser.identifier()
        parser.done()
        check = f"SELECT zeroshift.check_function_name({pg_literal(new)})"
        return finish(context, [check, f"{head} RENAME TO {quote_ident(new)}"], main=1, kind="alter_function")
    parser.expect("owner", "to")
    if parser.any_word(("current_user", "session_user")):
        owner = f"{parser.next().value.upper()}::text"
    else:
        owner = pg_literal(parser.identifier())
    parser.done()
    call = f"SELECT zeroshift.own_function({pg_literal(name.sql() + signature)}, {owner})"
    return finish(context, [call, DONE], main=1, kind="alter_function")


def drop(parser: Parser, context: Context) -> Translation:
    """DROP FUNCTION, that word next."""
    parser.expect("function")
    name, signature = _existing(parser, context)
    sql = f"DROP FUNCTION {name.sql()}{signature}"
    for word in ("cascade", "restrict"):
        if parser.accept(word):
            sql += f" {word.upper()}"
    parser.done()
    return finish(context, [sql], kind="drop_function")
