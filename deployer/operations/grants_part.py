"""Grants as a part of plans and deployments."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.errors import Unsafe
from deployer.operations import grants
from deployer.operations.changes import Change
from deployer.operations.progress import Progress
from deployer.project.config import Environment, Project
from deployer.project.objects import Object
from deployer.warehouse.session import Session


class GrantsPart:
    """A Provider whose `apply` runs in the transaction of the views and procedures, so that none is ever there without
    its grants."""

    name = "grants"

    def __init__(self, stage: str) -> None:
        self.stage = stage
        self._coming: Sequence[Object] = ()

    def changes(
        self, project: Project, environment: Environment, session: Session, coming: Sequence[Object]
    ) -> tuple[Change, ...]:
        """As grants.changes."""
        self._coming = coming
        return grants.changes(session, project, coming)

    def apply(
        self,
        project: Project,
        environment: Environment,
        session: Session,
        changes: Sequence[Change],
        progress: Progress,
    ) -> None:
        """Bring about `changes`, and what is declared for tables that the migrations have made in between.

        Raises Unsafe for a destructive revoke that is not among `changes`.
        """
        planned = {change.name for change in changes}
        now = grants.changes(session, project, self._coming)
        for change in now:
            if change.destructive and change.name not in planned:
                raise Unsafe(
                    f"{change.path}:{change.line}: since the plan was made somebody has granted what is declared"
                    f" nowhere, and a deployment would revoke it: {change.name}; make the plan anew"
                )
        grants.apply(session, project, now, progress)
