"""`zeroshift query`: one statement, all its rows."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.operations.warehouses import target
from deployer.project.config import Environment, Project
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
    """Run `sql`, one statement in its own transaction."""
    with Session(target(project, environment)) as session:
        result = session.execute(sql)
    return Answer(result.columns, result.rows, result.row_count)
