"""A small shop, for what clients find out about it.

shop   (module)   the warehouse's Status, with the objects of OBJECTS and nothing else in it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from deployer.local.environment import Status

OBJECTS = (
    "create schema shop",
    "create table shop.customers (id integer not null encode raw distkey, email varchar(80) encode lzo, joined date,"
    " primary key (id), unique (email)) diststyle key sortkey (joined)",
    "create table shop.orders (id bigint identity(1,1), customer_id integer not null references shop.customers (id),"
    " amount decimal(10,2) default 0, placed_at timestamp default getdate(), note varchar(200) default 'redshift.x',"
    " primary key (id)) distkey (customer_id) compound sortkey (placed_at, id)",
    "comment on table shop.orders is 'what was bought'",
    "comment on column shop.orders.amount is 'in euro'",
    "create view shop.totals as select customer_id, sum(amount) as total from shop.orders group by customer_id",
    "create view shop.late as select id, amount from shop.orders with no schema binding",
    "create procedure shop.touch(a integer, b in out varchar(20)) as $$ begin b := 'x'; end; $$ language plpgsql",
    "create group readers",
    "create role analyst",
    "create user alice password 'Secret123x' in group readers",
    "grant select on shop.orders to group readers",
    "grant usage on schema shop to group readers",
    "grant role analyst to alice",
)


@pytest.fixture(scope="module")
def shop(status: Status, make_empty: Callable[[], None]) -> Iterator[Status]:
    import redshift_connector

    make_empty()
    connection = redshift_connector.connect(
        host=status.host,
        port=status.port,
        database=status.database,
        user=status.user,
        password=status.password,
        ssl=False,
    )
    connection.autocommit = True
    for statement in OBJECTS:
        connection.cursor().execute(statement)
    connection.close()
    yield status
    make_empty()
