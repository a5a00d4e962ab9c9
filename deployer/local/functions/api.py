"""One row of the function whitelist, and how the translator asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from sqlglot import exp

from deployer.sql.types import RedshiftType

Types = tuple[RedshiftType | None, ...]


@dataclass(frozen=True)
class Call:
    """One call in a statement: its arguments as PostgreSQL text, as inferred types and as parsed nodes."""

    name: str
    args: tuple[str, ...]
    types: Types
    nodes: tuple[exp.Expression, ...]
    result: RedshiftType | None
    distinct: bool = False
    order_by: str = ""
    """The rendered ORDER BY of WITHIN GROUP (ORDER BY ...), without the keywords; empty when there is none."""
    over: str = ""
    """The rendered OVER (...) clause, empty for a plain call. A renderer that does not place it itself gets it appended."""


@dataclass(frozen=True)
class Function:
    """A Redshift function that we run faithfully.

    `render` gives the PostgreSQL text of a call (a template with {0} {1} ... or {args}, or a callable).
    `result` gives Redshift's documented result type from the argument types, None when it cannot be told;
    the translator casts DECIMAL results to it. `kind` is scalar, aggregate or window (an aggregate may also be used
    with OVER when `windowed`). `source` is the documentation page of the rule.
    """

    name: str
    render: str | Callable[[Call], str]
    result: RedshiftType | Callable[[Types], RedshiftType | None] | None
    min_args: int = 0
    max_args: int | None = None
    kind: str = "scalar"
    windowed: bool = False
    ignores_nulls: bool = False
    source: str = ""
