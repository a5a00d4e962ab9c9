"""zeroshift.toml: which project this is, and where it is deployed to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import UsageError
from deployer.project import environments, toml_file
from deployer.project.environments import KINDS, Environment

__all__ = ["CONFIG_FILE", "DEFAULT_ENVIRONMENT", "KINDS", "Environment", "Project", "find_root", "load"]

CONFIG_FILE = "zeroshift.toml"
DEFAULT_ENVIRONMENT = "local"

_TOP_KEYS = ("project", "env")
_PROJECT_KEYS = ("name",)


@dataclass(frozen=True)
class Project:
    """A checked-out repository: its root directory and what zeroshift.toml says."""

    root: Path
    name: str
    environments: Mapping[str, Environment]

    @property
    def procedures(self) -> Path:
        return self.root / "procedures"

    @property
    def migrations(self) -> Path:
        return self.root / "migrations"

    @property
    def home(self) -> Path:
        """Where the local environment keeps its state: $ZEROSHIFT_HOME, else .zeroshift beside
        zeroshift.toml.
        """
        told = os.environ.get("ZEROSHIFT_HOME")
        return Path(told).expanduser().absolute() if told else self.root / ".zeroshift"

    def environment(self, name: str) -> Environment:
        """The environment called `name`; raises UsageError that lists those there are."""
        try:
            return self.environments[name]
        except KeyError:
            known = ", ".join(sorted(self.environments)) or "none"
            raise UsageError(
                f"{self.root / CONFIG_FILE} has no environment {name!r}; it has: {known}"
            ) from None


def find_root(start: Path) -> Path:
    """The nearest directory at or above `start` that holds zeroshift.toml; raises UsageError."""
    start = start.absolute()
    for directory in (start, *start.parents):
        if (directory / CONFIG_FILE).is_file():
            return directory
    raise UsageError(
        f"there is no {CONFIG_FILE} in {start} or above it; run this in the directory of a Zeroshift project"
    )


def load(root: Path) -> Project:
    """Read `root`/zeroshift.toml. Raises UsageError with file and line for what it does not understand."""
    document, reader = toml_file.parse(root / CONFIG_FILE)
    reader.check_keys((), document, _TOP_KEYS)
    project = reader.table(("project",), document.get("project", {}))
    reader.check_keys(("project",), project, _PROJECT_KEYS)
    name = reader.text(("project",), project, "name")
    tables = reader.table(("env",), document.get("env", {}))
    return Project(
        root,
        name,
        {env_name: environments.read(reader, env_name, value) for env_name, value in tables.items()},
    )
