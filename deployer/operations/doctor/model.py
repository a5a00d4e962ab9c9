"""What doctor finds: checks, each in one of three states."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deployer.aws.client import Aws
from deployer.aws.connect import Place
from deployer.operations.progress import Progress
from deployer.project.config import Environment, Project
from deployer.warehouse.session import Session

OK, MISSING, UNKNOWN = "ok", "missing", "cannot tell"


@dataclass(frozen=True)
class Check:
    """One prerequisite. `found` says what there is; `mend` is a command, a statement, or what to write where."""

    part: str
    name: str
    state: str
    found: str
    mend: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All checks of an environment, in the order in which each builds on those before it."""

    environment: str
    kind: str
    checks: tuple[Check, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing is known to be missing. What could not be told is no reason to stop a deployment."""
        return not any(check.state == MISSING for check in self.checks)


@dataclass
class Examination:
    """What the parts share: each adds what it has reached for those behind it.

    `aws` is None where there is no AWS side, or nobody is logged in; `session` is None until the login. `deployed`:
    the ledger says that a deployment has ended well, so that what deployments make must be there.
    """

    project: Project
    environment: Environment
    progress: Progress
    aws: Aws | None = None
    place: Place | None = None
    session: Session | None = None
    deployed: bool = False

    @property
    def env(self) -> str:
        """The option that commands need to mean this environment."""
        return f"--env {self.environment.name}"

    @property
    def has_aws(self) -> bool:
        return self.environment.remote is not None


Part = Callable[[Examination], Iterator[Check]]
"""Yields checks with an empty `part`, which the frame fills in."""


def ok(name: str, found: str) -> Check:
    """It is there, or a deployment makes it by itself."""
    return Check("", name, OK, found)


def missing(name: str, found: str, mend: str) -> Check:
    """It is not there, and nothing but `mend` brings it about."""
    return Check("", name, MISSING, found, mend)


def unknown(name: str, found: str, mend: str = "") -> Check:
    """It could not be asked: `found` says why, `mend` what would let us ask."""
    return Check("", name, UNKNOWN, found, mend)
