"""SSL: offered to who asks, verified by who wants to, and no danger to anybody else."""

from __future__ import annotations

import os
import random
import socket
import ssl
import stat
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
import pytest
from cancelling import cancelling
from patience import PATIENCE, wait_until

from deployer.local import certificate
from deployer.local.environment import LocalEnvironment, Status

SSL_REQUEST = struct.pack("!ii", 8, 80877103)


@pytest.fixture(scope="module")
def trusted(environment: LocalEnvironment) -> Path:
    return environment.home / certificate.CERTIFICATE


@pytest.fixture
def secure(status: Status, trusted: Path) -> Callable[..., psycopg.Connection[Any]]:
    """A psycopg connection that verifies the certificate and the host's name."""

    def connect(**options: Any) -> psycopg.Connection[Any]:
        settings: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": status.port,
            "dbname": status.database,
            "user": status.user,
            "password": status.password,
            "sslmode": "verify-full",
            "sslrootcert": str(trusted),
        }
        return psycopg.connect(**(settings | options), autocommit=True)

    return connect


def in_use(connection: psycopg.Connection[Any]) -> bool:
    return bool(connection.pgconn.ssl_in_use)


def test_libpq_takes_it_by_default_and_can_verify(secure: Callable[..., Any]) -> None:
    for options in (
        {},
        {"sslmode": "prefer"},
        {"sslmode": "require"},
        {"host": "localhost", "hostaddr": "127.0.0.1"},
    ):
        with secure(**options) as connection:
            assert in_use(connection)
            assert connection.execute("select 42").fetchone() == (42,)
    with secure(sslmode="disable") as connection:
        assert not in_use(connection)


def test_redshift_connector_needs_to_be_told_whom_to_trust(
    connect: Callable[..., Any], trusted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Exception, match="certificate verify failed"):
        connect(ssl=True)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
    for mode in ({}, {"sslmode": "verify-full"}, {"sslmode": "verify-ca"}):
        cursor = connect(ssl=True, **mode).cursor()
        cursor.execute("select %s", (7,))
        assert cursor.fetchone()[0] == 7


def test_much_in_both_directions(secure: Callable[..., Any]) -> None:
    """More than every buffer on the way holds, and both sides at once."""
    text = "x" * 60_000
    with secure() as connection, connection.cursor() as cursor:
        cursor.execute("create temporary table big (n integer, t varchar(65535))")
        cursor.executemany("insert into big values (%s, %s)", [(n, text) for n in range(100)])
        rows = cursor.execute("select n, t from big order by n").fetchall()
        assert [row[0] for row in rows] == list(range(100)) and {row[1] for row in rows} == {text}


def test_a_statement_is_cancelled(secure: Callable[..., Any]) -> None:
    with secure() as connection:
        with cancelling(connection.cancel), pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute(SLOW)
        assert connection.execute("select 1").fetchone() == (1,)


SLOW = "select count(*) from svv_columns a, svv_columns b, svv_columns c, svv_columns d, svv_columns e"


def test_a_client_that_goes_away_ends_its_session(
    secure: Callable[..., Any], status: Status, engine: Any
) -> None:
    connection = secure(application_name="goes away")
    connection.execute("select 1")
    # No goodbye: neither PostgreSQL's nor SSL's.
    raw = socket.socket(fileno=os.dup(connection.fileno()))
    raw.shutdown(socket.SHUT_RDWR)
    left = "select count(*) from zeroshift.sessions where application = 'goes away'"
    wait_until(lambda: engine.execute(left).fetchone() == (0,))
    raw.close()
    with secure() as other:
        assert other.execute("select 2").fetchone() == (2,)


@pytest.mark.parametrize("sent", [b"\x00" * 40, b"GET / HTTP/1.1\r\n\r\n", random.Random(4).randbytes(300)])
def test_no_handshake_no_session(status: Status, secure: Callable[..., Any], sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", status.port), timeout=PATIENCE) as sock:
        sock.sendall(SSL_REQUEST)
        assert sock.recv(1) == b"S"
        sock.sendall(sent)
        sock.shutdown(socket.SHUT_WR)
        while sock.recv(4096):
            pass
    with secure() as connection:
        assert connection.execute("select 3").fetchone() == (3,)


def test_what_came_in_clear_is_not_taken_for_encrypted(status: Status) -> None:
    """CVE-2021-23222: a man in the middle puts a query of his own behind the request."""
    with socket.create_connection(("127.0.0.1", status.port), timeout=PATIENCE) as sock:
        sock.sendall(SSL_REQUEST + b"Q" + struct.pack("!i", 13) + b"select 1\0")
        answer = b""
        while piece := sock.recv(4096):
            answer += piece
    assert answer[:1] != b"S" and b"bytes behind the request for SSL" in answer


def test_the_key_is_the_owner_s_alone(environment: LocalEnvironment) -> None:
    assert stat.S_IMODE((environment.home / "gateway.key").stat().st_mode) == 0o600


def test_it_is_kept_and_renewed_in_time(tmp_path: Path) -> None:
    certificate.server_context(tmp_path)
    first = (tmp_path / certificate.CERTIFICATE).read_bytes()
    certificate.server_context(tmp_path)
    assert (tmp_path / certificate.CERTIFICATE).read_bytes() == first
    old = (tmp_path / certificate.CERTIFICATE).stat().st_mtime - 701 * 86400
    os.utime(tmp_path / certificate.CERTIFICATE, (old, old))
    context = certificate.server_context(tmp_path)
    assert (tmp_path / certificate.CERTIFICATE).read_bytes() != first
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
