from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
import redshift_connector

from deployer.errors import StatementFailed, Unavailable
from deployer.local.environment import Status
from deployer.operations.warehouses import target_of
from deployer.warehouse import retry
from deployer.warehouse.session import CONNECTION_LOST, Session, failure


def test_rows_and_columns_come_as_the_driver_gives_them(status: Status) -> None:
    with Session(target_of(status)) as session:
        result = session.execute(
            "select 1 as n, cast(2.50 as decimal(5, 2)) as d, cast(null as varchar(3)) as t"
        )
    assert [column.name for column in result.columns] == ["n", "d", "t"]
    assert result.rows == ((1, Decimal("2.50"), None),)


def test_a_percent_sign_is_sent_as_it_is_without_parameters(status: Status) -> None:
    with Session(target_of(status)) as session:
        assert session.execute("select '50%s' as t").rows == (("50%s",),)
        assert session.execute("select %s as t", ("x",)).rows == (("x",),)


def test_a_refused_statement_keeps_state_position_and_place(status: Status) -> None:
    with Session(target_of(status)) as session:
        with pytest.raises(StatementFailed) as caught:
            session.execute("select no_such_column from pg_class", where="a.sql:3")
        error = caught.value
        assert (error.sqlstate, error.position, error.where) == ("42703", 8, "a.sql:3")
        assert "no_such_column" in str(error)
        # Autocommit: the next statement is not in a failed transaction.
        assert session.execute("select 1").rows == ((1,),)


def test_a_transaction_is_rolled_back_by_an_error(fresh_database: Status) -> None:
    with Session(target_of(fresh_database)) as session:
        session.execute("create schema s")
        session.execute("create table s.t (n integer)")
        with pytest.raises(StatementFailed), session.transaction():
            session.execute("insert into s.t (n) values (1)")
            session.execute("select no_such_column from s.t")
        assert session.execute("select count(*) from s.t").rows == ((0,),)
        with session.transaction():
            session.execute("insert into s.t (n) values (1)")
        assert session.execute("select count(*) from s.t").rows == ((1,),)


def test_a_commit_that_is_cancelled_leaves_no_transaction_open(
    status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Session(target_of(status)) as session:
        execute, sent = session.execute, []

        def cancelled(sql: str) -> Any:
            sent.append(sql)
            if sql == "commit":
                raise StatementFailed("Query cancelled on user's request", sqlstate="57014")
            return execute(sql)

        monkeypatch.setattr(session, "execute", cancelled)
        with pytest.raises(StatementFailed, match="cancelled"), session.transaction():
            execute("select 1")
        assert sent == ["begin", "commit", "rollback"]


def test_a_wrong_password_and_a_closed_port_are_one_sentence(status: Status) -> None:
    with pytest.raises(Unavailable, match="cannot connect to admin@"):
        Session(replace(target_of(status), password="wrong"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        free = probe.getsockname()[1]
    with pytest.raises(Unavailable, match=f":{free}/dev"):
        Session(replace(target_of(status), port=free))


def test_a_password_is_in_no_repr(status: Status) -> None:
    assert status.password not in repr(target_of(status))


@pytest.mark.parametrize(
    ("error", "sqlstate", "says", "transient"),
    [
        (
            redshift_connector.ProgrammingError({"C": "40001", "M": "could not complete", "D": "because"}),
            "40001",
            "could not complete; because",
            True,
        ),
        (
            redshift_connector.ProgrammingError({"C": "XX000", "M": "ERROR: 1023", "H": "retry it"}),
            "XX000",
            "ERROR: 1023; hint: retry it",
            True,
        ),
        (
            redshift_connector.ProgrammingError(
                {"C": "XX000", "M": "could not open relation with OID 12345"}
            ),
            "XX000",
            "could not open relation with OID 12345",
            True,
        ),
        (
            redshift_connector.ProgrammingError(
                {"C": "42P01", "M": 'relation "x" does not exist', "P": "15"}
            ),
            "42P01",
            'relation "x" does not exist',
            False,
        ),
        (redshift_connector.InterfaceError("BrokenPipe"), CONNECTION_LOST, "connection", True),
        (ConnectionResetError("reset"), CONNECTION_LOST, "the connection to the warehouse broke", True),
    ],
)
def test_driver_errors_become_ours(error: Exception, sqlstate: str, says: str, transient: bool) -> None:
    ours = failure(error, sql="select 1")
    assert ours.sqlstate == sqlstate
    assert says in str(ours)
    assert retry.is_transient(ours) is transient


def attempts(*failures: StatementFailed) -> tuple[Callable[[], str], list[int]]:
    left: list[Any] = list(failures)
    made: list[int] = []

    def work() -> str:
        made.append(1)
        if left:
            raise left.pop(0)
        return "done"

    return work, made


def test_transient_failures_are_tried_again_and_others_are_not() -> None:
    conflict = StatementFailed("conflict with concurrent transaction", sqlstate="40001")
    pauses: list[float] = []
    work, made = attempts(conflict, conflict)
    assert retry.retrying(work, sleep=pauses.append) == "done"
    assert len(made) == 3
    assert pauses == sorted(pauses)

    work, made = attempts(StatementFailed("no such table", sqlstate="42P01"))
    with pytest.raises(StatementFailed):
        retry.retrying(work, sleep=pauses.append)
    assert len(made) == 1


def test_it_gives_up_and_never_repeats_on_a_lost_connection() -> None:
    conflict = StatementFailed("conflict", sqlstate="40001")
    work, made = attempts(*[conflict] * 10)
    with pytest.raises(StatementFailed):
        retry.retrying(work, sleep=lambda _: None)
    assert len(made) == len(retry.PAUSES) + 1

    work, made = attempts(StatementFailed("gone", sqlstate=CONNECTION_LOST))
    with pytest.raises(StatementFailed):
        retry.retrying(work, sleep=lambda _: None)
    assert len(made) == 1


def test_two_writers_of_one_row_get_redshifts_conflict(fresh_database: Status) -> None:
    target = target_of(fresh_database)
    with Session(target) as first, Session(target) as second:
        first.execute("create schema s")
        first.execute("create table s.t (n integer)")
        first.execute("insert into s.t (n) values (1)")
        first.execute("begin")
        first.execute("select n from s.t")
        second.execute("update s.t set n = 2")
        with pytest.raises(StatementFailed) as caught:
            first.execute("update s.t set n = 3")
        first.execute("rollback")
    assert retry.is_transient(caught.value)
