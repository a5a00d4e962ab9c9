"""Users, groups and roles are three kinds; default privileges; what the privilege views show."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_wire import Wire

from deployer.local.environment import Status


@pytest.fixture
def admin(fresh_database: Status) -> Iterator[Wire]:
    with Wire(fresh_database) as wire:
        wire.login()
        wire.query(
            "create schema s; create table s.t (a int); create role r; create group g;"
            " create user ann password 'Ordinary-User-1'"
        )
        yield wire


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("grant select on s.t to r", 'user "r" does not exist'),
        ("grant select on s.t to role g", 'role "g" does not exist'),
        ("grant select on s.t to group r", 'group "r" does not exist'),
        ("grant select on s.t to role ann", 'role "ann" does not exist'),
        ("revoke select on s.t from group r", 'group "r" does not exist'),
        ("grant role r to g", 'user "g" does not exist'),
        ("grant role r to role ann", 'role "ann" does not exist'),
        ("alter default privileges in schema s grant select on tables to r", 'user "r" does not exist'),
    ],
)
def test_a_grantee_is_what_it_is_called(admin: Wire, sql: str, message: str) -> None:
    told = admin.error(sql)
    assert (told["C"], told["M"]) == ("42704", message)
    assert admin.rows("select count(*) from svv_relation_privileges where namespace_name = 's'") == [("0",)]
    assert admin.rows("select count(*) from svv_default_privileges") == [("0",)]


def test_groups_are_no_roles(admin: Wire) -> None:
    admin.query("create group h with user ann; grant select on s.t to group h; grant select on s.t to role r")
    assert admin.rows("select role_name from svv_roles") == [("r",)]
    assert admin.rows("select groname from pg_group order by 1") == [("g",), ("h",)]
    assert admin.rows(
        "select groname from pg_group, pg_user where usesysid = any (grolist) and usename = 'ann'"
    ) == [("h",)]
    assert admin.rows("select count(*) from svv_user_grants") == [("0",)]
    assert admin.rows(
        "select identity_name, identity_type from svv_relation_privileges where namespace_name = 's' order by 1"
    ) == [("h", "group"), ("r", "role")]


def test_default_privileges_are_shown_and_new_procedures_stay_closed(admin: Wire) -> None:
    admin.query(
        "alter default privileges in schema s grant select on tables to role r;"
        " alter default privileges for user ann grant execute on procedures to group g;"
        " alter default privileges for user ann grant insert on tables to ann with grant option"
    )
    shown = (
        "select schema_name, object_type, owner_name, owner_type, privilege_type, grantee_name, grantee_type,"
        " admin_option from svv_default_privileges order by privilege_type desc"
    )
    assert admin.rows(shown) == [
        ("s", "RELATION", "admin", "user", "SELECT", "r", "role", "f"),
        (None, "PROCEDURE", "ann", "user", "EXECUTE", "g", "group", "f"),
    ]
    with Wire(admin.status) as user:
        user.login("Ordinary-User-1", user="ann")
        user.query("create procedure p(a int, out b varchar) as $$ begin null; end; $$ language plpgsql")
        assert user.rows("select count(*) from svv_default_privileges") == [("0",)]
    assert admin.rows(
        "select function_name, argument_types, privilege_type, identity_name, identity_type"
        " from svv_function_privileges where function_name = 'p'"
    ) == [("p", "integer", "EXECUTE", "g", "group")]
    admin.query("alter default privileges for user ann revoke execute on procedures from group g")
    assert len(admin.rows(shown)) == 1


def test_default_execute_for_everybody_is_a_schemas(admin: Wire) -> None:
    admin.query(
        "alter default privileges in schema s grant execute on procedures to public;"
        " alter default privileges grant execute on procedures to role r;"
        " create procedure s.p() as $$ begin null; end; $$ language plpgsql;"
        " create schema closed;"
        " create procedure closed.p() as $$ begin null; end; $$ language plpgsql"
    )
    assert admin.rows(
        "select namespace_name, identity_name, identity_type from svv_function_privileges order by 1, 2"
    ) == [("closed", "r", "role"), ("s", "public", "public"), ("s", "r", "role")]
    assert admin.error("alter default privileges grant execute on procedures to public")["C"] == "0A000"
