"""What the catalog's views show of a small shop, and to whom."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from deployer.local.environment import Status

Rows = Callable[..., list[tuple[Any, ...]]]

COLUMNS = "cols(view_schema name, view_name name, col_name name, col_type varchar, col_num int)"


@pytest.fixture
def rows(shop: Status, connect: Callable[..., Any]) -> Rows:
    """rows(sql) as admin; rows(sql, user) as another user."""
    open_: dict[str, Any] = {}

    def ask(sql: str, user: str = "") -> list[tuple[Any, ...]]:
        if user not in open_:
            who = {"user": user, "password": "Secret123x"} if user else {}
            open_[user] = connect(autocommit=True, **who).cursor()
        cursor = open_[user]
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else []

    return ask


@pytest.fixture
def dropped(rows: Rows) -> Iterator[Callable[[str], None]]:
    """dropped(statement): run after the test."""
    statements: list[str] = []
    yield statements.append
    for statement in reversed(statements):
        rows(statement)


@pytest.mark.parametrize(
    "view, columns",
    [
        (
            "pg_class_info",
            "reloid relname relnamespace relowner reldiststyle relacl relcreationtime releffectivediststyle",
        ),
        ("pg_default_acl", "defacluser defaclnamespace defaclobjtype defaclacl"),
        (
            "svv_redshift_functions",
            "database_name schema_name function_name function_type argument_type result_type",
        ),
        ("svv_external_schemas", "esoid eskind schemaname esowner databasename esoptions"),
        (
            "svv_external_tables",
            "redshift_database_name schemaname tablename tabletype location input_format output_format"
            " serialization_lib serde_parameters compressed parameters",
        ),
        (
            "svv_external_columns",
            "redshift_database_name schemaname tablename columnname external_type columnnum part_key is_nullable",
        ),
        ("stl_error", "userid process recordtime pid errcode file linenum context error"),
    ],
)
def test_the_documented_columns(rows: Rows, connect: Callable[..., Any], view: str, columns: str) -> None:
    cursor = connect(autocommit=True).cursor()
    cursor.execute(f"select * from {view} limit 0")
    found = [column[0] for column in cursor.description]
    assert [name for name in found if name in columns.split()] == columns.split()


def test_encodings_distribution_and_sort_keys(rows: Rows, dropped: Callable[[str], None]) -> None:
    """DG "PG_TABLE_DEF", and CREATE TABLE's ENCODE for what nobody has written."""
    rows(
        "create table shop.i (a smallint, b varchar(9), c boolean, d real encode zstd, e super, f date encode raw)"
        " interleaved sortkey (a, f)"
    )
    dropped("drop table shop.i")
    asked = "select \"column\", trim(encoding), distkey, sortkey from pg_table_def where tablename = 'i'"
    assert rows(asked) == []  # only the schemas of search_path
    rows("set search_path to shop")
    assert rows(asked) == [
        ("a", "none", False, 1),
        ("b", "lzo", False, 0),
        ("c", "none", False, 0),
        ("d", "zstd", False, 0),
        ("e", "none", False, 0),
        ("f", "none", False, -2),
    ]
    rows("set search_path to default")
    same = (
        "select column_name, encoding, distkey, sortkey from svv_redshift_columns where table_name = 'orders'"
    )
    assert rows(same + " and schema_name = 'shop' order by ordinal_position") == [
        ("id", "none", False, 2),
        ("customer_id", "az64", True, 0),
        ("amount", "az64", False, 0),
        ("placed_at", "none", False, 1),
        ("note", "lzo", False, 0),
    ]
    styles = rows(
        "select relname, reldiststyle, releffectivediststyle from pg_class_info where relname in ('orders', 'i')"
        " order by relname"
    )
    assert styles == [("i", 9, 10), ("orders", 1, 1)]


def test_defaults_are_the_user_s_words(rows: Rows) -> None:
    found = rows(
        "select column_name, column_default from svv_columns where table_name = 'orders' and column_default <> ''"
    )
    assert dict(found)["placed_at"] == "getdate()"
    assert dict(found)["note"] == "'redshift.x'::character varying"


def test_keys(rows: Rows) -> None:
    found = rows(
        "select conname, contype, conkey, confkey, pg_get_constraintdef(oid) from pg_constraint order by conname"
    )
    assert [(name, kind, text) for name, kind, _, _, text in found] == [
        ("customers_email_key", "u", "UNIQUE (email)"),
        ("customers_pkey", "p", "PRIMARY KEY (id)"),
        ("orders_customer_id_fkey", "f", "FOREIGN KEY (customer_id) REFERENCES shop.customers(id)"),
        ("orders_pkey", "p", "PRIMARY KEY (id)"),
    ]
    assert [list(row[2]) for row in found] == [[2], [1], [2], [1]] and list(found[2][3]) == [1]


def test_columns_of_late_binding_views(rows: Rows, dropped: Callable[[str], None]) -> None:
    asked = f"select col_name, col_type, col_num from pg_get_late_binding_view_cols() {COLUMNS}"
    assert rows(asked + " where view_name = 'late' order by 3") == [
        ("id", "bigint", 1),
        ("amount", "numeric(10,2)", 2),
    ]
    assert rows("select column_name, data_type, numeric_precision, numeric_scale, ordinal_position from svv_columns"
                " where table_name = 'late' order by ordinal_position") == [
        ("id", "bigint", 64, 0, 1),
        ("amount", "numeric", 10, 2, 2),
    ]  # fmt: skip
    assert rows(f"select col_name, col_type from pg_get_cols('shop.late') {COLUMNS} order by col_num") == [
        ("id", "bigint"),
        ("amount", "numeric(10,2)"),
    ]
    assert rows(f"select col_name, col_type from pg_get_cols('shop.totals') {COLUMNS} order by col_num") == [
        ("customer_id", "integer"),
        ("total", "numeric(38,2)"),
    ]


def test_they_are_what_the_tables_below_are_now(rows: Rows, dropped: Callable[[str], None]) -> None:
    rows("create table shop.below (a varchar(10), b time)")
    rows(
        "create view shop.above as select a, b, a || 'x' as c, 1.5 as d from shop.below with no schema binding"
    )
    dropped("drop table if exists shop.below")
    dropped("drop view shop.above")
    asked = f"select col_type from pg_get_late_binding_view_cols() {COLUMNS} where view_name = 'above' order by col_num"
    before = [kind for (kind,) in rows(asked)]
    assert before == [
        "character varying(10)",
        "time without time zone",
        "character varying(11)",
        "numeric(2,1)",
    ]
    rows("alter table shop.below alter column a type varchar(30)")
    assert rows(asked)[0] == ("character varying(30)",)
    rows("drop table shop.below")
    # The view cannot be read any more, and the others still can.
    assert rows(asked) == []
    assert rows(f"select count(*) from pg_get_late_binding_view_cols() {COLUMNS}") == [(2,)]


def test_inside_the_transaction_that_made_it(shop: Status, connect: Callable[..., Any]) -> None:
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("create table shop.fresh (a int)")
    cursor.execute("create view shop.fresher as select a from shop.fresh with no schema binding")
    cursor.execute(
        f"select col_type from pg_get_late_binding_view_cols() {COLUMNS} where view_name = %s", ("fresher",)
    )
    assert [tuple(row) for row in cursor.fetchall()] == [("integer",)]
    connection.rollback()


@pytest.mark.parametrize(
    "written, said",
    [
        ("pg_get_late_binding_view_cols()", "column definition list is required"),
        (
            "pg_get_late_binding_view_cols() c(a name, b name, d name, e varchar)",
            "descriptions are incompatible",
        ),
        (f"pg_get_late_binding_view_cols(1) {COLUMNS}", "does not exist with 1 arguments"),
        (f"pg_get_cols() {COLUMNS}", "does not exist with 0 arguments"),
    ],
)
def test_how_they_must_be_written(rows: Rows, written: str, said: str) -> None:
    with pytest.raises(Exception, match=said):
        rows(f"select * from {written}")


def test_an_ordinary_user_sees_what_is_his(rows: Rows) -> None:
    """Alice may read shop.orders through her group, and nothing else. The catalog shows her everything."""
    every = [("customers",), ("late",), ("orders",), ("totals",)]
    assert rows("select table_name from svv_tables where table_schema = 'shop' order by 1", "alice") == every
    for view in ("svv_all_tables", "svv_redshift_tables"):
        assert rows(f"select table_name from {view} where schema_name = 'shop'", "alice") == [("orders",)]
    asked = "select distinct table_name from information_schema.columns where table_schema = 'shop'"
    assert rows(asked, "alice") == [("orders",)]
    assert rows("select user_name, superuser, syslog_access from svv_user_info", "alice") == [
        ("alice", False, "RESTRICTED")
    ]
    seen = f"select distinct view_name from pg_get_late_binding_view_cols() {COLUMNS}"
    assert rows(seen) == [("late",)] and rows(seen, "alice") == []
    assert rows("select count(*) from svv_redshift_functions", "alice") == [(0,)]
    assert rows("select function_name, argument_type from svv_redshift_functions") == [
        ("touch", "integer, character varying")
    ]
    assert rows("select relname from pg_class_info", "alice") == []
    for view in ("pg_user_info", "svv_table_info"):
        with pytest.raises(Exception, match="permission denied"):
            rows(f"select * from {view}", "alice")
    assert rows("select count(*) from stl_error") == [(0,)]


def test_privileges_by_name(rows: Rows) -> None:
    assert rows("select has_table_privilege('alice', 'shop.orders', 'select')") == [(True,)]
    assert rows("select has_table_privilege('alice', 'svv_table_info', 'select'), has_table_privilege(current_user,"
                " 'pg_catalog.svv_table_info', 'SELECT')") == [(False, True)]  # fmt: skip


def test_privileges_in_redshift_s_letters(rows: Rows) -> None:
    """DG "PG_DEFAULT_ACL": P is TRUNCATE, and groups are called groups; DG "SHOW TABLES" for an owner's."""
    (acl,) = rows("select array_to_string(relacl, ' ') from pg_class where relname = 'orders'")[0]
    assert acl == "admin=arwdRxtDPA/admin group readers=r/admin"
    assert rows("select table_acl from svv_all_tables where table_name = 'orders'") == [
        ("admin=arwdRxtDPA/admin~group readers=r/admin",)
    ]


def test_what_depends_on_what(rows: Rows) -> None:
    """As dbt-redshift asks it: a view's rule stands between."""
    found = rows(
        "select v.relname, t.relname from pg_depend d join pg_rewrite w on w.oid = d.objid join pg_class v on"
        " v.oid = w.ev_class join pg_class t on t.oid = d.refobjid where v.oid <> t.oid and v.relname = 'totals'"
        " group by 1, 2"
    )
    assert found == [("totals", "orders")]


def test_nothing_of_the_engine_s_own(rows: Rows) -> None:
    assert (
        rows("select nspname from pg_namespace where nspname like 'redshift%' or nspname = 'zeroshift'") == []
    )
    assert rows("select relname from pg_class where relname like 'zs%' or relname like '%_idx'") == []
    assert rows("select conname from pg_constraint where conname like 'zs%'") == []
    names = [name for (name,) in rows("select typname from pg_type")]
    assert {"super", "varbyte", "varchar"} <= set(names) and "jsonb" not in names


@pytest.mark.parametrize(
    "sql, said",
    [
        ("select pg_get_expr(1, 2) from pg_class", "function pg_get_expr(integer, integer) does not exist"),
        ("select json_parse('1') ~ 'a'", "operator does not exist: super ~ unknown"),
        ("select * from redshift_catalog.pg_class", 'relation "redshift_catalog.pg_class" does not exist'),
        ("select * from redshift_newer.pg_roles", 'relation "redshift_newer.pg_roles" does not exist'),
        ("set search_path to redshift_newer; select * from pg_roles", 'relation "pg_roles" does not exist'),
    ],
)
def test_the_compatibility_schemas_are_nobody_s_business(
    shop: Status, connect: Callable[..., Any], sql: str, said: str
) -> None:
    cursor = connect(autocommit=True).cursor()
    *before, last = sql.split("; ")
    for statement in before:
        cursor.execute(statement)
    with pytest.raises(Exception) as caught:
        cursor.execute(last)
    assert caught.value.args[0]["M"] == said
