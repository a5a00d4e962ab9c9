"""Random transactions on MariaDB, the replicator killed at random: landing equals the source, history the journal.

ZEROSHIFT_SOAK is the number of transactions (CI: 1,500; the issue's proof: 20,000), ZEROSHIFT_SEED repeats a run.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from mariadb import MariaDb
from replica import Replica

from deployer.local.environment import LocalEnvironment, Status
from deployer.local.replication import process

pytestmark = pytest.mark.slow

TRANSACTIONS = int(os.environ.get("ZEROSHIFT_SOAK", "1500"))
TABLES = ("one", "two", "three")
TEXTS = ("", "a", "ä\t\\", "x\ny", "😀" * 9, "N", "\\N", " lead", "'\"")
COLUMN = "extra"


@dataclass
class Journal:
    """What one table's history must be: by key its versions in order, each with whether it is present."""

    rows: dict[int, dict[str, Any]] = field(default_factory=dict)
    versions: dict[int, list[tuple[dict[str, Any], bool]]] = field(default_factory=lambda: defaultdict(list))
    has_extra: bool = False

    def commit(self, rows: dict[int, dict[str, Any]]) -> None:
        for key in self.rows.keys() | rows.keys():
            old, new = self.rows.get(key), rows.get(key)
            if old == new:
                continue
            if old is not None:
                self.versions[key][-1] = (self.versions[key][-1][0], False)
            if new is not None:
                self.versions[key].append((dict(new), True))
        self.rows = {key: dict(row) for key, row in rows.items()}


class Writer:
    """Writes random transactions, and the journal of those that were committed."""

    def __init__(self, server: MariaDb, seed: int) -> None:
        self.random = random.Random(seed)
        self.connection = server.connect()
        self.journals = {name: Journal() for name in TABLES}

    def run(self, statement: str, arguments: tuple[Any, ...] = ()) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, arguments)

    def transaction(self) -> None:
        work = {
            name: {k: dict(r) for k, r in journal.rows.items()} for name, journal in self.journals.items()
        }
        large = self.random.random() < 0.01
        self.run("begin")
        for _ in range(self.random.randint(1, 400 if large else 6)):
            name = self.random.choice(TABLES)
            self._change(name, work[name])
        if self.random.random() < 0.1:
            self.run("savepoint a")
            kept = {name: {k: dict(r) for k, r in rows.items()} for name, rows in work.items()}
            name = self.random.choice(TABLES)
            self._change(name, work[name])
            self.run("rollback to a")
            work = kept
        if self.random.random() < 0.1:
            self.run("rollback")
            return
        self.run("commit")
        for name, rows in work.items():
            self.journals[name].commit(rows)

    def _change(self, name: str, rows: dict[int, dict[str, Any]]) -> None:
        key, kind = self.random.randrange(300), self.random.random()
        if key not in rows:
            row = self._row(name)
            columns = ", ".join(row)
            self.run(
                f"insert into {name} (id, {columns}) values (%s, {', '.join(['%s'] * len(row))})",
                (key, *row.values()),
            )
            rows[key] = row
        elif kind < 0.2:
            self.run(f"delete from {name} where id = %s", (key,))
            del rows[key]
        elif kind < 0.35:
            new = self.random.randrange(300)
            if new not in rows:
                self.run(f"update {name} set id = %s where id = %s", (new, key))
                rows[new] = rows.pop(key)
        else:
            row = self._row(name)
            column = self.random.choice(list(row))
            self.run(f"update {name} set {column} = %s where id = %s", (row[column], key))
            rows[key][column] = row[column]

    def _row(self, name: str) -> dict[str, Any]:
        row: dict[str, Any] = {
            "note": self.random.choice([None, *TEXTS]),
            "price": None
            if self.random.random() < 0.1
            else Decimal(self.random.randint(-(10**9), 10**9)) / 100,
        }
        if self.journals[name].has_extra:
            row[COLUMN] = self.random.randint(0, 9)
        return row

    def define(self) -> None:
        """A definition that is carried over without a copy."""
        name = self.random.choice(TABLES)
        journal = self.journals[name]
        if self.random.random() < 0.3:
            self.run(f"truncate {name}")
            journal.commit({})
        elif journal.has_extra:
            self.run(f"alter table {name} drop column {COLUMN}")
            journal.has_extra = False
            for row in journal.rows.values():
                row.pop(COLUMN)
            for versions in journal.versions.values():
                for row, _ in versions:
                    row.pop(COLUMN, None)
        else:
            self.run(f"alter table {name} add column {COLUMN} int not null default 5")
            journal.has_extra = True
            for row in journal.rows.values():
                row[COLUMN] = 5
            for versions in journal.versions.values():
                for row, present in versions:
                    row[COLUMN] = 5 if present else None


def test_landing_is_the_source_and_history_the_journal(
    source_server: MariaDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = int(os.environ.get("ZEROSHIFT_SEED", time.time_ns() % 10**6))
    print(f"ZEROSHIFT_SEED={seed} ZEROSHIFT_SOAK={TRANSACTIONS}")
    monkeypatch.setenv("ZEROSHIFT_PORT", "0")
    for name in TABLES:
        source_server.execute(
            f"create table {name} (id int primary key, note varchar(40), price decimal(12,2))"
        )
    environment = LocalEnvironment(tmp_path / "home")
    status = environment.up()
    settings = source_server.settings()
    writer = Writer(source_server, seed)
    assert status.engine_dsn is not None
    watcher: Replica | None = None
    kills = 0
    try:
        process.start(environment.home, settings)
        watcher = Replica(source_server, status.engine_dsn)
        for name in TABLES:
            watcher.until_state(name, "Synced")
        for number in range(TRANSACTIONS):
            if writer.random.random() < 0.01:
                writer.define()
            writer.transaction()
            if number % 60 == 59:
                kills += _kill(environment, writer.random)
                process.start(environment.home, settings)
            if number % 700 == 699:
                source_server.execute("flush binary logs")
            if number % 1000 == 999:
                status = _kill_engine(environment, status)
                watcher.engine.close()
                watcher = Replica(source_server, status.engine_dsn or "")
                process.start(environment.home, settings)
        _compare(watcher, writer)
        assert kills > 0
    finally:
        process.stop_all(environment.home)
        if watcher is not None:
            watcher.engine.close()
        environment.down()


def _kill(environment: LocalEnvironment, rolls: random.Random) -> int:
    """kill -9 of the replicator, while it is busy with the last transactions."""
    time.sleep(rolls.random() * 0.03)
    found = process._read(environment.home, "rental")
    if found is None:
        return 0
    with contextlib.suppress(ProcessLookupError):
        os.kill(found[0].pid, signal.SIGKILL)
    # A killed process holds its lock a moment longer: a start just then would take it for alive.
    while process.running(environment.home, "rental"):
        time.sleep(0.005)
    return 1


def _kill_engine(environment: LocalEnvironment, status: Status) -> Status:
    """kill -9 of the warehouse's daemon, which takes PostgreSQL with it."""
    assert status.pid is not None
    os.kill(status.pid, signal.SIGKILL)
    return environment.up()


def _compare(replica: Replica, writer: Writer) -> None:
    replica.catch_up()
    for name, journal in writer.journals.items():
        columns = replica.columns(name)
        assert replica.states()[name] == ("Synced", "")
        wanted = sorted([_plain({"id": key, **row}, columns) for key, row in journal.rows.items()], key=repr)
        assert replica.present(name) == wanted
        found: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        for row in replica.versions(name):
            found[row[0]].append(row)
        assert found.keys() == {key for key, versions in journal.versions.items() if versions}
        for key, rows in found.items():
            assert [(row[:-3], row[-3]) for row in rows] == [
                (_plain({"id": key, **row}, columns), present) for row, present in journal.versions[key]
            ], f"{name} {key}"
            for earlier, later in zip(rows, rows[1:], strict=False):
                assert earlier[-2] < earlier[-1] <= later[-2]


def _plain(row: dict[str, Any], columns: list[str]) -> tuple[Any, ...]:
    return tuple(row.get(column) for column in columns)
