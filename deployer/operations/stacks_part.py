"""The stacks as parts of a plan and a deployment: base before the SQL, run as the very last."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.operations import plan as plans
from deployer.operations import stacks
from deployer.operations.changes import Change
from deployer.operations.progress import Progress
from deployer.operations.stacks import AwsPlan
from deployer.project.config import Project
from deployer.project.environments import Environment
from deployer.project.objects import Object
from deployer.warehouse.session import Session


class StackPart:
    """A Provider for one stack. `apply` does what the last `changes` told, or refuses."""

    def __init__(self, part: str) -> None:
        self.name = f"stack {part}"
        self.stage = plans.BEFORE if part == "base" else plans.LAST
        self._part = part
        self._planned = AwsPlan()

    @property
    def fingerprint(self) -> str:
        return self._planned.fingerprint

    def changes(
        self, project: Project, environment: Environment, session: Session, coming: Sequence[Object]
    ) -> tuple[Change, ...]:
        self._planned = stacks.plan(project, environment, parts=(self._part,))
        return self._planned.changes

    def apply(
        self,
        project: Project,
        environment: Environment,
        session: Session,
        changes: Sequence[Change],
        progress: Progress,
    ) -> None:
        act = stacks.apply_base if self._part == "base" else stacks.apply_run
        act(project, environment, self._planned, progress)


def providers() -> tuple[StackPart, StackPart]:
    """Both, in the order of applying."""
    return StackPart("base"), StackPart("run")
