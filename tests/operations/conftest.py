from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from small_project import SmallProject

from deployer.local.environment import LocalEnvironment, Status
from deployer.operations.warehouses import target_of
from deployer.warehouse.session import Session


@pytest.fixture
def small(
    tmp_path: Path, environment: LocalEnvironment, fresh_database: Status, monkeypatch: pytest.MonkeyPatch
) -> SmallProject:
    """A small project whose local environment is the tests' one, empty."""
    monkeypatch.setenv("ZEROSHIFT_HOME", str(environment.home))
    return SmallProject(tmp_path / "project")


@pytest.fixture
def session(status: Status) -> Iterator[Session]:
    with Session(target_of(status)) as opened:
        yield opened
