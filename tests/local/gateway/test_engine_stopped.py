"""The engine's end in the words that clients know, whoever notices it first."""

from __future__ import annotations

import socket
from typing import Any, cast

import pytest

from deployer.aws.resources.alert_machine import LOST_CONNECTION
from deployer.local.data_api.connection import Connection
from deployer.local.gateway import codec, internal
from deployer.local.gateway.backend import Backend, ServerError, Target
from deployer.local.gateway.codec import Disconnected, Stream
from deployer.local.gateway.errors import ENGINE_STARTING, ENGINE_STOPPED, as_redshift
from deployer.local.gateway.session import Session


@pytest.mark.parametrize(
    "text",
    [
        "terminating connection due to unexpected postmaster exit",
        "postmaster exited during a parallel transaction",
    ],
)
def test_a_session_that_sees_the_main_process_die_says_what_the_gateway_says(text: str) -> None:
    said = {"S": "FATAL", "V": "FATAL", "C": "57P01"}
    told = as_redshift(ServerError(said | {"M": text, "F": "latch.c"}))
    assert told.fields == said | {"M": ENGINE_STOPPED}


def test_the_alerts_know_it_as_a_lost_connection() -> None:
    assert any(words in ENGINE_STOPPED.lower() for words in LOST_CONNECTION)


@pytest.mark.parametrize("state", ["starting up", "in recovery mode", "not yet accepting connections"])
def test_who_comes_while_it_recovers_is_told_one_thing(state: str) -> None:
    said = {"S": "FATAL", "V": "FATAL", "C": "57P03"}
    detail = {"D": "Consistent recovery state has not been yet reached."}
    told = as_redshift(ServerError(said | detail | {"M": f"the database system is {state}"}))
    assert told.fields == said | {"M": ENGINE_STARTING}
    assert any(words in ENGINE_STARTING.lower() for words in LOST_CONNECTION)


@pytest.mark.parametrize("code", ["57P01", "57P02", "57P03"])
def test_for_the_shared_connection_whoever_says_so_postgresql_is_away(
    code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an error of a statement it would be told to a session whose own connection has not ended yet."""

    def refusing(*_: object) -> Backend:
        raise ServerError(
            {"S": "FATAL", "V": "FATAL", "C": code, "M": "the database system is in recovery mode"}
        )

    monkeypatch.setattr(internal, "Backend", refusing)
    shared = internal.Internal(Target("127.0.0.1", 1, "u", "p", "d"))
    for ask in (shared.query, shared.apart):
        with pytest.raises(Disconnected, match="in recovery mode"):
            ask("select 1")


def lost(said: bytes, *, client_left: bool = False) -> list[dict[str, str]]:
    """What a client is told whose session ends when PostgreSQL has sent `said` to it, and not closed it yet."""
    ours, client = socket.socketpair()
    engine, postgres = socket.socketpair()
    with ours, client, engine, postgres:
        session = Session(cast(Any, None), ours, "")
        backend = object.__new__(Backend)
        backend.stream, backend.parting, backend.on_notice = Stream(engine), {}, session._notice
        backend.on_cancelled = lambda: None
        postgres.sendall(said)
        if client_left:
            client.shutdown(socket.SHUT_WR)
        session._backend_lost(backend)
        ours.shutdown(socket.SHUT_WR)
        told, heard = Stream(client), []
        try:
            while True:
                heard.append(codec.unpack_fields(told.next()[1]))
        except Disconnected:
            return heard


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (b"", {}),
        (b"N", {"S": "WARNING", "C": "57P02", "M": "terminating connection because of crash of another process"}),
        (b"N", {"S": "WARNING", "C": "57P01", "M": "terminating connection due to immediate shutdown command"}),
        (b"E", {"S": "FATAL", "C": "57P01", "M": "terminating connection due to unexpected postmaster exit"}),
    ],
)  # fmt: skip
def test_a_session_whose_own_connection_is_the_last_to_notice(kind: bytes, fields: dict[str, str]) -> None:
    told = lost(codec.pack_fields(kind, fields | {"V": fields["S"]}) if kind else b"")
    assert told == [{"S": "FATAL", "V": "FATAL", "C": "57P01", "M": ENGINE_STOPPED}]


def test_where_it_was_just_reading_a_statement_is_nobody_s_business() -> None:
    said = {
        "S": "FATAL",
        "C": "57P01",
        "V": "FATAL",
        "M": "terminating connection due to administrator command",
    }
    assert lost(codec.pack_fields(b"E", said | {"P": "44"})) == [said]


def test_a_client_that_has_left_is_told_nothing() -> None:
    assert lost(b"", client_left=True) == []


@pytest.mark.parametrize("said", [b"", codec.pack_fields(b"E", {"S": "FATAL", "V": "FATAL", "C": "57P05"})])
def test_an_idle_connection_is_not_used_again_once_it_was_ended(said: bytes) -> None:
    """Why stands before the end, so that there is something to read."""
    ours, gateway = socket.socketpair()
    with ours, gateway:
        backend = object.__new__(Backend)
        backend.stream, backend.parting, backend.status = Stream(ours), {}, "I"
        connection = object.__new__(Connection)
        connection._backend, connection.usable = backend, True
        assert connection.idle
        gateway.sendall(said)
        gateway.shutdown(socket.SHUT_WR)
        assert not connection.idle
