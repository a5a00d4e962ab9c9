"""The repeatable part of a plan: views and procedures to create, replace, recreate or drop, with every statement."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from deployer.errors import Unsafe
from deployer.mask import mask
from deployer.operations.changes import Change
from deployer.operations.plan_probe import Probed, dependents_first, probe
from deployer.project import graph
from deployer.project.objects import Object
from deployer.sql.names import quote_ident
from deployer.warehouse import catalog, ledger, policies
from deployer.warehouse.ledger import Deployed, Entry
from deployer.warehouse.session import Session


@dataclass(frozen=True)
class Step:
    """One statement that will be sent, and the line of the file that it comes from."""

    sql: str
    path: str
    line: int


@dataclass(frozen=True)
class ObjectChange:
    """A Change of a view or procedure with what it takes. `item` is None for one that is dropped."""

    change: Change
    steps: tuple[Step, ...]
    item: Object | None
    before: Deployed | None


@dataclass(frozen=True)
class ObjectPlan:
    """All of them, in the order of applying. `orphans`: deployed once, no longer in the project, and left alone."""

    changes: tuple[ObjectChange, ...]
    orphans: tuple[str, ...]
    unchanged: int
    probed: Probed
    needs: Mapping[str, tuple[str, ...]]


def plan(
    session: Session,
    wanted: Sequence[Object],
    deployed: Mapping[str, Deployed],
    *,
    prune: bool,
    migrations_pending: bool,
    try_new: bool = True,
    promised: Collection[str] = (),
) -> ObjectPlan:
    """Compare the project's objects, in order of need, with the ledger and the catalog; changes nothing.

    `try_new` and `promised` (the views with a contract) are the probe's.

    Raises StatementFailed with file and line for a view that the warehouse refuses, and Unsafe for one that must be
    dropped although something outside of the project uses it.
    """
    there = still_there(session, deployed)
    changed = {
        item.key
        for item in wanted
        if item.key not in there
        or there[item.key].checksum != item.checksum
        or there[item.key].signature != item.signature
    }
    keys = {item.key for item in wanted}
    gone = [item for key, item in sorted(there.items()) if key not in keys]
    needs = graph.dependencies(wanted)
    probed = probe(
        session,
        wanted,
        changed,
        there,
        migrations_pending=migrations_pending,
        try_new=try_new,
        promised=promised,
    )
    old = ledger.entries(session, keys=[key for key in changed if key in there]) if changed else {}
    found: list[ObjectChange] = []
    if prune and gone:
        needed = {item.name: item.depends_on for item in there.values() if item.kind == "view"}
        found += [_dropped(item) for item in dependents_first(gone, needed)]
    dropped = probed.dropped
    _refuse_foreign(
        session,
        [*dropped, *(item.name for item in gone if prune and item.kind == "view")],
        there,
        () if prune else [item.key for item in gone],
    )
    for item in wanted:
        if item.key in changed or item.name in dropped:
            found.append(
                _changed(session, item, there, probed, old.get(item.key), is_changed=item.key in changed)
            )
    return ObjectPlan(
        changes=tuple(found),
        orphans=() if prune else tuple(item.name for item in gone),
        unchanged=sum(item.key not in changed and item.name not in dropped for item in wanted),
        probed=probed,
        needs=needs,
    )


def still_there(session: Session, deployed: Mapping[str, Deployed]) -> dict[str, Deployed]:
    """`deployed` without what somebody has dropped by hand: that is missing, whatever the ledger says."""
    if not deployed:
        return {}
    names = {"view": catalog.view_names(session), "procedure": catalog.procedure_names(session)}
    return {key: item for key, item in deployed.items() if item.name in names[item.kind]}


def diff(old: str, new: str, path: str) -> str:
    """A unified diff of two texts of the file at `path`, as git shows it."""
    return "".join(
        line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n"
        for line in difflib.unified_diff(
            old.splitlines(keepends=True),
            new.splitlines(keepends=True),
            f"a/{path}" if old else "/dev/null",
            f"b/{path}" if new else "/dev/null",
        )
    )


def _changed(
    session: Session,
    item: Object,
    there: Mapping[str, Deployed],
    probed: Probed,
    old: Entry | None,
    *,
    is_changed: bool,
) -> ObjectChange:
    path = str(item.path)
    before = there.get(item.key)
    cause = probed.dropped.get(item.name)
    steps = [Step(_drop_sql("view", name, ""), path, 1) for name in probed.drops.get(item.name, ())]
    restored: tuple[str, ...] = ()
    reason = ""
    if before is not None and cause is not None:
        schema, bare = item.name.split(".", 1)
        restored = _restored(session, schema, bare, {str(row[0]) for row in probed.columns[item.name]})
        reason = (
            f"{probed.because[cause]}; it is dropped and created anew"
            if cause == item.name
            else f"it is built on {cause}, which is dropped and created anew"
        )
    elif before is not None and before.signature != item.signature:
        # Another signature would be an overload beside the old procedure, which callers would still find.
        steps.append(Step(_drop_sql("procedure", item.name, before.signature), path, 1))
        restored = _execute_grants(session, item)
        reason = f"its arguments were {before.signature}: that procedure is dropped, and callers must follow"
    elif item.name in probed.unknown:
        reason = f"whether its columns change is known only after the pending migrations ({probed.why})"
    if before is not None and is_changed and before.checksum == item.checksum:
        reason = reason or "it differs from what was deployed"
    first, *rest = item.statements
    steps.append(Step(first.text, path, first.line))
    # Before the file's own grants and comments, which have the last word.
    steps += [Step(sql, path, first.line) for sql in restored]
    steps += [Step(statement.text, path, statement.line) for statement in rest]
    text = _text_diff(item, before, old) if is_changed else ""
    if before is not None and is_changed and not text and not reason:
        reason = "an older zeroshift deployed it and kept no text to compare with"
    action = "recreate" if not is_changed else "create" if before is None else "replace"
    return ObjectChange(
        Change(
            action=action,
            kind=item.kind,
            name=item.name,
            path=path,
            line=_first_changed(text) if before is not None and text else first.line,
            statements=tuple(mask(step.sql) for step in steps),
            diff=mask(text),
            reason=reason,
        ),
        tuple(steps),
        item,
        before,
    )


def _restored(session: Session, schema: str, bare: str, columns: Collection[str]) -> tuple[str, ...]:
    """What gives a view that is created anew its grants, comments and policies again, those of its `columns` included.

    Raises Unsafe when it has grants that this user cannot see: they would be lost.
    """
    whole = catalog.grants(session, schema, bare)
    unseen = catalog.unseen_grantees(session, schema, bare, whole)
    if unseen:
        raise Unsafe(
            f"{schema}.{bare} must be dropped and created anew, and the catalog does not show this user what is granted"
            f' on it to {", ".join(unseen)}: that would be lost (docs/grants.md, "Who must deploy"); nothing was'
            " changed"
        )
    single = [grant for grant in catalog.column_grants(session, schema, bare) if grant.column in columns]
    return (
        *(grant.sql(schema, bare) for grant in (*whole, *single)),
        *catalog.comments(session, schema, bare).sql("view", schema, bare, columns),
        *policies.restored(session, schema, bare),
    )


def _first_changed(text: str) -> int:
    """The line of the new file where a diff of it begins to differ."""
    line = 0
    for part in text.splitlines()[2:]:
        if part.startswith("@@"):
            line = int(part.split("+", 1)[1].split(",", 1)[0].split(" ", 1)[0])
        elif part.startswith(" "):
            line += 1
        else:
            return max(line, 1)
    return 1


def _text_diff(item: Object, before: Deployed | None, old: Entry | None) -> str:
    if before is None:
        return diff("", item.text, str(item.path))
    return diff(old.text, item.text, str(item.path)) if old is not None else ""


def _dropped(item: Deployed) -> ObjectChange:
    step = Step(_drop_sql(item.kind, item.name, item.signature), item.path, 1)
    change = Change(
        action="drop",
        kind=item.kind,
        name=item.name,
        path=item.path,
        line=1,
        statements=(step.sql,),
        destructive=f"the {item.kind} {item.name} and the grants on it",
        reason="the project no longer has it",
    )
    return ObjectChange(change, (step,), None, item)


def _drop_sql(kind: str, name: str, signature: str) -> str:
    schema, bare = name.split(".", 1)
    return f"drop {kind} {quote_ident(schema)}.{quote_ident(bare)}{signature}"


def _execute_grants(session: Session, item: Object) -> tuple[str, ...]:
    """EXECUTE for those who had it on the procedure that goes."""
    schema, bare = item.name.split(".", 1)
    return tuple(
        grant.sql(schema, bare, kind="procedure ", signature=item.signature)
        for grant in catalog.execute_grants(session, schema, bare)
    )


def _refuse_foreign(
    session: Session, dropped: Collection[str], ours: Mapping[str, Deployed], left_over: Collection[str]
) -> None:
    """Raise Unsafe when a view that the project did not deploy, or no longer has, stands on one that is to be dropped.

    Read out of the views' texts, since the local catalog keeps no pg_depend. A view that this does not see stops the
    deployment itself, for its DROP has no CASCADE.
    """
    if not dropped:
        return
    names = set(dropped)
    for key, text in catalog.view_definitions(session).items():
        if key in ours and key not in left_over or text.endswith("with no schema binding"):
            continue
        used = sorted(name for name in names if _mentions(text, name))
        if used:
            whose, mend = (
                ("is left over from an earlier deployment", "drop it, or say --prune")
                if key in left_over
                else ("this project did not deploy", "drop or change that first")
            )
            raise Unsafe(
                f"{used[0]} must be dropped, and the {key}, which {whose}, uses it; {mend}; nothing was changed"
            )


def _mentions(text: str, name: str) -> bool:
    schema, bare = name.split(".", 1)
    pattern = rf'(?<![\w"])"?{re.escape(schema)}"?\s*\.\s*"?{re.escape(bare)}"?(?![\w"])'
    return re.search(pattern, text, re.I) is not None
