"""Grants as code: what procedures/security/*.toml declare against what the warehouse's catalog shows.

Three states are compared. What is declared and not held is granted. What is held, not declared, and was granted by
this project (the ledger remembers what it granted) is revoked. What is held, not declared, and was granted by somebody
else is revoked only where the file says that the grantee is managed, and that is destructive: it takes access which
the project did not give. Everything else, and whoever no file declares, is left alone.

A GRANT in the file of a view or procedure is a declaration of its own: it is never revoked here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from deployer.errors import StatementFailed, Unavailable, UsageError
from deployer.operations.changes import Change
from deployer.operations.progress import Progress
from deployer.project import security
from deployer.project.config import Project
from deployer.project.objects import Object
from deployer.project.security import (
    PROCEDURE,
    RELATION,
    ROLE,
    SCHEMA,
    USER,
    Declared,
    Grantee,
    Rule,
)
from deployer.sql.lexer import tokenize
from deployer.sql.names import quote_ident
from deployer.warehouse import ledger, privileges
from deployer.warehouse.privileges import FUTURE, MEMBER, Held, Routine
from deployer.warehouse.session import Session

_AT_ONCE = 200
"""Objects in one GRANT: 200 names of 127 bytes and their schemas stay under the Data API's 100,000 bytes."""

_ORDER = (ROLE, SCHEMA, RELATION, PROCEDURE, FUTURE + RELATION, FUTURE + PROCEDURE)


@dataclass(frozen=True)
class _World:
    """What there is to grant on: the warehouse's objects, and those that the deployment will create."""

    user: str
    relations: frozenset[tuple[str, str]]
    routines: tuple[Routine, ...]
    grantees: frozenset[Grantee]
    held: frozenset[Held]
    granted: frozenset[Held]


@dataclass(frozen=True)
class _Wanted:
    """One declared privilege, and where it is declared. `pattern` is what the plan shows."""

    held: Held
    pattern: str
    path: str
    line: int


def changes(session: Session, project: Project, coming: Sequence[Object]) -> tuple[Change, ...]:
    """What a deployment would create, grant and revoke, in the order of doing it; changes nothing.

    `coming` are the project's views and procedures, which will exist by then. Raises UsageError with file and line for
    a declaration that names a user who does not exist, or a procedure that neither the project nor the warehouse has.
    """
    declared = security.read_all(project.procedures, project.root)
    made = _granted(session)
    if not declared and not made:
        return ()
    world = _look(session, declared, made, coming)
    wanted = _wanted(declared, world)
    missing = [item for item in wanted.values() if item.held not in world.held]
    return (
        *_created(declared, world),
        *_grants(missing, world),
        *_revokes(declared, wanted, world, coming),
    )


def apply(session: Session, project: Project, planned: Sequence[Change], progress: Progress) -> None:
    """Send the statements of `planned`, and write down in the ledger what they granted.

    Runs in the caller's transaction, after the objects are there. Raises StatementFailed with the line of the
    declaration whose statement the warehouse refuses, Unavailable when this user may not see what it grants.
    """
    if not planned:
        return
    made = _granted(session)
    who = {item.grantee for item in made}
    who |= {one.grantee for one in security.read_all(project.procedures, project.root)}
    before = privileges.held(session, who)
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
    after = privileges.held(session, who)
    if any(change.action == "grant" for change in planned) and not after - before:
        raise Unavailable(
            f"the catalog does not show {privileges.user(session)} what was just granted, and every deployment"
            ' would grant it again: this user needs to see the grants of others (docs/grants.md, "Who must deploy");'
            " nothing was granted"
        )
    privileges.record(session, after - before - made, made - after)


def _granted(session: Session) -> frozenset[Held]:
    """What the ledger says that we granted; nothing where an older zeroshift, or none, has deployed."""
    return frozenset() if "grants" in ledger.missing(session) else privileges.granted(session)


def _look(
    session: Session, declared: Sequence[Declared], made: frozenset[Held], coming: Sequence[Object]
) -> _World:
    user = privileges.user(session)
    rules = [rule for one in declared for rule in one.rules]
    # Of the schemas of coming objects all is wanted, to tell which of those are new.
    views = {rule.schema for rule in rules if rule.kind == RELATION}
    views |= {_parts(item.name)[0] for item in coming if item.kind == "view"}
    procedures = {rule.schema for rule in rules if rule.kind == PROCEDURE}
    procedures |= {_parts(item.name)[0] for item in coming if item.kind == "procedure"}
    relations = privileges.relations(session, views)
    routines = privileges.routines(session, procedures)
    known = {(one.schema, one.name, one.arguments) for one in routines}
    new_views = {_parts(item.name) for item in coming if item.kind == "view"} - relations
    new_routines = [
        routine
        for item in coming
        if item.kind == "procedure"
        for routine in [Routine(*_parts(item.name), item.signature.strip("()"))]
        if (routine.schema, routine.name, routine.arguments) not in known
    ]
    held = privileges.held(session, {one.grantee for one in declared} | {item.grantee for item in made})
    # What new objects will have by default privileges as soon as they are there.
    by_default = {
        Held(item.grantee, item.privilege, kind, schema, name, arguments)
        for item in held
        if item.creator == user
        for kind, schema, name, arguments in (
            *((RELATION, *one, "") for one in new_views),
            *((PROCEDURE, one.schema, one.name, one.arguments) for one in new_routines),
        )
        if item.kind == FUTURE + kind and item.schema in ("", schema)
    }
    kinds = {one.grantee.kind for one in declared} | {ROLE for one in declared if one.memberships}
    return _World(
        user,
        relations | new_views,
        (*routines, *new_routines),
        privileges.existing(session, kinds),
        held | by_default,
        made,
    )


def _parts(name: str) -> tuple[str, str]:
    schema, _, bare = name.partition(".")
    return schema, bare


# -- what is declared -----------------------------------------------------------------------------------------------


def _wanted(declared: Iterable[Declared], world: _World) -> dict[Held, _Wanted]:
    """Every declared privilege on every object that it is for, in the files' order; the first rule counts."""
    found: dict[Held, _Wanted] = {}

    def add(item: Held, pattern: str, path: str, line: int) -> None:
        found.setdefault(item, _Wanted(item, pattern, path, line))

    for one in declared:
        who = one.grantee
        for member in one.memberships:
            add(Held(who, MEMBER, ROLE, "", member.role), member.role, member.path, member.line)
        for rule in one.rules:
            for item in _matching(who, rule, world):
                add(item, rule.pattern, rule.path, rule.line)
        for future in one.futures:
            kind = FUTURE + security.PRIVILEGES[future.privilege]
            creator = future.creator or world.user
            add(
                Held(who, future.privilege, kind, future.schema, creator=creator),
                future.schema,
                future.path,
                future.line,
            )
    return found


def _matching(who: Grantee, rule: Rule, world: _World) -> list[Held]:
    if rule.kind == SCHEMA:
        return [Held(who, rule.privilege, SCHEMA, rule.schema)]
    if rule.kind == RELATION:
        names = sorted(one for one in world.relations if rule.matches(*one))
        if not names and rule.is_exact:
            # A pending migration may make it; if none does, the GRANT fails with this line.
            names = [(rule.schema, rule.name)]
        return [Held(who, rule.privilege, RELATION, *one) for one in names]
    found = [one for one in world.routines if rule.matches(one.schema, one.name, one.arguments)]
    if not found and rule.is_exact:
        others = [
            f"{one.name}({one.types})"
            for one in world.routines
            if (one.schema, one.name) == (rule.schema, rule.name)
        ]
        there_are = f"; there is {', '.join(others)}" if others else ""
        raise UsageError(
            f"{rule.path}:{rule.line}: neither the project nor the warehouse has the procedure"
            f" {rule.pattern}{there_are}"
        )
    return [Held(who, rule.privilege, PROCEDURE, one.schema, one.name, one.arguments) for one in found]


# -- changes --------------------------------------------------------------------------------------------------------


def _created(declared: Iterable[Declared], world: _World) -> list[Change]:
    """Roles and groups that are missing. Users are never created: they have passwords, or belong to an identity
    provider."""
    declared = list(declared)
    will_be = {one.grantee for one in declared} | world.grantees
    found = []
    for one in declared:
        for member in one.memberships:
            if Grantee(ROLE, member.role) not in will_be:
                raise UsageError(
                    f"{member.path}:{member.line}: there is no role {member.role}; declare [role.{member.role}] too"
                )
        if one.grantee in world.grantees:
            continue
        kind, name = one.grantee.kind, one.grantee.name
        if kind == USER:
            raise UsageError(
                f"{one.path}:{one.line}: there is no {one.grantee} in the warehouse, and zeroshift creates no users;"
                " an administrator does, or grant to a role"
            )
        found.append(
            Change("create", kind, name, one.path, one.line, (f"create {kind} {quote_ident(name)}",))
        )
    return found


def _grants(missing: Iterable[_Wanted], world: _World) -> list[Change]:
    groups: dict[tuple[int, Grantee, str, str, str, int], list[Held]] = {}
    for one in missing:
        held = one.held
        key = (_ORDER.index(held.kind), held.grantee, held.privilege, one.pattern, one.path, one.line)
        groups.setdefault(key, []).append(held)
    types = {(one.schema, one.name, one.arguments): one.types for one in world.routines}
    found = []
    for (order, grantee, privilege, pattern, path, line), items in sorted(
        groups.items(), key=lambda pair: pair[0][0]
    ):
        kind = _ORDER[order]
        if kind.startswith(FUTURE):
            for item in items:
                name = f"{_title(item)} to {grantee}"
                found.append(
                    Change("grant", "grant", name, path, line, (_default(item, "grant", world.user),))
                )
            continue
        shown = pattern if kind in (RELATION, PROCEDURE) else _title(items[0]).partition(" on ")[2]
        title = f"role {pattern}" if kind == ROLE else f"{privilege} on {shown}"
        reason = ""
        if kind in (RELATION, PROCEDURE) and any(sign in pattern for sign in "*?"):
            named = ", ".join(item.name for item in items[:5])
            reason = f"for {named}" + (f" and {len(items) - 5} more" if items[5:] else "")
        statements = tuple(
            _statement("grant", items[start : start + _AT_ONCE], types)
            for start in range(0, len(items), _AT_ONCE)
        )
        found.append(Change("grant", "grant", f"{title} to {grantee}", path, line, statements, reason=reason))
    return found


def _revokes(
    declared: Iterable[Declared],
    wanted: Mapping[Held, _Wanted],
    world: _World,
    coming: Sequence[Object],
) -> list[Change]:
    by_grantee = {one.grantee: one for one in declared}
    in_files = _in_files(coming)
    futures = {
        (one.grantee, one.privilege, one.kind.removeprefix(FUTURE), one.schema)
        for one in wanted
        if one.kind.startswith(FUTURE)
    }
    found = []
    for item in sorted(world.held - set(wanted), key=lambda one: (-_ORDER.index(one.kind), one)):
        one = by_grantee.get(item.grantee)
        ours = item in world.granted
        if not privileges.declarable(item) or not (ours or (one is not None and one.manages(item.schema))):
            continue
        if _is_reserved(item) or _is_in_file(item, in_files):
            continue
        if (item.grantee, item.privilege, item.kind, item.schema) in futures:
            # It came by a default privilege that is declared.
            continue
        found.append(
            Change(
                action="revoke",
                kind="grant",
                name=f"{_title(item)} from {item.grantee}",
                path=one.path if one is not None else "",
                line=one.line if one is not None else 0,
                statements=(
                    _default(item, "revoke", world.user)
                    if item.kind.startswith(FUTURE)
                    else _statement("revoke", [item], {}),
                ),
                destructive="" if ours else "access that this project did not grant",
                reason="it is no longer declared"
                if ours
                else f"it is not declared, and {item.grantee} is managed",
            )
        )
    return found


def _is_reserved(item: Held) -> bool:
    """A membership in a role of Redshift's own, which an administrator gave."""
    return item.kind == ROLE and item.name.startswith(security.RESERVED)


def _in_files(coming: Iterable[Object]) -> dict[str, list[set[str]]]:
    """The words of each GRANT in an object's own file, by the object."""
    found: dict[str, list[set[str]]] = {}
    for item in coming:
        for statement in item.statements[1:]:
            tokens = tokenize(statement.text)
            if tokens[0].value == "grant":
                found.setdefault(item.name, []).append({token.value for token in tokens})
    return found


def _is_in_file(item: Held, in_files: Mapping[str, list[set[str]]]) -> bool:
    """Whether the object's own file grants this. Read by its words, in favour of keeping it."""
    return item.kind in (RELATION, PROCEDURE) and any(
        item.grantee.name in words and (item.privilege in words or "all" in words)
        for words in in_files.get(f"{item.schema}.{item.name}", ())
    )


# -- statements -----------------------------------------------------------------------------------------------------


def _title(item: Held) -> str:
    """What is held, for people: "select on presentation.sales"."""
    if item.kind == ROLE:
        return f"role {item.name}"
    if item.kind == SCHEMA:
        return f"{item.privilege} on schema {item.schema}"
    if item.kind.startswith(FUTURE):
        what = "tables" if item.kind == FUTURE + RELATION else "procedures"
        where = f" in {item.schema}" if item.schema else ""
        return f"{item.privilege} on future {what} of {item.creator}{where}"
    types = f"({item.arguments})" if item.kind == PROCEDURE else ""
    return f"{item.privilege} on {item.schema}.{item.name}{types}"


def _statement(verb: str, items: Sequence[Held], types: Mapping[tuple[str, str, str], str]) -> str:
    """GRANT or REVOKE of one privilege on several objects of a kind, for one grantee."""
    first = items[0]
    link = f"{'to' if verb == 'grant' else 'from'} {first.grantee.sql()}"
    if first.kind == ROLE:
        return f"{verb} role {quote_ident(first.name)} {link}"
    if first.kind == SCHEMA:
        return f"{verb} {first.privilege} on schema {quote_ident(first.schema)} {link}"
    listed = []
    for item in items:
        target = f"{quote_ident(item.schema)}.{quote_ident(item.name)}"
        if item.kind == PROCEDURE:
            target += f"({types.get((item.schema, item.name, item.arguments), item.arguments)})"
        listed.append(target)
    what = "procedure " if first.kind == PROCEDURE else ""
    return f"{verb} {first.privilege} on {what}{', '.join(listed)} {link}"


def _default(item: Held, verb: str, user: str) -> str:
    """ALTER DEFAULT PRIVILEGES. FOR USER only for others, which takes a superuser (its page, "Parameters")."""
    who = f" for user {quote_ident(item.creator)}" if item.creator != user else ""
    where = f" in schema {quote_ident(item.schema)}" if item.schema else ""
    what = "tables" if item.kind == FUTURE + RELATION else "procedures"
    link = "to" if verb == "grant" else "from"
    return (
        f"alter default privileges{who}{where} {verb} {item.privilege} on {what} {link} {item.grantee.sql()}"
    )
