"""A place in the source's log of changes."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Position:
    """The end of a transaction in the log. Ordered: files are numbered. PostgreSQL's log is one file, WAL.

    `gtid` is MariaDB's last global transaction id there, "" where none is known. It tells whether a position that the
    server knows still means the same: after RESET MASTER the files' names begin again.
    """

    order: tuple[int, int] = field(init=False, repr=False)
    file: str = field(compare=False)
    at: int = field(compare=False)
    gtid: str = field(compare=False, default="")

    def __post_init__(self) -> None:
        number = self.file.rpartition(".")[2]
        object.__setattr__(self, "order", (int(number) if number.isdigit() else 0, self.at))


class SourceLost(Exception):
    """The connection to the source broke, or it does not answer; to be tried again."""


class PositionLost(Exception):
    """The source no longer has the log that replication was to go on with."""


@dataclass(frozen=True)
class Pause:
    """Nothing more is there to read just now; `position` when the log has moved on without a transaction."""

    position: Position | None = None
