"""What all binders share."""

from __future__ import annotations

from abc import ABC, abstractmethod

from deployer.local.translate.context import Context
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Scope, Typed
from deployer.sql.parse.nodes import Expr, Query


def is_texty(kind: Kind) -> bool:
    """CHAR or VARCHAR, the types whose comparisons ignore trailing blanks (not the catalog's NAME)."""
    return kind is not None and kind.name in ("char", "varchar")


def blank_insensitive(value: Typed) -> str:
    """`value` so that PostgreSQL compares it without trailing blanks, as Redshift compares CHAR and VARCHAR.

    bpchar compares exactly like that, and the cast costs nothing: both types are stored alike.
    """
    if value.type is not None and value.type.name == "varchar":
        return f"({value.sql})::bpchar"
    return value.sql


class BinderBase(ABC):
    """The context of one statement, and what the parts of a binder ask of each other."""

    def __init__(self, context: Context) -> None:
        self.context = context

    @abstractmethod
    def expr(self, node: Expr, scope: Scope) -> Typed:
        """An expression as PostgreSQL text, with its type."""

    @abstractmethod
    def nested(self, query: Query, scope: Scope) -> tuple[str, list[tuple[str, Kind]], Scope]:
        """A sub-query's text, its columns, and its own block."""
