"""Many sessions at once, and clients that send nonsense or go away: nobody else is harmed."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from gateway_wire import Wire
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from patience import PATIENCE
from seeds import count

from deployer.local.environment import Status
from deployer.local.gateway import codec
from deployer.local.gateway.codec import message, text

SESSIONS = 50
NUMBERS = itertools.count(1000)
"""What the witness asks for: each time something else."""


@pytest.fixture(scope="module")
def witness(status: Status) -> Iterator[Wire]:
    """A session that must not notice anything."""
    with Wire(status) as connection:
        yield connection.login()


def login(status: Status, **options: Any) -> psycopg.Connection[Any]:
    return psycopg.connect(
        host=status.host,
        port=status.port,
        dbname=status.database,
        user=status.user,
        password=status.password,
        autocommit=True,
        **options,
    )


def test_fifty_sessions_each_get_their_own_answers(fresh_database: Status) -> None:
    """All open at the same time, each with a temporary table of the same name, encrypted and in clear."""
    together = threading.Barrier(SESSIONS, timeout=PATIENCE)
    wrong: list[object] = []

    def work(number: int) -> None:
        try:
            with login(fresh_database, sslmode="require" if number % 5 == 0 else "disable") as connection:
                connection.execute("create temporary table mine (n integer, t varchar(20))")
                together.wait()
                for turn in range(5):
                    connection.execute("insert into mine values (%s, %s)", (turn, f"session {number}"))
                rows = connection.execute("select n, t from mine order by n").fetchall()
                if rows != [(turn, f"session {number}") for turn in range(5)]:
                    wrong.append((number, rows))
        except Exception as error:
            together.abort()
            wrong.append((number, error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(SESSIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(180)
    assert not wrong


# What a driver sends, cut into messages: the pieces of what is made broken.
VALID = [
    message(b"Q", text("select 1")),
    message(b"P", text("s"), text("select $1::int"), codec.int16(1), codec.int32(23)),
    message(b"B", text("p"), text("s"), codec.int16(0), codec.int16(1), codec.int32(1), b"7", codec.int16(0)),
    message(b"D", b"S", text("s")),
    message(b"D", b"P", text("p")),
    message(b"E", text("p"), codec.int32(0)),
    message(b"C", b"S", text("s")),
    message(b"H"),
    message(b"S"),
    message(b"X"),
    message(b"d", b"data nobody asked for"),
    message(b"F", b"\0\0\0\1"),
]


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """Valid messages in any order, then cut, changed, or stuffed with other bytes anywhere."""
    data = bytearray(b"".join(draw(st.lists(st.sampled_from(VALID), max_size=6))))
    for _ in range(draw(st.integers(0, 4))):
        at = draw(st.integers(0, len(data)))
        change = draw(st.sampled_from(["cut", "put", "change"]))
        if change == "cut":
            del data[at : at + draw(st.integers(1, 12))]
        elif change == "put":
            data[at:at] = draw(st.binary(min_size=1, max_size=12))
        elif at < len(data):
            data[at] = draw(st.integers(0, 255))
    return bytes(data)


def said(sock: socket.socket) -> bytes:
    """Everything that the gateway says until it hangs up. Raises TimeoutError when it does neither."""
    answer = b""
    try:
        while piece := sock.recv(65536):
            answer += piece
    except ConnectionError:
        pass
    return answer


def harmless(status: Status, witness: Wire, data: bytes, logged_in: bool) -> None:
    with Wire(status) as connection:
        if logged_in:
            connection.login()
        connection.socket.settimeout(PATIENCE)
        try:
            connection.socket.sendall(data)
            connection.socket.shutdown(socket.SHUT_WR)
        except OSError:
            # It has hung up already.
            return
        answer = said(connection.socket)
    # Whole messages only, whatever came.
    left, count = answer, 0
    while len(left) >= 5 and left[:1] != b"N":
        size = int.from_bytes(left[1:5], "big") + 1
        assert size <= len(left), answer
        left, count = left[size:], count + 1
    assert b"internal error" not in answer
    # The witness's own answer, not somebody else's.
    number = next(NUMBERS)
    assert witness.rows(f"select {number}") == [(str(number),)]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=broken())
def test_broken_messages_of_a_session(status: Status, witness: Wire, data: bytes) -> None:
    harmless(status, witness, data, True)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(
        st.binary(max_size=200), broken(), st.binary(max_size=60).map(lambda b: codec.int32(len(b) + 4) + b)
    )
)
def test_broken_beginnings(status: Status, witness: Wire, data: bytes) -> None:
    harmless(status, witness, data, False)


@pytest.mark.slow
@settings(
    max_examples=count(1500), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=broken())
def test_many_broken_messages(status: Status, witness: Wire, data: bytes) -> None:
    harmless(status, witness, data, True)


def test_wrong_passwords_do_not_lock_anybody_out(status: Status, witness: Wire) -> None:
    for _ in range(5):
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            psycopg.connect(
                host=status.host, port=status.port, dbname=status.database, user=status.user, password="wrong"
            )
    assert witness.rows("select 5") == [("5",)]
    with login(status) as connection:
        assert connection.execute("select 1").fetchone() == (1,)


def test_clients_that_vanish_leave_nothing(fresh_database: Status, engine: Any, witness: Wire) -> None:
    """In the middle of a message, of a result, of a transaction: no session, no lock stays."""
    witness.query("create table t (a integer)")
    wires = [Wire(fresh_database).login(application_name="vanishes") for _ in range(9)]
    for number, wire in enumerate(wires):
        if number % 3 == 0:
            wire.query("begin; insert into t values (1)")
            wire.send(b"Q\0\0")
        elif number % 3 == 1:
            wire.send(
                message(b"Q", text("select a.table_name from svv_columns a, svv_columns b, svv_columns c"))
            )
        wire.socket.close()
    left = wait(engine, "select count(*) from zeroshift.sessions where application = 'vanishes'")
    assert left == 0
    assert witness.rows("select count(*) from t") == [("0",)]
    witness.query("drop table t")


def wait(engine: Any, counted: str) -> int:
    """The count, when it has become 0 or has not for long."""
    until = time.monotonic() + PATIENCE
    while True:
        (count,) = engine.execute(counted).fetchone()
        if count == 0 or time.monotonic() > until:
            return int(count)
        time.sleep(0.05)


@pytest.mark.parametrize("how", ["server side", "binary", "pipeline", "copy"])
def test_psycopg_in_other_ways(fresh_database: Status, how: str) -> None:
    with login(fresh_database) as connection:
        connection.execute("create table numbers (n integer, at timestamp)")
        connection.execute("insert into numbers values (1, '2024-01-01 10:00'), (2, null), (3, '2024-02-02')")
        if how == "server side":
            with connection.transaction(), connection.cursor("held") as cursor:
                cursor.execute("select n from numbers order by n")
                assert cursor.fetchmany(2) == [(1,), (2,)] and cursor.fetchall() == [(3,)]
        elif how == "binary":
            cursor = connection.cursor(binary=True)
            cursor.execute("select n, at from numbers where n = %b", (1,))
            row = cursor.fetchone()
            assert row is not None and row[0] == 1 and row[1].year == 2024
        elif how == "pipeline":
            with connection.pipeline():
                found = [connection.execute("select %s::integer", (n,)) for n in range(20)]
            assert [cursor.fetchone() for cursor in found] == [(n,) for n in range(20)]
        else:
            with pytest.raises(psycopg.Error), connection.cursor() as cursor:
                with cursor.copy("copy numbers from stdin") as copy:
                    copy.write("4\t\\N\n")
            assert connection.execute("select count(*) from numbers").fetchone() == (3,)


def test_psycopg2(fresh_database: Status) -> None:
    import psycopg2

    connection = psycopg2.connect(
        host=fresh_database.host,
        port=fresh_database.port,
        dbname=fresh_database.database,
        user=fresh_database.user,
        password=fresh_database.password,
    )
    with connection, connection.cursor() as cursor:
        cursor.execute("create table numbers (n integer, t varchar(20), d decimal(8,2))")
        cursor.executemany("insert into numbers values (%s, %s, %s)", [(1, "it's", "1.50"), (2, None, "2")])
        cursor.execute("select n, t, d from numbers where n in %s order by n", ((1, 2),))
        rows = cursor.fetchall()
        assert [(n, t, str(d)) for n, t, d in rows] == [(1, "it's", "1.50"), (2, None, "2.00")]
    with connection, connection.cursor("held") as cursor:
        cursor.execute("select n from numbers order by n")
        assert cursor.fetchmany(1) == [(1,)] and cursor.fetchall() == [(2,)]
    connection.close()
