"""SHOW GRANTS, SHOW COLUMN GRANTS and SHOW POLICIES: who may do what, and what rows and values they get.

Source: Redshift Database Developer Guide, "SHOW GRANTS", "SHOW COLUMN GRANTS", "SHOW POLICIES": the columns are those
of the examples there, which differ between what is asked about. "SHOW GRANTS for a target object will only display
grants that are visible to the current user": zeroshift.shown_grants leaves out the others.
"""

from __future__ import annotations

from deployer.local.gateway.show_reader import (
    SCHEMA,
    TABLE,
    Listing,
    Show,
    equal,
    schema_is_there,
    table_is_there,
    there,
)
from deployer.local.translate.casts import pg_literal
from deployer.sql.refused import Refused

_IDENTITY = "privilege_type, identity_id, identity_name, identity_type"
_ORDER = "schema_name, object_name, identity_type, identity_name, privilege_type"


def grants(show: Show) -> Listing:
    """SHOW GRANTS ON an object [FOR an identity], or FOR a user or role [FROM DATABASE]."""
    if show.accept("for"):
        return _grants_of(show)
    show.reader.expect("on")
    if show.accept("database"):
        place = show.name(1)
        where = f"object_type = 'DATABASE' and {equal(('database_name',), place)}" + _identity(show)
        check = there(
            "database",
            place[0],
            f"select from redshift_catalog.svv_redshift_databases where {equal(('database_name',), place)}",
        )
        columns = f"database_name, {_IDENTITY}, admin_option, privilege_scope, grantor_name"
        return show.limited(
            f"select {columns} from zeroshift.shown_grants where {where}",
            "identity_type, identity_name, privilege_type",
            "SHOW GRANTS",
            check,
        )
    if show.accept("schema"):
        place = show.name(2)
        where, check = f"object_type = 'SCHEMA' and {equal(SCHEMA, place)}", schema_is_there(place)
    elif show.accept("function"):
        place = show.name(3, 2)
        if not show.reader.is_op("("):
            raise Refused(
                "SHOW GRANTS ON FUNCTION takes the argument types, too: without them it is for datashares, which the"
                " local Redshift has none of",
                position=show.reader.token.start,
            )
        types = show.input_types()
        at = f"{equal((*SCHEMA, 'routine_name'), place)} and input_types = {types}"
        where = (
            f"object_type = 'FUNCTION' and {equal((*SCHEMA, 'object_name'), place)} and input_types = {types}"
        )
        check = there(
            "function",
            ".".join(place[1:]),
            f"select from zeroshift.shown_routines where kind = 'f' and {at}",
        )
    elif show.reader.is_word("template"):
        raise Refused(
            "SHOW GRANTS ON TEMPLATE is not supported by the local Redshift: it has no templates",
            position=show.reader.token.start,
        )
    elif show.accept("table"):
        place = show.name(3, 2)
        where = f"object_type = 'TABLE' and {equal((*SCHEMA, 'object_name'), place)}"
        check = table_is_there(place)
    else:
        # "ON t4": found on the search path, as in any statement.
        name = show.identifier()
        found = f"zeroshift.shown_on_path({pg_literal(name)})"
        where = f"object_type = 'TABLE' and object_oid = {found}"
        check = there("relation", name, f"select where {found} is not null")
    where += _identity(show)
    columns = (
        f"schema_name, object_name, object_type, {_IDENTITY}, admin_option, privilege_scope, database_name,"
        " grantor_name"
    )
    return show.limited(
        f"select {columns} from zeroshift.shown_grants where {where}", _ORDER, "SHOW GRANTS", check
    )


def _grants_of(show: Show) -> Listing:
    kind = "role" if show.accept("role") else "user"
    name = show.identifier()
    database = show.database
    checks = [f"select zeroshift.require_identity({pg_literal(kind)}, {pg_literal(name)})"]
    if show.accept("from", "database"):
        database = show.identifier()
        where = equal(("database_name",), [database])
        checks.append(
            there("database", database, f"select from redshift_catalog.svv_redshift_databases where {where}")
        )
    where = equal(("database_name", "identity_type", "identity_name"), [database, kind, name])
    named = "case when object_type not in ('DATABASE', 'SCHEMA') then object_name end as object_name"
    columns = f"database_name, schema_name, {named}, object_type, {_IDENTITY}, privilege_scope, grantor_name"
    return show.limited(
        f"select {columns} from zeroshift.shown_grants where {where}",
        "object_type, schema_name, object_name, privilege_type",
        "SHOW GRANTS",
        *checks,
    )


def _identity(show: Show) -> str:
    """[FOR {username | ROLE role_name | PUBLIC}] as a condition."""
    if not show.accept("for"):
        return ""
    if show.accept("public"):
        return " and identity_type = 'public'"
    kind = "role" if show.accept("role") else "user"
    return " and " + equal(("identity_type", "identity_name"), [kind, show.identifier()])


def column_grants(show: Show) -> Listing:
    """SHOW COLUMN GRANTS ON TABLE."""
    show.reader.expect("on", "table")
    place = show.name(3, 2)
    where = equal(TABLE, place) + _identity(show)
    return show.limited(
        f"select * from zeroshift.shown_column_grants where {where}",
        "column_name, identity_type, identity_name, privilege_type",
        "SHOW COLUMN GRANTS",
        table_is_there(place),
    )


def rls_policies(show: Show) -> Listing:
    """SHOW RLS POLICIES."""
    return _policies(
        show,
        "polname as policy_name, polalias as policy_alias, polatts as policy_atts, polqual as policy_qual,"
        " polenabled as policy_enabled, polmodifiedby as policy_modified_by, polmodifiedtime as policy_modified_time"
        " from redshift_catalog.svv_rls_policy",
        "polname as policy_name, relschema as schema_name, relname as relation_name, relkind as relation_kind,"
        " grantor, grantee, granteekind as grantee_kind, is_pol_on as is_policy_on, is_rls_on, rls_conjunction_type"
        " from redshift_catalog.svv_rls_attached_policy",
        ("relschema", "relname"),
        "granteekind",
    )


def masking_policies(show: Show) -> Listing:
    """SHOW MASKING POLICIES."""
    return _policies(
        show,
        "policy_name, input_columns, policy_expression, policy_modified_by, policy_modified_time"
        " from redshift_catalog.svv_masking_policy",
        "policy_name, schema_name, table_name as relation_name, table_type as relation_type, grantor, grantee,"
        " grantee_type, priority, input_columns, output_columns from redshift_catalog.svv_attached_masking_policy",
        ("schema_name", "table_name"),
        "grantee_type",
    )


def _policies(
    show: Show, all_of_them: str, attached: str, relation: tuple[str, str], grantee_kind: str
) -> Listing:
    """Everything that is defined, or what is attached to one relation."""
    secadmin = "select zeroshift.require_policies_shown()"
    if show.accept("on"):
        place = show.name(3, 2)
        _own_database(show, place[0])
        where = equal(relation, place[1:])
        if show.accept("for"):
            if show.accept("public"):
                where += f" and {grantee_kind} = 'public'"
            else:
                kind = "role" if show.accept("role") else "user"
                where += " and " + equal((grantee_kind, "grantee"), [kind, show.identifier()])
        return show.limited(
            f"select {attached} where {where}",
            f"policy_name, grantee, {grantee_kind.replace('granteekind', 'grantee_kind')}",
            "SHOW POLICIES",
            secadmin,
            table_is_there(place),
        )
    if show.accept("from", "database"):
        _own_database(show, show.identifier())
    return show.limited(f"select {all_of_them} where true", "policy_name", "SHOW POLICIES", secadmin)


def _own_database(show: Show, database: str) -> None:
    if database != show.database:
        raise Refused(
            "SHOW POLICIES of another database is for federated permissions, which the local Redshift has not"
        )
