"""What the Data API remembers of a statement and of a session."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

SUBMITTED, PICKED, STARTED = "SUBMITTED", "PICKED", "STARTED"
FINISHED, FAILED, ABORTED = "FINISHED", "FAILED", "ABORTED"
ACTIVE = (SUBMITTED, PICKED, STARTED)
FINAL = (FINISHED, FAILED, ABORTED)

AVAILABLE, BUSY, CLOSED = "AVAILABLE", "BUSY", "CLOSED"

NULL = -1
"""How numbers that are not known yet are shown (DescribeStatement's page: -1 indicates null)."""


@dataclass(frozen=True)
class Caller:
    """Who sent a request, as far as its signature tells, which is not checked. `region` is the signature's."""

    region: str
    account: str

    @property
    def principal(self) -> str:
        """The ARN that events name."""
        return f"arn:aws:iam::{self.account}:root"


@dataclass(frozen=True)
class Place:
    """Where statements run. Just one of `cluster` and `workgroup` is given; `user` is the database user."""

    database: str
    user: str
    cluster: str | None = None
    workgroup: str | None = None
    secret: str | None = None

    def shown(self) -> dict[str, str]:
        """The members that answers have in common."""
        members = {
            "Database": self.database, "ClusterIdentifier": self.cluster, "WorkgroupName": self.workgroup,
            "SecretArn": self.secret,
        }  # fmt: skip
        if self.secret is None:
            # The guide's answers to requests with a secret name no user.
            members["DbUser"] = self.user
        return {name: value for name, value in members.items() if value is not None}


@dataclass(frozen=True)
class Request:
    """What a client has asked for; it does not change. `mode` is a batch's execution mode, empty for one statement."""

    sqls: tuple[str, ...]
    place: Place
    caller: Caller
    mode: str = ""
    name: str | None = None
    parameters: tuple[Mapping[str, str], ...] = ()
    with_event: bool = False
    result_format: str = "JSON"
    session: str | None = None

    @property
    def batch(self) -> bool:
        return bool(self.mode)

    def dump(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def load(cls, stored: dict[str, Any]) -> Request:
        return cls(
            **stored
            | {
                "sqls": tuple(stored["sqls"]),
                "place": Place(**stored["place"]),
                "caller": Caller(**stored["caller"]),
                "parameters": tuple(stored["parameters"]),
            }
        )


@dataclass
class Part:
    """One SQL statement of a request: its only one, or one of a batch. `number` counts from 1.

    `columns` is the result set's ColumnMetadata, None when it has none. `duration` is in nanoseconds. `query_id` is
    the id in SYS_QUERY_HISTORY.
    """

    number: int
    created: float
    updated: float
    status: str = SUBMITTED
    error: str | None = None
    duration: int = NULL
    rows: int = NULL
    size: int = NULL
    columns: list[dict[str, Any]] | None = None
    query_id: int = NULL


@dataclass
class Statement:
    """A request and how far it has come. `order` grows with every request."""

    id: str
    order: int
    request: Request
    created: float
    updated: float
    status: str = SUBMITTED
    pid: int = 0
    error: str | None = None
    duration: int = NULL
    parts: list[Part] = field(default_factory=list)

    @property
    def rows(self) -> int:
        known = [part.rows for part in self.parts if part.rows != NULL]
        return sum(known) if known else NULL

    @property
    def size(self) -> int:
        known = [part.size for part in self.parts if part.size != NULL]
        return sum(known) if known else NULL

    @property
    def has_result(self) -> bool:
        return any(part.columns is not None for part in self.parts)


@dataclass(frozen=True)
class SessionRecord:
    """A session that was asked for with SessionKeepAliveSeconds. `ends` is when it will be closed unless it is used."""

    id: str
    place: Place
    created: float
    updated: float
    status: str
    keep_alive: int
    ends: float
    current: str | None = None
