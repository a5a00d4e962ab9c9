"""What all commands share: -h, --env, and the project that the command works on."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import click

from deployer.project import config
from deployer.project.config import Environment, Project
from deployer.project.derived.names import Derived

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Here:
    """The project of the current directory and the environment that the command was told.

    With `derived`, `environment` is the one that it is derived from; only commands that ask for it get any.
    """

    project: Project
    environment: Environment
    derived: Derived | None = None


def environment_option(command: F) -> F:
    """Add --env and hand the command a `Here` as its first argument."""
    return _with_environment(command, derived=False)


def derivable_environment_option(command: F) -> F:
    """As environment_option, for a command that also works on derived environments."""
    return _with_environment(command, derived=True)


def _with_environment(command: F, *, derived: bool) -> F:

    @click.option(
        "--env",
        "environment",
        envvar="ZEROSHIFT_ENV",
        default=config.DEFAULT_ENVIRONMENT,
        show_default=True,
        metavar="NAME",
        help="The environment of zeroshift.toml to work on; also $ZEROSHIFT_ENV.",
    )
    @functools.wraps(command)
    def with_environment(*args: Any, environment: str, **options: Any) -> Any:
        project = config.load(config.find_root(Path.cwd()))
        found = project.derived(environment) if derived else None
        base = found.base if found is not None else environment
        return command(Here(project, project.environment(base), found), *args, **options)

    return with_environment  # type: ignore[return-value]  # click's decorators keep the signature to themselves


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return os.environ.get("ZEROSHIFT_DEBUG", "") not in ("", "0")
