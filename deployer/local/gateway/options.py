"""Settings of a session that change what a statement means, as the translator is told them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from deployer.local.gateway import types
from deployer.local.gateway.backend import Result
from deployer.local.gateway.codec import Column, unpack_columns
from deployer.local.gateway.settings import SWITCHED
from deployer.sql.types import RedshiftType

LOGGED = "stored_proc_log_min_messages"
_ON = frozenset(name for name, value in SWITCHED.items() if value == "on")


class Options:
    """What of SWITCHED is on in one session.

    PostgreSQL keeps the settings, since a rollback takes a SET back. What a session never set is not asked for: the
    name does not exist there. `query` runs SHOW, which leaves a transaction's snapshot alone.
    """

    def __init__(self, query: Callable[[str], Result]) -> None:
        self._query = query
        self._touched: set[str] = set()
        self._level_touched = False
        self._known: frozenset[str] | None = _ON

    def forget(self, sql: str = "") -> None:
        """A statement may have changed them; `sql` is the text of a SET."""
        self._touched.update(name for name in SWITCHED if name in sql)
        self._level_touched |= LOGGED in sql
        if self._touched:
            self._known = None

    def current(self) -> frozenset[str]:
        """The names of those that are on."""
        if self._known is None:
            self._known = _ON - self._touched | {name for name in self._touched if self._is_on(name)}
        return self._known

    def log_level(self) -> str:
        """stored_proc_log_min_messages in lower case."""
        if not self._level_touched:
            return "log"
        # Empty after the rollback of the SET that was the first.
        return (self._query(f"show zeroshift.{LOGGED}").rows[0][0] or b"").decode().lower() or "log"

    def shown(self, data: bytes, inferred: Sequence[tuple[str, RedshiftType | None]]) -> tuple[Column, ...]:
        """PostgreSQL's row description as Redshift would send it (types.shown), with the names that the session wants.

        Asks nothing, as rows may be on their way: what the statement's translation has been told of
        describe_field_name_in_uppercase holds.
        """
        columns = types.shown(unpack_columns(data), inferred)
        if self._known is None or "describe_field_name_in_uppercase" not in self._known:
            return columns
        return tuple(replace(column, name=column.name.upper()) for column in columns)

    def _is_on(self, name: str) -> bool:
        shown = self._query(f"show zeroshift.{name}").rows[0][0] or b""
        # Empty after the rollback of the SET that was the first. A procedure's own SET keeps the value as written.
        return (shown.lower() or SWITCHED[name].encode()) in (b"on", b"true", b"1", b"yes")
