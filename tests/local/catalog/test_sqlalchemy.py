"""SQLAlchemy with sqlalchemy-redshift, over each of its drivers: what reflection finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from deployer.local.environment import Status


@pytest.fixture(params=["redshift_connector", "psycopg2"])
def engine(request: pytest.FixtureRequest, shop: Status) -> Iterator[sa.Engine]:
    address = sa.URL.create(
        f"redshift+{request.param}",
        username=shop.user,
        password=shop.password,
        host=shop.host,
        port=shop.port,
        database=shop.database,
    )
    plain: dict[str, Any] = (
        {"ssl": False} if request.param == "redshift_connector" else {"sslmode": "disable"}
    )
    made = sa.create_engine(address, connect_args=plain)
    yield made
    made.dispose()


def test_schemas_tables_and_views(engine: sa.Engine) -> None:
    found = sa.inspect(engine)
    assert found.default_schema_name == "public"
    assert {"public", "shop"} <= set(found.get_schema_names())
    assert sorted(found.get_table_names("shop")) == ["customers", "orders"]
    assert sorted(found.get_view_names("shop")) == ["late", "totals"]
    assert found.has_table("orders", "shop") and not found.has_table("nothing", "shop")
    with pytest.raises(sa.exc.NoSuchTableError):
        found.get_columns("nothing", "shop")


def test_columns(engine: sa.Engine) -> None:
    columns = {column["name"]: column for column in sa.inspect(engine).get_columns("orders", "shop")}
    assert list(columns) == ["id", "customer_id", "amount", "placed_at", "note"]
    assert isinstance(columns["id"]["type"], sa.BIGINT) and not columns["id"]["nullable"]
    assert '"identity"' in columns["id"]["default"] and "1,1" in columns["id"]["default"]
    assert (columns["amount"]["type"].precision, columns["amount"]["type"].scale) == (10, 2)
    assert columns["amount"]["default"] == "0" and columns["amount"]["comment"] == "in euro"
    assert columns["note"]["type"].length == 200
    # Without ENCODE the type chooses, and a sort key is RAW.
    assert [columns[name]["info"].get("encode") for name in columns] == [None, "az64", "az64", None, "lzo"]
    written = {
        column["name"]: column["info"] for column in sa.inspect(engine).get_columns("customers", "shop")
    }
    assert written == {"id": {}, "email": {"encode": "lzo"}, "joined": {}}


def test_keys(engine: sa.Engine) -> None:
    found = sa.inspect(engine)
    assert found.get_pk_constraint("orders", "shop") == {"constrained_columns": ["id"], "name": "orders_pkey"}
    assert found.get_unique_constraints("customers", "shop") == [
        {"name": "customers_email_key", "column_names": ["email"]}
    ]
    assert found.get_foreign_keys("orders", "shop") == [
        {
            "name": "orders_customer_id_fkey",
            "constrained_columns": ["customer_id"],
            "referred_schema": "shop",
            "referred_table": "customers",
            "referred_columns": ["id"],
        }
    ]
    # The byte limits that the engine checks are none of the user's constraints.
    assert (
        found.get_check_constraints("customers", "shop") == [] and found.get_indexes("orders", "shop") == []
    )


def test_distribution_sort_keys_and_comments(engine: sa.Engine) -> None:
    found = sa.inspect(engine)
    options = found.get_table_options("orders", "shop")
    assert (options["redshift_diststyle"], options["redshift_distkey"]) == ("KEY", "customer_id")
    assert options["redshift_sortkey"] == ("placed_at", "id")
    assert found.get_table_comment("orders", "shop") == {"text": "what was bought"}


def test_views(engine: sa.Engine) -> None:
    found = sa.inspect(engine)
    assert "sum(amount) as total" in found.get_view_definition("totals", "shop")
    assert found.get_view_definition("late", "shop").endswith("with no schema binding")
    types = {column["name"]: str(column["type"]) for column in found.get_columns("late", "shop")}
    assert types == {"id": "BIGINT", "amount": "NUMERIC(10, 2)"}


def test_everything_at_once_and_back_again(engine: sa.Engine) -> None:
    """What was reflected makes the same table again."""
    described = sa.MetaData()
    described.reflect(engine, schema="shop", views=True)
    assert set(described.tables) == {"shop.customers", "shop.orders", "shop.totals", "shop.late"}
    written = str(sa.schema.CreateTable(described.tables["shop.customers"]).compile(engine))
    assert "DISTSTYLE KEY DISTKEY (id) SORTKEY (joined)" in written and "UNIQUE (email)" in written
    with engine.begin() as connection:
        connection.execute(sa.text(written.replace("shop.customers", "shop.again")))
        again = sa.inspect(connection).get_table_options("again", "shop")
        assert again["redshift_distkey"] == "id" and again["redshift_sortkey"] == ("joined",)
        connection.execute(sa.text("drop table shop.again"))


def test_rows(engine: sa.Engine) -> None:
    table = sa.Table("orders", sa.MetaData(), schema="shop", autoload_with=engine)
    with engine.connect() as connection:
        connection.execute(table.insert(), [{"customer_id": n, "amount": n * 2} for n in range(3)])
        query = (
            sa.select(table.c.customer_id, table.c.amount).where(table.c.amount > 1).order_by(table.c.amount)
        )
        assert [(row[0], str(row[1])) for row in connection.execute(query)] == [(1, "2.00"), (2, "4.00")]
        connection.rollback()
