"""SECURITY DEFINER, EXECUTE, SESSION_USER: whose rights count, and that they are given back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import redshift_connector

Run = Callable[..., Any]


def runner(connection: Any) -> Run:
    def run(sql: str, *arguments: Any) -> Any:
        cursor = connection.cursor()
        cursor.execute(sql, arguments or None)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else None

    return run


@pytest.fixture
def run(fresh_database: None, connect: Callable[..., Any]) -> Run:
    run = runner(connect(autocommit=True))
    run("create schema s")
    run("create table s.secret (v integer)")
    run("create user caller password 'Secret123'")
    run("create user middle password 'Secret123'")
    run("grant usage on schema s to caller")
    run("grant usage, create on schema s to middle")
    return run


@pytest.fixture
def caller(run: Run, connect: Callable[..., Any]) -> Run:
    return runner(connect(user="caller", password="Secret123", autocommit=True))


@pytest.fixture
def middle(run: Run, connect: Callable[..., Any]) -> Run:
    return runner(connect(user="middle", password="Secret123", autocommit=True))


def failure(run: Run, sql: str) -> dict[str, str]:
    with pytest.raises(redshift_connector.Error) as caught:
        run(sql)
    told: dict[str, str] = caught.value.args[0]
    return told


def create(run: Run, body: str, head: str = "s.p()", tail: str = "security definer") -> None:
    run(f"create or replace procedure {head} as $$\n{body}\n$$ language plpgsql {tail}")


def is_caller_again(caller: Run) -> bool:
    return (
        caller("select current_user, session_user") == [("caller", "caller")]
        and failure(caller, "select * from s.secret")["C"] == "42501"
    )


def test_execute_is_the_owners_alone_until_it_is_granted(run: Run, caller: Run) -> None:
    create(run, "begin null; end", tail="")
    told = failure(caller, "call s.p()")
    assert (told["C"], told["M"]) == ("42501", "permission denied for procedure p")
    run("grant execute on procedure s.p() to caller")
    caller("call s.p()")
    create(run, "begin null; null; end", tail="")
    caller("call s.p()")
    run("revoke execute on procedure s.p() from caller")
    assert failure(caller, "call s.p()")["C"] == "42501"


def test_an_invokers_procedure_has_the_callers_rights(run: Run, caller: Run) -> None:
    create(run, "begin insert into s.secret values (1); end", tail="")
    run("grant execute on procedure s.p() to caller")
    assert failure(caller, "call s.p()")["C"] == "42501"


@pytest.mark.parametrize(
    "ending", ["null", "commit", "rollback", "truncate s.secret", "execute 'truncate s.secret'"]
)
def test_a_definer_has_the_owners_rights_whatever_ends_the_transaction(
    run: Run, caller: Run, ending: str
) -> None:
    create(run, f"begin insert into s.secret values (1); {ending}; insert into s.secret values (2); end")
    run("grant execute on procedure s.p() to caller")
    caller("call s.p()")
    assert is_caller_again(caller)
    assert (2,) in run("select v from s.secret")


@pytest.mark.parametrize(
    "failing",
    [
        "raise exception 'x'",
        "insert into s.secret values (1 / 0)",
        "execute 'select nonsense'",
        "call s.nowhere()",
    ],
)
@pytest.mark.parametrize("block", [False, True])
def test_an_error_gives_the_rights_back(run: Run, caller: Run, failing: str, block: bool) -> None:
    create(run, f"begin insert into s.secret values (1); {failing}; end")
    run("grant execute on procedure s.p() to caller")
    if block:
        caller("begin")
    failure(caller, "call s.p()")
    if block:
        caller("rollback")
    assert is_caller_again(caller)


def test_a_commit_that_fails_gives_the_rights_back(run: Run, caller: Run, engine: Any) -> None:
    # A deferred constraint of the engine's own, since nothing of Redshift's can fail at COMMIT here.
    engine.execute("alter table s.secret add constraint once unique (v) deferrable initially deferred")
    create(run, "begin insert into s.secret values (1), (1); commit; insert into s.secret values (2); end")
    run("grant execute on procedure s.p() to caller")
    assert failure(caller, "call s.p()")["C"] == "23505"
    assert is_caller_again(caller)
    assert run("select v from s.secret") == []


def test_a_handler_runs_with_its_own_procedures_rights(run: Run, caller: Run, middle: Run) -> None:
    # middle's procedure calls admin's, which fails; the handler must not have admin's rights.
    create(run, "begin insert into s.secret values (1 / 0); end", "s.inner_one()")
    run("grant execute on procedure s.inner_one() to middle")
    middle("create table s.heard (who varchar(64), what varchar(64))")
    create(
        middle,
        "begin call s.inner_one(); exception when others then insert into s.heard values (current_user, session_user); "
        "end",
    )
    middle("grant execute on procedure s.p() to caller")
    failure(caller, "call s.p()")
    assert middle("select * from s.heard") == [("middle", "caller")]
    assert is_caller_again(caller)


def test_nested_definers_switch_and_switch_back(run: Run, caller: Run, middle: Run) -> None:
    create(run, "begin who := who || current_user || ' '; commit; end", "s.inner_one(who inout varchar(200))")
    run("grant execute on procedure s.inner_one(varchar) to middle")
    create(
        middle,
        "begin who := current_user || ' '; call s.inner_one(who); "
        "who := who || current_user || ' ' || session_user; end",
        "s.p(who inout varchar(200))",
    )
    middle("grant execute on procedure s.p(varchar) to caller")
    admin = run("select current_user")[0][0]
    assert caller("call s.p('')") == [(f"middle {admin} middle caller",)]
    assert is_caller_again(caller)


def test_the_owner_at_run_time_counts(run: Run, caller: Run) -> None:
    create(run, "begin who := current_user; end", "s.p(who out varchar(64))")
    run("grant execute on procedure s.p() to caller")
    run("alter procedure s.p() owner to middle")
    assert caller("call s.p()") == [("middle",)]


def test_a_temporary_table_of_a_definers_body_is_the_owners(run: Run, caller: Run) -> None:
    create(
        run,
        "begin drop table if exists work; create temp table work as select 1 as one; select one into n from work; end",
        "s.p(n out int)",
    )
    run("grant execute on procedure s.p() to caller")
    assert caller("call s.p()") == [(1,)]
    assert caller("call s.p()") == [(1,)]
    assert failure(caller, "select * from work")["C"] == "42501"


def test_only_the_owner_replaces_and_drops(run: Run, caller: Run) -> None:
    create(run, "begin null; end")
    run("grant create on schema s to caller")
    with pytest.raises(redshift_connector.Error) as caught:
        create(caller, "begin null; end")
    assert caught.value.args[0]["C"] == "42501"
    assert failure(caller, "drop procedure s.p()")["C"] == "42501"
