"""The transaction rules of the guide's page "Managing transactions", example by example, and "Trapping errors"."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from typing import Any

import pytest
import redshift_connector
from patience import wait_until

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
    run("create table a (v integer)")
    run("create table b (v integer)")
    return run


@pytest.fixture
def other(run: Run, connect: Callable[..., Any]) -> Run:
    return runner(connect(autocommit=True))


def values(run: Run, table: str) -> list[int]:
    return [row[0] for row in run(f"select v from {table} order by v")]


def failure(run: Run, sql: str, *arguments: Any) -> dict[str, str]:
    with pytest.raises(redshift_connector.Error) as caught:
        run(sql, *arguments)
    told: dict[str, str] = caught.value.args[0]
    return told


def create(run: Run, body: str, head: str = "p()", more: str = "", tail: str = "") -> None:
    run(f"create or replace procedure {head} {more} as $$\n{body}\n$$ language plpgsql {tail}")


# -- the default mode ---------------------------------------------------------------------------------------------


def test_temporary_tables_after_a_rollback_of_the_first(run: Run, other: Run) -> None:
    """The rollback takes the session's schema for them back, too, and the next one makes another."""
    create(
        run,
        "begin drop table if exists t; create temp table t (v int); rollback;"
        " drop table if exists t; create temp table t (v int); insert into t (v) select 1;"
        " insert into a select v from t; end",
    )
    other("call p()")
    assert values(other, "a") == values(other, "t") == [1]


def test_all_is_one_transaction_that_others_see_at_the_end(run: Run, other: Run) -> None:
    create(run, "begin insert into a values (x); insert into b values (x); end", "p(x int)")
    run("begin")
    run("insert into a values (1)")
    run("call p(2)")
    assert values(other, "a") == []
    run("insert into a values (3)")
    run("commit")
    assert values(other, "a") == [1, 2, 3]


def test_an_error_undoes_the_clients_block_too(run: Run) -> None:
    create(run, "begin insert into a values (2); insert into a values (1 / 0); end")
    run("begin")
    run("insert into a values (1)")
    told = failure(run, "call p()")
    assert (told["C"], told["M"]) == ("22012", "division by zero")
    assert failure(run, "select 1")["C"] == "25P02"
    run("rollback")
    assert values(run, "a") == []


def test_commit_and_rollback_begin_a_new_transaction(run: Run, other: Run) -> None:
    create(
        run,
        """
declare total int;
begin
    insert into a values (x);
    select sum(v) into total from a;
    if total > 2 then
        rollback;
    else
        commit;
    end if;
    insert into a values (y);
end;
""",
        "p(x int, y int)",
    )
    run("call p(1, 1)")
    assert values(other, "a") == [1, 1]
    run("call p(5, 7)")
    assert values(other, "a") == [1, 1, 7]


def test_truncate_in_a_nested_call_commits_the_work_of_both(run: Run) -> None:
    create(run, "begin insert into a values (3); truncate b; insert into a values (4); end", "inner_one()")
    create(
        run,
        "begin insert into b values (1); call inner_one(); insert into b values (2); raise exception 'x'; end",
    )
    assert failure(run, "call p()")["M"] == "x"
    assert (values(run, "a"), values(run, "b")) == ([3], [])


def test_dynamic_truncate_commits(run: Run) -> None:
    create(run, "begin insert into a values (1); execute 'truncate b;'; raise exception 'x'; end")
    failure(run, "call p()")
    assert values(run, "a") == [1]


@pytest.mark.parametrize("verb", ["commit", "rollback", "begin", "start transaction"])
def test_transactions_cannot_be_controlled_by_dynamic_sql(run: Run, verb: str) -> None:
    create(run, f"begin insert into a values (1); execute '{verb}'; end")
    told = failure(run, "call p()")
    assert told["M"] == f"{verb.split()[0].upper()} cannot be used in dynamic SQL on Redshift"
    assert values(run, "a") == []


def test_truncate_in_a_clients_block_has_the_guides_error(run: Run) -> None:
    create(run, "BEGIN\n  TRUNCATE b;\nEND;")
    run("begin")
    told = failure(run, "call p()")
    assert told["M"] == "TRUNCATE cannot be invoked from a procedure that is executing in an atomic context."
    assert told["H"].startswith(
        "Try calling the procedure as a top-level call i.e. not from within an explicit"
    )
    assert told["W"] == 'PL/pgSQL function "p" line 2 at SQL statement'


def test_a_nested_procedure_below_one_with_a_setting_cannot_commit(run: Run) -> None:
    create(run, "begin commit; end", "inner_one()")
    create(run, "begin call public.inner_one(); end", tail="set search_path to public")
    told = failure(run, "call p()")
    assert told["M"] == "COMMIT cannot be invoked from a procedure that is executing in an atomic context."
    assert told["W"] == 'PL/pgSQL function "inner_one" line 1 at commit\nPL/pgSQL function "p" line 1 at call'


def test_a_setting_holds_in_the_procedure_only(run: Run) -> None:
    run("create schema s")
    run("create table s.only_here (v int)")
    create(run, "begin insert into only_here values (1); end", tail="set search_path to s")
    run("call p()")
    assert run("select v from s.only_here") == [(1,)]
    assert "does not exist" in failure(run, "select * from only_here")["M"]
    create(run, "begin insert into nowhere values (1); end", tail="set search_path to s")
    failure(run, "call p()")
    assert "does not exist" in failure(run, "select * from only_here")["M"]


def test_truncate_closes_an_open_cursor(run: Run) -> None:
    run("insert into a values (1)")
    create(
        run,
        """DECLARE
  rec RECORD;
  cur1 cursor for select * from a order by 1;
BEGIN
  open cur1;
  TRUNCATE table b;
  Loop
    fetch cur1 into rec;
    raise info '%', rec.v;
    exit when not found;
  End Loop;
END""",
    )
    told = failure(run, "call p()")
    assert told["M"] == 'cursor "cur1" does not exist'
    assert told["W"] == 'PL/pgSQL function "p" line 8 at fetch'


@pytest.mark.parametrize(
    "work",
    ["loop null; end loop;", "select count(*) into n from a a1, a a2, a a3, a a4, a a5;"],
)
def test_a_client_that_dies_leaves_nothing_behind(run: Run, status: Any, engine: Any, work: str) -> None:
    psycopg = pytest.importorskip("psycopg")
    run("insert into a values (1), (2), (3), (4), (5), (6), (7), (8), (9), (10)")
    for _ in range(4):
        run("insert into a select v from a")
    create(run, f"declare n bigint; begin insert into b values (1); {work} end")
    client = psycopg.connect(
        host=status.host,
        port=status.port,
        user=status.user,
        password=status.password,
        dbname="dev",
        autocommit=True,
    )
    pid = client.info.backend_pid
    client.pgconn.send_query(b"call p()")
    client.pgconn.flush()
    time.sleep(0.5)
    alive = "select count(*) from pg_stat_activity where pid = %s"
    assert engine.execute(alive, [pid]).fetchone() == (1,)
    socket.socket(fileno=os.dup(client.pgconn.socket)).shutdown(socket.SHUT_RDWR)
    wait_until(lambda: engine.execute(alive, [pid]).fetchone() == (0,))
    assert values(run, "b") == []
    client.close()


# -- handlers -----------------------------------------------------------------------------------------------------


def test_the_guides_example_of_a_handler(run: Run) -> None:
    run("create table employee (firstname varchar, lastname varchar)")
    run("insert into employee values ('Tomas', 'Smith')")
    run("create table employee_error_log (message varchar)")
    create(
        run,
        """BEGIN
    UPDATE employee SET firstname = 'Adam' WHERE lastname = 'Smith';
    EXECUTE 'select invalid';
EXCEPTION WHEN OTHERS THEN
    RAISE INFO 'An exception occurred.';
    INSERT INTO employee_error_log VALUES ('Error message: ' || SQLERRM);
END;""",
        "update_employee_sp()",
    )
    told = failure(run, "call update_employee_sp()")
    assert told["M"] == 'column "invalid" does not exist'
    assert told["W"] == (
        'SQL statement "select invalid"\nPL/pgSQL function "update_employee_sp" line 3 at execute statement'
    )
    assert run("select * from employee") == [("Tomas", "Smith")]
    assert run("select * from employee_error_log") == [('Error message: column "invalid" does not exist',)]


@pytest.mark.parametrize("ending", ["", "return;", "<<l>> loop exit l; end loop;"])
def test_a_handler_throws_again_however_it_ends(run: Run, ending: str) -> None:
    create(
        run,
        "begin insert into a values (1); raise exception 'first'; exception when others then insert into a values (2); "
        f"{ending} end",
    )
    assert failure(run, "call p()")["M"] == "first"
    assert values(run, "a") == [2]


def test_work_before_a_commit_survives_a_handler(run: Run) -> None:
    create(
        run,
        "begin insert into a values (1); commit; insert into a values (2); raise exception 'x'; "
        "exception when others then insert into a values (3); end",
    )
    failure(run, "call p()")
    assert values(run, "a") == [1, 3]


def test_an_outer_handler_catches_what_an_inner_one_throws_again(run: Run) -> None:
    create(
        run,
        """begin
  begin
    insert into a values (1);
    raise exception 'inner';
  exception when others then
    insert into a values (2);
  end;
exception when others then
  insert into a values (3);
end""",
    )
    assert failure(run, "call p()")["M"] == "inner"
    assert values(run, "a") == [2, 3]


def test_an_error_in_a_handler_undoes_the_handler(run: Run) -> None:
    create(
        run,
        "begin raise exception 'a'; exception when others then insert into a values (1); raise exception 'b'; end",
    )
    assert failure(run, "call p()")["M"] == "b"
    assert values(run, "a") == []


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_handler_rolls_a_clients_block_back_and_keeps_its_own_work(run: Run, end: str) -> None:
    create(run, "begin raise exception 'x'; exception when others then insert into a values (1); end", "q()")
    create(run, "begin call q(); exception when others then insert into a values (2); end")
    run("begin")
    run("insert into a values (7)")
    assert failure(run, "call p()")["M"] == "x"
    # The rest of the client's block does not run as if there had been none.
    assert failure(run, "insert into a values (8)")["C"] == "25P02"
    run(end)
    assert values(run, "a") == [1, 2]
    run("insert into a values (9)")
    assert values(run, "a") == [1, 2, 9]


def test_sqlerrm_is_known_in_handlers_only(run: Run) -> None:
    create(run, "declare t varchar(99); begin t := sqlerrm; end")
    assert failure(run, "call p()")["C"] == "42703"


# -- NONATOMIC ----------------------------------------------------------------------------------------------------


def test_nonatomic_statements_commit_one_by_one(run: Run, other: Run) -> None:
    create(run, "begin insert into a values (1); insert into b values (1 / 0); end", more="nonatomic")
    failure(run, "call p()")
    assert values(other, "a") == [1]


def test_nonatomic_under_a_clients_block_is_part_of_it(run: Run, other: Run) -> None:
    create(run, "begin insert into a values (1); insert into b values (1); end", more="nonatomic")
    run("begin")
    run("call p()")
    assert values(other, "a") == []
    run("rollback")
    assert values(other, "a") == []


def test_nonatomic_commit_ends_the_clients_block_and_begins_another(run: Run, other: Run) -> None:
    create(
        run,
        "begin start transaction; insert into a values (20); commit; insert into b values (30); end",
        more="nonatomic",
    )
    run("begin")
    run("insert into a values (10)")
    run("call p()")
    assert (values(other, "a"), values(other, "b")) == ([10, 20], [])
    run("insert into b values (40)")
    run("rollback")
    assert values(other, "b") == []


def test_start_transaction_holds_statements_together(run: Run, other: Run) -> None:
    create(
        run,
        "begin insert into a values (1); start transaction; insert into a values (2); raise exception 'x'; end",
        more="nonatomic",
    )
    failure(run, "call p()")
    assert values(other, "a") == [1]
    create(run, "begin start transaction; insert into a values (3); end", more="nonatomic")
    assert "still open at the end" in failure(run, "call p()")["M"]
    assert values(other, "a") == [1]


CURSOR = """DECLARE
  rec RECORD;
  cur1 cursor for select * from a order by 1;
BEGIN
  {begin}
  open cur1;
  Loop
    fetch cur1 into rec;
    exit when not found;
    raise info '%', rec.v;
    insert into b values (rec.v);
  End Loop;
  {end}
END"""


def test_a_nonatomic_cursor_loop_needs_a_transaction(run: Run) -> None:
    run("insert into a values (1), (2), (3)")
    create(run, CURSOR.format(begin="", end=""), more="nonatomic")
    assert failure(run, "call p()")["M"] == 'cursor "cur1" does not exist'
    assert values(run, "b") == [1]
    create(run, CURSOR.format(begin="start transaction;", end="commit;"), more="nonatomic")
    run("call p()")
    assert values(run, "b") == [1, 1, 2, 3]


def test_a_nonatomic_loop_over_a_query_needs_a_transaction(run: Run) -> None:
    run("insert into a values (1), (2)")
    body = "declare r record; begin {} for r in select v from a order by v loop {} end loop; {} end"
    create(run, body.format("", "insert into b values (r.v);", ""), more="nonatomic")
    assert "does not exist" in failure(run, "call p()")["M"]
    assert values(run, "b") == [1]
    create(run, body.format("", "raise info '%', r.v;", ""), more="nonatomic")
    run("call p()")
    create(
        run, body.format("start transaction;", "insert into b values (r.v + 5);", "commit;"), more="nonatomic"
    )
    run("call p()")
    assert values(run, "b") == [1, 6, 7]


def test_nonatomic_handlers_swallow_and_go_on(run: Run) -> None:
    create(
        run,
        """begin
  begin
    insert into a values (1);
    execute 'select invalid1';
  exception when others then
    insert into b values (1);
  end;
  begin
    insert into a values (2);
    execute 'select invalid2';
  exception when others then
    insert into b values (2);
  end;
end""",
        more="nonatomic",
    )
    run("call p()")
    assert (values(run, "a"), values(run, "b")) == ([1, 2], [1, 2])


def test_a_bare_raise_throws_again(run: Run) -> None:
    create(
        run,
        "begin insert into a values (1); raise exception 'x'; exception when others then insert into b values (2); "
        "raise; end",
        more="nonatomic",
    )
    assert failure(run, "call p()")["M"] == "x"
    assert (values(run, "a"), values(run, "b")) == ([1], [2])


def test_a_continue_handler_goes_on_after_the_failing_statement(run: Run) -> None:
    create(
        run,
        "begin insert into a values (1); execute 'select invalid'; insert into a values (2); "
        "exception continue_handler when others then insert into b values (1); end",
        more="nonatomic",
    )
    run("call p()")
    assert (values(run, "a"), values(run, "b")) == ([1, 2], [1])


def test_nested_procedures_must_be_of_one_mode(run: Run) -> None:
    create(run, "begin null; end", "inner_one()", more="nonatomic")
    create(run, "begin call inner_one(); end")
    assert "same transaction mode" in failure(run, "call p()")["M"]


def test_each_nonatomic_statement_sees_what_others_have_committed(run: Run, other: Run) -> None:
    # The expression before the statement must not hold an old snapshot.
    create(
        run,
        "declare n int; m int; begin n := abs(-1); select count(*) into m from a; insert into b values (m); end",
        more="nonatomic",
    )
    other("insert into a values (1)")
    run("call p()")
    assert values(run, "b") == [1]


@pytest.mark.parametrize(
    "body",
    [
        "begin null; exception continue_handler when others then null; end",
        "begin null; exception when others then raise; end",
        "begin start transaction; end",
    ],
)
def test_what_only_nonatomic_procedures_have(run: Run, body: str) -> None:
    with pytest.raises(redshift_connector.Error) as caught:
        create(run, body)
    assert "supported in NONATOMIC procedures only" in caught.value.args[0]["M"]
