"""`zeroshift plan --offline --base GITREF`: the plan of a pull request, without the warehouse that it is for.

The base commit is deployed into a scratch local warehouse, then this checkout; the plan is what the second deployment
did. So the migrations have really run, on empty tables, and every view was really created.
"""

from __future__ import annotations

import dataclasses
import io
import os
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.errors import Unavailable, UsageError, ZeroshiftError
from deployer.operations import plan as plans
from deployer.operations.deploy import deploy
from deployer.operations.plan import Plan
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import local_environment, target
from deployer.project import config
from deployer.project.config import CONFIG_FILE, Project
from deployer.project.environments import LOCAL, Environment
from deployer.warehouse.session import Session

_VARIABLES = {"ZEROSHIFT_PORT": "0", "ZEROSHIFT_POSTGRES_DSN": None}
"""A free port, since the user's own warehouse may run, and a PostgreSQL of its own."""
_GIT_SECONDS = 300.0
"""How long git may take on a busy machine with a large repository."""


def plan(
    project: Project,
    environment: Environment,
    base: str,
    *,
    prune: bool = False,
    progress: Progress = silent,
) -> Plan:
    """What a deployment of this checkout would do to a warehouse that stands at the commit `base`.

    AWS resources are not part of it. Raises UsageError for a commit that git does not know, and whatever `deploy`
    raises for either state: a base that cannot be deployed is named as such.
    """
    # Not at the top: deployer.local is imported only where an environment of that kind is used.
    from deployer.local.scratch import scratch_home

    with scratch_home("zeroshift-plan-") as home:
        before = _checked_out(project, base, home.parent / "base")
        with _scratch(project, home) as scratch:
            there = Environment(environment.name, LOCAL)
            if before is not None:
                progress(f"deploying {base} into a scratch warehouse")
                _deploy_base(before, there, base)
            progress("deploying this checkout over it")
            files = plans.read_files(project)
            with Session(target(scratch, there)) as session:
                providers = plans.sql_providers(project, there)
                made = plans.draft(project, there, session, files, prune=prune, providers=providers).plan
            if made.problems or not made.changes:
                return dataclasses.replace(made, environment=environment.name)
            done = deploy(project, there, files=files, prune=prune, allow=None, providers=providers)
            return dataclasses.replace(
                made,
                environment=environment.name,
                changes=done.changes,
                unchanged=done.unchanged,
            )


def _deploy_base(before: Project, there: Environment, base: str) -> None:
    try:
        deploy(before, there, allow=None, providers=plans.sql_providers(before, there))
    except ZeroshiftError as error:
        error.args = (f"the commit {base} itself cannot be deployed: {error}",)
        raise


@contextmanager
def _scratch(project: Project, home: Path) -> Iterator[Project]:
    """A local warehouse in `home` that every project of this process finds as its own; gone at the end."""
    wanted = {**_VARIABLES, "ZEROSHIFT_HOME": str(home)}
    before = {name: os.environ.get(name) for name in wanted}
    _set(wanted)
    try:
        warehouse = local_environment(project)
        try:
            warehouse.up()
            yield project
        finally:
            warehouse.down()
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value


def _checked_out(project: Project, base: str, directory: Path) -> Project | None:
    """The project as the commit `base` has it, in `directory`; None when that commit has no project here.

    Raises UsageError where git has no such commit, or there is no git.
    """
    if base.startswith("-"):
        raise UsageError(f"{base!r} is no commit")
    _git(
        project.root,
        "rev-parse",
        "--verify",
        "--quiet",
        f"{base}^{{commit}}",
        what=f"there is no commit {base!r}",
    )
    # In a subdirectory of a repository, `git archive` packs that subdirectory.
    packed = _git(
        project.root, "archive", "--format=tar", base, what=f"git cannot read the commit {base!r} here"
    )
    directory.mkdir()
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        archive.extractall(directory, filter="data")
    if not (directory / CONFIG_FILE).exists():
        return None
    return config.load(directory)


def _git(root: Path, *arguments: str, what: str) -> bytes:
    try:
        return subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, check=True, timeout=_GIT_SECONDS
        ).stdout
    except FileNotFoundError:
        raise UsageError("`zeroshift plan --offline` needs git, which is not installed") from None
    except subprocess.TimeoutExpired:
        raise Unavailable(f"git does not end within {_GIT_SECONDS:g} s in {root}; repeat") from None
    except subprocess.CalledProcessError as error:
        words = error.stderr.decode(errors="replace").strip().splitlines()
        said = f": {words[0]}" if words else ""
        raise UsageError(f"{what}{said}; fetch it first (CI often clones only the newest commit)") from None
