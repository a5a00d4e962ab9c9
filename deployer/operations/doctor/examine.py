"""Runs the parts of an examination one after the other. What a later feature needs is one more entry of _PARTS."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from deployer.errors import ZeroshiftError
from deployer.mask import mask
from deployer.operations.doctor import (
    archive,
    caller,
    database,
    deployment,
    identities,
    machine,
    replication,
    rights,
    route,
    stacks,
    zero_etl,
)
from deployer.operations.doctor.model import Check, Diagnosis, Examination, Part, unknown
from deployer.operations.progress import Progress, silent
from deployer.project.config import Environment, Project

_PARTS: tuple[tuple[str, Part], ...] = (
    ("this machine", machine.checks),
    ("caller", caller.checks),
    ("rights", rights.checks),
    ("route", route.checks),
    ("database", database.checks),
    ("deployments", deployment.checks),
    ("identities", identities.checks),
    ("stacks", stacks.checks),
    ("zero-ETL", zero_etl.checks),
    ("replication", replication.checks),
    ("archive", archive.checks),
)


def examine(project: Project, environment: Environment, *, progress: Progress = silent) -> Diagnosis:
    """Look at everything that `environment` needs. Starts nothing and changes nothing.

    One exception is AWS's: the first login of an IAM identity makes its database user.
    """
    examination = Examination(project, environment, progress)
    found: list[Check] = []
    try:
        for name, part in _PARTS:
            found += [replace(check, part=name) for check in _guarded(part, examination)]
    finally:
        if examination.session is not None:
            examination.session.close()
    return Diagnosis(environment.name, environment.kind, tuple(found))


def _guarded(part: Part, examination: Examination) -> Iterator[Check]:
    """The part's checks; an error that it did not expect ends it, and nothing else."""
    checks = iter(part(examination))
    while True:
        try:
            check = next(checks)
        except StopIteration:
            return
        except ZeroshiftError as error:
            yield unknown("the rest", mask(str(error), accounts=True))
            return
        yield replace(check, found=mask(check.found, accounts=True))
