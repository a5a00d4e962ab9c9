"""A place in the source's binlog."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, order=True)
class Position:
    """The end of a transaction in the binlog. Ordered: files are numbered.

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
