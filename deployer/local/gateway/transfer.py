"""Rows in bulk between the gateway and PostgreSQL: COPY ... TO STDOUT and COPY ... FROM STDIN at message level."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from typing import TYPE_CHECKING

from deployer.local.gateway import codec
from deployer.local.gateway.backend import ServerError

if TYPE_CHECKING:
    from deployer.local.gateway.runner import Runner

SEND_BYTES = 1 << 18


def copy_out(runner: Runner, sql: str) -> Generator[bytes, None, None]:
    """What `sql`, a COPY ... TO STDOUT, gives, in pieces of whole rows, in the session's transaction.

    Raises ServerError. Left early, the statement is cancelled and what is under way is dropped.
    """
    backend = runner.backend
    _begin(runner, sql)
    ended = False
    try:
        while True:
            pieces = backend.stream.copied()
            if pieces:
                yield b"".join(pieces)
            kind, data = backend.receive()
            if kind == b"d":
                yield data
            elif kind == b"C":
                ended = True
                runner.executed = True
                return
            elif kind == b"E":
                ended = True
                raise ServerError(codec.unpack_fields(data))
    finally:
        if not ended:
            backend.cancel()
            _drain(runner)


def copy_in(runner: Runner, sql: str, pieces: Iterable[bytes]) -> int:
    """Feed `pieces` to `sql`, a COPY ... FROM STDIN, in the session's transaction; returns the number of rows.

    Raises ServerError, and whatever `pieces` raises: the rows sent so far are then taken back with the transaction.
    """
    backend = runner.backend
    _begin(runner, sql)
    while True:
        kind, data = backend.receive()
        if kind == b"G":
            break
        if kind == b"E":
            raise ServerError(codec.unpack_fields(data))
    try:
        for piece in pieces:
            for start in range(0, len(piece), SEND_BYTES):
                backend.send(codec.message(b"d", piece[start : start + SEND_BYTES]))
    except BaseException:
        backend.send(codec.message(b"f", codec.text("the source failed")), codec.message(b"H"))
        _drain(runner)
        raise
    backend.send(codec.message(b"c"), codec.message(b"H"))
    while True:
        kind, data = backend.receive()
        if kind == b"E":
            raise ServerError(codec.unpack_fields(data))
        if kind == b"C":
            runner.executed = True
            return int(data[:-1].decode().rpartition(" ")[2])


def _begin(runner: Runner, sql: str) -> None:
    bind = codec.Bind("", "", (), (), ()).pack()
    execute = codec.message(b"E", codec.text(""), codec.int32(0))
    runner.unsynced = True
    runner.backend.send(codec.pack_parse("", sql), bind, execute, codec.message(b"H"))


def _drain(runner: Runner) -> None:
    """Read on to the end of a statement that nobody is interested in any more."""
    while runner.backend.receive()[0] not in (b"C", b"E"):
        pass
