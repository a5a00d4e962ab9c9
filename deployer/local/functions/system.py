"""System information and administration functions, and the catalog functions that clients call.

Source: https://docs.aws.amazon.com/redshift/latest/dg/r_System_information_functions.html and each function's
page. Rows whose source is `CATALOG` are PostgreSQL functions that drivers and tools ask the system catalog with
(c_join_PG). Most of them are on the list of unsupported functions: `Function.unsupported` then keeps them to such
queries (deployer.sql.functions.CATALOG_QUERIES).
"""

from __future__ import annotations

from deployer.local.functions.api import Call, Function
from deployer.local.functions.render import literal, page, refuse, text
from deployer.sql.functions import CATALOG_QUERIES
from deployer.sql.types import BIGINT, BOOLEAN, INTEGER, NAME, VARCHAR, RedshiftType

CATALOG = page("c_join_PG")

_OURS = frozenset(
    [
        "format_encoding", "format_type", "has_table_privilege", "pg_get_constraintdef", "pg_get_expr",
        "pg_get_function_arguments", "pg_get_indexdef", "pg_get_viewdef", "pg_table_is_visible", "shobj_description",
    ]
)  # fmt: skip
"""Functions that must know of objects as Redshift shows them: those of deployer/local/compat."""

_INFORMATION = (
    # name, rendered, result, arguments, bare, page
    ("current_user", "CURRENT_USER", NAME, 0, True, "r_CURRENT_USER"),
    ("user", "CURRENT_USER", NAME, 0, True, "r_USER"),
    ("session_user", "redshift.session_user()", NAME, 0, True, "r_SESSION_USER"),
    ("current_user_id", "redshift.current_user_id()", INTEGER, 0, True, "r_CURRENT_USER_ID"),
    ("current_schema", "pg_catalog.current_schema()", NAME, 0, False, "r_CURRENT_SCHEMA"),
    ("current_database", "pg_catalog.current_database()", NAME, 0, False, "r_CURRENT_DATABASE"),
    ("version", "redshift.version()", VARCHAR, 0, False, "r_VERSION"),
    ("pg_backend_pid", "pg_catalog.pg_backend_pid()", INTEGER, 0, False, "PG_BACKEND_PID"),
    ("pg_last_query_id", "redshift.pg_last_query_id()", BIGINT, 0, False, "PG_LAST_QUERY_ID"),
    # Whatever is logged here is a user's query.
    ("last_user_query_id", "redshift.pg_last_query_id()", BIGINT, 0, False, "LAST_USER_QUERY_ID"),
    ("pg_last_copy_id", "redshift.pg_last_copy_id()", INTEGER, 0, False, "PG_LAST_COPY_ID"),
    ("pg_last_copy_count", "redshift.pg_last_copy_count()", BIGINT, 0, False, "PG_LAST_COPY_COUNT"),
    ("pg_last_unload_id", "redshift.pg_last_unload_id()", INTEGER, 0, False, "PG_LAST_UNLOAD_ID"),
    ("pg_last_unload_count", "redshift.pg_last_unload_count()", BIGINT, 0, False, "PG_LAST_UNLOAD_COUNT"),
    ("current_aws_account", "redshift.current_aws_account()", VARCHAR, 0, True, "r_CURRENT_AWS_ACCOUNT"),
    ("current_namespace", "redshift.current_namespace()", VARCHAR, 0, True, "r_CURRENT_NAMESPACE"),
    # "Local users aren't supported and result in a null response", and there are no others here.
    ("current_session_arn", "null::varchar", VARCHAR, 0, False, "r_CURRENT_SESSION_ARN"),
    # No database is made with COLLATE CASE_INSENSITIVE here.
    ("db_collation", "'case_sensitive'::varchar", VARCHAR, 0, False, "r_DB_COLLATION"),
)

_CATALOG = (
    # name, least and most arguments, result
    ("array_to_string", 2, 2, VARCHAR),
    ("col_description", 2, 2, VARCHAR),
    ("format_encoding", 1, 1, VARCHAR),
    ("format_type", 2, 2, VARCHAR),
    ("has_any_column_privilege", 2, 3, BOOLEAN),
    ("has_column_privilege", 3, 4, BOOLEAN),
    ("has_function_privilege", 2, 3, BOOLEAN),
    ("has_language_privilege", 2, 3, BOOLEAN),
    ("obj_description", 1, 2, VARCHAR),
    ("pg_encoding_to_char", 1, 1, NAME),
    ("pg_get_constraintdef", 1, 2, VARCHAR),
    ("pg_get_expr", 2, 3, VARCHAR),
    ("pg_get_function_arguments", 1, 1, VARCHAR),
    ("pg_get_function_identity_arguments", 1, 1, VARCHAR),
    ("pg_get_function_result", 1, 1, VARCHAR),
    ("pg_get_indexdef", 1, 3, VARCHAR),
    ("pg_get_userbyid", 1, 1, NAME),
    ("pg_get_viewdef", 1, 2, VARCHAR),
    ("pg_function_is_visible", 1, 1, BOOLEAN),
    ("pg_table_is_visible", 1, 1, BOOLEAN),
    ("pg_type_is_visible", 1, 1, BOOLEAN),
    ("shobj_description", 2, 2, VARCHAR),
)

_PRIVILEGES = (
    ("has_database_privilege", "r_HAS_DATABASE_PRIVILEGE"),
    ("has_schema_privilege", "r_HAS_SCHEMA_PRIVILEGE"),
    ("has_table_privilege", "r_HAS_TABLE_PRIVILEGE"),
)


def _current_setting(call: Call) -> str:
    name = literal(call, 0)
    if len(call.args) == 2 and (name is None or "." not in name):
        raise refuse(
            call,
            "error_if_undefined is for session context variables, named by a string constant",
            sqlstate="42601",
        )
    strict = f", ({call.args[1]})::boolean" if len(call.args) == 2 else ""
    return f"redshift.current_setting({text(call, 0)}{strict})"


def _set_config(call: Call) -> str:
    """is_local is "true or 1 and false or 0"."""
    local = f"(({call.args[2]})::text)::boolean"
    return f"redshift.set_config({text(call, 0)}, {text(call, 1)}, {local})"


FUNCTIONS: tuple[Function, ...] = (
    *(
        Function(name, rendered, kind, args, args, bare=bare, source=page(where))
        for name, rendered, kind, args, bare, where in _INFORMATION
    ),
    *(
        Function(
            name,
            f"{'redshift' if name in _OURS else 'pg_catalog'}.{name}({{args}})",
            BOOLEAN,
            2,
            3,
            source=page(where),
        )
        for name, where in _PRIVILEGES
    ),
    *(
        Function(
            name,
            f"{'redshift' if name in _OURS else 'pg_catalog'}.{name}({{args}})",
            kind,
            least,
            most,
            leader_only=True,
            unsupported=CATALOG_QUERIES.get(name, ""),
            source=CATALOG,
        )
        for name, least, most, kind in _CATALOG
    ),
    Function(
        "current_schemas",
        "pg_catalog.current_schemas({args})",
        RedshiftType("varchar"),
        1,
        1,
        leader_only=True,
        source=page("r_CURRENT_SCHEMAS"),
    ),
    Function(
        "pg_cancel_backend",
        "zeroshift.signal_session({args}, false)",
        BOOLEAN,
        1,
        1,
        source=page("PG_CANCEL_BACKEND"),
    ),
    Function(
        "pg_terminate_backend",
        "zeroshift.signal_session({args}, true)",
        BOOLEAN,
        1,
        1,
        source=page("PG_TERMINATE_BACKEND"),
    ),
    *(
        # A row each, as one text: the guide calls them in the select list (r_timezone_config).
        Function(
            name, f"redshift.{name}()", VARCHAR, 0, 0, leader_only=True, source=page("r_timezone_config")
        )
        for name in ("pg_timezone_names", "pg_timezone_abbrevs")
    ),
    Function("current_setting", _current_setting, VARCHAR, 1, 2, source=page("r_CURRENT_SETTING")),
    Function("set_config", _set_config, VARCHAR, 3, 3, source=page("r_SET_CONFIG")),
    *(
        Function(name, f"redshift.{name}({{args}})", BOOLEAN, 2, 2, source=page(f"r_{name.upper()}"))
        for name in ("user_is_member_of", "role_is_member_of")
    ),
    Function(
        "oidvectortypes",
        "pg_catalog.oidvectortypes({args})",
        VARCHAR,
        1,
        1,
        leader_only=True,
        unsupported=CATALOG_QUERIES["oidvectortypes"],
        source=CATALOG,
    ),
)
