"""When a stream takes its source for gone, without a server."""

from __future__ import annotations

import pytest

from deployer.local.replication.position import Pause, SourceLost
from deployer.local.replication.postgres import stream
from deployer.local.replication.postgres.source import position


class Silent:
    """A connection over which nothing comes; `now` is the clock, which goes on while it is read."""

    now = 0.0

    def start(self, slot: str, publication: str, at: int) -> None:
        """Begin."""

    def confirm(self, at: int, *, reply: bool) -> None:
        """Ask, in vain."""

    def read(self, seconds: float) -> None:
        self.now += seconds


def test_a_long_copy_is_no_silence_of_the_source(monkeypatch: pytest.MonkeyPatch) -> None:
    wire = Silent()
    monkeypatch.setattr(stream.time, "monotonic", lambda: wire.now)
    made = stream.Stream(wire, "s", position(1))  # type: ignore[arg-type]  # as much of one as it needs
    items = iter(made)
    for _ in range(3):
        assert next(items) == Pause()
        wire.now += 100
    with pytest.raises(SourceLost, match="said nothing for 30 s"):
        for _ in range(1000):
            next(items)
    assert 300 < wire.now < 340
