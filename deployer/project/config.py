"""zeroshift.toml: which project this is, and where it is deployed to."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from deployer.errors import UsageError
from deployer.project import environments, pipelines, toml_file
from deployer.project.derived import names as derived_names
from deployer.project.derived.names import Derived, Pattern
from deployer.project.environments import KINDS, Environment
from deployer.project.pipelines import Pipeline

__all__ = ["CONFIG_FILE", "DEFAULT_ENVIRONMENT", "KINDS", "Environment", "Project", "find_root", "load"]

CONFIG_FILE = "zeroshift.toml"
DEFAULT_ENVIRONMENT = "local"

_TOP_KEYS = ("project", "env", "pipeline")
_PROJECT_KEYS = ("name",)


@dataclass(frozen=True)
class Project:
    """A checked-out repository: its root directory and what zeroshift.toml says."""

    root: Path
    name: str
    environments: Mapping[str, Environment]
    patterns: Mapping[str, Pattern] = field(default_factory=dict)
    """[env."pr-*"]: names of environments that are derived from another one."""
    pipelines: Mapping[str, Pipeline] = field(default_factory=dict)
    """[pipeline.<name>]: what their runs may cost."""

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
            if derived_names.derive(self.patterns, name) is not None:
                raise UsageError(
                    f"{name} is derived from another environment: only `zeroshift plan`, `deploy`, `run` and `env` work"
                    " on it; for anything else name the environment that it is derived from"
                ) from None
            known = ", ".join(sorted(self.environments)) or "none"
            raise UsageError(
                f"{self.root / CONFIG_FILE} has no environment {name!r}; it has: {known}"
            ) from None

    def pipeline(self, name: str) -> Pipeline:
        """What zeroshift.toml says of the pipeline `name`, which need not be anything."""
        return self.pipelines.get(name, Pipeline(name))

    def derived(self, name: str) -> Derived | None:
        """The derived environment called `name`; None when that is an environment of its own, or no pattern has it.

        Raises UsageError for a name that no schema's can be made of.
        """
        return None if name in self.environments else derived_names.derive(self.patterns, name)


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
    found = {
        env_name: environments.read(reader, env_name, value)
        for env_name, value in tables.items()
        if not derived_names.is_pattern(env_name)
    }
    patterns = {
        env_name: derived_names.read(reader, env_name, value)
        for env_name, value in tables.items()
        if derived_names.is_pattern(env_name)
    }
    for pattern in patterns.values():
        if pattern.base not in found:
            raise reader.wrong(
                ("env", pattern.pattern),
                "base",
                f"base {pattern.base!r} of env.{pattern.pattern} is no environment of this file;"
                f" it has: {', '.join(sorted(found)) or 'none'}",
            )
    tables = reader.table(("pipeline",), document.get("pipeline", {}))
    costs = {pipeline: pipelines.read(reader, pipeline, value) for pipeline, value in tables.items()}
    return Project(root, name, found, patterns, costs)
