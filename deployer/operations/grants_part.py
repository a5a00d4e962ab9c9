"""Grants as a part of plans and deployments."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.operations import grants
from deployer.operations.changes import Change
from deployer.operations.progress import Progress
from deployer.project.config import Environment, Project
from deployer.project.objects import Object
from deployer.warehouse.session import Session


class GrantsPart:
    """A Provider for the transaction of the views and procedures, so that none is ever there without its grants."""

    name = "grants"
    fingerprint = ""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def changes(
        self, project: Project, environment: Environment, session: Session, coming: Sequence[Object]
    ) -> tuple[Change, ...]:
        """As grants.changes."""
        return grants.changes(session, project, coming)

    def apply(
        self,
        project: Project,
        environment: Environment,
        session: Session,
        changes: Sequence[Change],
        progress: Progress,
    ) -> None:
        """As grants.apply."""
        grants.apply(session, project, changes, progress)
