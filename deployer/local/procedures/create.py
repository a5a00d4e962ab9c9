"""CREATE PROCEDURE and SHOW PROCEDURE: how a procedure is stored.

PostgreSQL gets a procedure that is never called, with the user's body as its text: name, overloads, owner, EXECUTE
privilege and DROP are the real catalog's. What it cannot hold stands in zeroshift.procedures. The stub's arguments have
no names: PostgreSQL forbids to change them by CREATE OR REPLACE, Redshift asks for the same types only.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from deployer.local.procedures import check_sql
from deployer.local.procedures.executor import StoredProcedure
from deployer.local.translate.api import Translation
from deployer.local.translate.datatypes import pg_type
from deployer.sql.names import Name, quote_ident
from deployer.sql.overloads import type_name
from deployer.sql.parse.cursor import Cursor
from deployer.sql.parse.datatypes import read_type, redshift_text
from deployer.sql.plpgsql_ast import Block, Case, Declaration, ForInteger, ForQuery, If, Loop, Statement
from deployer.sql.plpgsql_reader import BodyError
from deployer.sql.procedure import CreateProcedure, parse_create_procedure
from deployer.sql.refused import Refused
from deployer.sql.types import VARCHAR, RedshiftType


def refused(error: BodyError) -> Refused:
    """A parser's error in the form of the translator's."""
    state = "0A000" if error.unsupported else "42601"
    return Refused(error.message, position=error.position, sqlstate=state)


def read_procedure_type(text: str) -> RedshiftType:
    """The type of an argument or variable. A bare VARCHAR is VARCHAR(256): DG "Character types". Raises Refused."""
    cursor = Cursor(text)
    if cursor.token.value == "refcursor":
        cursor.next()
        found = VARCHAR
    else:
        found = read_type(cursor, ddl=True)
    if cursor.token.kind != "end":
        cursor.fail()
    return found


def parse(text: str) -> CreateProcedure:
    """The statement, with all types in it known. Raises Refused."""
    try:
        parsed = parse_create_procedure(text)
    except BodyError as error:
        raise refused(error) from error
    for argument in parsed.arguments:
        _check_type(argument.type_text, argument.at)
    for declaration in _declarations(parsed.block):
        kind = declaration.type_text.lower()
        if kind in ("", "cursor", "record") or kind.endswith(("%type", "%rowtype")):
            continue
        _check_type(declaration.type_text, parsed.body_at + declaration.at)
    check_sql.check(parsed.block, parsed.body_at)
    return parsed


def _check_type(text: str, at: int) -> None:
    try:
        read_procedure_type(text)
    except Refused as error:
        error.position = at
        raise


def _declarations(block: Block) -> Iterator[Declaration]:
    yield from block.declarations
    yield from _inner(block.body)
    if block.handler is not None:
        yield from _inner(block.handler.body)


def _inner(statements: tuple[Statement, ...]) -> Iterator[Declaration]:
    for statement in statements:
        match statement:
            case Block():
                yield from _declarations(statement)
            case If():
                for _, body in statement.branches:
                    yield from _inner(body)
                yield from _inner(statement.otherwise)
            case Case():
                for _, body in statement.branches:
                    yield from _inner(body)
                yield from _inner(statement.otherwise or ())
            case Loop() | ForInteger() | ForQuery():
                yield from _inner(statement.body)
            case _:
                pass


def create_procedure(text: str, database: str, schema: str) -> Translation:
    """CREATE PROCEDURE as PostgreSQL statements. `schema` is where it goes when it names none. Raises Refused."""
    parsed = parse(text)
    if parsed.name.database not in (None, database):
        raise Refused("a procedure can be created in the session's own database only")
    place = parsed.name.schema or schema
    if not place:
        raise Refused("no schema has been selected to create in", sqlstate="3F000")
    name = Name(parsed.name.name, place).sql()
    kinds = [read_procedure_type(argument.type_text) for argument in parsed.arguments]
    modes = [argument.mode for argument in parsed.arguments]
    listed = ", ".join(f"{mode} {_stub_type(kind)}" for mode, kind in zip(modes, kinds, strict=True))
    inputs = ", ".join(_stub_type(kind) for mode, kind in zip(modes, kinds, strict=True) if mode != "out")
    signature = _dollar_quoted(f"{name}({inputs})")
    settings = ", ".join(_dollar_quoted(setting) for setting in parsed.settings)
    arguments = json.dumps(
        [{"name": a.name, "mode": a.mode, "type": a.type_text} for a in parsed.arguments], ensure_ascii=False
    )
    create = "create or replace" if parsed.replace else "create"
    return Translation(
        (
            "select pg_catalog.set_config('check_function_bodies', 'off', true)",
            f"{create} procedure {name}({listed}) language plpgsql as {_dollar_quoted(parsed.body)}",
            f"select zeroshift.record_procedure({signature}, {parsed.definer}, {parsed.nonatomic},"
            f" array[{settings}]::text[])",
            f"select zeroshift.record_procedure_arguments({signature}, {_dollar_quoted(arguments)}::jsonb)",
            f"select zeroshift.revoke_first_execute({signature})",
        ),
        main=1,
        kind="ddl",
    )


def _stub_type(kind: RedshiftType) -> str:
    """A type as pg_proc holds it: without length or precision."""
    return pg_type(RedshiftType(kind.name))


def _dollar_quoted(text: str) -> str:
    tag, number = "$zs$", 0
    while tag in text:
        number += 1
        tag = f"$zs{number}$"
    return f"{tag}{text}{tag}"


def definition(procedure: StoredProcedure) -> str:
    """What SHOW PROCEDURE answers: a statement that makes the procedure again (DG "SHOW PROCEDURE").

    The guide's example shows types without their lengths; here they stay, since the statement would lose them.
    """
    listed = []
    for argument in procedure.arguments:
        mode = "" if argument.mode == "in" else f"{argument.mode.upper()} "
        name = f"{_shown_ident(argument.name)} " if argument.name else ""
        if argument.type_text.strip().lower() == "refcursor":
            kind = "refcursor"
        else:
            found = read_procedure_type(argument.type_text)
            kind = redshift_text(found) if found.is_decimal or found.length else type_name(found)
        listed.append(f"{mode}{name}{kind}")
    tag = "$_$"
    while tag in procedure.body:
        tag = f"$_{tag[1:]}"
    title = f"{_shown_ident(procedure.schema)}.{_shown_ident(procedure.name)}"
    head = f"CREATE OR REPLACE PROCEDURE {title}({', '.join(listed)})"
    lines = [head, *(["NONATOMIC"] if procedure.nonatomic else []), "LANGUAGE plpgsql"]
    if procedure.definer:
        lines.append("SECURITY DEFINER")
    for setting in procedure.settings:
        name, _, value = setting.partition("=")
        lines.append(f"SET {name} TO {value}")
    return "\n".join(lines) + f"\nAS {tag}{procedure.body}{tag}"


def _shown_ident(name: str) -> str:
    plain = (
        name.isascii() and name.replace("_", "a").isalnum() and name == name.lower() and not name[0].isdigit()
    )
    return name if plain else quote_ident(name)
