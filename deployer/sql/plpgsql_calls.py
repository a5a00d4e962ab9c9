"""The CALL statements of a procedure's body, each with the variables that are in sight where it stands.

Source: Redshift Database Developer Guide, "Structure of PL/pgSQL" (blocks and labels), "CALL" (nested calls).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deployer.sql.plpgsql import parse_call
from deployer.sql.plpgsql_ast import Block, Call, Case, Execute, ForInteger, ForQuery, If, Loop, Statement
from deployer.sql.plpgsql_reader import BodyError, read_tokens


@dataclass(frozen=True)
class Variable:
    """A variable or argument. `type_text` as declared; "record" and "cursor" have no type of their own."""

    type_text: str
    constant: bool = False


@dataclass(frozen=True)
class CallSite:
    """A CALL at offset `at` of the body. `call` is None when its text is put together as the procedure runs.

    `variables` are known by their names and, where their block has a label, by label.name. A call in EXECUTE sees none.
    """

    at: int
    call: Call | None
    variables: Mapping[str, Variable]


def call_sites(block: Block, arguments: Mapping[str, Variable]) -> Iterator[CallSite]:
    """Every CALL in a body, in order. `arguments` are the procedure's own, by name."""
    yield from _block(block, dict(arguments))


def _block(block: Block, outer: dict[str, Variable]) -> Iterator[CallSite]:
    names = dict(outer)
    for item in block.declarations:
        if item.alias_of:
            found = names.get(item.alias_of)
        else:
            found = Variable(item.type_text, item.constant)
        if found is not None:
            names[item.name] = found
            if block.label:
                names[f"{block.label}.{item.name}"] = found
    yield from _all(block.body, names)
    if block.handler is not None:
        yield from _all(block.handler.body, names)


def _all(statements: tuple[Statement, ...], names: dict[str, Variable]) -> Iterator[CallSite]:
    for statement in statements:
        match statement:
            case Call():
                yield CallSite(statement.at, statement, names)
            case Execute():
                yield from _dynamic(statement)
            case Block():
                yield from _block(statement, names)
            case If():
                for _, body in statement.branches:
                    yield from _all(body, names)
                yield from _all(statement.otherwise, names)
            case Case():
                for _, body in statement.branches:
                    yield from _all(body, names)
                yield from _all(statement.otherwise or (), names)
            case ForInteger():
                yield from _all(statement.body, names | {statement.variable: Variable("integer")})
            case Loop() | ForQuery():
                yield from _all(statement.body, names)
            case _:
                pass


def _dynamic(statement: Execute) -> Iterator[CallSite]:
    """EXECUTE 'call ...': a text that is written out is known; one that is put together is not."""
    tokens = read_tokens(statement.command.sql)
    first = tokens[0]
    if first.kind != "string" or first.value.split(maxsplit=1)[:1] not in (["call"], ["CALL"], ["Call"]):
        return
    call = None
    if tokens[1].kind == "end":
        try:
            call = parse_call(first.value)
        except BodyError:
            # What follows CALL is not one; the warehouse will say so when it runs.
            call = None
    yield CallSite(statement.at, call, {})
