"""Requests per second, as documented; what comes faster gets a ThrottlingException, which SDKs repeat by themselves."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from deployer.local.data_api import limits
from deployer.local.data_api.errors import Throttled


class Throttle:
    """One bucket of tokens for each operation. What the service lets burst is not documented: one second's worth."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[str, tuple[float, float]] = {}

    def check(self, operation: str) -> None:
        """Raises Throttled."""
        rate = limits.PER_SECOND.get(operation, limits.PER_SECOND_OTHERS)
        now = self._clock()
        with self._lock:
            tokens, since = self._buckets.get(operation, (float(rate), now))
            tokens = min(float(rate), tokens + (now - since) * rate)
            if tokens < 1:
                self._buckets[operation] = (tokens, now)
                raise Throttled("Rate exceeded")
            self._buckets[operation] = (tokens - 1, now)
