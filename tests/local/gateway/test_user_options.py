"""Users and roles as CREATE USER, ALTER USER, ALTER ROLE and DROP ROLE of the guide have them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from gateway_wire import Refusal, Wire

from deployer.local.environment import Status
from deployer.local.gateway import codec

PASSWORD = "Ordinary-User-1"
SALT = "c721bff5d9042cf541ff7b9d48fa8a6e545c19a763e3710151f9513038b0f6c6"


@pytest.fixture
def admin(fresh_database: Status) -> Iterator[Wire]:
    with Wire(fresh_database) as wire:
        yield wire.login()


def login(admin: Wire, user: str, password: str) -> bool:
    with Wire(admin.status) as wire:
        try:
            return bool(wire.login(password, user=user).rows("select 1"))
        except Refusal:
            return False


def test_hashed_passwords_are_the_guide_s(admin: Wire) -> None:
    # r_CREATE_USER: md5('ez' || 'user1'), and the digest of Mypassword1 with its salt.
    digest = "821708135fcc42eb3afda85286dee0ed15c2c461d000291609f77eb113073ec2"
    assert (
        admin.tags(
            "create user user1 password 'md5153c434b4b77c89e6b94f12c5393af5b';"
            f"create user user2 password 'sha256|{digest}|{SALT}'; create user user3 password 'sha256|Mypassword1'"
        )
        == ["CREATE USER"] * 3
    )
    for user, password in (("user1", "ez"), ("user2", "Mypassword1"), ("user3", "Mypassword1")):
        assert login(admin, user, password), user
        assert not login(admin, user, password + "x") and not login(admin, user, ""), user
    own = hashlib.md5(b"Another1user2", usedforsecurity=False).hexdigest()
    assert (
        admin.tags(f"alter user user2 password 'md5{own}'; alter user user1 password 'Another1'")
        == ["ALTER USER"] * 2
    )
    assert login(admin, "user1", "Another1") and login(admin, "user2", "Another1")
    assert not login(admin, "user1", "ez") and not login(admin, "user2", "Mypassword1")
    admin.query("alter user user2 password disable; alter user user1 rename to user4")
    # "when a user is renamed, the password is cleared"
    assert not login(admin, "user2", "Another1") and not login(admin, "user4", "Another1")
    assert "64 hexadecimal digits" in admin.error("create user user5 password 'sha256|abc|def'")["M"]


def test_users_change_their_own_password_and_superusers_every_user(admin: Wire) -> None:
    admin.query(f"create user ann password '{PASSWORD}'; create user boss password '{PASSWORD}' createuser")
    with Wire(admin.status) as wire:
        ann = wire.login(PASSWORD, user="ann")
        assert ann.tags("alter user ann password 'Another-User-1'") == ["ALTER USER"]
        for sql in (
            "alter user ann createdb",
            "alter user ann password disable",
            "alter user boss password 'Another1'",
        ):
            assert ann.error(sql)["C"] == "42501", sql
    assert login(admin, "ann", "Another-User-1")
    with Wire(admin.status) as wire:
        boss = wire.login(PASSWORD, user="boss")
        assert boss.tags(
            "alter user ann connection limit 1 valid until '2030-01-01'; alter user admin createdb"
        ) == (["ALTER USER"] * 2)
    assert admin.rows("select valuntil from pg_user where usename = 'ann'")[0][0]
    # "You can't disable a superuser's password."
    assert admin.error("alter user boss password disable")["C"] == "42501"


def test_an_idle_session_ends_after_its_timeout(admin: Wire, engine: Any) -> None:
    assert admin.tags(
        f"create user ann password '{PASSWORD}' session timeout 120 syslog access restricted;"
        "alter user ann session timeout 1728000"
    ) == ["CREATE USER", "ALTER USER"]
    config = "select rolconfig from pg_roles where rolname = 'ann'"
    assert "idle_session_timeout=1728000s" in engine.execute(config).fetchone()[0]
    for limit in (59, 1_728_001):
        assert "60 to 1728000" in admin.error(f"alter user ann session timeout {limit}")["M"]
    # The shortest that may be asked for is a minute.
    engine.execute("alter role ann set idle_session_timeout = '100ms'")
    with Wire(admin.status) as wire:
        try:
            ended = wire.login(PASSWORD, user="ann").rest()
            told = [codec.unpack_fields(data)["C"] for kind, data in ended if kind == b"E"]
        except Refusal as refusal:
            # It was so slow that it ended while it was made.
            told = [refusal.fields["C"]]
        assert told == ["57P05"]
    assert admin.tags("alter user ann reset session timeout") == ["ALTER USER"]
    assert engine.execute(config).fetchone()[0] is None
    for option, words in (
        ("syslog access unrestricted", "SYSLOG ACCESS UNRESTRICTED"),
        ('externalid "ABC123"', "EXTERNALID"),
        ("set search_path to x", "ALTER USER ... SET"),
    ):
        assert words in admin.error(f"alter user ann {option}")["M"]


def test_roles_are_dropped_when_nobody_has_them_or_by_force(admin: Wire) -> None:
    admin.query(
        f"create user ann password '{PASSWORD}'; create role r1; create role r2; create role r3; create role r4"
    )
    assert admin.tags("grant role r1, role r3 to ann; grant role r1, r3 to role r2") == ["GRANT"] * 2
    assert admin.error("drop role r1")["M"] == "cannot drop this role since it has been granted on a user"
    assert (
        admin.error("drop role r2 restrict")["M"] == "cannot drop this role since it depends on another role"
    )
    assert admin.error("drop role ann")["C"] == "42704"
    assert (
        admin.tags("drop role r2 force; drop role r1 force; drop role r4; drop role if exists nope")
        == ["DROP ROLE"] * 4
    )
    assert admin.tags("revoke role r3 from ann; alter role r3 with rename to r5; drop role r5") == (
        ["REVOKE", "ALTER ROLE", "DROP ROLE"]
    )
    admin.query("create role r6")
    for sql, words in (("owner to ann", "OWNER TO"), ('externalid to "XYZ456"', "EXTERNALID")):
        assert f"ALTER ROLE {words} is not supported" in admin.error(f"alter role r6 {sql}")["M"]


def test_all_columns_are_granted_by_name(admin: Wire) -> None:
    admin.query(f"create user ann password '{PASSWORD}'; create schema s; grant usage on schema s to ann")
    admin.query(
        "create table s.cust (name varchar(9), phone varchar(9), secret varchar(9));"
        "insert into s.cust values ('a', 'b', 'c')"
    )
    with Wire(admin.status) as wire:
        ann = wire.login(PASSWORD, user="ann")
        assert admin.tags("grant all (name, phone) on s.cust to ann") == ["GRANT"]
        assert ann.rows("select name, phone from s.cust") == [("a", "b")]
        assert ann.error("select secret from s.cust")["C"] == "42501"
        assert admin.tags("revoke all (name, phone) on s.cust from ann") == ["REVOKE"]
        assert ann.error("select name from s.cust")["C"] == "42501"
