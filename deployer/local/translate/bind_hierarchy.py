"""CONNECT BY: the rows of FROM as a hierarchy, by a recursive query of PostgreSQL's.

Source: DG r_CONNECT_BY_clause. FROM comes first, joins included, then CONNECT BY, then WHERE. Without START WITH every
row is a root, as in other databases with this clause; a circle is followed until the statement is ended: the page says
nothing of either.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from deployer.local.translate.bind_operators import truth
from deployer.local.translate.scope import Field, Scope, Source, Typed
from deployer.sql.parse.nodes import Expr, From, Select, Unary
from deployer.sql.refused import Refused
from deployer.sql.types import INTEGER


class HierarchyBinder(ABC):
    """Binds FROM with START WITH and CONNECT BY."""

    @abstractmethod
    def expr(self, node: Expr, scope: Scope) -> Typed:
        """An expression as PostgreSQL text, with its type."""

    @abstractmethod
    def from_clause(self, tables: list[From], scope: Scope) -> str:
        """A FROM list; fills the scope."""

    def hierarchy(self, select: Select, scope: Scope) -> str:
        """The FROM text. `scope` gets the same names as FROM gives it, and LEVEL."""
        assert select.connect is not None
        rows = Scope(parent=scope.parent)
        base = self.from_clause(select.tables, rows)
        fields = [field for one in rows.sources for field in one.fields]
        columns = rows.columns
        merged = [field for field in columns if not any(field is known for known in fields)]
        numbered = {id(field): index for index, field in enumerate(fields + merged)}
        names = [f'"c{index}"' for index in range(len(numbered))]
        _see(rows, rows, columns, numbered, None, "1")
        start = "" if select.start is None else f" WHERE {truth(self.expr(select.start, rows))}"
        parents = Scope(parent=scope.parent)
        _see(parents, rows, columns, numbered, "zs parent", '"zs parent"."level"')
        _see(rows, rows, columns, numbered, None, '("zs parent"."level" + 1)')
        rows.prior = parents
        if not _has_prior(select.connect):
            raise Refused(
                "CONNECT BY needs a condition with PRIOR, which names the parent row",
                position=select.connect.pos,
                sqlstate="42601",
            )
        connect = truth(self.expr(select.connect, rows))
        listed = ", ".join(field.sql for field in fields + merged)
        scope.absorb(rows)
        _see(scope, rows, columns, numbered, "zs row", '"zs row"."level"')
        return (
            f'(WITH RECURSIVE "zs tree"({", ".join(names)}, "level") AS (SELECT {listed}, 1 FROM {base}{start} '
            f'UNION ALL SELECT {listed}, "zs parent"."level" + 1 FROM {base}, "zs tree" AS "zs parent" '
            f'WHERE {connect}) SELECT * FROM "zs tree") AS "zs row"'
        )


def _see(
    scope: Scope, rows: Scope, columns: list[Field], numbered: dict[int, int], alias: str | None, level: str
) -> None:
    """Give `scope` the names of `rows`, whose `columns` these are, as columns of the relation `alias`; and LEVEL."""
    if alias is None:
        shown = columns
    else:
        moved = {
            id(one): replace(one, sql=f'"{alias}"."c{numbered[id(one)]}"')
            for one in [field for source in rows.sources for field in source.fields] + columns
        }
        scope.sources = [
            Source(one.alias, [moved[id(field)] for field in one.fields], one.path) for one in rows.sources
        ]
        shown = [moved[id(field)] for field in columns]
    known = any(field.name == "level" for field in shown)
    scope.show(shown if known else [*shown, Field("level", INTEGER, level, hidden=True, fixed=True)])


def _has_prior(node: object) -> bool:
    if isinstance(node, Unary) and node.op == "prior":
        return True
    parts = getattr(node, "__slots__", ())
    return any(_has_prior(getattr(node, name)) for name in parts if name != "pos") or (
        isinstance(node, list) and any(_has_prior(one) for one in node)
    )
