"""Reading ahead: the source sends its next rows while the engine takes the last ones."""

from __future__ import annotations

import queue
import threading
from collections.abc import Generator, Iterator
from contextlib import contextmanager

_PIECES = 16


@contextmanager
def reading(pieces: Generator[bytes, None, None]) -> Iterator[Iterator[bytes]]:
    """The pieces, made in a thread of their own, a few ahead. Their maker's exception is raised where they are used.

    At the end the maker is closed, also when not everything was read.
    """
    waiting: queue.Queue[bytes | BaseException | None] = queue.Queue(_PIECES)
    stop = threading.Event()

    def put(item: bytes | BaseException | None) -> None:
        while not stop.is_set():
            try:
                waiting.put(item, timeout=0.1)
                return
            except queue.Full:
                continue

    def make() -> None:
        try:
            for piece in pieces:
                put(piece)
                if stop.is_set():
                    return
            put(None)
        except BaseException as error:
            put(error)

    def use() -> Iterator[bytes]:
        while (item := waiting.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item

    thread = threading.Thread(target=make, daemon=True)
    thread.start()
    try:
        yield use()
    finally:
        stop.set()
        thread.join()
        pieces.close()
