"""One deployed local Redshift for all histories: making it takes longer than playing one."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployer.local.environment import LocalEnvironment
from deployer.operations.deploy import deploy
from deployer.operations.warehouses import target_of
from deployer.project import config
from oracle.warehouse import Warehouse

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warehouse]:
    """The repository's own migrations and procedures, deployed. Tests call `restore` before they use it."""
    home = tmp_path_factory.mktemp("oracle-home")
    with pytest.MonkeyPatch.context() as patch:
        # An engine of its own: other tests empty theirs.
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
