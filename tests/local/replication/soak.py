"""What the soaks of both kinds of source share: random transactions and their journal, kills, and the comparison.

ZEROSHIFT_SOAK is the number of transactions (CI: 1,500; the issue's proof: 20,000), ZEROSHIFT_FUZZ_SEED chooses others.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from abc import ABC, abstractmethod
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any, Protocol

import seeds
from replica import Replica, Server

from deployer.local.environment import LocalEnvironment, Status
from deployer.local.replication import process

TRANSACTIONS = int(os.environ.get("ZEROSHIFT_SOAK", "1500"))
FIRST = ("one", "two", "three")
MOST_TABLES = 6
TEXTS = ("", "a", "ä\t\\", "x\ny", "😀" * 9, "N", "\\N", " lead", "'\"")
KEYS = 300

NEW, USED, GONE = "new", "used", "gone"

Row = dict[str, Any]
Version = tuple[tuple[Any, ...], bool, bool]
"""The values, whether they are present, and whether landing may lack them."""


class Killable(Server, Protocol):
    """A source that can be killed, and written to as its owner."""

    def connect(self) -> Any: ...

    def execute(self, *statements: str) -> None: ...

    def start(self) -> None: ...

    def kill(self) -> None: ...


@dataclass
class Journal:
    """What one table's history must be: by key its versions in order, each with whether it is present.

    A NEW table is copied whenever landing comes to it: nothing is written to it until then, or its history would depend
    on the moment.
    """

    rows: dict[int, Row] = field(default_factory=dict)
    versions: dict[int, list[tuple[Row, bool]]] = field(default_factory=lambda: defaultdict(list))
    extra: str = ""
    phase: str = USED
    blurred: set[int] = field(default_factory=set)
    """Versions (id of their row) that differed from the next one in a dropped column only."""

    def commit(self, rows: dict[int, Row]) -> None:
        """What a transaction has made of the rows."""
        for key in self.rows.keys() | rows.keys():
            old, new = self.rows.get(key), rows.get(key)
            if old == new:
                continue
            if old is not None:
                self.versions[key][-1] = (self.versions[key][-1][0], False)
            if new is not None:
                self.versions[key].append((dict(new), True))
        self.rows = _copied(rows)

    def add(self, column: str, rows: dict[int, Row]) -> None:
        """A column with the default 5; `rows` are those of the transaction that adds it. Ended versions had none."""
        self.extra = column
        for row in [*rows.values(), *self.rows.values()]:
            row[column] = 5
        for versions in self.versions.values():
            for row, present in versions:
                row[column] = 5 if present else None

    def rename(self, column: str, rows: dict[int, Row]) -> None:
        old, self.extra = self.extra, column
        for row in self._all(rows):
            row[column] = row.pop(old)

    def drop(self, rows: dict[int, Row]) -> None:
        old, self.extra = self.extra, ""
        for row in self._all(rows):
            row.pop(old)
        for versions in self.versions.values():
            self.blurred |= {id(row) for (row, _), (later, _) in pairwise(versions) if row == later}

    def _all(self, rows: dict[int, Row]) -> list[Row]:
        found = [*rows.values(), *self.rows.values()]
        found += [row for versions in self.versions.values() for row, _ in versions]
        return list({id(row): row for row in found}.values())


def _copied(rows: dict[int, Row]) -> dict[int, Row]:
    return {key: dict(row) for key, row in rows.items()}


class Writer(ABC):
    """Writes random transactions, and the journal of those that were committed."""

    def __init__(self, server: Killable, seed: int) -> None:
        self.server = server
        self.random = random.Random(seed)
        self.journals: dict[str, Journal] = {}
        self._names = 0
        self.connect()
        for name in FIRST:
            self.create(name)
            self.journals[name] = Journal()

    def connect(self) -> None:
        self.connection = self.server.connect()

    @abstractmethod
    def run(self, statement: str, arguments: tuple[Any, ...] = ()) -> None: ...

    @abstractmethod
    def create(self, name: str) -> None:
        """Make a table with the columns of `row`."""

    @abstractmethod
    def kind(self) -> str:
        """The type of the next column that is added."""

    @abstractmethod
    def transaction(self) -> None:
        """A random transaction, and now and then a definition."""

    def knows_last_columns(self, journal: Journal, columns: list[str]) -> bool:
        """Whether landing has come as far as the last definition of a table that is gone."""
        return True

    def may_lack(self, journal: Journal, row: Row) -> bool:
        """Whether landing may not have seen this version."""
        return False

    def seen(self, versions: list[Version]) -> list[Version]:
        """The versions as far as landing can see them."""
        return versions

    def row(self) -> Row:
        return {
            "note": self.random.choice([None, *TEXTS]),
            "price": None
            if self.random.random() < 0.1
            else Decimal(self.random.randint(-(10**9), 10**9)) / 100,
        }

    def used(self) -> list[str]:
        return [name for name, journal in self.journals.items() if journal.phase == USED]

    def work(self) -> dict[str, dict[int, Row]]:
        """The rows of all tables, for a transaction to change."""
        return {name: _copied(self.journals[name].rows) for name in self.used()}

    def work_of(self, work: dict[str, dict[int, Row]]) -> dict[str, dict[int, Row]]:
        """The same rows again, for what may be rolled back."""
        return {name: _copied(rows) for name, rows in work.items()}

    def changes(self, work: dict[str, dict[int, Row]], most: int) -> None:
        for _ in range(self.random.randint(1, most)):
            name = self.random.choice(list(work))
            self._change(name, work[name])

    def insert(self, name: str, key: int, rows: dict[int, Row], row: Row) -> None:
        self.run(
            f"insert into {name} (id, {', '.join(row)}) values (%s, {', '.join(['%s'] * len(row))})",
            (key, *row.values()),
        )
        rows[key] = row

    def _change(self, name: str, rows: dict[int, Row]) -> None:
        key, kind = self.random.randrange(KEYS), self.random.random()
        if key not in rows:
            self.insert(name, key, rows, self.whole(name))
        elif kind < 0.2:
            self.run(f"delete from {name} where id = %s", (key,))
            del rows[key]
        elif kind < 0.35:
            new = self.random.randrange(KEYS)
            if new not in rows:
                self.run(f"update {name} set id = %s where id = %s", (new, key))
                rows[new] = rows.pop(key)
        else:
            row = self.whole(name)
            column = self.random.choice(list(row))
            self.run(f"update {name} set {column} = %s where id = %s", (row[column], key))
            rows[key][column] = row[column]

    def whole(self, name: str) -> Row:
        """A row for a table as it is now."""
        row, extra = self.row(), self.journals[name].extra
        if extra:
            row[extra] = self.random.randint(0, 9)
        return row

    def define(self, work: dict[str, dict[int, Row]]) -> str:
        """A definition that is carried over without a copy; returns its table, "" for one that is new or gone."""
        name = self.random.choice(self.used())
        journal, rows, roll = self.journals[name], work[name], self.random.random()
        alive = sum(one.phase != GONE for one in self.journals.values())
        if roll < 0.2:
            self.run(f"truncate table {name}")
            # Also what is inserted again alike begins anew: a truncated table's rows have all ended.
            journal.commit({})
            rows.clear()
        elif roll < 0.4 and alive < MOST_TABLES:
            self._new()
            return ""
        elif roll < 0.5 and name not in FIRST:
            self.run(f"drop table {name}")
            journal.commit(rows)
            journal.phase = GONE
            del work[name]
            return ""
        elif not journal.extra:
            column = self._name("extra")
            self.run(f"alter table {name} add column {column} {self.kind()} not null default 5")
            journal.add(column, rows)
        elif self.random.random() < 0.6:
            column = self._name("extra")
            self.run(f"alter table {name} rename column {journal.extra} to {column}")
            journal.rename(column, rows)
        else:
            self.run(f"alter table {name} drop column {journal.extra}")
            journal.drop(rows)
        return name

    def _new(self) -> None:
        name, rows = self._name("more"), {}
        self.journals[name] = Journal(phase=NEW)
        self.create(name)
        for key in range(self.random.randint(0, 9)):
            self.insert(name, key, rows, self.row())
        self.journals[name].commit(rows)

    def _name(self, prefix: str) -> str:
        self._names += 1
        return f"{prefix}_{self._names}"

    def take_up(self, states: dict[str, tuple[str, str]]) -> None:
        """Write to new tables from now on, where landing has them."""
        for name, journal in self.journals.items():
            if journal.phase == NEW and states.get(name) == ("Synced", ""):
                journal.phase = USED


def soak(server: Killable, writer_of: Any, home: Path, rotate: str = "") -> None:
    """Write transactions, and kill the replicator, the warehouse and the source amid them; compare at the end.

    `rotate`: a statement that begins another file of the source's log.
    """
    seed = seeds.seed(1)
    print(f"ZEROSHIFT_SOAK={TRANSACTIONS}")
    environment = LocalEnvironment(home)
    status = environment.up()
    settings = server.settings()
    writer: Writer = writer_of(server, seed)
    assert status.engine_dsn is not None
    watcher: Replica | None = None
    kills = {"replicator": 0, "warehouse": 0, "source": 0}
    try:
        process.start(environment.home, settings)
        watcher = Replica(server, status.engine_dsn)
        for name in FIRST:
            watcher.until_state(name, "Synced")
        for number in range(1, TRANSACTIONS + 1):
            writer.transaction()
            if number % 20 == 0:
                writer.take_up(watcher.states())
            if number % 700 == 0 and rotate:
                server.execute(rotate)
            if writer.random.random() < 1 / 60:
                kills["replicator"] += kill_replicator(environment.home, writer.random.random() * 0.03)
                process.start(environment.home, settings)
            # The first ones come early: short runs have them, too.
            if number % 1000 == 400:
                status = _kill_warehouse(environment, status, writer.random)
                watcher.engine.close()
                watcher = Replica(server, status.engine_dsn or "")
                process.start(environment.home, settings)
                kills["warehouse"] += 1
            if number % 1000 == 800:
                _kill_source(server, writer)
                kills["source"] += 1
        _compare(watcher, writer)
        print(f"kills: {kills}; tables: {len(writer.journals)}")
        assert kills["replicator"] and (TRANSACTIONS < 800 or all(kills.values()))
    finally:
        process.stop_all(environment.home)
        if watcher is not None:
            watcher.engine.close()
        environment.down()


def kill_replicator(home: Path, after: float) -> int:
    """kill -9 of the replicator, while it is busy; whether one ran."""
    time.sleep(after)
    found = process._read(home, "rental")
    if found is None:
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(found[0].pid, signal.SIGKILL)
    # A killed process holds its lock a moment longer: a start just then would take it for alive.
    while process.running(home, "rental"):
        time.sleep(0.005)
    return 1


def _kill_warehouse(environment: LocalEnvironment, status: Status, rolls: random.Random) -> Status:
    """kill -9 of the daemon, whose end shuts PostgreSQL down; or of PostgreSQL, too, which then has to recover."""
    assert status.pid is not None and status.engine_pid is not None
    if rolls.random() < 0.5:
        os.kill(status.engine_pid, signal.SIGKILL)
    os.kill(status.pid, signal.SIGKILL)
    return environment.up()


def _kill_source(server: Killable, writer: Writer) -> None:
    """kill -9 of the source amid a transaction, which then never was."""
    writer.run("begin")
    writer.changes(writer.work(), 6)
    server.kill()
    with contextlib.suppress(Exception):
        writer.connection.close()
    server.start()
    writer.connect()


def _compare(replica: Replica, writer: Writer) -> None:
    for name, journal in writer.journals.items():
        if journal.phase != GONE:
            replica.until_state(name, "Synced")
    replica.catch_up()
    for name, journal in writer.journals.items():
        columns = replica.columns(name)
        if journal.phase == GONE:
            replica.until_state(name, "DroppedSource")
            if not writer.knows_last_columns(journal, columns):
                continue
        else:
            assert replica.states()[name] == ("Synced", "")
        wanted = sorted([_plain({"id": key, **row}, columns) for key, row in journal.rows.items()], key=repr)
        assert replica.present(name) == wanted, name
        found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for row in replica.versions(name):
            found[row[0]].append(row)
        assert found.keys() == {key for key, versions in journal.versions.items() if versions}
        for key, rows in found.items():
            made = writer.seen([
                (_plain({"id": key, **row}, columns), present, writer.may_lack(journal, row))
                for row, present in journal.versions[key]
            ])  # fmt: skip
            there = writer.seen([(row[:-3], row[-3], False) for row in rows])
            assert _fits(there, made), (
                f"{name} {key}: {_shown(there)} in landing, {_shown(made)} in the journal"
            )
            for earlier, later in zip(rows, rows[1:], strict=False):
                assert earlier[-2] < earlier[-1] <= later[-2]


def _fits(there: list[Version], made: list[Version]) -> bool:
    """Whether landing has the versions that were made, but for some that it may lack."""
    if not made:
        return not there
    if there and there[0][:2] == made[0][:2] and _fits(there[1:], made[1:]):
        return True
    return made[0][2] and _fits(there, made[1:])


def _shown(versions: list[Version]) -> str:
    """Versions without the length of their texts."""
    return str([(*(v[:3] if isinstance(v, str) else v for v in row), *more) for row, *more in versions])


def _plain(row: Row, columns: list[str]) -> tuple[Any, ...]:
    return tuple(row.get(column) for column in columns)
