"""Which views must be dropped to be replaced: found out in a transaction that is rolled back.

Redshift replaces a view only by one with the same columns (Database Developer Guide, "CREATE VIEW"). What columns a new
definition has, only the warehouse knows. So each changed view is created a second time, in a schema of the probe's own,
with the names of other changed views led to their probes; its columns are compared with those of the view that is
there, and then everything is rolled back. Nothing of the warehouse is changed or replaced, and no view that people use
is locked against them: a probe takes the locks of a reader.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from deployer.errors import StatementFailed
from deployer.project import graph
from deployer.project.objects import Object, line_at
from deployer.sql.lexer import Token, tokenize
from deployer.sql.names import MAX_IDENTIFIER_BYTES, quote_ident
from deployer.warehouse import catalog
from deployer.warehouse.ledger import Deployed
from deployer.warehouse.session import Session

_PREFIX = "zeroshift_probe_"
_MISSING = ("42P01", "42703", "3F000", "42883")
"""No such table, column, schema or function: what a migration that is still pending may bring."""

Columns = tuple[tuple[object, ...], ...]


@dataclass
class Probed:
    """What the probe found out.

    `drops`: view -> the views to be dropped before it is created, dependents first, itself last. `because`: why, in
    words. `columns`: the columns that each probed view will have. `unknown`: the views of which it can be told only
    after the pending migrations, and `why` the warehouse's words.
    """

    drops: dict[str, tuple[str, ...]] = field(default_factory=dict)
    because: dict[str, str] = field(default_factory=dict)
    columns: dict[str, Columns] = field(default_factory=dict)
    unknown: frozenset[str] = frozenset()
    why: str = ""

    @property
    def dropped(self) -> dict[str, str]:
        """Each view that will be dropped, and the view for whose sake."""
        return {name: cause for cause, names in self.drops.items() for name in names}


class _Stop(Exception):
    """Ends the transaction by rolling it back; it holds nothing that is to stay."""


def probe(
    session: Session,
    wanted: Sequence[Object],
    changed: set[str],
    deployed: Mapping[str, Deployed],
    *,
    migrations_pending: bool,
    try_new: bool,
    promised: Collection[str] = (),
) -> Probed:
    """Look at the views among `changed` (keys); `deployed` is what the warehouse has, `wanted` in order of need.

    `try_new`: also where all of them are new, to find those that the warehouse refuses. The columns of a new view are
    asked only when it is among `promised`.

    Raises StatementFailed with file and line for a view that the warehouse refuses, unless a pending migration may be
    what it lacks.
    """
    views = [item for item in wanted if item.kind == "view"]
    if not any(item.key in changed and (try_new or item.key in deployed) for item in views):
        return Probed()
    found = Probed()
    try:
        with session.transaction():
            _look(session, views, changed, deployed, found, promised)
            raise _Stop
    except _Stop:
        return found
    except StatementFailed as error:
        if not (migrations_pending and error.sqlstate in _MISSING):
            raise
        there = {item.name for item in views if item.key in changed and item.key in deployed}
        return Probed(unknown=frozenset(there), why=f"{error.where}: {error}")


def _look(
    session: Session,
    views: Sequence[Object],
    changed: set[str],
    deployed: Mapping[str, Deployed],
    found: Probed,
    promised: Collection[str],
) -> None:
    old_needs = {item.name: item.depends_on for item in deployed.values() if item.kind == "view"}
    names = {item.name for item in views}
    dropped: set[str] = set()
    probed: set[str] = set()
    done: set[str] = set()
    schemas: set[str] = set()
    for item in views:
        if item.key not in changed and item.name not in dropped:
            continue
        schema, bare = item.name.split(".", 1)
        if schema not in schemas:
            session.execute(f"create schema {_probe_schema(schema)}")
            schemas.add(schema)
        try:
            _create(session, item, probed)
        except StatementFailed as error:
            if item.key in changed:
                raise
            causes = ", ".join(sorted(found.drops))
            raise StatementFailed(
                f"{item.name} did not change, but what it is built on does ({causes}), and then it is broken: {error}",
                sqlstate=error.sqlstate,
                sql=error.sql,
                where=error.where,
            ) from error
        probed.add(item.name)
        before = deployed.get(item.key)
        if before is not None or item.name in promised:
            found.columns[item.name] = catalog.columns(session, _probe_name(schema), bare)
        if before is not None and item.name not in dropped:
            why = _must_drop(session, item, before, found.columns[item.name])
            if why:
                victims = {item.name} | {
                    name
                    for name in graph.dependents([item.name], old_needs)
                    if name in names
                    and not deployed[f"view {name}"].late_binding
                    # One that comes earlier stands before this view by then: it no longer needs it.
                    and name not in done
                    and name not in dropped
                }
                order = dependents_first([deployed[f"view {name}"] for name in victims], old_needs)
                found.drops[item.name] = tuple(one.name for one in order)
                found.because[item.name] = why
                dropped |= victims
        done.add(item.name)


def _must_drop(session: Session, item: Object, before: Deployed, new: Columns) -> str:
    """Why the view cannot simply be replaced; empty when it can."""
    if item.late_binding or before.late_binding:
        # A late-binding view has no columns of its own: its definition is simply replaced.
        if item.late_binding == before.late_binding:
            return ""
        return "it becomes late-binding" if item.late_binding else "it becomes bound"
    old = catalog.columns(session, *item.name.split(".", 1))
    return "" if old == new else _difference(old, new)


def _difference(old: Columns, new: Columns) -> str:
    before = {str(row[0]): _type(row) for row in old}
    after = {str(row[0]): _type(row) for row in new}
    parts = [f"{name} {kind} goes" for name, kind in before.items() if name not in after]
    parts += [f"{name} {kind} comes" for name, kind in after.items() if name not in before]
    parts += [
        f"{name} was {before[name]} and becomes {kind}"
        for name, kind in after.items()
        if name in before and before[name] != kind
    ]
    return "its columns change: " + ("; ".join(parts) if parts else "they come in another order")


def _type(row: tuple[object, ...]) -> str:
    _, kind, length, precision, scale = row
    if length is not None:
        return f"{kind}({length})"
    if str(kind) in ("numeric", "decimal") and precision is not None:
        return f"{kind}({precision},{scale})"
    return str(kind)


def _create(session: Session, item: Object, probed: set[str]) -> None:
    """Create the probe of `item`; a refusal names the line of its file."""
    first = item.statements[0]
    tokens = tokenize(first.text)
    # create or replace view <schema> . <name> ...
    schema, bare = item.name.split(".", 1)
    head = f"create view {_probe_schema(schema)}.{quote_ident(bare)}"
    body, moves = _led_to_probes(first.text, tokens[7:], tokens[6].end, probed)
    try:
        session.execute(head + body)
    except StatementFailed as error:
        line = first.line
        if error.position is not None:
            at = error.position - 1 - len(head)
            for position, longer in reversed(moves):
                if position < at:
                    at -= longer
            line += line_at(first.text, min(max(at + tokens[6].end, 0), len(first.text))) - 1
        error.where = f"{item.path}:{line}"
        error.sql, error.position = first.text, None
        raise


def _led_to_probes(
    text: str, tokens: Sequence[Token], start: int, probed: set[str]
) -> tuple[str, list[tuple[int, int]]]:
    """`text` from `start` on, with the schemas of probed views replaced; and where it became longer by how much."""
    parts: list[str] = []
    moves: list[tuple[int, int]] = []
    end, size = start, 0
    for first, dot, second in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if dot.value != "." or first.kind not in ("word", "quoted") or second.kind not in ("word", "quoted"):
            continue
        if first.start >= end and f"{first.value}.{second.value}" in probed:
            new = _probe_schema(first.value)
            parts += [text[end : first.start], new]
            size += first.start - end
            moves.append((size, len(new) - (first.end - first.start)))
            size += len(new)
            end = first.end
    return "".join([*parts, text[end:]]), moves


def _probe_name(schema: str) -> str:
    return (_PREFIX + schema).encode()[:MAX_IDENTIFIER_BYTES].decode(errors="ignore")


def _probe_schema(schema: str) -> str:
    return quote_ident(_probe_name(schema))


def dependents_first(items: Sequence[Deployed], needs: Mapping[str, Sequence[str]]) -> list[Deployed]:
    """`items`, so that each stands before what it is built on."""
    by_name = {item.name: item for item in items}
    order: list[str] = []

    def visit(name: str) -> None:
        if name in order or name not in by_name:
            return
        for other in sorted(by_name):
            if name in needs.get(other, ()):
                visit(other)
        order.append(name)

    for name in sorted(by_name):
        visit(name)
    return [by_name[name] for name in order]
