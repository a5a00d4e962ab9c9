"""The three identities in the warehouse: administrator, owner of all objects, runner; and the grants that are declared.

Sources: developer guide, PG_USER, SVV_ROLES and the privilege views of deployer.warehouse.privileges; only an object's
owner or a superuser may replace it (r_CREATE_PROCEDURE, r_CREATE_VIEW).
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.operations import grants
from deployer.operations.doctor.machine import not_reached
from deployer.operations.doctor.model import Check, Examination, missing, ok, unknown
from deployer.project import graph, objects
from deployer.project.environments import LOCAL, Remote
from deployer.project.security import PROCEDURE, ROLE, SCHEMA, Grantee
from deployer.sql.names import quote_ident
from deployer.warehouse import ledger, privileges
from deployer.warehouse.session import Session

_SYSTEM = "rdsdb"
"""Redshift's own superuser, which nobody logs in as."""
_SHOWN = 3


def checks(seen: Examination) -> Iterator[Check]:
    """Who there is, and what they lack."""
    if seen.session is None:
        for name in ("admin", "owner", "runner"):
            yield not_reached(name)
        return
    session = seen.session
    (row,) = session.execute("select current_user").rows
    user = str(row[0])
    superusers = {
        str(item[0]) for item in session.execute("select usename from pg_catalog.pg_user where usesuper").rows
    } - {_SYSTEM}
    yield _admin(user, superusers)
    yield from _owner(seen, session, user, user in superusers)
    yield from _runner(seen, session, user in superusers)
    if seen.deployed:
        yield from _declared(seen, session, user in superusers)


def _admin(user: str, superusers: set[str]) -> Check:
    others = sorted(superusers - {user})
    if others:
        return ok("admin", f"superusers beside this login: {', '.join(others)}")
    if user in superusers:
        return ok(
            "admin", f"{user} is the only superuser: integrations and databases are made by this login, too"
        )
    return unknown("admin", "this login sees no superuser", "select usename from pg_user where usesuper")


def _owner(seen: Examination, session: Session, user: str, is_super: bool) -> Iterator[Check]:
    remote = seen.environment.remote
    if remote is not None and remote.owner and not remote.secret and user != f"IAMR:{remote.owner}":
        # Redshift's name for the user of an IAM role (management guide, data-api-iam).
        yield missing(
            "owner", f"the login is {user}, not IAMR:{remote.owner}",
            "mend the key 'owner': whoever deploys owns the objects",
        )  # fmt: skip
    foreign = _foreign(session, user) if seen.deployed else []
    if foreign and not is_super:
        shown = ", ".join(f"{name} ({who})" for _, name, who in foreign[:_SHOWN])
        kind, name, _ = foreign[0]
        more = f", and so on for all {len(foreign)}" if foreign[1:] else ""
        yield missing(
            "owner",
            f"{len(foreign)} deployed objects belong to somebody else, so {user} cannot replace them: {shown}",
            f"alter {kind} {name} owner to {quote_ident(user)}{more}",
        )
    elif foreign:
        yield ok("owner", f"{user}, as a superuser; {len(foreign)} deployed objects belong to others")
    elif seen.deployed:
        yield ok("owner", f"{user} owns all that is deployed")
    else:
        yield ok("owner", f"{user} will own what it deploys")
    (may,) = session.execute("select has_database_privilege(current_database(), 'create')").rows[0]
    if not may:
        database = quote_ident(session.target.database)
        yield missing(
            "owner's rights",
            f"{user} may not create schemas in {session.target.database}",
            f"alter user {quote_ident(user)} createuser -- or, narrower: grant create on database {database} to"
            f" {quote_ident(user)}",
        )
    elif is_super:
        yield ok("owner's rights", f"{user} is a superuser")
    else:
        yield unknown(
            "owner's rights",
            f"{user} may create schemas; whether it may create roles, and see the grants of others, is told to nobody"
            " but a superuser",
            f"alter user {quote_ident(user)} createuser",
        )


def _foreign(session: Session, user: str) -> list[tuple[str, str, str]]:
    """Deployed objects with another owner: (what ALTER calls it, its name, the owner)."""
    deployed = ledger.read(session)
    views = {item.name for item in deployed.values() if item.kind == "view"}
    procedures = {item.name: item.signature for item in deployed.values() if item.kind == "procedure"}
    relations = session.execute(
        "select n.nspname, c.relname, u.usename from pg_catalog.pg_class as c"
        ' join pg_catalog.pg_namespace as n on n."oid" = c.relnamespace'
        " join pg_catalog.pg_user as u on u.usesysid = c.relowner where u.usename <> %s and c.relkind = 'v'",
        (user,),
    )
    routines = session.execute(
        "select n.nspname, p.proname, u.usename from pg_catalog.pg_proc_info as p"
        ' join pg_catalog.pg_namespace as n on n."oid" = p.pronamespace'
        " join pg_catalog.pg_user as u on u.usesysid = p.proowner where u.usename <> %s and p.prokind = 'p'",
        (user,),
    )
    # ALTER TABLE changes a view's owner, too (developer guide, r_ALTER_TABLE).
    found = [
        ("table", _quoted(schema, name), str(who))
        for schema, name, who in relations.rows
        if f"{schema}.{name}" in views
    ]
    return found + [
        ("procedure", _quoted(schema, name) + procedures[f"{schema}.{name}"], str(who))
        for schema, name, who in routines.rows
        if f"{schema}.{name}" in procedures
    ]


def _quoted(schema: object, name: object) -> str:
    return f"{quote_ident(str(schema))}.{quote_ident(str(name))}"


def _runner(seen: Examination, session: Session, is_super: bool) -> Iterator[Check]:
    """The role that schedules run as: EXECUTE on the entry procedures, and USAGE on their schema."""
    role = (seen.environment.remote or Remote("", "", "")).runner
    name = quote_ident(role)
    if Grantee(ROLE, role) not in privileges.existing(session, (ROLE,)):
        if not seen.deployed:
            yield ok("runner", f"the role {role} is not there yet: a migration makes it")
        elif is_super:
            yield missing("runner", f"there is no role {role}", f"create role {name}")
        else:
            yield unknown("runner", f"this login does not see a role {role}", f"create role {name}")
        return
    entries = [
        item
        for item in ledger.read(session).values()
        if seen.deployed and item.kind == "procedure" and item.name.startswith("ops.run_")
    ]
    held = privileges.held(session, (Grantee(ROLE, role),))
    usage = {item.schema for item in held if item.kind == SCHEMA and item.privilege == "usage"}
    execute = {
        f"{item.schema}.{item.name}"
        for item in held
        if item.kind == PROCEDURE and item.privilege == "execute"
    }
    lacking = ["grant usage on schema ops to role " + name] if entries and "ops" not in usage else []
    lacking += [
        f"grant execute on procedure {item.name}{item.signature} to role {name}"
        for item in entries
        if item.name not in execute
    ]
    for statement in lacking:
        yield missing("runner", f"the role {role} lacks what schedules need", statement)
    if not lacking:
        may = ", ".join(sorted(item.name for item in entries)) or "nothing, as no pipeline is deployed"
        yield ok("runner", f"the role {role} may start {may}")


def _declared(seen: Examination, session: Session, is_super: bool) -> Iterator[Check]:
    """What procedures/security declares."""
    wanted = graph.in_order(objects.read_all(seen.project.procedures, seen.project.root))
    changes = grants.changes(session, seen.project, wanted)
    for change in changes:
        statements = "; ".join(change.statements) or f"zeroshift deploy {seen.env}"
        yield missing("grants", f"not as declared: {change.title}", statements)
    if not changes:
        sure = "" if is_super or seen.environment.kind == LOCAL else ", as far as this login sees"
        yield ok("grants", f"as procedures/security declares{sure}")
