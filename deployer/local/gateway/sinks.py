"""Where the answer of a statement goes: to a client, or into memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from deployer.local.gateway import codec
from deployer.local.gateway.backend import Result


class Sink(Protocol):
    """Where a statement's answer goes."""

    def columns(self, columns: Sequence[codec.Column]) -> None:
        """The row description; not called for a statement without rows."""

    def rows(self, data: bytes, count: int) -> None:
        """`count` whole DataRow messages."""

    def complete(self, tag: str) -> None:
        """The end, with the command's tag; empty for an empty statement."""

    def suspended(self) -> None:
        """The row limit of Execute was reached."""


class Collect:
    """A sink that gathers the answer."""

    def __init__(self) -> None:
        self.result = Result()

    def columns(self, columns: Sequence[codec.Column]) -> None:
        self.result.columns = tuple(columns)

    def rows(self, data: bytes, count: int) -> None:
        at = 0
        for _ in range(count):
            size = int.from_bytes(data[at + 1 : at + 5]) + 1
            self.result.rows.append(codec.unpack_row(data[at + 5 : at + size]))
            at += size

    def complete(self, tag: str) -> None:
        self.result.tag = tag

    def suspended(self) -> None:
        raise AssertionError("a gathered statement has no row limit")
