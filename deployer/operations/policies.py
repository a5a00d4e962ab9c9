"""Security policies as code: what procedures/security declares against what the warehouse's catalog shows.

All of it happens in the transaction of the views and procedures, so that nobody ever reads a relation between two
states: none of the pages of these commands says that one cannot run in a transaction. What protects less than before -
a policy detached or dropped, row-level security turned off - is destructive, and refused unless it is named.

A policy is ours once a file has created it (the ledger knows). Attachments of our policies that no file declares are
detached; policies that somebody else made, and their attachments, are left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployer.errors import StatementFailed, Unavailable
from deployer.operations.changes import Change
from deployer.operations.progress import Progress
from deployer.project import policies as files
from deployer.project.config import Environment, Project
from deployer.project.objects import Object
from deployer.project.policies import Attached, Declared, Policy
from deployer.sql.names import quote_ident
from deployer.warehouse import ledger
from deployer.warehouse import policies as catalog
from deployer.warehouse.policies import Live, Recorded, attach_sql, security_sql
from deployer.warehouse.session import Session

SECURITY = "row level security"


@dataclass(frozen=True)
class _World:
    declared: Declared
    live: Live
    ours: dict[tuple[str, str], Recorded]


class PoliciesPart:
    """A Provider for the transaction of the views and procedures, behind the grants: roles are there by then."""

    name = "policies"
    fingerprint = ""

    def __init__(self, stage: str) -> None:
        self.stage = stage

    def changes(
        self, project: Project, environment: Environment, session: Session, coming: Sequence[Object]
    ) -> tuple[Change, ...]:
        """What a deployment would create, change, attach and detach, in order; changes nothing."""
        return changes(session, project)

    def apply(
        self,
        project: Project,
        environment: Environment,
        session: Session,
        changes: Sequence[Change],
        progress: Progress,
    ) -> None:
        """Send the statements, and write down in the ledger what there is of the project's policies."""
        apply(session, project, changes, progress)


def changes(session: Session, project: Project) -> tuple[Change, ...]:
    """As PoliciesPart.changes. Raises UsageError with file and line for a wrong declaration."""
    declared = files.read_all(project.procedures, project.root)
    ours = _ours(session)
    if not (declared.policies or declared.secured or ours):
        return ()
    world = _World(declared, catalog.read(session), ours)
    return (*_definitions(world), *_attachments(world), *_security(world), *_dropped(world))


def _ours(session: Session) -> dict[tuple[str, str], Recorded]:
    if "policies" in ledger.missing(session):
        return {}
    return {(one.kind, one.name): one for one in catalog.recorded(session)}


def _definitions(world: _World) -> Iterator[Change]:
    for policy in world.declared.policies:
        known = world.ours.get(policy.key)
        live = world.live.policies.get(policy.key)
        kind = f"{policy.kind} policy"
        if live is None:
            statements = (f"{policy.head} {policy.body}", *policy.grants)
            yield Change("create", kind, policy.name, policy.path, policy.line, statements)
            continue
        reason = ""
        if known is None:
            reason = "the warehouse has one of that name, which this project did not make"
        elif known.live != live:
            reason = "it was changed by hand"
        if known is not None and known.checksum == policy.checksum and not reason:
            continue
        if known is not None and known.head != policy.head:
            yield _recreated(policy, world, reason)
            continue
        alter = f"alter {policy.kind} policy {quote_ident(policy.name)} {policy.body}"
        yield Change(
            "modify", kind, policy.name, policy.path, policy.line, (alter, *policy.grants), reason=reason
        )


def _recreated(policy: Policy, world: _World, reason: str) -> Change:
    """ALTER changes USING only: a policy of other columns is another one, attached again wherever it was."""
    where = [one for one in world.live.attached if (one.kind, one.policy) == policy.key]
    return Change(
        "recreate",
        f"{policy.kind} policy",
        policy.name,
        policy.path,
        policy.line,
        (
            *(attach_sql(one, "detach") for one in where),
            f"drop {policy.kind} policy {quote_ident(policy.name)}",
            f"{policy.head} {policy.body}",
            *policy.grants,
            *(attach_sql(one) for one in where),
        ),
        reason=reason or "its columns have changed, which ALTER cannot do",
    )


def _attachments(world: _World) -> list[Change]:
    """Masks that only move come before new ones: two on a column cannot have one priority."""
    wanted = {_place(one): one for one in world.declared.attached}
    live = {_place(one): one for one in world.live.attached}
    mine = {policy.key for policy in world.declared.policies} | set(world.ours)
    detached, moved, new = [], [], []
    for place, one in live.items():
        if place not in wanted and (one.kind, one.policy) in mine:
            detached.append(_change("detach", one, (attach_sql(one, "detach"),)))
    for place, one in wanted.items():
        there = live.get(place)
        if there is None:
            new.append(_change("attach", one, (attach_sql(one),)))
        elif (there.inputs, there.priority) != (one.inputs, one.priority):
            moved.append(_change("modify", one, (attach_sql(there, "detach"), attach_sql(one))))
    return [*detached, *moved, *new]


def _place(one: Attached) -> tuple[str, ...]:
    return (one.kind, one.policy, one.relation, one.grantee, *one.outputs)


def _change(action: str, one: Attached, statements: tuple[str, ...]) -> Change:
    columns = f" ({', '.join(one.outputs)})" if one.outputs else ""
    link = "from" if action == "detach" else "to"
    lost = f"what the policy keeps from {one.grantee}" if action == "detach" else ""
    return Change(
        action,
        f"{one.kind} policy",
        f"{one.policy} on {one.relation}{columns} {link} {one.grantee}",
        one.path,
        one.line,
        statements,
        destructive=lost,
        reason="no file attaches it" if action == "detach" else "",
    )


def _security(world: _World) -> Iterator[Change]:
    for one in world.declared.secured:
        is_on, conjunction = world.live.secured.get(one.relation, (False, "and"))
        if one.enabled == is_on and (not is_on or conjunction == one.conjunction):
            continue
        name = f"{'on' if one.enabled else 'off'} for {one.relation}"
        # AND to OR shows more rows to whoever has two policies.
        wider = one.enabled and is_on and one.conjunction == "or"
        lost = (
            "the protection of its rows" if not one.enabled else "AND between its policies" if wider else ""
        )
        statement = security_sql(one.relation, one.enabled, one.conjunction)
        yield Change("modify", SECURITY, name, one.path, one.line, (statement,), destructive=lost)


def _dropped(world: _World) -> Iterator[Change]:
    """Policies whose file is gone. Their attachments have been detached before."""
    kept = {policy.key for policy in world.declared.policies}
    for key, one in sorted(world.ours.items()):
        if key in kept or key not in world.live.policies:
            continue
        yield Change(
            "drop",
            f"{one.kind} policy",
            one.name,
            statements=(f"drop {one.kind} policy {quote_ident(one.name)}",),
            destructive=f"the {one.kind} policy {one.name}",
            reason="the project no longer has it",
        )


def apply(session: Session, project: Project, planned: Sequence[Change], progress: Progress) -> None:
    """As PoliciesPart.apply, in the caller's transaction.

    Raises StatementFailed with the line of the declaration whose statement the warehouse refuses; Unavailable when this
    user is not shown what it has made.
    """
    if not planned:
        return
    for change in planned:
        progress(change.title)
        for statement in change.statements:
            try:
                session.execute(
                    statement, where=f"{change.path}:{change.line}" if change.path else change.key
                )
            except StatementFailed as error:
                error.position = None
                raise
    declared = files.read_all(project.procedures, project.root)
    live = catalog.read(session)
    unseen = [policy.name for policy in declared.policies if policy.key not in live.policies]
    if unseen:
        raise Unavailable(
            f"the catalog does not show this user the policy {unseen[0]}, just made: who deploys policies must"
            ' be a superuser or have the role sys:secadmin (docs/policies.md, "Who must deploy"); nothing was changed'
        )
    catalog.record(
        session,
        [
            Recorded(policy.kind, policy.name, policy.checksum, policy.head, live.policies[policy.key])
            for policy in declared.policies
        ],
    )


def drifted(session: Session) -> list[tuple[str, str, str, str, str]]:
    """What somebody changed by hand of the policies that were deployed: what happened, kind, name, before and after."""
    ours = _ours(session)
    if not ours:
        return []
    live = catalog.read(session)
    found = []
    for key, one in sorted(ours.items()):
        now = live.policies.get(key)
        if now is None:
            found.append(("dropped", f"{one.kind} policy", one.name, one.live, ""))
        elif now != one.live:
            found.append(("changed", f"{one.kind} policy", one.name, one.live, now))
    return found
