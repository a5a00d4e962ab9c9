"""What the deployer asks the warehouse's catalog: what exists, views' columns, grants."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from deployer.sql.names import quote_ident, quote_literal
from deployer.warehouse.routines import listed
from deployer.warehouse.session import Session


@dataclass(frozen=True)
class Grant:
    """One privilege on a relation or procedure, as the SVV_..._PRIVILEGES views show it. `grantee_type`: user, role,
    group, public. `column` is set for a privilege on one column.
    """

    privilege: str
    grantee: str
    grantee_type: str
    with_grant_option: bool
    column: str = ""

    def sql(self, schema: str, name: str, *, kind: str = "", signature: str = "") -> str:
        """The statement that gives it again; `kind` is "procedure " for one, with its argument types."""
        to = {"role": "role ", "group": "group "}.get(self.grantee_type, "") + quote_ident(self.grantee)
        if self.grantee_type == "public":
            to = "public"
        option = " with grant option" if self.with_grant_option else ""
        target = f"{quote_ident(schema)}.{quote_ident(name)}{signature}"
        column = f" ({quote_ident(self.column)})" if self.column else ""
        return f"grant {self.privilege}{column} on {kind}{target} to {to}{option}"


def view_names(session: Session) -> set[str]:
    """All views as schema.name."""
    found = session.execute(
        "select n.nspname, c.relname from pg_catalog.pg_class as c"
        " join pg_catalog.pg_namespace as n on n.\"oid\" = c.relnamespace where c.relkind = 'v'"
    )
    return {f"{schema}.{name}" for schema, name in found.rows}


def procedure_names(session: Session) -> set[str]:
    """All procedures (and functions) as schema.name, system ones left out."""
    found = session.execute(
        "select n.nspname, p.proname from pg_catalog.pg_proc as p"
        ' join pg_catalog.pg_namespace as n on n."oid" = p.pronamespace'
        " where n.nspname <> 'pg_catalog' and n.nspname <> 'information_schema'"
    )
    return {f"{schema}.{name}" for schema, name in found.rows}


def columns(session: Session, schema: str, name: str) -> tuple[tuple[object, ...], ...]:
    """A relation's columns in order: name, type, and length or precision and scale."""
    found = session.execute(
        "select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale"
        " from svv_columns where table_schema = %s and table_name = %s order by ordinal_position",
        (schema, name),
    )
    return found.rows


def grants(session: Session, schema: str, name: str) -> tuple[Grant, ...]:
    """Who may do what with a relation, its owner (the current user, who replaces it) left out."""
    found = session.execute(
        "select privilege_type, identity_name, identity_type, admin_option from svv_relation_privileges"
        " where namespace_name = %s and relation_name = %s and identity_name <> current_user",
        (schema, name),
    )
    return _grants(found.rows)


def _grants(rows: Iterable[Sequence[object]]) -> tuple[Grant, ...]:
    """Rows of privilege, grantee, its kind and the grant option; in one order, since a plan lists them."""
    found = (
        Grant(str(privilege).strip().lower(), str(grantee).strip(), str(kind).strip().lower(), bool(option))
        for privilege, grantee, kind, option in rows
    )
    return tuple(sorted(found, key=lambda grant: (grant.grantee_type, grant.grantee, grant.privilege)))


def column_grants(session: Session, schema: str, name: str) -> tuple[Grant, ...]:
    """Who may do what with single columns of a relation (SVV_COLUMN_PRIVILEGES)."""
    found = session.execute(
        "select privilege_type, identity_name, identity_type, column_name from svv_column_privileges"
        " where namespace_name = %s and relation_name = %s and identity_name <> current_user",
        (schema, name),
    )
    grants = (
        Grant(str(privilege).strip().lower(), str(who).strip(), str(kind).strip().lower(), False, str(column))
        for privilege, who, kind, column in found.rows
    )
    return tuple(
        sorted(grants, key=lambda item: (item.grantee_type, item.grantee, item.privilege, item.column))
    )


def unseen_grantees(session: Session, schema: str, name: str, seen: Iterable[Grant]) -> tuple[str, ...]:
    """Who has a privilege on a relation that the views of privileges do not show to this user.

    They show everything only to superusers and to users with SYSLOG ACCESS UNRESTRICTED or ACCESS SYSTEM TABLE (DG
    "SVV_RELATION_PRIVILEGES", "SVV_COLUMN_PRIVILEGES"); PG_CLASS keeps users and groups for everybody to read, each as
    `grantee=letters/grantor`, `group name=letters/grantor` or, for PUBLIC, `=letters/grantor`.
    """
    found = session.execute(
        "select array_to_string(c.relacl, '\n'), current_user from pg_catalog.pg_class as c"
        ' join pg_catalog.pg_namespace as n on n."oid" = c.relnamespace where n.nspname = %s and c.relname = %s',
        (schema, name),
    )
    known = {item.grantee for item in seen}
    missing = set()
    for privileges, user in found.rows:
        for item in str(privileges or "").splitlines():
            grantee = item.rpartition("/")[0].rpartition("=")[0].removeprefix("group ").strip('"')
            if grantee not in ("", user) and grantee not in known:
                missing.add(grantee)
    return tuple(sorted(missing))


@dataclass(frozen=True)
class Comments:
    """What COMMENT has said about a relation and its columns."""

    relation: str
    columns: tuple[tuple[str, str], ...]

    def sql(self, kind: str, schema: str, name: str, kept: Collection[str] | None = None) -> tuple[str, ...]:
        """The statements that say it again, for the columns in `kept` (None: all)."""
        target = f"{quote_ident(schema)}.{quote_ident(name)}"
        whole = (f"comment on {kind} {target} is {quote_literal(self.relation)}",) if self.relation else ()
        return (
            *whole,
            *(
                f"comment on column {target}.{quote_ident(column)} is {quote_literal(text)}"
                for column, text in self.columns
                if kept is None or column in kept
            ),
        )


def comments(session: Session, schema: str, name: str) -> Comments:
    """The comments on a table or view: the column remarks of SVV_TABLES and SVV_COLUMNS."""
    found = session.execute(
        "select remarks from svv_tables where table_schema = %s and table_name = %s", (schema, name)
    )
    relation = next((str(row[0]) for row in found.rows if row[0]), "")
    found = session.execute(
        "select column_name, remarks from svv_columns where table_schema = %s and table_name = %s"
        " and remarks <> '' order by ordinal_position",
        (schema, name),
    )
    return Comments(relation, tuple((str(column), str(text)) for column, text in found.rows))


def execute_grants(session: Session, schema: str, name: str) -> tuple[Grant, ...]:
    """Who may call a procedure, of any signature; its owner left out (SVV_FUNCTION_PRIVILEGES)."""
    found = session.execute(
        "select distinct privilege_type, identity_name, identity_type, admin_option from svv_function_privileges"
        " where namespace_name = %s and function_name = %s and identity_name <> current_user",
        (schema, name),
    )
    return _grants(found.rows)


@dataclass(frozen=True)
class Blocker:
    """A session that holds a lock on a relation: its process id, its user, and since when (UTC) in its transaction."""

    process_id: int
    user: str
    since: datetime
    relation: str

    def __str__(self) -> str:
        return f"session {self.process_id} of {self.user} (in a transaction since {self.since} UTC) on {self.relation}"


def blockers(session: Session, names: Collection[str]) -> tuple[Blocker, ...]:
    """Who else holds a lock on one of these relations (schema.name). A superuser sees all, a user only its own.

    Source: Redshift Database Developer Guide, "SVV_TRANSACTIONS".
    """
    wanted = sorted(names)
    if not wanted:
        return ()
    marks = ", ".join(["%s"] * len(wanted))
    # pg_backend_pid() is for the leader node alone, and its value is bound: the view may be a compute node's business.
    own = session.execute("select pg_backend_pid()").rows[0][0]
    found = session.execute(
        "select distinct t.pid, t.txn_owner, t.txn_start, n.nspname || '.' || c.relname from svv_transactions as t"
        ' join pg_catalog.pg_class as c on c."oid" = t.relation'
        ' join pg_catalog.pg_namespace as n on n."oid" = c.relnamespace'
        f" where t.granted and t.pid <> %s and n.nspname || '.' || c.relname in ({marks}) order by 3, 1",
        (own, *wanted),
    )
    return tuple(
        Blocker(int(process), str(user).strip(), since, str(relation))
        for process, user, since, relation in found.rows
    )


def definitions(session: Session) -> dict[str, str]:
    """What the warehouse holds of every view and procedure: {"view shown.totals": text, ...}.

    Redshift rewrites what it is given, so a text is to be compared only with one that was read in the same way.
    A view's is its query (SHOW VIEW shows the same; PG_VIEWS answers for all in one question). A procedure's is its
    arguments, its rights and its body, from PG_PROC_INFO, for SHOW PROCEDURE answers for one at a time; overloads of
    one name stand in one text, so that one which somebody added shows.
    """
    return view_definitions(session) | _procedures(session, None)


def view_definitions(session: Session) -> dict[str, str]:
    """The part of `definitions` that is about views."""
    return _views(session, None)


def definition(session: Session, kind: str, name: str, signature: str = "") -> str | None:
    """The same for one object, None when it does not exist; `signature`, `(bigint)`, picks one of the overloads."""
    if kind == "view":
        return _views(session, name).get(f"view {name}")
    text = _procedures(session, name).get(f"procedure {name}")
    if text is None or not signature:
        return text
    overloads = text.split(_BETWEEN_OVERLOADS)
    return next((found for found in overloads if _same_signature(found, signature)), None)


_BETWEEN_OVERLOADS = "\n--\n"


def _views(session: Session, name: str | None) -> dict[str, str]:
    narrowed, values = _named("schemaname", "viewname", name)
    found = session.execute(
        f"select schemaname, viewname, definition from pg_catalog.pg_views where {narrowed}", values
    )
    return {f"view {schema}.{view}": str(text or "").strip() for schema, view, text in found.rows}


def _procedures(session: Session, name: str | None) -> dict[str, str]:
    narrowed, values = _named("n.nspname", "p.proname", name)
    found = session.execute(
        "select n.nspname, p.proname, oidvectortypes(p.proargtypes), p.proargnames, p.proargmodes,"
        " p.prosecdef, p.prosrc from pg_catalog.pg_proc_info as p"
        ' join pg_catalog.pg_namespace as n on n."oid" = p.pronamespace'
        f" where p.prokind = 'p' and {narrowed}",
        values,
    )
    texts: dict[str, list[str]] = {}
    for schema, procedure, types, names, modes, is_definer, body in found.rows:
        head = f"({types})\nnames ({', '.join(listed(names))})\n"
        # NULL when all are IN (DG "PG_PROC_INFO").
        head += f"modes ({', '.join(listed(modes))})\n" if modes else ""
        head += f"security {'definer' if is_definer else 'invoker'}\n"
        texts.setdefault(f"procedure {schema}.{procedure}", []).append(head + str(body))
    return {key: _BETWEEN_OVERLOADS.join(sorted(overloads)) for key, overloads in texts.items()}


def _named(schema_column: str, name_column: str, name: str | None) -> tuple[str, tuple[str, ...]]:
    """A condition for one object's name, or for all that are not the system's; both have values to bind."""
    if name is not None:
        schema, _, bare = name.partition(".")
        return f"{schema_column} = %s and {name_column} = %s", (schema, bare)
    return f"{schema_column} not in (%s, %s)", ("pg_catalog", "information_schema")


def _same_signature(text: str, signature: str) -> bool:
    """Whether a definition is that of the procedure with these input types, however they are spelled."""
    listed = text.partition("\n")[0].strip("()").split(", ")
    wanted = signature.strip("()").split(", ")
    return [_SPELLING.get(kind, kind) for kind in listed] == wanted


_SPELLING = {
    "character varying": "varchar",
    "character": "char",
    "numeric": "decimal",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "time without time zone": "time",
    "time with time zone": "timetz",
}
"""PostgreSQL's names of types, which the catalog shows, as project files and DROP PROCEDURE are read."""
