"""A replicator in this process, and what tests ask of it."""

from __future__ import annotations

import threading
import time
from typing import Any, Protocol

import psycopg
import pytest
from psycopg import sql

from deployer.local.replication import sources
from deployer.local.replication.ddl import Place
from deployer.local.replication.position import Position, PositionLost, SourceLost
from deployer.local.replication.settings import Settings
from deployer.local.replication.worker import Worker

SECONDS = 240.0


class Server(Protocol):
    """A source that tests have for themselves."""

    schema: str
    """Of its tables, in landing."""

    def settings(self, filter_text: str | None = None, **more: Any) -> Settings: ...

    def execute(self, *statements: str) -> None: ...

    def position(self) -> Position:
        """The end of everything that it has committed."""
        ...


class Replica:
    """Replicates `server` in a thread of this process; `stop` and `start` as often as a test likes."""

    def __init__(self, server: Server, dsn: str, filter_text: str | None = None, **more: Any) -> None:
        self.server = server
        self.settings = server.settings(filter_text, **more)
        self.dsn = dsn
        self.engine = psycopg.connect(dsn, autocommit=True)
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.error: BaseException | None = None
        self.patient = False
        """Whether a source that is lost is tried again, as by the process; else it is the error of `until`."""

    def start(self) -> Replica:
        self._stop.clear()
        self.error = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def _run(self) -> None:
        while not self._stop.is_set():
            worker = sources.worker(self.settings, self.dsn, 4711, self._stop)
            try:
                worker.run()
            except PositionLost as error:
                worker.lose_position(str(error))
            except SourceLost as error:
                if not self.patient:
                    self.error = error
                    return
                self._stop.wait(0.1)
            except BaseException as error:
                self.error = error
                return

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join(SECONDS)
            assert not self._thread.is_alive()

    def close(self) -> None:
        self.stop()
        self.engine.close()

    def until(self, condition: Any, what: str) -> Any:
        """Wait for a condition; the replicator's own error ends the wait."""
        deadline = time.monotonic() + SECONDS
        while True:
            found = condition()
            if found:
                return found
            if self.error is not None:
                raise self.error
            assert time.monotonic() < deadline, f"waited {SECONDS} s for {what}"
            time.sleep(0.02)

    def catch_up(self) -> None:
        """Wait until landing has everything that the source has committed."""
        wanted = self.server.position()
        self.until(lambda: self.position() is not None and self.position() >= wanted, f"position {wanted}")

    def position(self) -> Any:
        row = self.engine.execute("select log_file, log_position from zeroshift.replications").fetchone()
        return None if row is None or row[0] is None else Position(*row)

    def states(self) -> dict[str, tuple[str, str]]:
        """State and reason by table."""
        rows = self.engine.execute("select table_name, table_state, reason from zeroshift.integration_tables")
        return {name: (state, reason) for name, state, reason in rows}

    def until_state(self, table: str, state: str) -> str:
        """Wait for a table's state; returns the reason."""
        self.until(lambda: self.states().get(table, ("", ""))[0] == state, f"{table} to be {state}")
        return self.states()[table][1]

    def refresh(self, table: str) -> None:
        """Have a table copied anew, and wait until it is."""
        self.engine.execute(
            "update zeroshift.integration_tables set table_state = 'ResyncInitiated' where table_name = %s",
            (table,),
        )
        self.until_state(table, "Synced")

    def copied_at(self) -> Any:
        """When a table was copied last."""
        row = self.engine.execute("select max(copied_at) from zeroshift.integration_tables").fetchone()
        assert row is not None
        return row[0]

    def columns(self, table: str) -> list[str]:
        rows = self.engine.execute(
            "select attname from pg_attribute where attrelid = to_regclass(%s) and attnum > 0 and not attisdropped"
            " order by attnum",
            (f'"rental_landing.{self.server.schema}"."{table}"',),
        )
        return [name for (name,) in rows if not name.startswith("_record_")]

    def present(self, table: str) -> list[tuple[Any, ...]]:
        """The present rows, ordered by their text."""
        columns = sql.SQL(", ").join(map(sql.Identifier, self.columns(table)))
        statement = sql.SQL("select {} from {}.{}{}").format(
            columns,
            sql.Identifier(f"rental_landing.{self.server.schema}"),
            sql.Identifier(table),
            sql.SQL(" where _record_is_active" if self.settings.history_mode else ""),
        )
        return sorted(self.engine.execute(statement).fetchall(), key=repr)

    def versions(self, table: str) -> list[tuple[Any, ...]]:
        """All versions, with is_active, begin and end, by begin."""
        columns = sql.SQL(", ").join(map(sql.Identifier, self.columns(table)))
        statement = sql.SQL(
            "select {}, _record_is_active, _record_create_time, _record_delete_time"
            " from {}.{} order by _record_create_time, _record_delete_time nulls last"
        ).format(columns, sql.Identifier(f"rental_landing.{self.server.schema}"), sql.Identifier(table))
        return self.engine.execute(statement).fetchall()


def changed_filter(
    replica: Replica, server: Server, engine_dsn: str, without_one: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A filter that leaves table one out ends it and begins the other; the filter of before brings it back, also where
    the replicator dies before the copy.
    """
    resync, died = Worker._resync, []

    def dies(self: Worker, wanted: set[Place], reached: Position | None = None) -> None:
        if wanted and not died:
            died.append(wanted)
            raise SourceLost("as if it were killed")
        resync(self, wanted, reached)

    server.execute(
        "create table one (id int primary key)",
        "create table two (id int primary key)",
        "insert into one values (1)",
    )
    replica.start()
    replica.until_state("one", "Synced")
    replica.stop()
    server.execute("insert into two values (2)")
    other = Replica(server, engine_dsn, without_one)
    try:
        other.start()
        assert "data filter" in other.until_state("one", "DroppedSource")
        other.catch_up()
        assert other.present("one") == []
        assert other.present("two") == [(2,)]
        other.stop()
        monkeypatch.setattr(Worker, "_resync", dies)
        replica.patient = True
        replica.start()
        replica.until_state("one", "Synced")
        assert died == [{(server.schema, "one")}]
        assert replica.present("one") == [(1,)]
    finally:
        other.close()
