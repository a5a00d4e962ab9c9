"""A session on the local Redshift that gives rows as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from psycopg.pq import DiagnosticField, ExecStatus

from deployer.local.environment import Status

Ask = Callable[[str], list[list[str]]]


class Answered(Exception):
    """The local Redshift answered with an error."""


def text(cell: bytes | None) -> str:
    return "\\N" if cell is None else cell.decode()


@pytest.fixture(scope="session")
def ask(status: Status) -> Iterator[Ask]:
    """ask(sql) -> the rows as text, NULL as \\N. Raises Answered with the error's message."""
    dsn = make_conninfo(
        host=status.host, port=status.port, user=status.user, password=status.password, dbname=status.database
    )
    with psycopg.connect(dsn, autocommit=True) as connection:

        def one(sql: str) -> list[list[str]]:
            result = connection.pgconn.exec_(sql.encode())
            if result.status == ExecStatus.TUPLES_OK:
                fields = range(result.nfields)
                return [[text(result.get_value(row, at)) for at in fields] for row in range(result.ntuples)]
            if result.status == ExecStatus.COMMAND_OK:
                return []
            message = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b""
            raise Answered(message.decode())

        yield one
