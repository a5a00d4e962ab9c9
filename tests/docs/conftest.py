"""Fixtures of pages whose commands are typed.

aws     (function)  what a page starts of the local AWS is stopped again, if it did not run before
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deployer.local.aws.environment import LocalAws
from deployer.local.environment import LocalEnvironment


@pytest.fixture
def aws(environment: LocalEnvironment) -> Iterator[None]:
    local = LocalAws(environment.home)
    running = local.running
    yield
    if not running:
        local.down()
