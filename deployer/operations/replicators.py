"""What replicates into the local warehouse: found, started and stopped, for every command that needs the warehouse."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.data_filter import DataFilter
from deployer.errors import Unavailable
from deployer.project.config import Environment, Project
from deployer.project.environments import LOCAL
from deployer.project.zero_etl import LOCAL_DATABASE, LOCAL_SOURCE, ZeroEtl

if TYPE_CHECKING:
    from deployer.local.mariadb.server import LocalSource
    from deployer.local.replication.settings import Settings

DEMO_MARK = "demo.json"
"""A file in the home that says: what this warehouse holds came from `zeroshift demo`, and may be replaced
by it.
"""

_START_LOCK = "replicators.lock"
_START_SECONDS = 180.0

DEMO_INTEGRATION = ZeroEtl(
    "rental", "", 0, "", LOCAL_DATABASE, f"{LOCAL_DATABASE}_landing",
    DataFilter.parse(f"include: {LOCAL_DATABASE}.*"), is_local=True,
)  # fmt: skip
"""What `zeroshift demo --source mariadb` replicates, also where zeroshift.toml says nothing of it."""


@dataclass(frozen=True)
class Replication:
    """One source that is replicated into the local warehouse. `message` is what its replicator says is wrong, "" for
    nothing.
    """

    name: str
    source: str
    landing: str
    running: bool
    message: str


def shown(project: Project, environment: Environment, engine_dsn: str | None) -> tuple[Replication, ...]:
    """How the environment's replicators are; the warehouse runs."""
    configured = integrations(project, environment)
    if not configured or engine_dsn is None:
        return ()
    from deployer.local.replication import monitor, process

    return tuple(
        Replication(
            one.name,
            source_of(one),
            one.landing,
            process.running(project.home, one.name),
            monitor.message(engine_dsn, one.landing),
        )
        for one in configured
    )


def source_of(one: ZeroEtl) -> str:
    """The source as people are shown it."""
    return LOCAL_SOURCE if one.is_local else f"{one.user}@{one.host}:{one.port}"


def integrations(project: Project, environment: Environment) -> tuple[ZeroEtl, ...]:
    """What is replicated into the environment's landing databases: as zeroshift.toml says, or by the demo."""
    if environment.kind != LOCAL or environment.zero_etl:
        return environment.zero_etl
    return (DEMO_INTEGRATION,) if demo_mark(project).get("source") == "mariadb" else ()


def demo_mark(project: Project) -> dict[str, object]:
    """What the last demo wrote about itself; empty where the warehouse holds none."""
    try:
        found = json.loads((project.home / DEMO_MARK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def start(project: Project, environment: Environment) -> list[str]:
    """Start the environment's replicators, and the local source for those that read it; the names of those that
    did not run. The warehouse must run. Raises Unavailable.

    One that its source refuses is started anew: nobody else tells it that the password is another one now.
    """
    configured = integrations(project, environment)
    if not configured:
        return []
    need_extra()
    from deployer.local.replication import monitor, process
    from deployer.local.state import locked, read_state

    home = project.home.absolute()
    state = read_state(home)
    dsn = state.engine_dsn if state is not None else None
    started = []
    for each in configured:
        if not _needs_start(home, each, dsn):
            continue
        with_password = settings(project, each)
        # One command at a time: what the other's replicator says by then must not be forgotten.
        with locked(home / _START_LOCK, _START_SECONDS):
            if not _needs_start(home, each, dsn):
                continue
            process.stop(home, each.name)
            if dsn is not None:
                monitor.expect(dsn, each.landing)
            if process.start(home, with_password):
                started.append(each.name)
    return started


def _needs_start(home: Path, one: ZeroEtl, dsn: str | None) -> bool:
    from deployer.local.replication import monitor, process

    if not process.runs_with(home, _settings(home, one, "")):
        return True
    # Who only looks at a replicator that runs needs no password.
    return dsn is not None and monitor.refused(dsn, one.landing) and _has_password(one)


def stop_all(project: Project) -> bool:
    """Stop whatever replicates into the project's local warehouse."""
    if not any(project.home.glob("replication-*.lock")):
        return False
    from deployer.local.replication import process

    return process.stop_all(project.home)


def settings(project: Project, one: ZeroEtl) -> Settings:
    """Everything that the replicator must know, the password too; starts the local source where that is meant."""
    return _settings(project.home.absolute(), one, _password(project, one))


def local_source(project: Project) -> LocalSource:
    """The project's local source. Raises Unavailable when the extra `local` is not installed."""
    need_extra()
    from deployer.local.mariadb.server import LocalSource

    return LocalSource(project.home)


def need_extra() -> None:
    """Raises Unavailable when the extra `local` is not installed."""
    try:
        import pymysqlreplication  # noqa: F401
    except ModuleNotFoundError:
        raise Unavailable(
            "replication needs the extra 'local', which is not installed: pip install 'zeroshift[local]'"
        ) from None


def _settings(home: Path, one: ZeroEtl, password: str) -> Settings:
    from deployer.local.replication.settings import Settings

    host, port, user = one.host, one.port, one.user
    if one.is_local:
        from deployer.local.mariadb.schema import REPLICATOR
        from deployer.local.mariadb.server import LocalSource

        source = LocalSource(home)
        found = source.status()
        if not found.running:
            found = source.up()
        host, port, user, password = found.host, found.port or 0, REPLICATOR, source.password(REPLICATOR)
    return Settings(
        one.name, host, port, user, password, one.database, one.landing, one.filter.text, one.refresh_interval,
        one.is_postgres, one.truncatecolumns, one.acceptinvchars, one.query_all_states, one.history_mode,
    )  # fmt: skip


def _has_password(one: ZeroEtl) -> bool:
    return not one.password_env or one.password_env in os.environ


def _password(project: Project, one: ZeroEtl) -> str:
    if one.password_env:
        found = os.environ.get(one.password_env)
        if found is None:
            raise Unavailable(
                f"the environment variable {one.password_env}, which has the password of integration {one.name}, is"
                " not set; set it and repeat"
            )
        return found
    if one.password_file:
        path = project.root / one.password_file
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise Unavailable(
                f"cannot read {path}, which has the password of integration {one.name}: {error.strerror}"
            ) from None
    return ""
