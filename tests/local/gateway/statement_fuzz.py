"""Sends random statements to the gateway in every way that a client can, and looks for what no answer may be.

A way is how a statement is put to the server: as a simple query, parsed only, with random parameters over the extended
protocol, in a transaction, in a procedure's body.
"""

from __future__ import annotations

import random
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fuzz.grammar import SETUP as MORE
from fuzz.grammar import Grammar
from fuzz.mangled import DANGEROUS, SEEDS, mangled
from gateway_wire import Wire

from deployer.local.environment import Status
from deployer.local.gateway import codec
from deployer.local.gateway.codec import Body, Disconnected, message, text
from deployer.local.support import SETUP

OURS = re.compile(
    r"\bzeroshift\b(?! local)|redshift_catalog|redshift_newer|redshift_information|zs_bytes|zs protected|redshift\.|"
    r"\bzs\d+|\bzp\d+|\bzs_\w+|internal error|refused by the gateway",
    re.I,
)
"""What no error, notice or column's name may show."""

_LENGTHS = {16: 1, 20: 8, 21: 2, 23: 4, 700: 4, 701: 8, 1082: 4, 1114: 8}
VALUES = (
    b"", b"1", b"-1", b"x", b"2024-02-29", b"2024-02-29 23:59:59.5", b"1e400", b"9" * 20, b"t", b"{}", b"[1]",
    b"\xff\xfe", b"NaN", b"'", b"$1", b"\xc3\xa4" * 40, b"1.50", None,
)  # fmt: skip


@dataclass
class Fuzz:
    """One run over one connection. `found` is what should not be: the statement, the way, what was seen."""

    status: Status
    rng: random.Random
    found: list[Any] = field(default_factory=list)
    succeeded: int = 0
    sent: int = 0
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.grammar = Grammar(self.rng)
        self.connection = self._connect()
        for statement in (*SETUP, *MORE):
            assert not errors(self.connection.query(statement)), statement

    def _repair(self) -> None:
        """Bring back what statements have dropped, changed or filled."""
        self.connection.query("set search_path to sup")
        for name in ("view z1", "view z2", "materialized view m1", "table z1", "table z2"):
            self.connection.query(f"drop {name}")
        for statement in ("truncate t", "truncate u", "truncate wide", *SETUP, *MORE):
            # What is there already is refused.
            self.connection.query(statement)

    def _connect(self) -> Wire:
        connection = Wire(self.status).login()
        connection.query("set search_path to sup")
        connection.query("set statement_timeout to 10000")
        return connection

    # -- what is sent -----------------------------------------------------------------------------------------

    def text(self) -> str:
        roll = self.rng.random()
        if roll < 0.25:
            return mangled(self.rng, SEEDS)
        if roll < 0.75:
            return self.grammar.statement()
        return mangled(self.rng, [self.grammar.statement() for _ in range(2)])

    def run(self, count: int) -> list[Any]:
        """Send so many statements; returns what was found."""
        ways: list[Callable[[str], list[tuple[bytes, bytes]]]] = [
            self.simple, self.simple, self.parsed, self.extended, self.extended, self.in_transaction, self.in_body,
            self.several,
        ]  # fmt: skip
        for _ in range(count):
            sql = self.text().replace("\0", "")
            if DANGEROUS.search(sql):
                continue
            way = self.rng.choice(ways)
            self.sent += 1
            try:
                answer = way(sql)
                self._judge(sql, way.__name__, answer)
                if not errors(answer):
                    self.succeeded += 1
                # Whatever it was: the session is there, and no transaction stays open or failed.
                self.connection.query("rollback")
                if self.connection.rows("select 17") != [("17",)]:
                    self.found.append((sql, way.__name__, "another answer"))
            except (Disconnected, TimeoutError, AssertionError, codec.Malformed) as error:
                self.found.append((" ".join(self.said), way.__name__, f"{type(error).__name__}: {error}"))
                self.said.clear()
                self.connection.socket.close()
                self.connection = self._connect()
            if self.sent % 60 == 0:
                self._repair()
        self.connection.socket.close()
        return self.found

    # -- the ways ---------------------------------------------------------------------------------------------

    def simple(self, sql: str) -> list[tuple[bytes, bytes]]:
        return self._send(message(b"Q", text(sql)))

    def several(self, sql: str) -> list[tuple[bytes, bytes]]:
        return self._send(message(b"Q", text(f"{sql}\n; select 1; {self.text()}".replace("\0", ""))))

    def in_transaction(self, sql: str) -> list[tuple[bytes, bytes]]:
        self.connection.query("begin")
        answer: list[tuple[bytes, bytes]] = []
        for statement in (self.grammar.statement(), sql, "select count(*) from t", "commit"):
            if not DANGEROUS.search(statement):
                answer += self._send(message(b"Q", text(statement)))
        return answer

    def parsed(self, sql: str) -> list[tuple[bytes, bytes]]:
        """Parse and Describe, which do not run it."""
        return self._send(
            message(b"P", text(""), text(sql), codec.int16(0)), message(b"D", b"S", text("")), message(b"S")
        )

    def extended(self, sql: str) -> list[tuple[bytes, bytes]]:
        """With literals made parameters, of any type and format; fetched in parts, its portal named or not."""
        rng = self.rng
        places = re.split(r"('[^']*'|\b\d+\b)", sql)
        number, parts = 0, []
        for index, part in enumerate(places):
            if index % 2 and number < 4 and rng.random() < 0.4:
                number += 1
                part = f"${number}{rng.choice(('', '::int', '::varchar', '::date'))}"
            parts.append(part)
        wanted = number + (rng.choice((-1, 1, 3)) if rng.random() < 0.05 else 0)
        oids = [
            rng.choice((0, 0, 0, 23, 20, 1043, 1700, 1082, 1114, 16, 701, 4000, 6551, 99999))
            for _ in range(wanted)
        ]
        declared = oids if rng.random() < 0.5 else []
        formats = rng.choice(([], [], [0], [1], [rng.randrange(2) for _ in range(max(wanted, 0))]))
        values = [
            rng.randbytes(_LENGTHS.get(oid, rng.randrange(12))) if rng.random() < 0.3 else rng.choice(VALUES)
            for oid in oids
        ]
        name, portal = rng.choice(("", "", "s")), rng.choice(("", "p"))
        packed = [codec.int32(-1) if v is None else codec.int32(len(v)) + v for v in values]
        messages = [
            message(b"C", b"S", text(name)),
            message(b"P", text(name), text("".join(parts)), codec.int16(len(declared)), *map(codec.int32, declared)),
            message(b"D", b"S", text(name)),
            message(
                b"B", text(portal), text(name),
                codec.int16(len(formats)), *map(codec.int16, formats),
                codec.int16(len(packed)), *packed,
                rng.choice((codec.int16(0), codec.int16(0), codec.int16(1) + codec.int16(1))),
            ),
            message(b"D", b"P", text(portal)),
            message(b"E", text(portal), codec.int32(rng.choice((0, 0, 1)))),
            message(b"E", text(portal), codec.int32(0)),
        ]  # fmt: skip
        if rng.random() < 0.1:
            rng.shuffle(messages)
        return self._send(*messages, message(b"S"))

    def in_body(self, sql: str) -> list[tuple[bytes, bytes]]:
        """A procedure that has the statement or is grown whole, perhaps mangled; made and called."""
        roll = self.rng.random()
        if roll < 0.3:
            quoted = sql.replace("'", "''")
            made = f"create or replace procedure z(n integer) as $$ begin execute '{quoted}'; end; $$ language plpgsql"
        elif roll < 0.5:
            made = f"create or replace procedure z(n integer) as $$ begin {sql}; end; $$ language plpgsql"
        else:
            made = self.grammar.statement("procedure")
            if self.rng.random() < 0.4:
                made = mangled(self.rng, [made])
        if DANGEROUS.search(made):
            return []
        answer = self._send(message(b"Q", text(made.replace("\0", ""))))
        if not errors(answer):
            answer += self._send(message(b"Q", text("call z(1)")))
        return answer

    # -- what came --------------------------------------------------------------------------------------------

    def _send(self, *messages: bytes) -> list[tuple[bytes, bytes]]:
        self.connection.send(*messages)
        self.said += [data.decode(errors="replace") for data in messages]
        return self.connection.until()

    def _judge(self, sql: str, way: str, answer: list[tuple[bytes, bytes]]) -> None:
        known = {name.lower() for name in OURS.findall(" ".join(self.said))}
        self.said.clear()
        width: int | None = None
        for kind, data in answer:
            shown = ""
            if kind in (b"E", b"N"):
                fields = codec.unpack_fields(data)
                shown = " ".join(fields.get(letter, "") for letter in "MDHW")
            elif kind == b"T":
                columns = codec.unpack_columns(data)
                width, shown = len(columns), " ".join(column.name for column in columns)
            elif kind == b"D" and width is not None and Body(data).int16() != width:
                self.found.append(
                    (sql, way, f"a row of {struct.unpack('!h', data[:2])[0]} columns, not {width}")
                )
            elif kind in (b"C", b"n", b"Z"):
                width = None if kind != b"n" else width
            leaked = {name.lower() for name in OURS.findall(shown.replace("1.0.0-zeroshift", ""))} - known
            if leaked:
                self.found.append((sql, way, shown))


def errors(answer: list[tuple[bytes, bytes]]) -> list[dict[str, str]]:
    return [codec.unpack_fields(data) for kind, data in answer if kind == b"E"]
