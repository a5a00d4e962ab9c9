"""SHOW DATABASES, SCHEMAS, TABLES, COLUMNS, GRANTS, PROCEDURES, CONSTRAINTS and VIEW."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redshift_connector import ProgrammingError


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
    found = rows(cursor, "show columns from table dev.shop.items")
    assert [tuple(row.values())[3:] for row in found] == [
        ("id", 1, None, "NO", "bigint", None, 64, 0, None, "COMPOUND", 1, 1, "none", None),
        (
            "name",
            2,
            "'x'::character varying",
            "YES",
            "character varying",
            20,
            None,
            None,
            None,
            "COMPOUND",
            2,
            0,
            "none",
            None,
        ),
        ("price", 3, None, "YES", "numeric", None, 8, 2, None, "COMPOUND", 0, 0, "az64", None),
    ]
    assert [
        (row["column_name"], row["data_type"]) for row in rows(cursor, "show columns from table shop.late")
    ] == [("name", "character varying")]
    assert "| price       |                3 |" in psql("show columns from table shop.items like 'p%'").stdout


def test_grants_procedures_and_constraints(cursor: Any) -> None:
    found = rows(cursor, "show grants on table shop.items for clerk")
    assert [
        (r["privilege_type"], r["identity_name"], r["identity_type"], r["admin_option"]) for r in found
    ] == [("SELECT", "clerk", "user", False)]
    found = rows(cursor, "show grants for clerk")
    cursor.execute("grant create on database dev to clerk")
    shown = rows(cursor, "select database_name, privilege_type, admin_option from svv_database_privileges"
                         " where identity_name = 'clerk'")  # fmt: skip
    assert [tuple(row.values()) for row in shown] == [("dev", "CREATE", False)]
    cursor.execute("revoke create on database dev from clerk")
    assert [(r["object_type"], r["object_name"], r["privilege_type"]) for r in found] == [
        ("SCHEMA", "shop", "USAGE"), ("TABLE", "items", "SELECT"),
    ]  # fmt: skip
    (found,) = rows(cursor, "show procedures from schema shop")
    assert (found["procedure_name"], found["argument_list"]) == ("sell", "n integer, OUT sold bigint")
    assert rows(cursor, "show functions from schema shop") == []
    (found,) = rows(cursor, "show constraints primary keys from table shop.items")
    assert (found["column_name"], found["key_seq"], found["pk_name"]) == ("id", 1, "items_pkey")
    for sql in ("from table shop.sold", "exported from table shop.items"):
        (found,) = rows(cursor, f"show constraints foreign keys {sql}")
        assert (found["fk_table_name"], found["fk_column_name"], found["pk_table_name"]) == (
            "sold",
            "item",
            "items",
        )


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
        ("show column grants on table shop.items", "SVV_COLUMN_PRIVILEGES"),
        ("show grants on function f()", "it takes DATABASE, SCHEMA and TABLE"),
    ],
)
def test_refused(cursor: Any, statement: str, told: str) -> None:
    with pytest.raises(ProgrammingError) as caught:
        cursor.execute(statement)
    assert told in caught.value.args[0]["M"]
