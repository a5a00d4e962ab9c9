"""Bring views and procedures to their files' state inside one transaction. Never with CASCADE.

Redshift replaces a view only by one with the same columns (Database Developer Guide, "CREATE VIEW"). When
they differ, the view and all of the project's views that are built on it are dropped and created again,
with their grants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from deployer.errors import StatementFailed, Unsafe
from deployer.operations.progress import Progress
from deployer.project import graph
from deployer.project.objects import Object, line_at
from deployer.sql.lexer import tokenize
from deployer.sql.names import quote_ident
from deployer.warehouse import catalog
from deployer.warehouse.catalog import Grant
from deployer.warehouse.ledger import SCHEMA, Deployed
from deployer.warehouse.session import Session

_PROBE = "column_probe"
_DEPENDENTS_EXIST = "2BP01"


@dataclass(frozen=True)
class Done:
    """Names by what was done with them; `recreated` were dropped only because of what they are built on."""

    created: tuple[str, ...]
    replaced: tuple[str, ...]
    recreated: tuple[str, ...]
    dropped: tuple[str, ...]


def apply(
    session: Session,
    wanted: Sequence[Object],
    changed: Sequence[Object],
    gone: Sequence[Deployed],
    deployed: Mapping[str, Deployed],
    needs: Mapping[str, tuple[str, ...]],
    progress: Progress,
) -> Done:
    """Create or replace `changed`, and drop `gone`; `wanted` is all of the project in order of need.

    `deployed` holds what the warehouse has, by key. Runs in the caller's transaction.
    """
    old_needs = {item.name: item.depends_on for item in deployed.values() if item.kind == "view"}
    views = {item.name: item for item in wanted if item.kind == "view"}
    changed_names = {item.name for item in changed}
    # name -> grants of views that were dropped and wait for their new selves
    dropped: dict[str, tuple[Grant, ...]] = {}
    created: list[str] = []
    replaced: list[str] = []
    recreated: list[str] = []
    removed: list[str] = []

    for orphan in _dependents_first(gone, old_needs):
        progress(f"drop {orphan.kind} {orphan.name}")
        _drop(session, orphan)
        removed.append(orphan.name)
    for item in wanted:
        before = deployed.get(item.key)
        if item.name not in changed_names and item.name not in dropped:
            continue
        if item.kind == "view" and before and item.name not in dropped and _needs_drop(session, item, before):
            victims = {item.name} | {
                name
                for name in graph.dependents([item.name], old_needs)
                if name in views
                and not deployed[f"view {name}"].late_binding
                # One that has been replaced already stands before this view now: it no longer needs it.
                and name not in {*replaced, *recreated}
            }
            for victim in _dependents_first([deployed[f"view {name}"] for name in victims], old_needs):
                if victim.name not in dropped:
                    dropped[victim.name] = catalog.grants(session, *victim.name.split(".", 1))
                    _drop(session, victim)
        if before and before.signature != item.signature:
            # Another signature would be an overload beside the old procedure, which callers would still find.
            _drop(session, before)
        _create(session, item)
        for grant in dropped.get(item.name, ()):
            session.execute(grant.sql(*item.name.split(".", 1)), where=f"{item.path}:1")
        if item.name not in changed_names:
            recreated.append(item.name)
            progress(f"recreate {item.kind} {item.name}")
        elif before:
            replaced.append(item.name)
            progress(f"replace {item.kind} {item.name}")
        else:
            created.append(item.name)
            progress(f"create {item.kind} {item.name}")
    return Done(tuple(created), tuple(replaced), tuple(recreated), tuple(removed))


def _create(session: Session, item: Object) -> None:
    """All statements of the file; a refusal names its line."""
    for statement in item.statements:
        try:
            session.execute(statement.text)
        except StatementFailed as error:
            line = statement.line
            if error.position is not None:
                line += line_at(statement.text, error.position - 1) - 1
            error.where = f"{item.path}:{line}"
            raise


def _drop(session: Session, item: Deployed) -> None:
    schema, name = item.name.split(".", 1)
    target = f"{quote_ident(schema)}.{quote_ident(name)}{item.signature}"
    try:
        session.execute(f"drop {item.kind} {target}", where=f"{item.path}:1")
    except StatementFailed as error:
        if error.sqlstate != _DEPENDENTS_EXIST:
            raise
        raise Unsafe(
            f"{item.name} must be dropped, and something that this project did not deploy uses it ({error});"
            " drop or change that first; nothing was changed"
        ) from error


def _needs_drop(session: Session, item: Object, before: Deployed) -> bool:
    """Whether the new definition's columns differ from the view's, or it changes between bound and
    late-binding.
    """
    if item.late_binding or before.late_binding:
        # A late-binding view has no columns of its own: its definition is simply replaced.
        return item.late_binding != before.late_binding
    first = item.statements[0]
    tokens = tokenize(first.text)
    # create or replace view <schema> . <name> ...: the words up to the name give way to a view of our own.
    probe = f"create view {SCHEMA}.{_PROBE}{first.text[tokens[6].end :]}"
    try:
        session.execute(probe)
    except StatementFailed as error:
        line = first.line
        if error.position is not None:
            original = error.position - 1 + tokens[6].end - len(f"create view {SCHEMA}.{_PROBE}")
            line += line_at(first.text, max(original, 0)) - 1
        error.where = f"{item.path}:{line}"
        error.sql = first.text
        raise
    schema, name = item.name.split(".", 1)
    differs = catalog.columns(session, SCHEMA, _PROBE) != catalog.columns(session, schema, name)
    session.execute(f"drop view {SCHEMA}.{_PROBE}")
    return differs


def _dependents_first(items: Sequence[Deployed], needs: Mapping[str, Sequence[str]]) -> list[Deployed]:
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
