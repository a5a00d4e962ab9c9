"""Clients that ask at the same time, cancel, and vanish amid a result: nobody gets the answer of another."""

from __future__ import annotations

import random
import threading

import pytest
from gateway_wire import Wire
from seeds import count, seed

from deployer.local.environment import Status
from deployer.local.gateway import codec
from deployer.local.gateway.codec import message, text

CLIENTS = 6
ROWS = 3000


class Client(threading.Thread):
    """Asks for rows that bear its own mark. `wrong` is what it should not have seen."""

    def __init__(self, status: Status, name: str, rng: random.Random, turns: int) -> None:
        super().__init__(daemon=True)
        self.status, self.mark, self.rng, self.turns = status, name, rng, turns
        self.wrong: list[object] = []
        self.cancelled = self.whole = 0

    def run(self) -> None:
        try:
            wire = Wire(self.status).login()
            for turn in range(self.turns):
                wire = self.turn(wire, f"{self.mark} {turn}")
            wire.socket.close()
        except Exception as error:
            self.wrong.append(f"{self.mark}: {type(error).__name__}: {error}")

    def turn(self, wire: Wire, mark: str) -> Wire:
        """One question in one of the ways; the connection to go on with."""
        way = self.rng.choice(("all", "extended", "portal", "cancel", "cancel", "vanish", "error", "several"))
        sql = f"select '{mark}', n from numbers"
        if way == "vanish":
            wire.send(message(b"Q", text(sql)))
            wire.socket.recv(self.rng.randrange(1, 4000))
            wire.socket.close()
            return Wire(self.status).login()
        if way == "cancel":
            # It may come before, amid or after the answer: then it hits nothing, and surely not the next one.
            later = threading.Timer(self.rng.random() * 0.01, wire.cancel)
            later.start()
            self.judge(wire.query(sql), mark, ROWS)
            later.join()
            self.judge(wire.query(sql), mark, ROWS, cancelled=False)
        elif way == "error":
            told = wire.error(f'select 1 from "nothing {mark}"')["M"]
            if mark not in told:
                self.wrong.append(told)
        elif way == "several":
            self.judge(wire.query(f"{sql}; select 1 where false; {sql}"), mark, 2 * ROWS)
        elif way == "all":
            self.judge(wire.query(sql), mark, ROWS)
        else:
            limit = 700 if way == "portal" else 0
            bind = codec.Bind("", "", (), (mark.encode(),), ()).pack()
            wire.send(
                message(b"P", text(""), text("select $1::varchar, n from numbers"), codec.int16(0)), bind
            )
            executes = [message(b"E", text(""), codec.int32(limit))] * (3 if limit else 1)
            wire.send(*executes, message(b"S"))
            self.judge(wire.until(), mark, limit * 3 or ROWS)
        return wire

    def judge(self, answer: list[tuple[bytes, bytes]], mark: str, rows: int, cancelled: bool = True) -> None:
        found = [codec.unpack_row(data) for kind, data in answer if kind == b"D"]
        errors = [codec.unpack_fields(data)["C"] for kind, data in answer if kind == b"E"]
        if any(row[0] != mark.encode() for row in found):
            self.wrong.append((mark, "somebody else's rows"))
        if errors == ["57014"] and cancelled:
            self.cancelled += 1
        elif errors or len(found) != rows:
            self.wrong.append((mark, errors, len(found)))
        else:
            self.whole += 1


def interleave(status: Status, turns: int) -> None:
    rng = random.Random(seed(3))
    with Wire(status) as wire:
        wire.login()
        wire.query("create table numbers (n integer)")
        wire.query("insert into numbers values " + ", ".join(f"({n})" for n in range(ROWS)))
    clients = [Client(status, f"client {n}", random.Random(rng.random()), turns) for n in range(CLIENTS)]
    for client in clients:
        client.start()
    for client in clients:
        client.join(240)
    assert [client.wrong for client in clients] == [[]] * CLIENTS
    assert not any(client.is_alive() for client in clients)
    assert sum(client.whole for client in clients) > 0


def test_everybody_gets_their_own_answers(fresh_database: Status) -> None:
    interleave(fresh_database, 12)


@pytest.mark.slow
def test_for_longer(fresh_database: Status) -> None:
    interleave(fresh_database, count(100))
