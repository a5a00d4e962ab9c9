"""The variables of one running procedure: scopes, records, aliases, cursors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from deployer.local.procedures.executor import Value
from deployer.local.procedures.values import BadValue, NoVariable
from deployer.sql.plpgsql_ast import Text
from deployer.sql.types import VARCHAR, RedshiftType

Columns = tuple[tuple[str, RedshiftType], ...]


@dataclass
class _Scope:
    """Declarations of one block. A record's field stands under "record.field".

    `records` has None for a record without a row yet. `protected` tells (constant, not null).
    """

    label: str = ""
    values: dict[str, Value] = field(default_factory=dict)
    records: dict[str, Columns | None] = field(default_factory=dict)
    aliases: dict[str, str] = field(default_factory=dict)
    cursors: dict[str, Text | None] = field(default_factory=dict)
    protected: dict[str, tuple[bool, bool]] = field(default_factory=dict)


class Frame:
    """Names are lower case unless quoted. "label.name" reaches a variable that an inner block hides.

    `row_count` is what GET DIAGNOSTICS tells: the rows of the last SQL statement.
    """

    def __init__(self) -> None:
        self.row_count = 0
        self._scopes = [_Scope()]

    @contextmanager
    def scope(self, label: str = "") -> Iterator[None]:
        """Declarations inside end with the scope, and hide those outside."""
        depth = len(self._scopes)
        self._scopes.append(_Scope(label))
        try:
            yield
        finally:
            del self._scopes[depth:]

    # -- declaring --------------------------------------------------------------------------------------------

    def declare(self, name: str, kind: RedshiftType, value: Value | None = None) -> None:
        self._scopes[-1].values[name] = value or Value(None, kind)

    def alias(self, name: str, target: str) -> None:
        """`name` is another name of `target`. Raises NoVariable when there is no such variable."""
        if not self.knows(target) and not self.is_record(target):
            raise NoVariable(f'there is no variable or argument "{target}"')
        if name != target:
            self._scopes[-1].aliases[name] = target

    def declare_record(self, name: str, columns: Columns | None) -> None:
        """A record; `columns` is None until a row is assigned to it."""
        scope = self._scopes[-1]
        scope.records[name] = columns
        for column, kind in columns or ():
            scope.values[f"{name}.{column}"] = Value(None, kind)

    def declare_cursor(self, name: str, query: Text | None, portal: str | None = None) -> None:
        """A cursor variable. A bound one (`query`) is called in the session as in the procedure."""
        self.declare(name, VARCHAR, Value(portal, VARCHAR))
        self._scopes[-1].cursors[name] = query

    def protect(self, name: str, *, constant: bool, not_null: bool) -> None:
        """What later assignments to `name` must respect."""
        self._scopes[-1].protected[name] = (constant, not_null)

    # -- reading ----------------------------------------------------------------------------------------------

    def _find(self, name: str) -> tuple[_Scope, str]:
        """The scope that holds the variable, and its name there. Raises NoVariable."""
        first, _, rest = name.partition(".")
        for scope in reversed(self._scopes):
            if name in scope.aliases:
                return self._find(scope.aliases[name])
            if name in scope.values:
                return scope, name
            if first in scope.aliases and rest:
                return self._find(f"{scope.aliases[first]}.{rest}")
            if rest and first in scope.records:
                if scope.records[first] is None:
                    raise NoVariable(f'record "{first}" is not assigned yet: it has no field "{rest}"')
                raise NoVariable(f'record "{first}" has no field "{rest}"')
            if rest and scope.label == first:
                if rest in scope.values:
                    return scope, rest
                if rest in scope.aliases:
                    return self._find(scope.aliases[rest])
        if self.is_record(name):
            raise NoVariable(
                f'"{name}" is a record: name one of its fields, or fill it by SELECT INTO, FETCH or FOR'
            )
        raise NoVariable(f'"{name}" is not a known variable')

    def knows(self, name: str) -> bool:
        """Whether `name` is a variable (or a record's field) with a type."""
        try:
            self._find(name)
        except NoVariable:
            return False
        return True

    def get(self, name: str) -> Value:
        """The value of a variable. Raises NoVariable."""
        scope, key = self._find(name)
        return scope.values[key]

    def variables(self) -> dict[str, Value]:
        """All variables that are visible now, under every name they have."""
        visible: dict[str, Value] = {}
        for scope in self._scopes:
            visible.update(scope.values)
            for alias in scope.aliases:
                if self.knows(alias):
                    visible[alias] = self.get(alias)
            if scope.label:
                visible.update({f"{scope.label}.{name}": value for name, value in scope.values.items()})
        return visible

    def is_record(self, name: str) -> bool:
        return any(name in scope.records for scope in self._scopes)

    def cursor(self, name: str) -> tuple[Text | None, str | None]:
        """A cursor variable's own query, if it has one, and the name of its cursor in the session, if it is known.

        Raises NoVariable.
        """
        scope, key = self._find(name)
        if key not in scope.cursors:
            raise NoVariable(f'variable "{name}" is not a cursor')
        return scope.cursors[key], scope.values[key].text

    def unassigned_record(self, name: str) -> bool:
        """Whether `name` is a record that has no row yet, and so no fields."""
        scope = next((scope for scope in reversed(self._scopes) if name in scope.records), None)
        return scope is not None and scope.records[name] is None

    # -- writing ----------------------------------------------------------------------------------------------

    def set(self, name: str, value: Value) -> None:
        """Set a variable, whatever its declaration forbids. Raises NoVariable."""
        scope, key = self._find(name)
        scope.values[key] = value

    def assign(self, name: str, value: Value) -> None:
        """An assignment of the procedure's own. Raises BadValue for a constant, or NULL into a NOT NULL variable."""
        scope, key = self._find(name)
        constant, not_null = scope.protected.get(key, (False, False))
        if constant:
            raise BadValue(f'"{name}" is declared CONSTANT', "22005")
        if not_null and value.text is None:
            raise BadValue(f'null value cannot be assigned to variable "{name}" declared NOT NULL', "22004")
        scope.values[key] = value

    def set_record(self, name: str, columns: Columns, row: Sequence[str | None]) -> None:
        """Put a row into a record; its fields are then the row's columns. Raises NoVariable."""
        scope = next((scope for scope in reversed(self._scopes) if name in scope.records), None)
        if scope is None:
            raise NoVariable(f'"{name}" is not a known variable')
        for key in [key for key in scope.values if key.startswith(f"{name}.")]:
            del scope.values[key]
        scope.records[name] = columns
        for (column, kind), text in zip(columns, row, strict=True):
            scope.values[f"{name}.{column}"] = Value(text, kind)
