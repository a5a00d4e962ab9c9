"""An empty source for each test."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from landing_source import Source, empty

from deployer.errors import UsageError


@pytest.fixture
def source(engine_dsn: str, tmp_path: Path) -> Iterator[Source]:
    empty(engine_dsn)
    directory = tmp_path / "snapshot"
    directory.mkdir()
    yield Source(engine_dsn, directory)
    empty(engine_dsn)


@pytest.fixture
def refused(source: Source) -> Callable[..., str]:
    """A function that loads, expects a refusal that changes nothing, and returns its sentence."""

    def attempt(**options: Any) -> str:
        before = source.state()
        with pytest.raises(UsageError) as caught:
            source.load(**options)
        assert source.state() == before
        return str(caught.value).replace(f"{source.directory}/", "")

    return attempt
