"""The repository's own SQL, deployed once into a local Redshift; each test begins with an empty source."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from oracle.source import snapshot
from oracle.warehouse import Warehouse

from deployer.local.environment import LocalEnvironment
from deployer.operations.deploy import deploy
from deployer.operations.warehouses import target_of
from deployer.project import config

ROOT = Path(__file__).parents[2]


class House:
    """Loads and runs, with instants as text, and answers as an analyst reads it: every value as text."""

    def __init__(self, warehouse: Warehouse) -> None:
        self.warehouse = warehouse

    def load(self, at: str, *rows: Any) -> None:
        """The source holds exactly these rows, as of `at`."""
        self.warehouse.load(snapshot(*rows), datetime.fromisoformat(at))

    def run(self, as_of: str, mode: str = "incremental") -> str:
        """How the run ended: published, superseded, stopped."""
        return self.warehouse.run(datetime.fromisoformat(as_of), mode)  # type: ignore[arg-type]  # a Mode as text

    def ask(self, query: str) -> list[str]:
        """The rows, sorted, values joined by blanks; NULL is the word null."""
        counted = self.warehouse.select(query)
        return sorted(" ".join(row) for row in counted.elements())

    def written(self) -> int:
        """Rows that the last run wrote, by its log."""
        rows = self.ask(
            "select coalesce(sum(rows_written), 0) from ops.run_steps where run_id ="
            " (select run_id from ops.runs order by started_at desc, run_id desc limit 1)"
        )
        return int(rows[0])


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    home = tmp_path_factory.mktemp("warehouse-home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROSHIFT_HOME", str(home))
        patch.setenv("ZEROSHIFT_PORT", "0")
        environment = LocalEnvironment(home)
        status = environment.up()
        try:
            project = config.load(ROOT)
            deploy(project, project.environment("local"))
            assert status.engine_dsn is not None
            made = Warehouse(target_of(status), status.engine_dsn)
            yield made
            made.close()
        finally:
            environment.down()


@pytest.fixture
def house(deployed: Warehouse) -> House:
    deployed.restore()
    return House(deployed)
