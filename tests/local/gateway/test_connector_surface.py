"""redshift_connector: all that its cursor can do, and what it finds out about a database."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployer.local.environment import Status

OBJECTS = (
    "create schema shop",
    "create table shop.customers (id integer not null, email varchar(80), primary key (id), unique (email))",
    "create table shop.orders (id bigint identity(1,1), customer_id integer references shop.customers (id),"
    " amount decimal(10,2) default 0, primary key (id))",
    "comment on table shop.orders is 'what was bought'",
    "create view shop.totals as select customer_id, sum(amount) as total from shop.orders group by customer_id",
    "create view shop.late as select id, amount from shop.orders with no schema binding",
    "create procedure shop.touch(a integer, b in out varchar(20)) as $$ begin b := b || a; end; $$ language plpgsql",
)


@pytest.fixture
def cursor(fresh_database: Status, connect: Callable[..., Any]) -> Any:
    cursor = connect(autocommit=True).cursor()
    for statement in OBJECTS:
        cursor.execute(statement)
    return cursor


@pytest.mark.parametrize(
    "style, sql, arguments",
    [
        ("format", "select %s::int, %s", (1, "a")),
        ("qmark", "select ?::int, ?", (1, "a")),
        ("numeric", "select :1::int, :2", (1, "a")),
        ("named", "select :x::int, :y", {"x": 1, "y": "a"}),
        ("pyformat", "select %(x)s::int, %(y)s", {"x": 1, "y": "a"}),
    ],
)
def test_every_style_of_parameters(connect: Callable[..., Any], style: str, sql: str, arguments: Any) -> None:
    cursor = connect(autocommit=True).cursor()
    cursor.paramstyle = style
    cursor.execute(sql, arguments)
    assert [tuple(row) for row in cursor.fetchall()] == [(1, "a")]


def test_rows_in_every_way(cursor: Any) -> None:
    cursor.executemany("insert into shop.customers values (%s, %s)", [(n, f"{n}@x") for n in range(7)])
    cursor.execute("select id from shop.customers order by id")
    assert [name for name, *_ in cursor.description] == ["id"]
    assert list(cursor.fetchone()) == [0]
    assert [row[0] for row in cursor.fetchmany(2)] == [1, 2]
    assert [row[0] for row in cursor] == [3, 4, 5, 6]
    assert cursor.fetchone() is None and cursor.fetchall() == ()
    cursor.execute("update shop.customers set email = null where id > 4")
    assert cursor.rowcount == 2
    with cursor as same:
        same.execute("select count(email) from shop.customers")
        assert same.fetchone()[0] == 5


def test_procedures_are_called(cursor: Any) -> None:
    cursor.callproc("shop.touch", [4, "no. "])
    assert [list(row) for row in cursor.fetchall()] == [["no. 4"]]


def test_data_frames_and_arrays(cursor: Any) -> None:
    pandas = pytest.importorskip("pandas")
    cursor.execute("create temporary table frame (a integer, b varchar(10), d date)")
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", None], "d": ["2020-01-01", "2021-02-03"]})
    cursor.write_dataframe(frame, "frame")
    cursor.execute("select a, b, d from frame order by a")
    read = cursor.fetch_dataframe()
    assert list(read.columns) == ["a", "b", "d"] and list(read["a"]) == [1, 2]
    assert read["b"][0] == "x" and str(read["d"][1]) == "2021-02-03"
    cursor.execute("select a from frame order by a")
    assert cursor.fetch_numpy_array().tolist() == [[1], [2]]


def test_a_file_is_inserted_in_bulk(cursor: Any, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("id,email\n" + "".join(f"{n},{n}@x\n" for n in range(25)), encoding="utf-8")
    cursor.execute("set search_path to shop")
    cursor.insert_data_bulk(str(path), "customers", [0, 1], ["id", "email"], ",", 10)
    cursor.execute("select count(*), max(email) from shop.customers")
    assert list(cursor.fetchone()) == [25, "9@x"]


def test_what_it_finds_out(cursor: Any, fresh_database: Status) -> None:
    base = fresh_database.database
    assert [list(row) for row in cursor.get_catalogs()] == [[base]]
    assert [list(row) for row in cursor.get_schemas(schema_pattern="sh%")] == [["shop", base]]
    found = cursor.get_tables(catalog=base, schema_pattern="shop", types=["TABLE", "VIEW"])
    # The driver forgets `types` where it asks in the old way: the keys' indexes come, too.
    assert sorted((row[2], row[3]) for row in found if row[3] != "INDEX") == [
        ("customers", "TABLE"), ("late", "VIEW"), ("orders", "TABLE"), ("totals", "VIEW"),
    ]  # fmt: skip
    assert [row[4] for row in found if row[2] == "orders"] == ["what was bought"]
    columns = cursor.get_columns(schema_pattern="shop", tablename_pattern="orders")
    assert [(row[3], row[5], row[17]) for row in columns] == [
        ("id", "int8", "NO"), ("customer_id", "int4", "YES"), ("amount", "numeric", "YES"),
    ]  # fmt: skip
    late = cursor.get_columns(schema_pattern="shop", tablename_pattern="late")
    assert [(row[3], row[5]) for row in late] == [("id", "int8"), ("amount", "numeric(10,2)")]
    keys = cursor.get_primary_keys(schema="shop", table="orders")
    assert [list(row) for row in keys] == [[base, "shop", "orders", "id", 1, "orders_pkey"]]
    assert [row[2] for row in cursor.get_procedures(schema_pattern="shop")] == ["touch"]
    assert ["TABLE"] in [list(row) for row in cursor.get_table_types()]


@pytest.mark.parametrize("method", ["get_imported_keys", "get_exported_keys"])
def test_what_needs_a_newer_discovery(cursor: Any, method: str) -> None:
    """The driver asks by SHOW commands of servers that say they have them; this one does not say so."""
    with pytest.raises(Exception, match="requires minimum show discovery version"):
        getattr(cursor, method)("dev", "shop", "orders")


@pytest.mark.parametrize("end", ["truncate shop.customers", "drop table shop.customers cascade"])
def test_a_table_that_was_read_in_the_transaction_can_go(
    cursor: Any, connect: Callable[..., Any], end: str
) -> None:
    cursor.execute("insert into shop.customers values (1, 'a'), (2, 'b')")
    reader = connect().cursor()
    reader.execute("select id from shop.customers")
    assert reader.fetchone() is not None
    reader.execute(end)
    reader.execute("rollback")


def test_transactions_and_their_errors(connect: Callable[..., Any], fresh_database: Status) -> None:
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("create table kept (a integer)")
    connection.commit()
    cursor.execute("insert into kept values (1)")
    with pytest.raises(Exception, match="does not exist"):
        cursor.execute("select nothing from kept")
    with pytest.raises(Exception, match="current transaction is aborted"):
        cursor.execute("select a from kept")
    connection.rollback()
    cursor.execute("select count(*) from kept")
    assert cursor.fetchone()[0] == 0
