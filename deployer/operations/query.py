"""`zeroshift query`: one statement, all its rows."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.errors import UsageError
from deployer.operations.warehouses import target
from deployer.project.config import Environment, Project
from deployer.sql.lexer import LexError
from deployer.sql.split import split
from deployer.warehouse.session import Column, Session


@dataclass(frozen=True)
class Answer:
    """Columns and rows as the driver gave them; `row_count` counts the rows written when there are no
    columns.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[object, ...], ...]
    row_count: int


def query(project: Project, environment: Environment, sql: str) -> Answer:
    """Run `sql`, one statement in its own transaction. Raises UsageError when it holds several."""
    try:
        count = len(split(sql))
    except LexError:
        # The warehouse says what is wrong, and where.
        count = 1
    if count > 1:
        raise UsageError(
            f"the SQL holds {count} statements, and zeroshift query runs one: call it once for each of them"
        )
    with Session(target(project, environment)) as session:
        result = session.execute(sql)
    return Answer(result.columns, result.rows, result.row_count)
