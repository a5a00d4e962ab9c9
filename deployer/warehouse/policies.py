"""Security policies as the warehouse's catalog shows them, and which of them this project made.

Sources: Redshift Database Developer Guide, "SVV_RLS_POLICY", "SVV_RLS_RELATION", "SVV_RLS_ATTACHED_POLICY",
"SVV_MASKING_POLICY", "SVV_ATTACHED_MASKING_POLICY". They show every row to superusers and members of sys:secadmin,
which whoever deploys policies must be.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass

from deployer.project.policies import MASKING, RLS, Attached
from deployer.sql.names import quote_ident
from deployer.warehouse import chunks
from deployer.warehouse.ledger_tables import SCHEMA as LEDGER
from deployer.warehouse.session import Session

_TABLE = f"{LEDGER}.policies"
_COLUMNS = "kind, name, checksum, head, live"


@dataclass(frozen=True)
class Recorded:
    """A policy that this project has deployed: its file's checksum and head, and what the catalog made of it."""

    kind: str
    name: str
    checksum: str
    head: str
    live: str


@dataclass(frozen=True)
class Live:
    """The policies of the warehouse by kind and name, with their definitions; RLS by relation; all attachments."""

    policies: dict[tuple[str, str], str]
    secured: dict[str, tuple[bool, str]]
    attached: tuple[Attached, ...]


def read(session: Session) -> Live:
    """All of them, as far as the session's user is shown them."""
    found: dict[tuple[str, str], str] = {}
    for name, alias, columns, condition in session.execute(
        "select polname, polalias, polatts, polqual from svv_rls_policy where poldb = current_database()"
    ).rows:
        found[RLS, str(name)] = f"{alias or ''} {columns} {condition}"
    for name, columns, expression in session.execute(
        "select policy_name, input_columns, policy_expression from svv_masking_policy"
        " where policy_database = current_database()"
    ).rows:
        found[MASKING, str(name)] = f"{columns} {expression}"
    secured = {
        f"{schema}.{name}": (bool(is_on), str(conjunction).strip().lower())
        for schema, name, is_on, conjunction in session.execute(
            "select relschema, relname, is_rls_on, rls_conjunction_type from svv_rls_relation"
            " where datname = current_database()"
        ).rows
    }
    attached = [
        Attached(RLS, str(policy), f"{schema}.{name}", _grantee(kind, who))
        for schema, name, policy, who, kind in session.execute(
            "select relschema, relname, polname, grantee, granteekind from svv_rls_attached_policy"
        ).rows
    ]
    attached += [
        Attached(
            MASKING, str(policy), f"{schema}.{name}", _grantee(kind, who), _names(outputs), _names(inputs),
            int(priority),
        )
        for policy, schema, name, who, kind, priority, inputs, outputs in session.execute(
            "select policy_name, schema_name, table_name, grantee, grantee_type, priority, input_columns,"
            " output_columns from svv_attached_masking_policy"
        ).rows
    ]  # fmt: skip
    return Live(
        found, secured, tuple(sorted(attached, key=lambda one: (one.kind, one.relation, one.priority)))
    )


def _grantee(kind: object, name: object) -> str:
    told = str(kind).strip().lower()
    return "public" if told == "public" or str(name) == "public" else f"{told} {name}"


def _names(text: object) -> tuple[str, ...]:
    return tuple(json.loads(str(text)))


def recorded(session: Session) -> tuple[Recorded, ...]:
    """What the ledger says that this project has deployed."""
    found = session.execute(f"select {_COLUMNS} from {_TABLE}")
    return tuple(Recorded(*(str(value) for value in row)) for row in found.rows)


def record(session: Session, rows: Iterable[Recorded]) -> None:
    """Make `rows` all that the ledger has, in the transaction that made it so."""
    session.execute(f"delete from {_TABLE}")
    chunks.insert(
        session, _TABLE, _COLUMNS, ((row.kind, row.name, row.checksum, row.head, row.live) for row in rows)
    )


# -- statements -----------------------------------------------------------------------------------------------------


def attach_sql(one: Attached, verb: str = "attach") -> str:
    """ATTACH, or DETACH, of one policy for one grantee."""
    schema, name = one.relation.split(".", 1)
    head = f"{verb} {one.kind} policy {quote_ident(one.policy)} on {quote_ident(schema)}.{quote_ident(name)}"
    link = "to" if verb == "attach" else "from"
    if one.kind == MASKING:
        head += f" ({_listed(one.outputs)})"
        if verb == "attach" and one.inputs != one.outputs:
            head += f" using ({_listed(one.inputs)})"
    sql = f"{head} {link} {_grantee_sql(one.grantee)}"
    if one.kind == MASKING and verb == "attach" and one.priority:
        sql += f" priority {one.priority}"
    return sql


def security_sql(relation: str, enabled: bool, conjunction: str) -> str:
    """ALTER TABLE ... ROW LEVEL SECURITY."""
    schema, name = relation.split(".", 1)
    target = f"{quote_ident(schema)}.{quote_ident(name)}"
    how = f"on conjunction type {conjunction}" if enabled else "off"
    return f"alter table {target} row level security {how}"


def restored(session: Session, schema: str, name: str) -> tuple[str, ...]:
    """What protects a view again that is dropped and created anew: a policy is detached when its relation is dropped
    (DG "Policy-dependent objects and principles")."""
    live = read(session)
    relation = f"{schema}.{name}"
    statements = [attach_sql(one) for one in live.attached if one.relation == relation]
    if relation in live.secured:
        enabled, conjunction = live.secured[relation]
        if enabled:
            statements.append(security_sql(relation, True, conjunction))
    return tuple(statements)


def _grantee_sql(grantee: str) -> str:
    if grantee == "public":
        return "public"
    kind, name = grantee.split(" ", 1)
    return f"role {quote_ident(name)}" if kind == "role" else quote_ident(name)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(quote_ident(name) for name in names)
