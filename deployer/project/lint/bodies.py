"""The statements of a procedure's body, flattened in the order of the text, with their SQL parsed."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.project.lint.positions import Locate, by_lines, shifted
from deployer.project.lint.units import DYNAMIC, PROCEDURE, Procedure, Step, Unit, expression_unit, make_unit
from deployer.sql.classify import classify_tokens
from deployer.sql.lexer import LexError, Token, tokenize
from deployer.sql.plpgsql_ast import (
    Assign,
    Block,
    Call,
    Case,
    Cursor,
    Execute,
    ForInteger,
    ForQuery,
    Handler,
    If,
    Leave,
    Loop,
    Sql,
    Statement,
    Text,
)


def steps(procedure: Procedure) -> Iterator[Step]:
    """Every statement of the body, blocks and loops before what they hold."""
    yield from _one(procedure, procedure.created.block, ())


def _all(procedure: Procedure, body: tuple[Statement, ...], around: tuple[object, ...]) -> Iterator[Step]:
    for statement in body:
        yield from _one(procedure, statement, around)


def _one(procedure: Procedure, node: Statement, around: tuple[object, ...]) -> Iterator[Step]:
    yield Step(node, around, list(_units(procedure, node)))
    inner = (*around, node)
    match node:
        case Block():
            yield from _all(procedure, node.body, inner)
            if node.handler is not None:
                yield from _all(procedure, node.handler.body, (*inner, node.handler))
        case If():
            for _, body in node.branches:
                yield from _all(procedure, body, inner)
            yield from _all(procedure, node.otherwise, inner)
        case Case():
            for _, body in node.branches:
                yield from _all(procedure, body, inner)
            yield from _all(procedure, node.otherwise or (), inner)
        case Loop() | ForInteger() | ForQuery():
            yield from _all(procedure, node.body, inner)
        case _:
            pass


def _units(procedure: Procedure, node: Statement) -> Iterator[Unit]:
    match node:
        case Block():
            for declaration in node.declarations:
                if declaration.type_text == "cursor" and declaration.default:
                    yield from _sql(procedure, declaration.default)
                elif declaration.default is not None:
                    yield from _expression(procedure, declaration.default)
        case Assign():
            yield from _expression(procedure, node.value)
        case If():
            for condition, _ in node.branches:
                yield from _expression(procedure, condition)
        case Case():
            for text in (node.subject, *(value for values, _ in node.branches for value in values)):
                if text is not None:
                    yield from _expression(procedure, text)
        case Loop():
            if node.condition is not None:
                yield from _expression(procedure, node.condition)
        case Leave():
            if node.when is not None:
                yield from _expression(procedure, node.when)
        case ForInteger():
            yield from _expression(procedure, node.lower)
            yield from _expression(procedure, node.upper)
        case ForQuery():
            yield from _dynamic(procedure, node.query) if node.dynamic else _sql(procedure, node.query)
        case Sql():
            yield from _sql(procedure, node.text, node.into)
        case Execute():
            yield from _dynamic(procedure, node.command)
        case Call():
            for text in node.arguments:
                yield from _expression(procedure, text)
        case Cursor():
            if node.query is not None:
                yield from _dynamic(procedure, node.query) if node.dynamic else _sql(procedure, node.query)
        case _:
            pass


def _sql(procedure: Procedure, text: Text, into: tuple[str, ...] = ()) -> Iterator[Unit]:
    unit = make_unit(procedure.file, text.sql, shifted(procedure.body, text.at), PROCEDURE, procedure)
    unit.into = into
    yield unit


def _expression(procedure: Procedure, text: Text) -> Iterator[Unit]:
    yield expression_unit(procedure, text.sql, shifted(procedure.body, text.at))


def _dynamic(procedure: Procedure, text: Text) -> Iterator[Unit]:
    """The expression that makes a dynamic statement, and the statement itself where the text is constant."""
    yield from _expression(procedure, text)
    tokens = tokenize(text.sql)
    if len(tokens) != 2 or tokens[0].kind != "string":
        return
    try:
        if classify_tokens(tokenize(tokens[0].value)).name in ("empty", "create_procedure"):
            return
        locate = _inside(shifted(procedure.body, text.at), text.sql, tokens[0])
        yield make_unit(procedure.file, tokens[0].value, locate, DYNAMIC, procedure)
    except LexError:
        # The warehouse would say so when it runs; the text is only a constant here.
        return


def _inside(locate: Locate, text: str, token: Token) -> Locate:
    """Positions in a literal's value: exact where the literal holds no escapes."""
    written = text[token.start : token.end]
    at = written.find(token.value)
    if at >= 0:
        return shifted(locate, token.start + at)
    return by_lines(token.value, *locate(token.start))


def in_handler(step: Step) -> bool:
    """Whether a statement stands in an exception handler."""
    return any(isinstance(item, Handler) for item in step.around)
