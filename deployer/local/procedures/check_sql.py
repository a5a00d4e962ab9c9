"""The SQL inside of a body, as far as CREATE PROCEDURE reads it: its syntax, and nothing of what it names.

The guide does not say how far Redshift reads a body when the procedure is created. PL/pgSQL of PostgreSQL 8.0, which it
descends from, parses every statement and expression there and plans none: tables and columns need not exist. So it is
here: what cannot be parsed fails at once, and not at the call that first comes by. Constructs that are refused by name
stay to the call, since a branch that never runs does no harm; EXECUTE's text is only known there. Of definitions
(CREATE, ALTER ...) and the commands without a query no syntax is read before they run.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.sql.parse.nodes import CommonTable
from deployer.sql.parse.parser import Parser
from deployer.sql.plpgsql_ast import (
    Assign,
    Block,
    Call,
    Case,
    Cursor,
    Execute,
    ForInteger,
    ForQuery,
    If,
    Leave,
    Loop,
    Sql,
    Statement,
    Text,
)
from deployer.sql.refused import Refused

SYNTAX_ERROR = "42601"
_DML = ("insert", "update", "delete", "merge")


def check(block: Block, at: int) -> None:
    """Raise Refused for the first syntax error; `at` is where the body begins in the statement."""
    for text, query in _texts(block):
        try:
            parser = Parser(text.sql)
            if query:
                _statement(parser)
            else:
                parser.expr()
            parser.done()
        except Refused as error:
            if error.sqlstate != SYNTAX_ERROR:
                continue
            if error.position is not None:
                error.position += at + text.at
            raise
        except RecursionError:
            # The call says it.
            continue


def _statement(parser: Parser) -> None:
    ctes: list[CommonTable] = []
    recursive = False
    start = parser.at
    if parser.is_word("with"):
        ctes, recursive = parser.with_clause()
    word = parser.token.value
    if word not in _DML:
        parser.at = start
        parser.query()
    elif word == "insert":
        parser.insert(ctes, recursive)
    elif word == "update":
        parser.update(ctes, recursive)
    elif word == "delete":
        parser.delete(ctes, recursive)
    else:
        parser.merge()


def _texts(block: Block) -> Iterator[tuple[Text, bool]]:
    """Every piece of SQL in the order of the text, and whether it is a statement; else it is an expression."""
    for declaration in block.declarations:
        if declaration.default is not None:
            yield declaration.default, declaration.type_text.lower() == "cursor"
    yield from _all(block.body)
    if block.handler is not None:
        yield from _all(block.handler.body)


def _all(statements: tuple[Statement, ...]) -> Iterator[tuple[Text, bool]]:
    for statement in statements:
        yield from _one(statement)


def _one(statement: Statement) -> Iterator[tuple[Text, bool]]:
    match statement:
        case Block():
            yield from _texts(statement)
        case Sql(kind="select" | "insert" | "update" | "delete" | "merge"):
            yield statement.text, True
        case Assign():
            yield statement.value, False
        case If():
            for condition, body in statement.branches:
                yield condition, False
                yield from _all(body)
            yield from _all(statement.otherwise)
        case Case():
            if statement.subject is not None:
                yield statement.subject, False
            for values, body in statement.branches:
                for value in values:
                    yield value, False
                yield from _all(body)
            yield from _all(statement.otherwise or ())
        case Loop():
            if statement.condition is not None:
                yield statement.condition, False
            yield from _all(statement.body)
        case ForInteger():
            for bound in (statement.lower, statement.upper, statement.step):
                if bound is not None:
                    yield bound, False
            yield from _all(statement.body)
        case ForQuery():
            yield statement.query, not statement.dynamic
            yield from _all(statement.body)
        case Leave(when=Text() as condition):
            yield condition, False
        case Cursor(query=Text() as query):
            yield query, not statement.dynamic
        case Execute():
            yield statement.command, False
        case Call():
            for argument in statement.arguments:
                yield argument, False
        case _:
            pass
