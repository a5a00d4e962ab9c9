"""What names mean inside a query: sources, their columns, and the queries around."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.local.translate.datatypes import pg_literal
from deployer.local.translate.infer import Kind
from deployer.sql.names import quote_ident
from deployer.sql.refused import Refused
from deployer.sql.types import SUPER

SYSTEM_COLUMNS = frozenset(["ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"])
"""PostgreSQL's hidden columns, which Redshift does not support."""


@dataclass(slots=True)
class Typed:
    """A bound expression: its PostgreSQL text, complete in itself, and its Redshift type if it can be told."""

    sql: str
    type: Kind


@dataclass(slots=True)
class Field:
    """One column of a source; `sql` is how it is written from inside the query."""

    name: str
    type: Kind
    sql: str
    hidden: bool = False
    """Found by its name, but no part of `*`."""
    fixed: bool = False
    """`sql` is no plain column: it holds wherever it stands, and nothing shorter does."""


@dataclass(slots=True)
class Source:
    """One item of FROM. `path` is the relation's qualified name when it may be used as qualifier."""

    alias: str
    fields: list[Field]
    path: tuple[str, ...] = ()
    element: Field | None = None
    """The value, where the source iterates over a SUPER value: `alias.x` means its attribute x."""
    by_name: dict[str, list[Field]] = field(init=False)

    def __post_init__(self) -> None:
        self.by_name = {}
        for item in self.fields:
            self.by_name.setdefault(item.name, []).append(item)

    def attribute(self, name: str) -> Field | None:
        """The attribute of the SUPER value that the source iterates over."""
        if self.element is None:
            return None
        path = f"redshift.super_part(({self.element.sql})::json -> {pg_literal(name)})"
        return Field(name, SUPER, path, fixed=True)


def source(
    alias: str,
    columns: list[tuple[str, Kind]],
    path: tuple[str, ...] = (),
    hidden: frozenset[str] = frozenset(),
) -> Source:
    """A source whose columns are written "alias"."column"."""
    prefix = quote_ident(alias)
    fields = [Field(name, kind, f"{prefix}.{quote_ident(name)}", name in hidden) for name, kind in columns]
    return Source(alias, fields, path)


@dataclass(slots=True)
class Scope:
    """The names that one query block sees. `parent` is the block around it."""

    parent: Scope | None = None
    sources: list[Source] = field(default_factory=list)
    columns: list[Field] = field(default_factory=list)
    """What `*` stands for: the columns in order, those of JOIN ... USING once for both sides."""
    unqualified: dict[str, list[Field]] = field(default_factory=dict)
    aliases: dict[str, Typed] = field(default_factory=dict)
    """Select items that may be named here: lateral references, WHERE and QUALIFY."""
    correlated: bool = False
    """A column of a block around was used inside."""
    skips: int | None = None
    """The offset of a reference from inside that passes over this whole block, if there is one."""
    has_window: bool = False
    one_of: dict[str, str] = field(default_factory=dict)
    """The text of a grouped expression -> one value of its group (bind_groups), where it stands outside aggregates."""
    prior: Scope | None = None
    """What the names behind PRIOR mean, inside CONNECT BY."""
    sorted_by: str = ""
    """What the sort-based aggregates of this block sort by."""

    def show(self, columns: list[Field]) -> None:
        """Make these the columns that unqualified names and `*` mean."""
        self.columns = columns
        self.unqualified = {}
        for item in columns:
            self.unqualified.setdefault(item.name, []).append(item)

    def find(self, parts: tuple[str, ...], pos: int) -> Field | None:
        """The column in this block only. Raises Refused (42702) when it is ambiguous."""
        name = parts[-1]
        if len(parts) == 1:
            found = self.unqualified.get(name, [])
        else:
            matching = self.matching(parts[:-1])
            found = [item for one in matching for item in one.by_name.get(name, ())]
            if not found:
                found = [item for one in matching if (item := one.attribute(name)) is not None]
            if matching and not found:
                raise no_column(parts, pos)
        if len(found) > 1:
            raise Refused(f'column reference "{name}" is ambiguous', position=pos, sqlstate="42702")
        return found[0] if found else None

    def matching(self, qualifier: tuple[str, ...]) -> list[Source]:
        """The sources that a qualifier of one to three parts names."""
        if len(qualifier) == 1:
            return [one for one in self.sources if one.alias == qualifier[0]]
        return [one for one in self.sources if one.path and one.path[-len(qualifier) :] == qualifier]

    def absorb(self, inner: Scope) -> None:
        """Take over what a block that stands in for this one has seen."""
        self.correlated |= inner.correlated
        if self.skips is None:
            self.skips = inner.skips


def resolve(scope: Scope, parts: tuple[str, ...], pos: int) -> Field | None:
    """The column that `parts` names from inside `scope`, looked up outwards; None when there is none.

    Marks the blocks between as correlated. A column is written without its qualifier where an inner source of the
    same alias would capture it.
    """
    block: Scope | None = scope
    passed: list[Scope] = []
    while block is not None:
        found = block.find(parts, pos)
        if found is not None:
            for depth, inner in enumerate(passed):
                inner.correlated = True
                if depth > 0 and inner.skips is None:
                    inner.skips = pos
            if passed and len(parts) == 1 and not found.fixed and _captured(passed, block, found):
                return Field(found.name, found.type, quote_ident(found.name))
            return found
        passed.append(block)
        block = block.parent
    return None


def _captured(passed: list[Scope], block: Scope, found: Field) -> bool:
    owner = next((one.alias for one in block.sources if any(found is item for item in one.fields)), None)
    return any(one.alias == owner for inner in passed for one in inner.sources)


def no_column(parts: tuple[str, ...], pos: int) -> Refused:
    """Redshift's error for a column that is not there, or the refusal of a PostgreSQL system column."""
    if parts[-1] in SYSTEM_COLUMNS:
        return Refused(
            f"the PostgreSQL system column {parts[-1]} is not supported on Redshift",
            position=pos,
            sqlstate="0A000",
        )
    name = ".".join(parts)
    # As the guide prints it (stored-procedure-trapping-errors).
    message = f'column "{name}" does not exist' if len(parts) == 1 else f"column {name} does not exist"
    return Refused(message, position=pos, sqlstate="42703")
