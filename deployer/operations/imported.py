"""The file that makes an object of the warehouse again: what `zeroshift baseline` writes."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import StatementFailed, UsageError
from deployer.project import objects
from deployer.project.objects import Object
from deployer.sql.lexer import Token, tokenize
from deployer.sql.names import quote_ident, quote_literal
from deployer.sql.overloads import type_name
from deployer.sql.parse.words import RESERVED
from deployer.warehouse import catalog
from deployer.warehouse.ledger import SCHEMA
from deployer.warehouse.routines import Routine
from deployer.warehouse.session import CONNECTION_LOST, Session

HEADER = "-- Purpose: imported from the warehouse by `zeroshift baseline`; say here what it is for.\n"
_PROBE = "baseline_probe"
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*")


class CannotImport(Exception):
    """An object that no file of ours can hold; the message is the reason, a clause without a full stop."""


@dataclass(frozen=True)
class LeftOut:
    """An object that could not be adopted, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Imported:
    """An object's SQL without a header."""

    kind: str
    name: str
    sql: str


def view(session: Session, name: str, definition: str) -> Imported:
    """A view, with its comments and grants. `definition` is what the catalog shows. Raises CannotImport.

    It is created once more under another name, in a transaction that is rolled back, so that what is written is
    known to give the same columns.
    """
    schema, _, bare = name.partition(".")
    query = query_of(definition)
    if _words(definition)[:2] == ["create", "materialized"]:
        raise CannotImport("materialized views are not managed; keep it in a migration")
    columns = catalog.columns(session, schema, bare)
    late = _words(query)[-4:] == ["with", "no", "schema", "binding"]
    head = ""
    found = _columns_as(session, head, query)
    if not late and found != columns:
        # Column names that were given beside the view's name are not in the query that the catalog shows.
        head = f" ({', '.join(shown_ident(str(column[0])) for column in columns)})"
        if _columns_as(session, head, query) != columns:
            raise CannotImport("its definition, as the catalog shows it, gives other columns")
    statements = [f"create or replace view {shown_name(name)}{head} as\n{query}\n;"]
    statements += comments(session, schema, bare, "view")
    statements += [f"{grant};" for grant in grants(session, schema, bare)]
    return Imported("view", name, "\n".join(statements) + "\n")


def procedure(session: Session, name: str, overloads: Sequence[Routine]) -> Imported:
    """A procedure, with its grants. Raises CannotImport."""
    if len(overloads) != 1:
        count = len(overloads)
        raise CannotImport(
            f"it exists with {count} signatures, and a file holds one object; drop all but one"
        )
    types = ", ".join(type_name(argument.type) for argument in overloads[0].inputs)
    schema, _, bare = name.partition(".")
    signature = f"{quote_ident(schema)}.{quote_ident(bare)}({types})"
    # DG "SHOW PROCEDURE": a statement that makes the procedure again.
    shown = str(session.execute(f"show procedure {signature}").rows[0][0]).strip().rstrip(";")
    statements = [f"{shown}\n;"]
    granted = session.execute(
        "select identity_name, identity_type from svv_function_privileges where namespace_name = %s"
        " and function_name = %s and privilege_type = 'EXECUTE' and identity_name <> current_user"
        " order by identity_type, identity_name",
        (schema, bare),
    )
    for grantee, kind in granted.rows:
        if is_portable(str(grantee).strip(), str(kind).strip().lower()):
            to = (
                "public"
                if str(kind).strip().lower() == "public"
                else f"role {quote_ident(str(grantee).strip())}"
            )
            statements.append(f"grant execute on procedure {signature} to {to};")
    return Imported("procedure", name, "\n".join(statements) + "\n")


def grants(session: Session, schema: str, name: str) -> list[str]:
    """The GRANT statements of a view or table that a file can hold."""
    return [
        grant.sql(schema, name)
        for grant in catalog.grants(session, schema, name)
        if is_portable(grant.grantee, grant.grantee_type)
    ]


def is_portable(grantee: str, kind: str) -> bool:
    """Whether a grant to it belongs into a file: users and groups are another environment's own, and what begins with
    ds: or sys: is Redshift's (DG "Amazon Redshift system-defined
    roles").
    """
    return kind in ("role", "public") and not grantee.startswith(("ds:", "sys:"))


def checked(item: Imported, path: Path) -> None:
    """Read the SQL as a file of the project, so that nothing is written that a deployment would refuse.

    Raises CannotImport.
    """
    with tempfile.TemporaryDirectory() as directory:
        place = Path(directory) / path.name
        place.write_text(HEADER + item.sql, encoding="utf-8")
        try:
            found: Object = objects.read(place, Path(directory))
        except UsageError as error:
            raise CannotImport(f"it is not SQL that we can deploy: {error}") from None
        if (found.kind, found.name) != (item.kind, item.name):
            raise CannotImport(f"its definition names {found.name}")


def header_of(text: str) -> str:
    """The comment lines at the top of a file, which stay when its SQL is imported anew."""
    lines = []
    for line in text.splitlines(keepends=True):
        if line.strip() and not line.lstrip().startswith("--"):
            break
        lines.append(line)
    return "".join(lines) or HEADER


def query_of(definition: str) -> str:
    """A view's query. The catalog shows a bound view's query, and of a late-binding view the whole statement
    (amazon-redshift-utils, v_generate_view_ddl); the local Redshift shows the query of both.
    """
    text = definition.strip().rstrip(";").strip()
    tokens = tokenize(text)
    if not tokens or tokens[0].value != "create":
        return text
    depth = 0
    for token in tokens:
        if token.kind == "op":
            depth += (token.value == "(") - (token.value == ")")
        elif depth == 0 and token.kind == "word" and token.value == "as":
            return text[token.end :].strip()
    return text


def shown_name(name: str) -> str:
    """schema.name, quoted where it must be."""
    schema, _, bare = name.partition(".")
    return f"{shown_ident(schema)}.{shown_ident(bare)}"


def shown_ident(name: str) -> str:
    """An identifier, quoted where it must be."""
    return name if _PLAIN.fullmatch(name) and name.upper() not in RESERVED else quote_ident(name)


def _columns_as(session: Session, head: str, query: str) -> tuple[tuple[object, ...], ...]:
    """The columns that a view of this query has; none when the warehouse refuses it."""
    session.execute("begin")
    try:
        session.execute(f"create view {SCHEMA}.{_PROBE}{head} as {query}")
        return catalog.columns(session, SCHEMA, _PROBE)
    except StatementFailed as error:
        if error.sqlstate == CONNECTION_LOST:
            raise
        raise CannotImport(f"its definition cannot be run again: {error}") from None
    finally:
        session.execute("rollback")


def comments(session: Session, schema: str, name: str, kind: str) -> list[str]:
    """COMMENT statements for a view or table (`kind`) and its columns."""
    found = session.execute(
        "select a.attname, d.description from pg_catalog.pg_description as d"
        ' join pg_catalog.pg_class as c on c."oid" = d.objoid'
        ' join pg_catalog.pg_namespace as n on n."oid" = c.relnamespace'
        ' left join pg_catalog.pg_attribute as a on a.attrelid = c."oid" and a.attnum = d.objsubid and d.objsubid > 0'
        " where n.nspname = %s and c.relname = %s order by d.objsubid",
        (schema, name),
    )
    shown = shown_name(f"{schema}.{name}")
    return [
        f"comment on column {shown}.{shown_ident(column)} is {quote_literal(text)};"
        if column
        else f"comment on {kind} {shown} is {quote_literal(text)};"
        for column, text in found.rows
    ]


def _words(text: str) -> list[str]:
    tokens: list[Token] = tokenize(text)
    return [token.value for token in tokens if token.kind == "word"]
