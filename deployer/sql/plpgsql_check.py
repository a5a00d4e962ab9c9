"""What can be told about a body before it runs: labels, names declared twice, limits."""

from __future__ import annotations

from dataclasses import dataclass

from deployer.sql.plpgsql_ast import (
    Block,
    Case,
    ForInteger,
    ForQuery,
    If,
    Leave,
    Loop,
    Raise,
    Statement,
    Transaction,
)
from deployer.sql.plpgsql_reader import BodyError

MAX_VARIABLES = 1024
"""DG "Limits and differences": the variables of a procedure."""


ONE_CURSOR = "only one cursor can be open in a session on Redshift, and a FOR loop over a query is one"


@dataclass(frozen=True)
class Place:
    """What surrounds a statement: the loops and blocks around it (label, is a loop; innermost last), a handler or not,
    a loop over a query or not."""

    labels: tuple[tuple[str, bool], ...] = ()
    in_handler: bool = False
    in_query: bool = False

    def inside(self, label: str, loop: bool, query: bool = False) -> Place:
        return Place((*self.labels, (label, loop)), self.in_handler, self.in_query or query)


def check_block(block: Block) -> None:
    """Raise BodyError for what cannot work whatever the mode of the procedure."""
    _Checker().block(block, Place())


def check_mode(block: Block, nonatomic: bool) -> None:
    """Raise BodyError for what the procedure's transaction mode does not allow."""
    if not nonatomic:
        _Checker(atomic=True).block(block, Place())


class _Checker:
    def __init__(self, atomic: bool = False) -> None:
        self._atomic = atomic
        self._variables = 0

    def block(self, block: Block, place: Place) -> None:
        seen: set[str] = set()
        for declaration in block.declarations:
            if declaration.name in seen:
                raise BodyError(f'duplicate declaration of variable "{declaration.name}"', declaration.at)
            seen.add(declaration.name)
            if declaration.not_null and declaration.default is None:
                raise BodyError(
                    f'variable "{declaration.name}" is NOT NULL and must have a default value', declaration.at
                )
            self._variables += 1
            if self._variables > MAX_VARIABLES:
                raise BodyError(
                    f"a procedure has at most {MAX_VARIABLES} variables on Redshift", declaration.at, True
                )
        inside = place.inside(block.label, False)
        self._all(block.body, inside)
        if block.handler is not None:
            if self._atomic and block.handler.resume:
                raise BodyError(
                    "CONTINUE_HANDLER is supported in NONATOMIC procedures only", block.handler.at, True
                )
            # The handler's rollback has closed the cursor of a loop around it.
            self._all(block.handler.body, Place(inside.labels, in_handler=True))

    def _all(self, statements: tuple[Statement, ...], place: Place) -> None:
        for statement in statements:
            self._one(statement, place)

    def _one(self, statement: Statement, place: Place) -> None:
        match statement:
            case Block():
                self.block(statement, place)
            case If():
                for _, body in statement.branches:
                    self._all(body, place)
                self._all(statement.otherwise, place)
            case Case():
                for _, body in statement.branches:
                    self._all(body, place)
                self._all(statement.otherwise or (), place)
            case Loop() | ForInteger():
                self._all(statement.body, place.inside(statement.label, True))
            case ForQuery():
                if place.in_query:
                    raise BodyError(ONE_CURSOR, statement.at, True)
                self._all(statement.body, place.inside(statement.label, True, query=True))
            case Leave():
                _check_leave(statement, place)
            case Raise(level=""):
                if not place.in_handler:
                    raise BodyError(
                        "RAISE without a message can only be used in an exception handler", statement.at
                    )
                if self._atomic:
                    raise BodyError(
                        "RAISE without a message is supported in NONATOMIC procedures only",
                        statement.at,
                        True,
                    )
            case Transaction(verb="start") if self._atomic:
                raise BodyError(
                    "START TRANSACTION is supported in NONATOMIC procedures only", statement.at, True
                )
            case _:
                pass


def _check_leave(statement: Leave, place: Place) -> None:
    verb = "CONTINUE" if statement.again else "EXIT"
    if not statement.label:
        if not any(loop for _, loop in place.labels):
            raise BodyError(f"{verb} cannot be used outside a loop", statement.at)
        return
    found = [loop for label, loop in place.labels if label == statement.label]
    if not found:
        raise BodyError(f'label "{statement.label}" does not exist', statement.at)
    if statement.again and not found[-1]:
        raise BodyError(
            f'CONTINUE needs the label of a loop, and "{statement.label}" is a block', statement.at
        )
