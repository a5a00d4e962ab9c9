"""Random transactions on PostgreSQL, everybody killed at random: landing equals the source, history the journal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from postgres import Postgres
from soak import Journal, Row, Version, Writer, soak

pytestmark = pytest.mark.slow

BIG = ("b" * 9000, "c" * 5000, None)


class PostgresWriter(Writer):
    """Definitions are part of transactions: rows come before and after them."""

    _kinds = 0

    def run(self, statement: str, arguments: tuple[Any, ...] = ()) -> None:
        self.connection.execute(statement, arguments)

    def create(self, name: str) -> None:
        self.run(f"create table {name} (id int primary key, note varchar(40), price numeric(12,2), big text)")
        identity = "full" if name == "two" else "default"
        self.run(f"alter table {name} alter big set storage external, replica identity {identity}")

    def kind(self) -> str:
        # One that no other column has had lately: columns that come, go and change names within a moment are told apart
        # by that.
        self._kinds += 1
        return f"numeric({4 + self._kinds % 30},0)"

    def row(self) -> Row:
        return super().row() | {"big": self.random.choice(BIG)}

    def transaction(self) -> None:
        work = self.work()
        defines = self.random.random() < 0.01
        self.run("begin")
        self.changes(work, 400 if self.random.random() < 0.01 else 6)
        if self.random.random() < 0.2:
            self.run("savepoint a")
            within = self.work_of(work)
            self.changes(within, 4)
            if self.random.random() < 0.5:
                self.run("rollback to a")
            else:
                self.run("release a")
                work = within
        if self.random.random() < 0.1:
            self.run("rollback")
            return
        if defines and (name := self.define(work)):
            # A row behind it, which makes the definition certain.
            rows = work[name]
            self.insert(
                name, next(key for key in range(300, 10**9) if key not in rows), rows, self.whole(name)
            )
        self.run("commit")
        for name, rows in work.items():
            self.journals[name].commit(rows)

    def knows_last_columns(self, journal: Journal, columns: list[str]) -> bool:
        """pgoutput's new columns are told from the catalog. Once the table is gone nothing tells of them any more, and
        its last changes are lost (docs/local-replication-postgresql.md).
        """
        return {column for column in columns if column.startswith("extra")} == {journal.extra} - {""}

    def may_lack(self, journal: Journal, row: Row) -> bool:
        """A change of nothing but a column that came and went before landing came to it makes no version there."""
        return id(row) in journal.blurred

    def seen(self, versions: list[Version]) -> list[Version]:
        """Without versions that are as the one before, for the same reason."""
        made: list[Version] = []
        for version in versions:
            if made and made[-1][0] == version[0]:
                made.pop()
            made.append(version)
        return made


def test_landing_is_the_source_and_history_the_journal(
    postgres_source: Postgres, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZEROSHIFT_PORT", "0")
    soak(postgres_source, PostgresWriter, tmp_path / "home")
