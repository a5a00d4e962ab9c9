"""What all binders share."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterable

from deployer.local.translate.context import Context
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Scope, Typed
from deployer.sql.parse.nodes import Expr, Query
from deployer.sql.refused import Refused
from deployer.sql.types import SUPER


def is_texty(kind: Kind) -> bool:
    """CHAR or VARCHAR, the types whose comparisons ignore trailing blanks (not the catalog's NAME)."""
    return kind is not None and kind.name in ("char", "varchar")


def folds(*values: Typed) -> bool:
    """Whether one of them compares without regard to case (COLLATE CASE_INSENSITIVE)."""
    return any(value.type is not None and value.type.collation == "ci" for value in values)


def blank_insensitive(value: Typed, fold: bool = False) -> str:
    """`value` so that PostgreSQL compares it without trailing blanks, as Redshift compares CHAR and VARCHAR.

    bpchar compares exactly like that, and the cast costs nothing: both types are stored alike. `fold`: its partner is
    case-insensitive.
    """
    if fold or folds(value):
        return f"redshift.lower(({value.sql})::text)::bpchar"
    if value.type is not None and value.type.name == "varchar":
        return f"({value.sql})::bpchar"
    return value.sql


def compared(value: Typed) -> str:
    """What stands for `value` where values are sorted, grouped or told apart; of any other type than text itself."""
    return blank_insensitive(value) if is_texty(value.type) else value.sql


def check_collations(values: Iterable[Typed], pos: int) -> bool:
    """Whether a case-insensitive text is among `values`.

    Raises Refused with the guide's error when a column of the other collation is, too (r_CREATE_DATABASE, "Database
    collation limitations"). Of what is no column the guide says nothing: constants and the like take part.
    """
    listed = list(values)
    if not folds(*listed):
        return False
    for value in listed:
        if is_texty(value.type) and not folds(value) and _COLUMN.fullmatch(value.sql):
            raise Refused("Query with different collations is not supported yet.", position=pos)
        if value.type == SUPER:
            raise Refused("Coercing from case insensitive string to SUPER is not supported.", position=pos)
    return True


_COLUMN = re.compile(r'"(?:[^"]|"")*"(?:\."(?:[^"]|"")*")*')


class BinderBase(ABC):
    """The context of one statement, and what the parts of a binder ask of each other."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @abstractmethod
    def expr(self, node: Expr, scope: Scope) -> Typed:
        """An expression as PostgreSQL text, with its type."""

    @abstractmethod
    def compare(self, op: str, left: Typed, right: Typed, pos: int = 0) -> Typed:
        """A comparison of two bound values."""

    @abstractmethod
    def nested(self, query: Query, scope: Scope) -> tuple[str, list[tuple[str, Kind]], Scope]:
        """A sub-query's text, its columns, and its own block."""
