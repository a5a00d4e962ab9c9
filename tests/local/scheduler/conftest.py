"""Fixtures for tests of the local Scheduler with everything behind it.

aws       (session)   the local AWS beside the tests' local Redshift: its URL
place     (function)  a region of the local AWS for this test alone, a Data API of this process whose events go to the
                      bus, and a Service at a driven clock
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from scheduler_place import Place

from deployer.local.aws.environment import LocalAws
from deployer.local.environment import LocalEnvironment, Status

_REGIONS = count(1)


@pytest.fixture(scope="session")
def aws(environment: LocalEnvironment) -> Iterator[str]:
    local = LocalAws(environment.home)
    url = local.up().endpoint_url
    assert url is not None
    yield url
    local.down()


@pytest.fixture
def place(tmp_path: Path, aws: str, status: Status) -> Iterator[Place]:
    made = Place(tmp_path, aws, status, f"xx-test-{next(_REGIONS)}")
    yield made
    made.close()
