"""What the interpreter needs of the session it runs in: the seam between procedures and gateway."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from deployer.sql.types import RedshiftType


@dataclass(frozen=True)
class Value:
    """A variable's value: PostgreSQL's text form of it, None for NULL, and its Redshift type."""

    text: str | None
    type: RedshiftType


@dataclass(frozen=True)
class Outcome:
    """What one statement gave. `columns` is empty for a statement without rows; `row_count` is what ROW_COUNT says."""

    columns: tuple[tuple[str, RedshiftType], ...]
    rows: tuple[tuple[str | None, ...], ...]
    row_count: int


@dataclass(frozen=True)
class Argument:
    """A declared argument: `mode` is in, out or inout; `type_text` the type as it was written."""

    name: str
    mode: str
    type_text: str


@dataclass(frozen=True)
class StoredProcedure:
    """A procedure as the catalog holds it. `body` is the user's text between its dollar quotes.

    `allowed` tells whether the current user may execute it. `settings` are its SET clauses, "name=value".
    """

    oid: int
    schema: str
    name: str
    owner: str
    arguments: tuple[Argument, ...]
    body: str
    definer: bool
    nonatomic: bool
    settings: tuple[str, ...]
    allowed: bool

    @property
    def title(self) -> str:
        """The name as messages show it."""
        return f"{self.schema}.{self.name}"


class Executor(Protocol):
    """One session, as the interpreter drives it during one CALL of the client's.

    Errors of statements are raised as the gateway's ServerError (in Redshift's words, positions in the statement's
    own text) or the translator's Refused.
    """

    in_user_transaction: bool
    """The client's CALL shares its transaction with other statements of the client. It stays so for the whole call,
    also when a NONATOMIC procedure has ended that transaction."""

    def run(self, sql: str, variables: Mapping[str, Value]) -> Outcome:
        """Translate and run one statement in the open transaction, with those variables that it names."""

    def begin(self) -> None:
        """Open a transaction; nothing when one is open."""

    def commit(self) -> None:
        """Commit the open transaction; nothing when none is open. Lent rights and settings end with it."""

    def rollback(self) -> None:
        """Roll back, also out of a failed transaction; nothing when none is open. Ends them as `commit` does."""

    def abandon(self) -> None:
        """An error leaves the call; the client's transaction has failed, also where a handler has rolled it back."""

    def check(self) -> None:
        """Raise ServerError (57014) when the client has asked to cancel. Called before every statement."""

    def notice(self, level: str, message: str) -> None:
        """Send a message to the client. `level` is LOG, INFO, NOTICE or WARNING."""

    def log_level(self) -> str:
        """The least level of the messages that are logged: log, info, notice, warning or exception."""

    def cursors(self) -> list[str]:
        """The names of the cursors that are open in the session."""

    @property
    def user(self) -> str:
        """The user whose rights count now."""

    def switch_user(self, name: str) -> None:
        """Let `name`'s rights count until the transaction ends or the next switch."""

    def configure(self, name: str, value: str) -> str:
        """Set a parameter until the transaction ends; returns its value before."""

    def procedures(self, schema: str | None, name: str) -> list[StoredProcedure]:
        """The procedures of that name, along the search path when `schema` is None (first schema that has one)."""

    def read_type(self, text: str) -> RedshiftType:
        """The type that `text` names. Raises Refused."""

    def columns(self, relation: str) -> tuple[tuple[str, RedshiftType], ...]:
        """The columns of the relation that `relation` (dotted, as written) names. Raises Refused."""
