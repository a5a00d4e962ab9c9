"""The variables of one running procedure: scopes, records, aliases, cursors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from deployer.local.procedures.executor import Value
from deployer.local.procedures.values import BadValue
from deployer.sql.plpgsql_ast import Text
from deployer.sql.types import RedshiftType

MAX_VARIABLES = 1024
"""DG "Stored procedure limitations": the variables that one procedure may declare."""


class NoVariable(Exception):
    """There is no such variable."""


class Frame:
    """Names are lower case unless quoted. A record's field stands under "record.field".

    `row_count` is what GET DIAGNOSTICS tells: the rows of the last statement.
    """

    def __init__(self) -> None:
        self.row_count = 0
        self._scopes: list[dict[str, Value]] = [{}]
        self._records: list[dict[str, tuple[tuple[str, RedshiftType], ...] | None]] = [{}]
        self._aliases: list[dict[str, str]] = [{}]
        self._cursors: dict[str, Text | None] = {}
        self._protected: dict[tuple[int, str], tuple[bool, bool]] = {}

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Declarations inside end with the scope, and hide those outside."""
        depth = len(self._scopes)
        self._scopes.append({})
        self._records.append({})
        self._aliases.append({})
        try:
            yield
        finally:
            del self._scopes[depth:], self._records[depth:], self._aliases[depth:]
            for key in [key for key in self._protected if key[0] >= depth]:
                del self._protected[key]

    # -- declaring --------------------------------------------------------------------------------------------

    def declare(self, name: str, kind: RedshiftType, value: Value | None = None) -> None:
        if sum(map(len, self._scopes)) >= MAX_VARIABLES:
            raise BadValue(f"a procedure has at most {MAX_VARIABLES} variables on Redshift", "54000")
        if name in self._scopes[-1]:
            raise BadValue(f'duplicate declaration of variable "{name}"', "42601")
        self._scopes[-1][name] = value or Value(None, kind)

    def alias(self, name: str, target: str) -> None:
        if name != target:
            self._aliases[-1][name] = target

    def declare_record(self, name: str, columns: tuple[tuple[str, RedshiftType], ...] | None) -> None:
        """A record; `columns` None until a row is assigned to it."""
        self._records[-1][name] = columns
        for field, kind in columns or ():
            self._scopes[-1][f"{name}.{field}"] = Value(None, kind)

    def declare_cursor(self, name: str, query: Text | None) -> None:
        self._cursors[name] = query

    def protect(self, name: str, *, constant: bool, not_null: bool) -> None:
        """What later assignments to `name` must respect."""
        if constant or not_null:
            self._protected[len(self._scopes) - 1, name] = (constant, not_null)

    # -- reading ----------------------------------------------------------------------------------------------

    def _resolve(self, name: str) -> str:
        for aliases in reversed(self._aliases):
            if name in aliases:
                return self._resolve(aliases[name])
        return name

    def knows(self, name: str) -> bool:
        resolved = self._resolve(name)
        return any(resolved in scope for scope in self._scopes)

    def get(self, name: str) -> Value:
        """The value of a variable. Raises NoVariable."""
        resolved = self._resolve(name)
        for scope in reversed(self._scopes):
            if resolved in scope:
                return scope[resolved]
        record = resolved.partition(".")[0]
        if "." in resolved and self.is_record(record):
            raise NoVariable(f'record "{record}" has no field "{resolved.partition(".")[2]}", or no row yet')
        raise NoVariable(f'"{name}" is not a known variable')

    def variables(self) -> dict[str, Value]:
        """All variables that are visible now, aliases included."""
        visible: dict[str, Value] = {}
        for scope in self._scopes:
            visible.update(scope)
        for aliases in self._aliases:
            for name, target in aliases.items():
                resolved = self._resolve(target)
                if resolved in visible:
                    visible[name] = visible[resolved]
        return visible

    def is_record(self, name: str) -> bool:
        return any(name in records for records in self._records)

    def cursor(self, name: str) -> tuple[Text | None, str]:
        """A cursor's query and its name in the session: a refcursor's value, else its own name."""
        if name not in self._cursors:
            raise BadValue(f'cursor variable "{name}" does not exist', "42703")
        portal = self.get(name).text if self.knows(name) else None
        return self._cursors[name], portal or name

    # -- writing ----------------------------------------------------------------------------------------------

    def set(self, name: str, value: Value) -> None:
        """Set a variable, whatever its declaration forbids."""
        resolved = self._resolve(name)
        for scope in reversed(self._scopes):
            if resolved in scope:
                scope[resolved] = value
                return
        raise NoVariable(f'"{name}" is not a known variable')

    def assign(self, name: str, value: Value) -> None:
        """An assignment of the procedure's own. Raises BadValue for a constant, or NULL into a NOT NULL variable."""
        resolved = self._resolve(name)
        for depth in range(len(self._scopes) - 1, -1, -1):
            if resolved in self._scopes[depth]:
                constant, not_null = self._protected.get((depth, resolved), (False, False))
                if constant:
                    raise BadValue(f'"{name}" is declared CONSTANT', "22005")
                if not_null and value.text is None:
                    raise BadValue(
                        f'null value cannot be assigned to variable "{name}" declared NOT NULL', "22004"
                    )
                break
        self.set(name, value)

    def set_record(
        self, name: str, columns: Sequence[tuple[str, RedshiftType]], row: Sequence[str | None]
    ) -> None:
        """Put a row into a record; its fields are then the row's columns."""
        for depth in range(len(self._records) - 1, -1, -1):
            if name in self._records[depth]:
                break
        else:
            raise NoVariable(f'"{name}" is not a known variable')
        scope = self._scopes[depth]
        for key in [key for key in scope if key.startswith(f"{name}.")]:
            del scope[key]
        self._records[depth][name] = tuple(columns)
        for (field, kind), text in zip(columns, row, strict=True):
            scope[f"{name}.{field}"] = Value(text, kind)
