"""The SHOW commands that list things, and SHOW VIEW: the columns and values of their pages' examples."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redshift_connector import ProgrammingError

from deployer.local.gateway.show_lists import translation


@pytest.fixture
def cursor(connect: Callable[..., Any], fresh_database: object) -> Any:
    cursor = connect(autocommit=True).cursor()
    for statement in (
        "create schema shop",
        "create table shop.items (id bigint not null primary key, name varchar(20) default 'x', price decimal(8, 2))"
        " distkey (id) compound sortkey (id, name)",
        "create table shop.sold (item bigint references shop.items (id))",
        "create view shop.cheap as select id from shop.items where price < 1",
        "create view shop.late as select name from shop.items with no schema binding",
        "create materialized view shop.kept as select id from shop.items",
        "create procedure shop.sell(n integer, out sold bigint) as $$ begin sold := n; end; $$ language plpgsql",
        "create user clerk password 'Clerk1234'",
        "grant usage on schema shop to clerk",
        "grant select on shop.items to clerk",
    ):
        cursor.execute(statement)
    return cursor


def rows(cursor: Any, sql: str) -> list[dict[str, Any]]:
    cursor.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def test_databases_and_schemas(cursor: Any) -> None:
    found = rows(cursor, "show databases like 'd%'")
    assert [row["database_name"] for row in found] == ["dev"]
    assert list(found[0]) == [
        "database_name", "database_owner", "database_type", "database_acl", "parameters", "database_isolation_level"
    ]  # fmt: skip
    found = rows(cursor, "show schemas from database dev like 'sh%' limit 5")
    assert [(row["database_name"], row["schema_name"], row["schema_type"]) for row in found] == [
        ("dev", "shop", "local")
    ]
    (found,) = rows(cursor, "show schemas from database dev like 'public'")
    assert (found["schema_owner"], found["schema_acl"]) == (10, "rdsdb=UC/rdsdb~=UC/rdsdb")


def test_tables(cursor: Any) -> None:
    found = rows(cursor, "SHOW TABLES FROM SCHEMA dev.shop")
    assert [(row["table_name"], row["table_type"], row["table_subtype"], row["owner"]) for row in found] == [
        ("cheap", "VIEW", "REGULAR VIEW", "admin"),
        ("items", "TABLE", "REGULAR TABLE", "admin"),
        ("kept", "VIEW", "MATERIALIZED VIEW", "admin"),
        ("late", "VIEW", "LATE BINDING VIEW", "admin"),
        ("sold", "TABLE", "REGULAR TABLE", "admin"),
    ]
    assert [row["table_name"] for row in rows(cursor, "show tables from schema \"shop\" like 's_l%'")] == [
        "sold"
    ]
    assert rows(cursor, "show tables from schema shop limit 0") == []


def test_columns(cursor: Any, psql: Callable[..., Any]) -> None:
    """DG "SHOW COLUMNS": sort_key_type of sort keys only, dist_key 1 or nothing, raw, a collation for strings."""
    cursor.execute("alter table shop.items add column mark varchar(5) collate case_insensitive encode raw")
    found = rows(cursor, "show columns from table dev.shop.items")
    assert [tuple(row.values())[3:] for row in found] == [
        ("id", 1, None, "NO", "bigint", None, 64, 0, None, "COMPOUND", 1, 1, "raw", None),
        ("name", 2, "'x'::character varying", "YES", "character varying", 20, None, None, None, "COMPOUND", 2, None,
         "raw", "default"),
        ("price", 3, None, "YES", "numeric", None, 8, 2, None, None, 0, None, "az64", None),
        ("mark", 4, None, "YES", "character varying", 5, None, None, None, None, 0, None, "raw", "case_insensitive"),
    ]  # fmt: skip
    assert [
        (row["column_name"], row["data_type"]) for row in rows(cursor, "show columns from table shop.late")
    ] == [("name", "character varying")]
    assert "| price       |                3 |" in psql("show columns from table shop.items like 'p%'").stdout


PRIVILEGE = ["privilege_type", "identity_id", "identity_name", "identity_type"]
ON = ["schema_name", "object_name", "object_type", *PRIVILEGE, "admin_option", "privilege_scope", "database_name",
      "grantor_name"]  # fmt: skip
FOR = [
    "database_name",
    "schema_name",
    "object_name",
    "object_type",
    *PRIVILEGE,
    "privilege_scope",
    "grantor_name",
]


def test_grants(cursor: Any, connect: Callable[..., Any]) -> None:
    """The columns of each form are those of the examples of DG "SHOW GRANTS" and "SHOW COLUMN GRANTS"."""
    cursor.execute("create role reader")
    cursor.execute("grant select (name), update (price) on shop.items to role reader")
    cursor.execute("grant execute on procedure shop.sell(integer) to clerk")
    cursor.execute("set search_path to shop")
    for named in ("on table shop.items for clerk", "on table dev.shop.items for CLERK", "on items"):
        (found,) = rows(cursor, f"show grants {named}")
        assert list(found) == ON
        assert found["identity_id"] > 0
        del found["identity_id"]
        assert list(found.values()) == ["shop", "items", "TABLE", "SELECT", "clerk", "user", False, "TABLE", "dev",
                                        "admin"]  # fmt: skip
    assert rows(cursor, "show grants on table shop.items for role reader") == []
    found = rows(cursor, "show grants for clerk")
    assert list(found[0]) == FOR
    assert [(r["object_type"], r["schema_name"], r["object_name"], r["privilege_type"]) for r in found] == [
        ("PROCEDURE", "shop", "sell", "EXECUTE"), ("SCHEMA", "shop", None, "USAGE"),
        ("TABLE", "shop", "items", "SELECT"),
    ]  # fmt: skip
    assert rows(cursor, "show grants for clerk from database dev limit 2") == found[:2]
    assert list(rows(cursor, "show grants on schema shop")[0]) == ON
    cursor.execute("grant create on database dev to clerk")
    (found,) = rows(cursor, "show grants on database dev for clerk")
    assert list(found) == ["database_name", *PRIVILEGE, "admin_option", "privilege_scope", "grantor_name"]
    shown = rows(cursor, "select * from svv_database_privileges where identity_name = 'clerk'")
    assert [tuple(row.values())[:2] + tuple(row.values())[5:] for row in shown] == [
        ("dev", "CREATE", False, "DATABASE")
    ]
    cursor.execute("revoke create on database dev from clerk")
    found = rows(cursor, "show column grants on table shop.items")
    assert list(found[0]) == ["database_name", "schema_name", "table_name", "column_name", "object_type", *PRIVILEGE,
                              "admin_option", "privilege_scope", "grantor_name"]  # fmt: skip
    assert [(r["column_name"], r["object_type"], r["privilege_type"], r["identity_type"]) for r in found] == [
        ("name", "COLUMN", "SELECT", "role"), ("price", "COLUMN", "UPDATE", "role"),
    ]  # fmt: skip
    assert rows(cursor, "show column grants on table shop.items for clerk") == []
    clerk = connect(user="clerk", password="Clerk1234", autocommit=True).cursor()
    assert len(rows(clerk, "show grants for clerk")) == 3
    with pytest.raises(ProgrammingError, match="permission denied: SHOW GRANTS FOR another user"):
        clerk.execute("show grants for admin")
    with pytest.raises(ProgrammingError, match="permission denied: SHOW GRANTS FOR another role"):
        clerk.execute("show grants for role reader")


def test_procedures_and_parameters(cursor: Any) -> None:
    """DG "SHOW PROCEDURES", "SHOW PARAMETERS": their example."""
    cursor.execute(
        "create procedure shop.f1(operation varchar(10), value1 decimal, value2 decimal(9, 2), result inout decimal,"
        " operation_status out varchar(50), calculation_time out timestamp, is_successful out boolean)"
        " as $$ begin null; end; $$ language plpgsql"
    )
    found = rows(cursor, "show procedures from schema dev.shop like 'f%'")
    assert [tuple(row.values()) for row in found] == [
        ("dev", "shop", "f1", 4, "character varying, numeric, numeric, numeric",
         "numeric, character varying, timestamp without time zone, boolean", None),
    ]  # fmt: skip
    assert list(found[0]) == [
        "database_name", "schema_name", "procedure_name", "number_of_arguments", "argument_list", "return_type",
        "remarks",
    ]  # fmt: skip
    assert rows(cursor, "show functions from schema shop") == []
    asked = "show parameters of procedure dev.shop.f1(VARCHAR, DECIMAL, DECIMAL, DECIMAL)"
    found = rows(cursor, asked)
    assert list(found[0]) == [
        "database_name", "schema_name", "procedure_name", "parameter_name", "ordinal_position", "parameter_type",
        "data_type", "character_maximum_length", "numeric_precision", "numeric_scale",
    ]  # fmt: skip
    assert [tuple(row.values())[3:] for row in found] == [
        ("operation", 1, "IN", "character varying", 10, None, None), ("value1", 2, "IN", "numeric", None, 18, 0),
        ("value2", 3, "IN", "numeric", None, 9, 2), ("result", 4, "INOUT", "numeric", None, 18, 0),
        ("operation_status", 5, "OUT", "character varying", 50, None, None),
        ("calculation_time", 6, "OUT", "timestamp without time zone", None, None, None),
        ("is_successful", 7, "OUT", "boolean", None, None, None),
    ]  # fmt: skip
    assert [row["parameter_name"] for row in rows(cursor, asked + " like 'val%'")] == ["value1", "value2"]


def test_functions(cursor: Any) -> None:
    """DG "SHOW FUNCTIONS", "SHOW PARAMETERS", "SHOW GRANTS": the result is parameter 0, lengths are not kept."""
    cursor.execute("create function shop.f_discount(numeric(8, 2), integer) returns numeric(8, 2) immutable"
                   " as $$ select $1 * $2 $$ language sql")  # fmt: skip
    cursor.execute("grant execute on function shop.f_discount(numeric, integer) to clerk")
    (found,) = rows(cursor, "show functions from schema dev.shop like '%discount'")
    assert list(found.items()) == [
        ("database_name", "dev"), ("schema_name", "shop"), ("function_name", "f_discount"), ("number_of_arguments", 2),
        ("argument_list", "numeric, integer"), ("return_type", "numeric"), ("remarks", None),
    ]  # fmt: skip
    found = rows(cursor, "show parameters of function shop.f_discount(numeric, int)")
    assert [tuple(row.values())[2:] for row in found] == [
        ("f_discount", None, 0, "RETURN", "numeric", None, None, None),
        ("f_discount", None, 1, "IN", "numeric", None, None, None),
        ("f_discount", None, 2, "IN", "integer", None, 32, 0),
    ]
    (found,) = rows(cursor, "show grants on function shop.f_discount(numeric, integer) for clerk")
    assert (found["object_type"], found["object_name"], found["privilege_type"]) == (
        "FUNCTION", "f_discount", "EXECUTE",
    )  # fmt: skip
    assert [row["procedure_name"] for row in rows(cursor, "show procedures from schema shop")] == ["sell"]


def test_constraints(cursor: Any) -> None:
    (found,) = rows(cursor, "show constraints primary keys from table shop.items")
    assert found == {"database_name": "dev", "schema_name": "shop", "table_name": "items", "pk_name": "items_pkey",
                     "column_name": "id", "key_seq": 1}  # fmt: skip
    for sql in ("from table shop.sold", "exported from table shop.items"):
        (found,) = rows(cursor, f"show constraints foreign keys {sql}")
        assert list(found.items()) == [
            ("pk_database_name", "dev"), ("pk_schema_name", "shop"), ("pk_table_name", "items"),
            ("pk_column_name", "id"), ("fk_database_name", "dev"), ("fk_schema_name", "shop"),
            ("fk_table_name", "sold"), ("fk_column_name", "item"), ("key_seq", 1), ("fk_name", "sold_item_fkey"),
            ("pk_name", "items_pkey"), ("update_rule", None), ("delete_rule", None), ("deferrability", None),
        ]  # fmt: skip


def test_policies(cursor: Any, connect: Callable[..., Any]) -> None:
    """DG "SHOW POLICIES"."""
    for statement in (
        "create rls policy cheap with (price decimal(8, 2)) using (price < 1)",
        "create masking policy hidden with (name varchar(20)) using ('***'::varchar(20))",
        "attach rls policy cheap on shop.items to clerk",
        "attach masking policy hidden on shop.items (name) to public",
        "alter table shop.items row level security on",
    ):
        cursor.execute(statement)
    (found,) = rows(cursor, "show rls policies")
    assert (found["policy_name"], found["policy_atts"]) == (
        "cheap",
        '[{"colname":"price","type":"numeric(8,2)"}]',
    )
    (found,) = rows(cursor, "show rls policies on shop.items for clerk")
    assert [*found.items()] == [
        ("policy_name", "cheap"), ("schema_name", "shop"), ("relation_name", "items"), ("relation_kind", "table"),
        ("grantor", "admin"), ("grantee", "clerk"), ("grantee_kind", "user"), ("is_policy_on", True),
        ("is_rls_on", True), ("rls_conjunction_type", "and"),
    ]  # fmt: skip
    assert rows(cursor, "show rls policies on shop.items for public") == []
    (found,) = rows(cursor, "show masking policies on dev.shop.items for public limit 1")
    assert (found["policy_name"], found["priority"], found["input_columns"]) == ("hidden", 0, '["name"]')
    assert rows(cursor, "show masking policies from database dev")[0]["policy_name"] == "hidden"
    clerk = connect(user="clerk", password="Clerk1234", autocommit=True).cursor()
    with pytest.raises(ProgrammingError, match="SHOW POLICIES is for superusers and the role sys:secadmin"):
        clerk.execute("show masking policies")


def test_view(cursor: Any) -> None:
    assert rows(cursor, "show view shop.cheap") == [
        {"Show View DDL statement": "select id from shop.items where price < 1"}
    ]
    assert "with no schema binding" in rows(cursor, "show view shop.late")[0]["Show View DDL statement"]


def test_users_see_what_they_may(cursor: Any, connect: Callable[..., Any]) -> None:
    clerk = connect(user="clerk", password="Clerk1234", autocommit=True).cursor()
    assert [row["table_name"] for row in rows(clerk, "show tables from schema shop")] == ["items"]
    with pytest.raises(ProgrammingError, match='relation \\\\"shop.sold\\\\" does not exist|shop.sold'):
        clerk.execute("show columns from table shop.sold")


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("show schemas from database nowhere", 'database "nowhere" does not exist'),
        ("show tables from schema nowhere", 'schema "nowhere" does not exist'),
        ("show columns from table shop.nothing", 'relation "shop.nothing" does not exist'),
        ("show tables from schema shop limit 10001", "LIMIT takes a number from 0 to 10000"),
        ("show tables from shop", "syntax error"),
        ("show tables", "syntax error"),
        ("show databases from data catalog", "DATA CATALOG is not supported"),
        ("show column grants on table shop.items like 'x'", "syntax error"),
        ("show grants on function shop.f()", 'function "shop.f" does not exist'),
        ("show grants on function shop.f", "takes the argument types"),
        ("show grants on template t", "it has no templates"),
        ("show grants for nobody", 'user "nobody" does not exist'),
        ("show grants for role clerk", 'role "clerk" does not exist'),
        ("show grants on nothing", 'relation "nothing" does not exist'),
        ("show grants on shop.items", "syntax error"),
        ("show grants on table items", "items must be qualified by its schema"),
        ("show parameters of procedure shop.sell(bigint)", 'procedure "shop.sell" does not exist'),
    ],
)
def test_refused(cursor: Any, statement: str, told: str) -> None:
    with pytest.raises(ProgrammingError) as caught:
        cursor.execute(statement)
    assert told in caught.value.args[0]["M"]


def test_more_than_ten_thousand_rows_are_an_error_without_a_limit() -> None:
    """DG "SHOW TABLES": "If more than 10,000 tables would result ..., then an error is returned"."""
    few = [
        check for check in translation("show tables from schema s", "dev").checks if "require_few" in check
    ]
    assert len(few) == 1
    assert "'SHOW TABLES', 10000, (select count(*)" in few[0]
    assert "limit 10001" in few[0]
    limited = translation("show tables from schema s like 'a%' limit 7", "dev")
    assert not any("require_few" in check for check in limited.checks)
    assert limited.statements[0].endswith("limit 7")
