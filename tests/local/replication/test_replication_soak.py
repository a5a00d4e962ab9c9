"""Random transactions on MariaDB, everybody killed at random: landing equals the source, history the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from mariadb import MariaDb
from soak import Writer, soak

pytestmark = pytest.mark.slow


class MariaDbWriter(Writer):
    """Definitions commit by themselves: they stand between transactions."""

    def run(self, statement: str, arguments: tuple[Any, ...] = ()) -> None:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, arguments)

    def create(self, name: str) -> None:
        self.run(f"create table {name} (id int primary key, note varchar(40), price decimal(12,2))")

    def kind(self) -> str:
        return "int"

    def transaction(self) -> None:
        if self.random.random() < 0.01:
            self.define(self.work())
        work = self.work()
        self.run("begin")
        self.changes(work, 400 if self.random.random() < 0.01 else 6)
        if self.random.random() < 0.1:
            self.run("savepoint a")
            self.changes(self.work_of(work), 1)
            self.run("rollback to a")
        if self.random.random() < 0.1:
            self.run("rollback")
            return
        self.run("commit")
        for name, rows in work.items():
            self.journals[name].commit(rows)


def test_landing_is_the_source_and_history_the_journal(
    source_server: MariaDb, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSHIFT_PORT", "0")
    soak(source_server, MariaDbWriter, tmp_path / "home", "flush binary logs")
