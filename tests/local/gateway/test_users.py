"""Who may do what: ordinary users, superusers, landing databases, the gateway's own schemas."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from gateway_wire import Wire

from deployer.local.environment import Status

PASSWORD = "Ordinary-User-1"


@pytest.fixture
def admin(fresh_database: Status) -> Iterator[Wire]:
    with Wire(fresh_database) as wire:
        yield wire.login()


@pytest.fixture
def user(admin: Wire) -> Iterator[Wire]:
    """A session of the ordinary user `ann`."""
    assert admin.tags(f"create user ann password '{PASSWORD}'") == ["CREATE USER"]
    with Wire(admin.status) as wire:
        yield wire.login(PASSWORD, user="ann")


def test_an_ordinary_user_is_one(user: Wire) -> None:
    assert user.parameters["is_superuser"] == "off"
    assert user.rows("select current_user, session_user, user") == [("ann", "ann", "ann")]
    assert user.rows("select usename, usesuper from pg_user where usename = 'ann'") == [("ann", "f")]


def test_tables_of_others_are_closed_until_granted(admin: Wire, user: Wire) -> None:
    admin.query("create schema s; create table s.t (a int); insert into s.t values (1)")
    assert user.error("select a from s.t")["C"] == "42501"
    admin.query("grant usage on schema s to ann; grant select on s.t to ann")
    assert user.rows("select a from s.t") == [("1",)]
    assert user.error("insert into s.t values (2)")["C"] == "42501"
    assert user.error("drop table s.t")["C"] == "42501"
    assert user.error("alter table s.t add column b int")["C"] == "42501"


def test_a_superuser_manages_what_users_own(admin: Wire, user: Wire) -> None:
    assert user.tags("create table mine (a int); insert into mine values (1)") == [
        "CREATE TABLE",
        "INSERT 0 1",
    ]
    assert admin.rows("select a from mine") == [("1",)]
    assert admin.tags("alter table mine add column b int; drop table mine") == ["ALTER TABLE", "DROP TABLE"]


def test_roles_carry_privileges(admin: Wire, user: Wire) -> None:
    admin.query("create schema s; create table s.t (a int); create role reader")
    admin.query(
        "grant usage on schema s to role reader; grant select on s.t to role reader; grant role reader to ann"
    )
    assert user.rows("select a from s.t") == []
    assert admin.rows("select user_name, role_name from svv_user_grants") == [("ann", "reader")]
    assert admin.rows(
        "select namespace_name, relation_name, privilege_type, identity_name, identity_type"
        " from svv_relation_privileges where namespace_name = 's'"
    ) == [("s", "t", "SELECT", "reader", "role")]


@pytest.mark.parametrize(
    "sql",
    [
        "set session authorization rdsdb",
        "set session authorization admin",
        "set role rdsdb",
        "set role admin",
        "reset session authorization",
        "reset role",
        "set session_authorization to rdsdb",
        "set role to admin",
        "select set_config('session_authorization', 'rdsdb', false)",
        "create user boss password 'Password1' createuser",
        "create user other password 'Password1'",
        "alter user admin password 'Password1'",
        "grant zeroshift_superusers to ann",
        "grant role zeroshift_superusers to ann",
        "grant role pg_read_all_data to ann",
        "select rolpassword from pg_authid",
        "select rolpassword from pg_catalog.pg_authid",
        "select passwd from pg_shadow",
        "select pg_read_file('/etc/passwd')",
        "copy t from program 'id'",
        "copy (select 1) to '/tmp/x'",
        "do $$ begin end $$",
        "create function f() returns int as 'select 1' language sql",
        "select zeroshift.is_superuser('admin')",
        "select * from zeroshift.engine_state",
        "insert into zeroshift.engine_state values ('a', 'b')",
        "select zeroshift.record_late_binding_view('a', 'b', 'c')",
        "alter system set fsync = off",
        "load 'x'",
        "select * from svv_integration",
        "select * from svv_integration_table_state",
        "select * from svv_table_info",
        "drop database dev",
        "create extension dblink",
        "select lo_import('/etc/passwd')",
        "select query_to_xml('select 1', true, true, '')",
        "select * from pg_stat_activity",
    ],
)
def test_an_ordinary_user_cannot(user: Wire, sql: str) -> None:
    fields = user.error(sql)
    assert fields["C"] in ("0A000", "42501", "42601", "42704", "42883", "42P01", "3F000"), fields
    assert user.rows("select current_user") == [("ann",)]


def test_the_gateways_own_schemas_are_not_to_be_seen(admin: Wire) -> None:
    for sql in (
        "select schema_name from svv_all_schemas",
        "select nspname from pg_namespace",
        "select table_schema from svv_tables",
        "select schemaname from pg_tables",
        "select table_schema from information_schema.tables",
    ):
        seen = {row[0] for row in admin.rows(sql)}
        assert not {name for name in seen if name and name.startswith(("zeroshift", "redshift"))}, sql


def test_users_see_metadata_of_what_they_may_use(admin: Wire, user: Wire) -> None:
    admin.query("create schema hidden; create table hidden.t (a int)")
    listed = "select count(*) from svv_all_tables where schema_name = 'hidden'"
    assert user.rows(listed) == [("0",)]
    assert admin.rows(listed) == [("1",)]


def test_superusers_see_all_sessions_users_their_own(admin: Wire, user: Wire) -> None:
    seen = "select trim(user_name) from stv_sessions order by 1"
    # The one of the test before may not have ended yet.
    assert set(user.rows(seen)) == {("ann",)}
    # Others, such as the Data API's, may have sessions too.
    ours = f"where process in ({admin.key[0]}, {user.key[0]})"
    assert admin.rows(seen.replace("order", f"{ours} order")) == [("admin",), ("ann",)]


@pytest.fixture
def landing(admin: Wire, engine: Any) -> Wire:
    """A landing table as local replication makes it."""
    engine.execute('create schema "shop_landing.shop"')
    engine.execute('create table "shop_landing.shop".orders (id bigint, total numeric(12,2))')
    engine.execute('insert into "shop_landing.shop".orders values (1, 9.50)')
    engine.execute('grant usage on schema "shop_landing.shop" to public')
    engine.execute('grant select on "shop_landing.shop".orders to public')
    return admin


def test_landing_is_read_by_three_part_names(landing: Wire) -> None:
    assert landing.rows("select id, total from shop_landing.shop.orders") == [("1", "9.50")]
    assert landing.rows(
        "select database_name, schema_name from svv_all_tables where table_name = 'orders'"
    ) == [("shop_landing", "shop")]
    assert landing.rows("select count(*) from svv_tables where table_name = 'orders'") == [("0",)]


@pytest.mark.parametrize(
    "sql",
    [
        "insert into shop_landing.shop.orders values (2, 1)",
        "update shop_landing.shop.orders set total = 0",
        "delete from shop_landing.shop.orders",
        "truncate shop_landing.shop.orders",
        "drop table shop_landing.shop.orders",
        "alter table shop_landing.shop.orders add column x int",
        "create table shop_landing.shop.more (a int)",
        "drop schema shop_landing.shop",
    ],
)
def test_landing_is_read_only(landing: Wire, sql: str) -> None:
    assert landing.error(sql)["C"] in ("0A000", "42501", "25006", "42601")
    assert landing.rows("select count(*) from shop_landing.shop.orders") == [("1",)]


def test_users_end_their_own_sessions_superusers_any(admin: Wire, user: Wire) -> None:
    with Wire(admin.status) as other:
        other.login(PASSWORD, user="ann")
        assert user.error(f"select pg_terminate_backend({admin.key[0]})")["C"] == "42501"
        assert user.rows(f"select pg_terminate_backend({other.key[0]})") == [("t",)]
        assert other.rest()[0][0] == b"E"
    assert admin.rows(f"select pg_terminate_backend({user.key[0]})") == [("t",)]
    assert admin.rows("select pg_terminate_backend(1)") == [("f",)]


def test_connection_limit_of_a_user(admin: Wire) -> None:
    admin.query(f"create user one password '{PASSWORD}' connection limit 1")
    with Wire(admin.status) as first, Wire(admin.status) as second:
        first.login(PASSWORD, user="one")
        with pytest.raises(Exception, match="too many connections"):
            second.login(PASSWORD, user="one")


def test_a_dropped_user_cannot_come_back(admin: Wire) -> None:
    admin.query(f"create user gone password '{PASSWORD}'")
    admin.query("drop user gone")
    with Wire(admin.status) as wire, pytest.raises(Exception, match="password authentication failed"):
        wire.login(PASSWORD, user="gone")


def test_a_superuser_makes_another_who_may_do_as_much(admin: Wire) -> None:
    admin.query(f"create user boss password '{PASSWORD}' createuser")
    admin.query(f"create user later password '{PASSWORD}'; alter user later createuser")
    for name in ("boss", "later"):
        with Wire(admin.status) as wire:
            made = wire.login(PASSWORD, user=name)
            assert made.parameters["is_superuser"] == "on"
            assert made.tags(f"create schema of_{name}") == ["CREATE SCHEMA"]
            assert made.tags(f"create role helper_{name}") == ["CREATE ROLE"]
            assert made.tags(f"grant usage on schema of_{name} to role helper_{name}") == ["GRANT"]
            assert made.tags(f"create user small_{name} password '{PASSWORD}'") == ["CREATE USER"]
    admin.query("alter user later nocreateuser")
    with Wire(admin.status) as wire:
        demoted = wire.login(PASSWORD, user="later")
        assert demoted.parameters["is_superuser"] == "off"
        assert demoted.error("create schema of_nobody")["C"] == "42501"
        assert demoted.error("create role nothing")["C"] == "42501"
