"""The migration that makes a warehouse's schemas and tables again: what `zeroshift baseline` writes as the first one.

Redshift itself writes each table's statement (Database Developer Guide, "SHOW TABLE": its output recreates the table).
"""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

from deployer.errors import StatementFailed, UsageError
from deployer.operations import imported
from deployer.operations.imported import CannotImport, LeftOut, shown_ident
from deployer.project.migrations import Migration
from deployer.sql.lexer import tokenize
from deployer.sql.names import Name, quote_ident
from deployer.warehouse.session import CONNECTION_LOST, Session

REVISION = "0001"
FILE_NAME = f"{REVISION}_baseline.py"

_HEAD = f'''\
"""The schemas and tables that the warehouse had when `zeroshift baseline` adopted it."""

from __future__ import annotations

from alembic import op

revision = "{REVISION}"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
'''
_BIND = re.compile(r"(?<![:\w\\]):(?=\w)")
"""What SQLAlchemy's text() takes for a parameter; a backslash before the colon says that it is none."""


@dataclass(frozen=True)
class Tables:
    """The migration's text, the tables that it makes, and those that it cannot."""

    text: str
    names: tuple[str, ...]
    left_out: tuple[LeftOut, ...]


def migration(session: Session, schemas: Iterable[str], names: Iterable[str]) -> Tables:
    """The migration for `schemas` and the tables called `names`, with their comments and grants."""
    chosen = sorted(schemas)
    statements = [f"create schema {shown_ident(schema)}" for schema in chosen if schema != "public"]
    statements += _roles(session, chosen)
    shown: dict[str, str] = {}
    left_out: list[LeftOut] = []
    for name in names:
        try:
            shown[name] = _shown(session, name)
        except CannotImport as error:
            left_out.append(LeftOut(name, str(error)))
    made: list[str] = []
    for name in _referenced_first(shown, left_out):
        schema, _, bare = name.partition(".")
        following = [line.rstrip(";") for line in imported.comments(session, schema, bare, "table")]
        statements += [shown[name], *following, *imported.grants(session, schema, bare)]
        made.append(name)
    text = _HEAD + "".join(_call(statement) for statement in statements)
    _check(text, statements)
    return Tables(text, tuple(made), tuple(left_out))


def base_tables(session: Session) -> tuple[str, ...]:
    """All tables of the database but temporary and external ones, as schema.name."""
    found = session.execute(
        "select table_schema, table_name from svv_tables where table_type = 'BASE TABLE'"
        " and table_schema not in ('pg_catalog', 'information_schema', 'pg_internal', 'pg_automv')"
        " order by table_schema, table_name"
    )
    return tuple(f"{schema}.{name}" for schema, name in found.rows)


def _roles(session: Session, schemas: Sequence[str]) -> list[str]:
    """The roles that have rights on anything in these schemas, and their rights on the schemas themselves."""
    marks = ", ".join(["%s"] * len(schemas))
    roles = set()
    for source in ("svv_relation_privileges", "svv_function_privileges", "svv_schema_privileges"):
        found = session.execute(
            f"select distinct identity_name, identity_type from {source} where namespace_name in ({marks})",
            schemas,
        )
        roles |= {name for name, kind in found.rows if kind == "role" and imported.is_portable(name, kind)}
    granted = session.execute(
        "select namespace_name, privilege_type, identity_name, identity_type from svv_schema_privileges"
        f" where namespace_name in ({marks}) and identity_name <> current_user order by 1, 2, 3",
        schemas,
    )
    return [f"create role {quote_ident(role)}" for role in sorted(roles)] + [
        f"grant {str(privilege).lower()} on schema {shown_ident(schema)} to"
        f" {'public' if kind == 'public' else 'role ' + quote_ident(grantee)}"
        for schema, privilege, grantee, kind in granted.rows
        if schema != "public" and imported.is_portable(grantee, kind)
    ]


def _shown(session: Session, name: str) -> str:
    schema, _, bare = name.partition(".")
    try:
        told = session.execute(f"show table {Name(bare, schema).sql()}")
    except StatementFailed as error:
        if error.sqlstate == CONNECTION_LOST:
            raise
        raise CannotImport(f"the warehouse does not show its definition: {error}") from None
    return str(told.rows[0][0]).strip().rstrip(";").strip()


def _referenced_first(shown: Mapping[str, str], left_out: list[LeftOut]) -> list[str]:
    """The tables' names, each behind those that its foreign keys name; what stands in a circle is left out."""
    waiting = {name: _references(text) & shown.keys() - {name} for name, text in shown.items()}
    order: list[str] = []
    while waiting:
        ready = [name for name, needs in waiting.items() if not needs & waiting.keys()]
        if not ready:
            circle = ", ".join(sorted(waiting))
            left_out += [
                LeftOut(name, f"foreign keys lead in a circle ({circle}): write its migration by hand")
                for name in sorted(waiting)
            ]
            break
        order += ready
        for name in ready:
            del waiting[name]
    return order


def _references(sql: str) -> set[str]:
    """The tables behind REFERENCES, as schema.name."""
    tokens = tokenize(sql)
    return {
        f"{tokens[index + 1].value}.{tokens[index + 3].value}"
        for index, token in enumerate(tokens[:-3])
        if token.kind == "word" and token.value == "references" and tokens[index + 2].value == "."
    }


def _call(statement: str) -> str:
    escaped = _BIND.sub(r"\\:", statement)
    if '"""' in escaped or escaped.endswith(("\\", '"')):
        return f"    op.execute({escaped!r})\n"
    if "\n" not in escaped and len(escaped) < 80 and '"' not in escaped:
        return f'    op.execute(r"{escaped}")\n' if "\\" in escaped else f'    op.execute("{escaped}")\n'
    indented = escaped.replace("\n", "\n        ") if "'" not in escaped else escaped
    raw = "r" if "\\" in escaped else ""
    return f'    op.execute(\n        {raw}"""\n        {indented}\n        """\n    )\n'


def _check(text: str, statements: list[str]) -> None:
    """Record the migration, and see that it sends what it should. Raises UsageError."""
    # Imported when there is a migration to read: Alembic and SQLAlchemy take their time to load.
    from deployer.warehouse import migrate

    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / FILE_NAME
        path.write_text(text, encoding="utf-8")
        sent = [item.sql for item in migrate.record(Migration(REVISION, None, path)).statements]
    for said, wanted in zip_longest(sent, statements, fillvalue=""):
        if " ".join(said.split()) != " ".join(wanted.split()):
            raise UsageError(
                f"`{' '.join(wanted.split())[:80]} ...` cannot be written as a migration: write one by hand that"
                " makes the tables, and then run `zeroshift baseline --stamp`; nothing was written"
            )
