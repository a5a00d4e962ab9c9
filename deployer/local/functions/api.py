"""One row of the function whitelist, and how the translator asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployer.sql.parse.nodes import Expr
from deployer.sql.types import RedshiftType

Types = tuple[RedshiftType | None, ...]


@dataclass(frozen=True)
class Call:
    """One call in a statement: its arguments as PostgreSQL text, as inferred types and as parsed nodes."""

    name: str
    args: tuple[str, ...]
    types: Types
    nodes: tuple[Expr, ...]
    result: RedshiftType | None
    distinct: bool = False
    order_by: str = ""
    """The rendered ORDER BY of WITHIN GROUP (ORDER BY ...), without the keywords; empty without one."""
    over: str = ""
    """The rendered OVER (...) clause, empty for a plain call. `registry.render` places it."""
    order_types: Types = ()
    """The types of the WITHIN GROUP sort expressions, in order."""
    ignore_nulls: bool = False
    """IGNORE NULLS was written; RESPECT NULLS, the default, leaves it False."""
    partition_by: str = ""
    """What stands after PARTITION BY inside `over`, rendered, without the keywords."""
    window_order_by: str = ""
    """What stands after ORDER BY inside `over`, rendered, without the keywords."""
    frame: str = ""
    """The rendered frame inside `over` ("ROWS BETWEEN ... AND ..."), empty when none is written."""
    star: bool = False
    """The argument list is a bare `*`, as in COUNT(*); `args` is empty then."""


@dataclass(frozen=True)
class Function:
    """A Redshift function that we run faithfully.

    `render` gives the PostgreSQL text of a call (a template with {0} {1} ... or {args}, or a callable).
    `result` gives Redshift's documented result type from the argument types, None when it cannot be told; the
    translator casts DECIMAL results to it. `kind` is scalar, aggregate or window (an aggregate may also be
    used with OVER when `windowed`). `source` is the documentation page of the rule.

    The remaining fields say how a call may be written. Ask `registry.render` and `registry.result_type`,
    which check all of them, rather than `render` and `result` themselves.
    """

    name: str
    render: str | Callable[[Call], str]
    result: RedshiftType | Callable[[Types], RedshiftType | None] | None
    min_args: int = 0
    max_args: int | None = None
    kind: str = "scalar"
    windowed: bool = False
    ignores_nulls: bool = False
    """IGNORE NULLS / RESPECT NULLS may be written."""
    source: str = ""
    bare: bool = False
    """Written without parentheses (CURRENT_DATE, SYSDATE, USER)."""
    datepart: bool = False
    """The first argument is a date part: a bare word or a string literal in `nodes[0]`, never a column."""
    distinct: bool = False
    """DISTINCT may be written before the argument."""
    within_group: str = "no"
    """Whether WITHIN GROUP (ORDER BY ...) is "no", "optional" or "required". When it is required, `result` is
    given its sort types after the argument types."""
    ordered: str = "optional"
    """Whether ORDER BY inside OVER is "no", "optional" or "required"."""
    framed: str = "with_order"
    """Whether a frame inside OVER is "no" or, as for every aggregate on Redshift, needed "with_order"."""
    leader_only: bool = False
    """Redshift runs it on the leader node only, so it fails in a query over user tables."""
    compute_only: bool = False
    """Redshift runs it on the compute nodes only, so it fails in a query without a user or system table."""
    star: bool = False
    """`*` may stand as the argument."""
    unsupported: str = ""
    """Redshift lists it as unsupported, and clients ask the catalog with it: the Redshift way, for everybody else."""
    narrow: Callable[[RedshiftType | None, tuple[Expr, ...]], RedshiftType | None] | None = None
    """What `result` gives, made exact by what is written as arguments, e.g. ROUND's literal number of decimals."""
