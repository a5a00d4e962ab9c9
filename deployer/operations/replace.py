"""Bring views and procedures to their files' state inside one transaction. Never with CASCADE."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from deployer.errors import StatementFailed, Unsafe
from deployer.operations.plan_objects import ObjectChange, ObjectPlan, Step
from deployer.operations.progress import Progress
from deployer.project.objects import Object, line_at
from deployer.warehouse import catalog, ledger
from deployer.warehouse.ledger import Deployed, Entry
from deployer.warehouse.session import Session

_DEPENDENTS_EXIST = "2BP01"
_READ_ALL = 20
"""From how many objects on their definitions are read back all at once."""


def apply(session: Session, changes: Sequence[ObjectChange], progress: Progress) -> None:
    """Send the statements of `changes`, in the caller's transaction.

    Raises StatementFailed with file and line for the first that the warehouse refuses, Unsafe for a DROP of what
    something else uses.
    """
    for item in changes:
        progress(f"{item.change.action} {item.change.key}")
        for step in item.steps:
            _execute(session, step, item.change.name)


def _execute(session: Session, step: Step, name: str) -> None:
    try:
        session.execute(step.sql)
    except StatementFailed as error:
        line = step.line
        if error.position is not None:
            line += line_at(step.sql, error.position - 1) - 1
        error.where = f"{step.path}:{line}"
        if error.sqlstate == _DEPENDENTS_EXIST:
            raise Unsafe(
                f"{error.where}: {name} must be dropped, and something that this project did not deploy uses it"
                f" ({error}); drop or change that first; nothing was changed"
            ) from error
        raise


def relations(changes: Collection[ObjectChange]) -> set[str]:
    """The views that `changes` lock: those that somebody's open transaction may hold."""
    return {item.change.name for item in changes if item.change.kind == "view"}


def record(
    session: Session,
    deployment: int,
    wanted: Sequence[Object],
    compared: ObjectPlan,
    *,
    deployed_by: str,
    git_commit: str | None,
) -> None:
    """Write down what `compared` has done: live state, history, read-back definitions; in the same transaction."""
    done = {item.change.key: item for item in compared.changes if item.item is not None}
    rows = [_row(item, compared.needs) for item in wanted if item.key in done]
    ledger.record(session, rows, deployed_by=deployed_by, git_commit=git_commit)
    entries = []
    for change in compared.changes:
        if change.item is None:
            ledger.forget(session, change.change.kind, change.change.name)
            entries.append(_entry("drop", change.change.kind, change.change.name, change.change.path))
        else:
            entries.append(_written(change.change.action, change.item))
    known = ledger.recorded(session)
    # An older zeroshift deployed these and kept no text; the checksum says that it is this file.
    adopted = [item for item in wanted if item.key not in done and known.get(item.key) != item.checksum]
    entries += [_written("adopt", item) for item in adopted]
    ledger.append(session, deployment, entries)
    unread = {item.key for item in wanted} - ledger.live_keys(session)
    _read_back(session, [item for item in wanted if item.key in done or item.key in unread])


def _row(item: Object, needs: Mapping[str, tuple[str, ...]]) -> Deployed:
    return Deployed(
        item.kind,
        item.name,
        item.signature,
        str(item.path),
        item.checksum,
        item.late_binding,
        needs[item.name],
    )


def _written(action: str, item: Object) -> Entry:
    return Entry(action, item.kind, item.name, str(item.path), item.checksum, item.text)


def _entry(action: str, kind: str, name: str, path: str) -> Entry:
    return Entry(action, kind, name, path, "", "")


def _read_back(session: Session, items: Sequence[Object]) -> None:
    """Keep what the warehouse made of `items`: Redshift rewrites what it is given, and drift is measured by this."""
    if not items:
        return
    if len(items) > _READ_ALL:
        # One question with a long answer instead of many.
        found = catalog.definitions(session)
        ledger.record_live(session, {item.key: found[item.key] for item in items})
        return
    texts = {item.key: catalog.definition(session, item.kind, item.name) for item in items}
    ledger.record_live(session, {key: text for key, text in texts.items() if text is not None})
