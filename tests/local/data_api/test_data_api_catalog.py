"""ListDatabases, ListSchemas, ListTables, DescribeTable."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from data_api_client import WHERE, refused, until
from patience import PATIENCE

from deployer.local.data_api import catalog
from deployer.local.data_api.connection import Connection

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def objects(run: Run, fresh_database: Any) -> None:
    done = run(
        [
            "create schema sales",
            "create schema sales_archive",
            "create table sales.orders (id bigint not null, name varchar(40) default 'none', price decimal(12, 2),"
            " at timestamp, active boolean, payload super, code char(3))",
            "create table sales.items (id int)",
            "create view sales.open_orders as select id from sales.orders",
        ]
    )
    assert done["Status"] == "FINISHED", done["Error"]


def test_databases(client: Any, objects: None) -> None:
    assert client.list_databases(**WHERE)["Databases"] == ["dev"]


def test_schemas(client: Any, objects: None) -> None:
    found = client.list_schemas(**WHERE)["Schemas"]
    assert {"sales", "sales_archive", "public", "pg_catalog", "information_schema"} <= set(found)
    assert found == sorted(found)
    assert client.list_schemas(SchemaPattern="sales%", **WHERE)["Schemas"] == ["sales", "sales_archive"]
    assert client.list_schemas(SchemaPattern="sale_", **WHERE)["Schemas"] == ["sales"]
    pages = client.get_paginator("list_schemas").paginate(PaginationConfig={"PageSize": 1}, **WHERE)
    assert [name for page in pages for name in page["Schemas"]] == found


def test_tables(client: Any, objects: None) -> None:
    found = client.list_tables(SchemaPattern="sales", **WHERE)["Tables"]
    assert found == [
        {"name": "items", "schema": "sales", "type": "TABLE"},
        {"name": "open_orders", "schema": "sales", "type": "VIEW"},
        {"name": "orders", "schema": "sales", "type": "TABLE"},
    ]
    found = client.list_tables(TablePattern="%orders", **WHERE)["Tables"]
    assert [one["name"] for one in found] == ["open_orders", "orders"]
    page = client.list_tables(SchemaPattern="sales", MaxResults=2, **WHERE)
    assert len(page["Tables"]) == 2
    rest = client.list_tables(SchemaPattern="sales", MaxResults=2, NextToken=page["NextToken"], **WHERE)
    assert [one["name"] for one in rest["Tables"]] == ["orders"] and "NextToken" not in rest
    system = client.list_tables(SchemaPattern="pg_catalog", MaxResults=5, **WHERE)["Tables"]
    assert all(one["type"].startswith("SYSTEM ") for one in system)


def test_a_table(client: Any, objects: None) -> None:
    found = client.describe_table(Schema="sales", Table="orders", **WHERE)
    assert found["TableName"] == "orders"
    shown = [
        (one["name"], one["typeName"], one["precision"], one["scale"], one["nullable"])
        for one in found["ColumnList"]
    ]
    assert shown == [
        ("id", "int8", 19, 0, 0),
        ("name", "varchar", 40, 0, 1),
        ("price", "numeric", 12, 2, 1),
        ("at", "timestamp", 29, 6, 1),
        ("active", "bool", 1, 0, 1),
        ("payload", "super", 2147483647, 0, 1),
        ("code", "bpchar", 3, 0, 1),
    ]
    assert "none" in found["ColumnList"][1]["columnDefault"]
    assert "columnDefault" not in found["ColumnList"][0]
    pages = client.get_paginator("describe_table").paginate(
        Schema="sales", Table="orders", PaginationConfig={"PageSize": 2}, **WHERE
    )
    assert [one["name"] for page in pages for one in page["ColumnList"]] == [row[0] for row in shown]
    assert client.describe_table(Schema="sales", Table="nothing", **WHERE)["ColumnList"] == []
    whole = client.describe_table(Schema="sales", **WHERE)["ColumnList"]
    assert {one["tableName"] for one in whole} == {"items", "open_orders", "orders"}


def test_another_database(client: Any, new_client: Callable[..., Any], api: Any, objects: None) -> None:
    impatient = new_client(api.url, retries={"max_attempts": 0})
    where = {"WorkgroupName": "rental", "Database": "elsewhere"}
    code, message = refused(lambda: impatient.list_tables(**where))
    assert code == "DatabaseConnectionException" and 'database "elsewhere" does not exist' in message
    assert client.list_tables(ConnectedDatabase="dev", **where)["Tables"] == []


def test_a_query_that_takes_too_long(
    new_client: Callable[..., Any], api: Any, connect: Any, objects: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = new_client(api.url, retries={"max_attempts": 0})
    monkeypatch.setattr(catalog, "TIMEOUT_SECONDS", 0.2)
    digits = " union all ".join(f"select {n} as n" for n in range(10))
    slow = f"with d as ({digits}) select count(*)::varchar from {', '.join('d ' + x for x in 'abcdefghijkl')}"
    found = catalog.Catalog(api.executor.borrowed, "admin")
    place = catalog.place(WHERE, "admin")
    with pytest.raises(catalog.TimedOut):
        found._query(place, slow, ())
    monkeypatch.undo()
    assert impatient.list_databases(**WHERE)["Databases"] == ["dev"]


def test_what_takes_too_long_is_cancelled_until_it_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that comes before the query has begun hits nothing, one that comes after it the next one's."""
    monkeypatch.setattr(catalog, "TIMEOUT_SECONDS", 0.01)
    asked, passed_on = [], threading.Event()

    def cancel() -> None:
        asked.append(passed_on.is_set())
        if len(asked) > 1:
            passed_on.wait(PATIENCE)

    def query() -> None:
        with catalog._limited(cast(Connection, SimpleNamespace(cancel=cancel))):
            until(lambda: len(asked) >= 2)

    thread = threading.Thread(target=query)
    thread.start()
    thread.join(0.5)
    assert thread.is_alive(), "the second request is on its way"
    passed_on.set()
    thread.join(PATIENCE)
    assert not thread.is_alive() and asked[:2] == [False, False]
