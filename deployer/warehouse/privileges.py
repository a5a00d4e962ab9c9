"""Who may do what in the warehouse, as its catalog says, and which of it this project granted.

Sources: Redshift Database Developer Guide, "SVV_RELATION_PRIVILEGES", "SVV_SCHEMA_PRIVILEGES",
"SVV_FUNCTION_PRIVILEGES", "SVV_DEFAULT_PRIVILEGES", "SVV_ROLES", "SVV_ROLE_GRANTS", "SVV_USER_GRANTS", "PG_GROUP". The
views show every row to superusers and to users with ACCESS SYSTEM TABLE (SVV_RELATION_PRIVILEGES: SYSLOG ACCESS
UNRESTRICTED); others see only what concerns themselves, so who deploys must be one of the former.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from deployer.project.security import GROUP, PRIVILEGES, PROCEDURE, PUBLIC, RELATION, ROLE, SCHEMA, Grantee
from deployer.project.security import argument_types as spelled
from deployer.warehouse import chunks
from deployer.warehouse.ledger_tables import SCHEMA as LEDGER
from deployer.warehouse.session import Session

MEMBER = "member"
FUTURE = "future "
"""Before the kind of a default privilege: "future relation"."""

_TABLE = f"{LEDGER}.grants"
_COLUMNS = "grantee_kind, grantee, privilege, kind, schema_name, name, arguments, creator"
_OBJECT_TYPES = {"RELATION": RELATION, "PROCEDURE": PROCEDURE}


@dataclass(frozen=True, order=True)
class Held:
    """One privilege that somebody has.

    `kind` is what it is on: schema, relation, procedure, role (then `privilege` is "member" and `name` the role), or
    "future relation" and "future procedure" for default privileges on what `creator` makes in `schema` ("" is any).
    `arguments` are a procedure's types as `security.argument_types` spells them.
    """

    grantee: Grantee
    privilege: str
    kind: str
    schema: str
    name: str = ""
    arguments: str = ""
    creator: str = ""


@dataclass(frozen=True)
class Routine:
    """A procedure by the types that GRANT takes, as the catalog or the file spells them."""

    schema: str
    name: str
    types: str

    @property
    def arguments(self) -> str:
        """The types in our one spelling."""
        return spelled(self.types)


def user(session: Session) -> str:
    """Who the session is: the owner of what it makes, to whom nothing need be granted."""
    return str(session.execute("select current_user").rows[0][0]).strip()


def schemas(session: Session) -> frozenset[str]:
    """Every schema's name."""
    return frozenset(
        str(row[0]) for row in session.execute("select nspname from pg_catalog.pg_namespace").rows
    )


def relations(session: Session, within: Collection[str]) -> frozenset[tuple[str, str]]:
    """Tables and views in these schemas.

    The tables behind materialized views, mv_tbl__name__0, are left out: nobody is to read them but their view.
    """
    if not within:
        return frozenset()
    found = session.execute(
        "select n.nspname, c.relname from pg_catalog.pg_class as c"
        ' join pg_catalog.pg_namespace as n on n."oid" = c.relnamespace'
        f" where c.relkind in ('r', 'v') and n.nspname in ({_marks(within)})",
        sorted(within),
    )
    return frozenset(
        (str(schema), str(name)) for schema, name in found.rows if not str(name).startswith("mv_tbl__")
    )


def routines(session: Session, within: Collection[str]) -> tuple[Routine, ...]:
    """Procedures in these schemas, each overload by itself."""
    if not within:
        return ()
    found = session.execute(
        "select n.nspname, p.proname, oidvectortypes(p.proargtypes) from pg_catalog.pg_proc_info as p"
        ' join pg_catalog.pg_namespace as n on n."oid" = p.pronamespace'
        f" where p.prokind = 'p' and n.nspname in ({_marks(within)})",
        sorted(within),
    )
    return tuple(Routine(str(schema), str(name), str(types or "")) for schema, name, types in found.rows)


def existing(session: Session, kinds: Collection[str]) -> frozenset[Grantee]:
    """The roles, groups or users that there are, whichever of them `kinds` names. PUBLIC always is."""
    queries = {
        ROLE: "select role_name from svv_roles",
        GROUP: "select groname from pg_catalog.pg_group",
        "user": "select usename from pg_catalog.pg_user",
    }
    return frozenset(
        Grantee(kind, str(row[0]).strip())
        for kind, query in queries.items()
        if kind in kinds
        for row in session.execute(query).rows
    ) | {Grantee(PUBLIC, PUBLIC)}


def held(session: Session, grantees: Collection[Grantee]) -> frozenset[Held]:
    """What these grantees were granted themselves; what comes to them through roles is not among it."""
    wanted = set(grantees)
    return frozenset(
        item for item in _held(session, sorted({one.name for one in wanted})) if item.grantee in wanted
    )


def _held(session: Session, names: list[str]) -> Iterator[Held]:
    if not names:
        return
    among = f"in ({_marks(names)})"
    for schema, privilege, *who in session.execute(
        "select namespace_name, privilege_type, identity_type, identity_name from svv_schema_privileges"
        f" where identity_name {among}",
        names,
    ).rows:
        yield Held(_grantee(*who), _privilege(privilege), SCHEMA, str(schema))
    for schema, name, privilege, *who in session.execute(
        "select namespace_name, relation_name, privilege_type, identity_type, identity_name"
        f" from svv_relation_privileges where identity_name {among}",
        names,
    ).rows:
        yield Held(_grantee(*who), _privilege(privilege), RELATION, str(schema), str(name))
    for schema, name, types, privilege, *who in session.execute(
        "select namespace_name, function_name, argument_types, privilege_type, identity_type, identity_name"
        f" from svv_function_privileges where identity_name {among}",
        names,
    ).rows:
        yield Held(
            _grantee(*who),
            _privilege(privilege),
            PROCEDURE,
            str(schema),
            str(name),
            spelled(str(types or "")),
        )
    for kind, who_column in ((ROLE, "role_name"), ("user", "user_name")):
        columns = (
            ("granted_role_name", "svv_role_grants") if kind == ROLE else ("role_name", "svv_user_grants")
        )
        for role, member in session.execute(
            f"select {columns[0]}, {who_column} from {columns[1]} where {who_column} {among}", names
        ).rows:
            yield Held(Grantee(kind, str(member).strip()), MEMBER, ROLE, "", str(role).strip())
    for schema, kind, creator, privilege, *who in session.execute(
        "select schema_name, object_type, owner_name, privilege_type, grantee_type, grantee_name"
        f" from svv_default_privileges where grantee_name {among}",
        names,
    ).rows:
        what = _OBJECT_TYPES.get(str(kind).strip().upper())
        if what is not None:
            yield Held(
                _grantee(*who), _privilege(privilege), FUTURE + what, str(schema or "").strip(),
                creator=str(creator).strip(),
            )  # fmt: skip


def declarable(item: Held) -> bool:
    """Whether a file could declare this; what it could not is left alone."""
    return item.privilege == MEMBER or PRIVILEGES.get(item.privilege) == item.kind.removeprefix(FUTURE)


def granted(session: Session) -> frozenset[Held]:
    """What this project's deployments have granted, by the ledger; it may have been revoked since."""
    found = session.execute(f"select {_COLUMNS} from {_TABLE}")
    return frozenset(
        Held(Grantee(grantee_kind, grantee), *(str(value) for value in rest))
        for grantee_kind, grantee, *rest in found.rows
    )


def record(session: Session, added: Iterable[Held], gone: Iterable[Held]) -> None:
    """Bring the ledger up to date, in the transaction that granted and revoked."""
    for item in sorted(gone):
        conditions = " and ".join(f"{column.strip()} = %s" for column in _COLUMNS.split(","))
        session.execute(f"delete from {_TABLE} where {conditions}", _values(item))
    chunks.insert(session, _TABLE, _COLUMNS, (_values(item) for item in sorted(added)))


def _values(item: Held) -> tuple[str, ...]:
    return (
        item.grantee.kind, item.grantee.name, item.privilege, item.kind, item.schema, item.name, item.arguments,
        item.creator,
    )  # fmt: skip


def _marks(values: Collection[str]) -> str:
    return ", ".join(["%s"] * len(values))


def _grantee(kind: object, name: object) -> Grantee:
    # The views say "public" of type and name; their pages promise it of the type alone.
    told = str(kind).strip().lower()
    return Grantee(told, PUBLIC if told == PUBLIC else str(name).strip())


def _privilege(told: object) -> str:
    return str(told).strip().lower()
