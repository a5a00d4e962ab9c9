"""SET SESSION AUTHORIZATION: whose rights a session has, until when, and who may say so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from deployer.local.environment import Status


def connect(status: Status, user: str = "", password: str = "") -> psycopg.Connection[Any]:
    return psycopg.connect(
        make_conninfo(
            host=status.host, port=status.port, user=user or status.user,
            password=password or status.password, dbname=status.database,
        ),
        autocommit=True,
    )  # fmt: skip


@pytest.fixture
def session(fresh_database: Status) -> Iterator[psycopg.Connection[Any]]:
    with connect(fresh_database) as made:
        for name in ("ann", "bob"):
            made.execute(f"create user {name} password 'Abcdef12'")
        made.execute("create schema own authorization ann")
        made.execute("create table public.secret (a int)")
        yield made


def users(session: psycopg.Connection[Any]) -> Any:
    return session.execute("select current_user, session_user, current_schema()").fetchone()


def test_the_session_has_the_user_s_rights_until_default(session: psycopg.Connection[Any]) -> None:
    session.execute("set session authorization 'ann'")
    assert users(session)[:2] == ("ann", "ann")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("select * from public.secret")
    session.execute("create table own.t (a int)")
    session.execute("set session authorization bob")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("select * from own.t")
    session.execute("set session authorization default")
    assert users(session)[0] not in ("ann", "bob")
    owner = session.execute("select tableowner from pg_tables where tablename = 't'").fetchone()
    assert owner == ("ann",)
    assert session.execute("select * from public.secret").fetchall() == []


def test_it_is_a_parameter_too(session: psycopg.Connection[Any]) -> None:
    """The examples of stored-procedure-transaction-management."""
    admin = users(session)[0]
    for said in ("set session_authorization to ann", "set session session_authorization = 'ann'"):
        session.execute(said)
        assert users(session)[:2] == ("ann", "ann")
        session.execute("reset session_authorization")
        assert users(session)[0] == admin
    session.execute("set session_authorization to bob")
    session.execute("set session_authorization to default")
    assert users(session)[0] == admin
    with pytest.raises(psycopg.errors.SyntaxError, match="at end of input"):
        session.execute("set session_authorization to")


def test_local_and_a_rollback_end_with_the_transaction(session: psycopg.Connection[Any]) -> None:
    admin = users(session)[0]
    session.execute("begin")
    session.execute("set local session authorization ann")
    assert users(session)[0] == "ann"
    session.execute("commit")
    assert users(session)[0] == admin
    session.execute("create schema ann")
    session.execute("grant usage on schema ann to ann")
    session.execute("create table ann.seen_by_ann (a int)")
    for end in ("rollback", "commit"):
        session.execute("begin")
        session.execute("set session authorization ann")
        session.execute(end)
        assert users(session)[0] == (admin if end == "rollback" else "ann")
        if end == "rollback":
            # The gateway knows it too: ann's own schema is on its path no more.
            with pytest.raises(psycopg.errors.UndefinedTable):
                session.execute("select * from seen_by_ann")
    session.execute("begin")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        session.execute("select * from public.secret")
    session.execute("rollback")
    assert users(session)[0] == "ann"


def test_the_search_path_follows_the_user(session: psycopg.Connection[Any]) -> None:
    session.execute('create schema "ann"')
    session.execute("grant all on schema ann to ann")
    session.execute("set session authorization ann")
    assert users(session)[2] == "ann"
    session.execute("create table here (a int)")
    session.execute("set session authorization default")
    assert session.execute("select schemaname from pg_tables where tablename = 'here'").fetchone() == ("ann",)


def test_a_procedure_runs_as_the_user(session: psycopg.Connection[Any]) -> None:
    session.execute(
        "create procedure public.p(out who varchar) as $$ begin select current_user into who; end $$ language plpgsql"
    )
    session.execute("create procedure public.q(out who varchar) as $$ begin select current_user into who; end $$"
                    " language plpgsql security definer")  # fmt: skip
    admin = users(session)[0]
    session.execute("grant execute on procedure public.p(), public.q() to ann")
    session.execute("set session authorization ann")
    assert session.execute("call public.p()").fetchone() == ("ann",)
    assert session.execute("call public.q()").fetchone() == (admin,)
    assert users(session)[0] == "ann"


def test_who_may_and_what_is_wrong(fresh_database: Status, session: psycopg.Connection[Any]) -> None:
    with connect(fresh_database, "ann", "Abcdef12") as plain:
        plain.execute("set session authorization ann")
        with pytest.raises(
            psycopg.errors.InsufficientPrivilege, match="permission denied to set session auth"
        ):
            plain.execute("set session authorization bob")
        assert users(plain)[0] == "ann"
    with pytest.raises(psycopg.Error, match='user "nobody_here" does not exist'):
        session.execute("set session authorization nobody_here")
    session.execute("create role r")
    with pytest.raises(psycopg.Error, match='user "r" does not exist'):
        session.execute("set session authorization r")
    with pytest.raises(psycopg.errors.SyntaxError, match='at or near "bob"'):
        session.execute("set session authorization ann bob")
    with pytest.raises(psycopg.errors.SyntaxError, match="at end of input"):
        session.execute("set session authorization")
