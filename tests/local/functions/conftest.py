"""A session on the local Redshift that gives rows as text."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import psycopg
import pytest
from psycopg.pq import DiagnosticField, ExecStatus

from deployer.local.environment import Status

Ask = Callable[[str], list[list[str]]]


class Answered(Exception):
    """The local Redshift answered with an error."""


@pytest.fixture(scope="session")
def ask(status: Status) -> Iterator[Ask]:
    """ask(sql) -> the rows as text, NULL as \\N. Raises Answered with the error's message."""
    settings = {"host": status.host, "port": status.port, "dbname": status.database}
    with psycopg.connect(**settings, user=status.user, password=status.password, autocommit=True) as connection:

        def one(sql: str) -> list[list[str]]:
            result = connection.pgconn.exec_(sql.encode())
            if result.status == ExecStatus.TUPLES_OK:
                cells = [[result.get_value(r, c) for c in range(result.nfields)] for r in range(result.ntuples)]
                return [["\\N" if cell is None else cell.decode() for cell in row] for row in cells]
            if result.status == ExecStatus.COMMAND_OK:
                return []
            message = result.error_field(DiagnosticField.MESSAGE_PRIMARY) or b""
            raise Answered(message.decode())

        yield one
