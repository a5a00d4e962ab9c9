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

CONTEXT = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Here:
    """The project of the current directory and the environment that the command was told."""

    project: Project
    environment: Environment


def environment_option(command: F) -> F:
    """Add --env and hand the command a `Here` as its first argument."""

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
        return command(Here(project, project.environment(environment)), *args, **options)

    return with_environment  # type: ignore[return-value]  # click's decorators keep the signature to themselves


def debugging() -> bool:
    """Whether the user asked for tracebacks."""
    return os.environ.get("ZEROSHIFT_DEBUG", "") not in ("", "0")
