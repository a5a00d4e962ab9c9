"""Questions to the local Redshift in a schema of a module's own, with answers as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
from psycopg.conninfo import make_conninfo

from deployer.local.environment import Status

Rows = list[tuple[str | None, ...]]
Ask = Callable[[str], Rows]


@contextmanager
def asking(status: Status, schema: str, tables: str) -> Iterator[Ask]:
    """Run a statement and give its rows; an error is an AssertionError with the server's text.

    `tables` are statements between semicolons that make what is asked, in `schema`, which is dropped at the end.
    """
    dsn = make_conninfo(
        host=status.host, port=status.port, user=status.user, password=status.password, dbname=status.database
    )
    with psycopg.connect(dsn, autocommit=True) as connection:

        def ask(sql: str) -> Rows:
            result = connection.pgconn.exec_(sql.encode())
            if result.error_message:
                raise AssertionError(result.error_message.decode())
            return [
                tuple(
                    v.decode() if (v := result.get_value(r, c)) is not None else None
                    for c in range(result.nfields)
                )
                for r in range(result.ntuples)
            ]

        ask(f"drop schema if exists {schema} cascade")
        ask(f"create schema {schema}")
        ask(f"set search_path to {schema}")
        for statement in tables.split(";"):
            ask(statement)
        yield ask
        ask(f"drop schema {schema} cascade")
