"""The benchmark's views deployed by Alembic alone: a revision for each, in a database of its own.

Alembic has no repeatable files: every view, and every change of one, is a revision with the whole statement in it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import psycopg
from psycopg.conninfo import conninfo_to_dict

Query = Callable[[int, str, int], str]

_ENV = """\
from alembic import context
from sqlalchemy import URL, create_engine

engine = create_engine(URL.create("postgresql+psycopg", **{url}))
with engine.connect() as connection:
    context.configure(connection=connection, transaction_per_migration=True)
    with context.begin_transaction():
        context.run_migrations()
"""

_REVISION = """\
from alembic import op

revision = "{revision:05d}"
down_revision = {down!r}


def upgrade():
    op.execute({sql!r})
"""


class Alembic:
    """A directory with `count` revisions, and the command that applies them."""

    command = (sys.executable, "-m", "alembic", "upgrade", "head")

    def __init__(self, directory: Path, engine_dsn: str, count: int, query: Query) -> None:
        self.directory = directory
        self._query = query
        self._versions = directory / "scripts" / "versions"
        self._versions.mkdir(parents=True)
        with psycopg.connect(engine_dsn, autocommit=True) as connection:
            connection.execute("create database alembic_bench")
        with psycopg.connect(engine_dsn, dbname="alembic_bench", autocommit=True) as connection:
            connection.execute("create schema shop")
            connection.execute("create schema shown")
            connection.execute("create table shop.sales (id bigint, amount decimal(12, 2))")
        told = conninfo_to_dict(engine_dsn)
        url = {
            "username": told.get("user"),
            "password": told.get("password") or None,
            "host": told.get("host"),
            "port": int(told.get("port") or 5432),
            "database": "alembic_bench",
        }
        (directory / "alembic.ini").write_text(
            "[alembic]\nscript_location = %(here)s/scripts\npath_separator = os\n"
        )
        (directory / "scripts" / "env.py").write_text(
            _ENV.format(url=json.dumps(url).replace("null", "None"))
        )
        self._count = 0
        for number in range(count):
            self.revise(number)

    def revise(self, number: int, extra: int = 0) -> None:
        """One more revision, which creates or replaces the view `number`."""
        base = f"shown.v{number - 1:04d}" if number % 10 else "shop.sales"
        sql = f"create or replace view shown.v{number:04d} as {self._query(number, base, extra)}"
        self._count += 1
        down = f"{self._count - 1:05d}" if self._count > 1 else None
        (self._versions / f"{self._count:05d}_v{number:04d}.py").write_text(
            _REVISION.format(revision=self._count, down=down, sql=sql)
        )
