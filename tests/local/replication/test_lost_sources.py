"""A source that goes is lost, and tried again, whatever it has said before; of an engine that goes a sentence tells."""

from __future__ import annotations

import contextlib
import socket
import struct
import time
from collections.abc import Callable

import pymysql
import pytest
from mariadb import MariaDb

from deployer.data_filter import DataFilter
from deployer.errors import Unavailable
from deployer.local.replication import monitor, snapshot, source, wire
from deployer.local.replication.copy import TableChanged
from deployer.local.replication.position import SourceLost

SOURCE = source.Source("h", 1, "u", "p")


@pytest.mark.parametrize("code", [2003, 2006, 2013, 1040, 1053, 1205, 1317, 1927, 4031])
def test_what_passes_by_itself(code: int) -> None:
    found = source.translated(pymysql.OperationalError(code, "words"), SOURCE)
    assert isinstance(found, SourceLost) and "the source h:1 cannot be reached" in str(found)


def test_what_must_be_mended() -> None:
    found = source.translated(pymysql.OperationalError(1045, "Access denied"), SOURCE)
    assert isinstance(found, Unavailable) and "refuses: Access denied (1045)" in str(found)


ROW = b"\x02\x00\x00\x01\x01a"


def reading(rows: int) -> tuple[socket.socket, wire.SocketReader]:
    """A server that has sent rows, and who reads them."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        client = socket.create_connection(listener.getsockname())
        server, _ = listener.accept()
    client.settimeout(60)
    server.sendall(ROW * rows)
    return server, wire.SocketReader(client)


def hang_up(server: socket.socket) -> None:
    server.close()


def reset(server: socket.socket) -> None:
    server.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    server.close()


@pytest.mark.parametrize("ends", [hang_up, reset])
def test_a_copy_whose_source_goes(ends: Callable[[socket.socket], None]) -> None:
    """However the connection ends, and whoever notices it."""
    server, reader = reading(1)
    pieces = wire._pieces(reader)
    assert next(pieces) == b"a\n"
    ends(server)
    with pytest.raises(SourceLost):
        list(pieces)
    reader._socket.close()

    server, reader = reading(1)
    pieces = wire._pieces(reader)
    assert next(pieces) == b"a\n"
    ends(server)
    # The engine did not want more: its own error is told.
    pieces.close()
    reader._socket.close()


def test_a_copy_whose_source_hangs() -> None:
    server, reader = reading(1)
    reader._socket.settimeout(0.05)
    pieces = wire._pieces(reader)
    with pytest.raises(SourceLost, match="timed out"):
        list(pieces)
    server.close()
    reader._socket.close()


@pytest.mark.slow
def test_a_statement_that_an_administrator_ends(source_server: MariaDb) -> None:
    """As one that the server ends because it stops."""
    asked = source.of(source_server.settings())
    with (
        pytest.raises(SourceLost),
        asked.connect() as connection,
        contextlib.closing(source_server.connect()) as other,
    ):
        number = connection.thread_id()
        connection._execute_command(3, "select sleep(600)")
        deadline = time.monotonic() + 60
        with other.cursor() as cursor:
            while not cursor.execute(
                f"select 1 from information_schema.processlist where id = {number} and command = 'Query'"
            ):
                assert time.monotonic() < deadline
            cursor.execute(f"kill query {number}")
        connection._read_query_result()


@pytest.mark.parametrize("ask", [monitor.message, monitor.refused, monitor.expect])
def test_an_engine_that_is_gone(ask: Callable[[str, str], object]) -> None:
    with pytest.raises(
        Unavailable, match="the local engine cannot be reached or went away .*zeroshift local up"
    ):
        ask("host=127.0.0.1 port=1", "rental_landing")


class Silent:
    """A connection; it is an error to close it twice, as it is with pymysql's."""

    closed = False

    def __init__(self, **_: object) -> None:
        pass

    def close(self) -> None:
        if self.closed:
            raise pymysql.err.Error("Already closed")
        self.closed = True


def test_a_source_that_goes_while_its_tables_are_altered(monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[object] = []

    def altered(connection: object, *_: object) -> None:
        tries.append(connection)
        raise TableChanged

    def connect(**arguments: object) -> Silent:
        if gone and tries:
            raise SourceLost("the source cannot be reached")
        return Silent()

    monkeypatch.setattr(snapshot, "_open", altered)
    monkeypatch.setattr(wire, "Connection", connect)
    gone = True
    with pytest.raises(SourceLost), snapshot.take(SOURCE, DataFilter.everything(), None):
        pass
    gone = False
    with (
        pytest.raises(Unavailable, match="altered all the time"),
        snapshot.take(SOURCE, DataFilter.everything(), None),
    ):
        pass
