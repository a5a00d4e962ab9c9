"""Random transactions on PostgreSQL, the replicator killed at random: landing equals the source, history the journal.

ZEROSHIFT_SOAK is the number of transactions (CI: 1,500; the issue's proof: 20,000), ZEROSHIFT_SEED repeats a run.
"""

from __future__ import annotations

import os
import time
from collections import defaultdict
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres
from replica import Replica
from test_replication_soak import TEXTS, TRANSACTIONS, Journal, _kill, _kill_engine, _plain

from deployer.local.environment import LocalEnvironment
from deployer.local.replication import process

pytestmark = pytest.mark.slow

IDENTITIES = {"one": "default", "two": "full", "three": "default"}
BIG = ("b" * 9000, "c" * 5000, None)


class Writer:
    """Writes random transactions, and the journal of those that were committed."""

    def __init__(self, server: Postgres, seed: int) -> None:
        import random

        self.server = server
        self.random = random.Random(seed)
        self.journals = {name: Journal() for name in IDENTITIES}
        self.extra: dict[str, str] = {}
        self._columns = 0
        self.connect()

    def connect(self) -> None:
        self.connection = self.server.connect()

    def run(self, statement: str, arguments: tuple[Any, ...] = ()) -> None:
        self.connection.execute(statement, arguments)  # type: ignore[call-overload]

    def transaction(self) -> None:
        work = {
            name: {k: dict(r) for k, r in journal.rows.items()} for name, journal in self.journals.items()
        }
        defines = self.random.random() < 0.01
        large = self.random.random() < 0.01
        self.run("begin")
        for _ in range(self.random.randint(1, 400 if large else 6)):
            name = self.random.choice(list(IDENTITIES))
            self._change(name, work[name])
        if self.random.random() < 0.2:
            self.run("savepoint a")
            kept = {name: {k: dict(r) for k, r in rows.items()} for name, rows in work.items()}
            for _ in range(self.random.randint(1, 4)):
                name = self.random.choice(list(IDENTITIES))
                self._change(name, work[name])
            if self.random.random() < 0.5:
                self.run("rollback to a")
                work = kept
            else:
                self.run("release a")
        if self.random.random() < 0.1:
            self.run("rollback")
            return
        if defines:
            # Definitions are part of transactions: rows come before and after them.
            self.define(work)
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
            "big": self.random.choice(BIG),
        }
        if name in self.extra:
            row[self.extra[name]] = self.random.randint(0, 9)
        return row

    def define(self, work: dict[str, dict[int, dict[str, Any]]]) -> None:
        """A definition that is carried over without a copy, and a row behind it, which makes it certain."""
        name = self.random.choice(list(IDENTITIES))
        journal, rows = self.journals[name], work[name]
        if self.random.random() < 0.3:
            self.run(f"truncate {name}")
            # Also what is inserted again alike begins anew: a truncated table's rows have all ended.
            rows.clear()
        elif name in self.extra:
            column = self.extra.pop(name)
            self.run(f"alter table {name} drop column {column}")
            for row in self._all(journal, rows):
                row.pop(column, None)
        else:
            column = self.extra[name] = self._name()
            # A type that no other has had lately: columns that come, go and change names within a moment are told apart
            # by that.
            kind = f"numeric({4 + self._columns % 30},0)"
            self.run(f"alter table {name} add column {column} {kind} not null default 5")
            for row in [*rows.values(), *journal.rows.values()]:
                row[column] = 5
            for versions in journal.versions.values():
                for row, present in versions:
                    row[column] = 5 if present else None
        row = self._row(name)
        key = next(key for key in range(300, 10**9) if key not in rows)
        self.run(
            f"insert into {name} (id, {', '.join(row)}) values (%s, {', '.join(['%s'] * len(row))})",
            (key, *row.values()),
        )
        rows[key] = row

    def _name(self) -> str:
        self._columns += 1
        return f"extra_{self._columns}"

    def _all(self, journal: Journal, rows: dict[int, dict[str, Any]]) -> list[dict[str, Any]]:
        found = [*rows.values(), *journal.rows.values()]
        found += [row for versions in journal.versions.values() for row, _ in versions]
        return list({id(row): row for row in found}.values())


def test_landing_is_the_source_and_history_the_journal(
    postgres_source: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seed = int(os.environ.get("ZEROSHIFT_SEED", time.time_ns() % 10**6))
    print(f"ZEROSHIFT_SEED={seed} ZEROSHIFT_SOAK={TRANSACTIONS}")
    monkeypatch.setenv("ZEROSHIFT_PORT", "0")
    for name, identity in IDENTITIES.items():
        postgres_source.execute(
            f"create table {name} (id int primary key, note varchar(40), price numeric(12,2), big text)",
            f"alter table {name} alter big set storage external, replica identity {identity}",
        )
    environment = LocalEnvironment(tmp_path / "home")
    status = environment.up()
    settings = postgres_source.settings()
    writer = Writer(postgres_source, seed)
    assert status.engine_dsn is not None
    watcher: Replica | None = None
    kills = 0
    try:
        process.start(environment.home, settings)
        watcher = Replica(postgres_source, status.engine_dsn)
        for name in IDENTITIES:
            watcher.until_state(name, "Synced")
        for number in range(TRANSACTIONS):
            writer.transaction()
            if number % 60 == 59:
                kills += _kill(environment, writer.random)
                process.start(environment.home, settings)
            if number % 1000 == 999:
                status = _kill_engine(environment, status)
                watcher.engine.close()
                watcher = Replica(postgres_source, status.engine_dsn or "")
                process.start(environment.home, settings)
            if number % 1000 == 499:
                # kill -9 of the source, too.
                writer.connection.close()
                postgres_source.kill()
                postgres_source.start()
                writer.connect()
        _compare(watcher, writer)
        assert kills > 0
    finally:
        process.stop_all(environment.home)
        if watcher is not None:
            watcher.engine.close()
        environment.down()


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
            for earlier, later in zip(rows, rows[1:], strict=False):
                assert earlier[-2] < earlier[-1] <= later[-2]
            assert _merged([(row[:-3], row[-3]) for row in rows]) == _merged(
                [(_plain({"id": key, **row}, columns), present) for row, present in journal.versions[key]]
            ), f"{name} {key}"


def _merged(versions: list[tuple[Any, bool]]) -> list[tuple[Any, bool]]:
    """Without versions that are as the one before. A change of nothing but a column that came and went before landing
    came to it makes none there.
    """
    made: list[tuple[Any, bool]] = []
    for row, present in versions:
        if made and made[-1][0] == row:
            made.pop()
        made.append((row, present))
    return made
