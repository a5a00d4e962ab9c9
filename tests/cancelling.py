"""Cancels what runs, however long it takes to begin."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

AGAIN_SECONDS = 0.5


@contextmanager
def cancelling(cancel: Callable[[], object]) -> Iterator[None]:
    """Call `cancel` again and again while the block runs: a request that comes before the statement hits nothing.

    When the block has ended, no request is on its way any more.
    """
    done = threading.Event()

    def work() -> None:
        while not done.wait(AGAIN_SECONDS):
            cancel()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
