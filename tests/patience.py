"""Waiting for what a busy machine may take long to do."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE = 120.0
"""Seconds that an answer may take: only what hangs takes longer."""


def wait_until(holds: Callable[[], bool]) -> None:
    """Wait until the condition holds; one that does not come to hold is a failure."""
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
