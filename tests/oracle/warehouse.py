"""The real warehouse that histories are played on: a local Redshift, deployed once, then put back."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from datetime import date, datetime
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from deployer.errors import StatementFailed
from deployer.local.landing import integration
from deployer.local.landing.integration import SCHEMA as LANDING
from deployer.local.landing.load import load
from deployer.local.landing.resync import resync
from deployer.warehouse.session import Session, Target
from oracle.metrics import COLUMNS
from oracle.oracle import Mode, Outcome
from oracle.source import TABLES, Snapshot, Version, write_csv

Table = Counter[tuple[str, ...]]
"""A table's rows as text (so that the decimals shown count), with how often each stands in it."""

_STATE = ("ops", "curated", "metrics", "presentation", "raw", "archive", LANDING)
"""Schemas whose tables hold what loads and runs have done."""

FAULT = "fault injected by the test"

_OUTCOMES: dict[str, Outcome] = {
    "succeeded": "published",
    "superseded": "superseded",
    "duplicate": "published",
    "skipped": "skipped",
}
"""State in ops.runs -> how the run ended, for runs whose call returns."""


class Warehouse:
    """A deployed local Redshift. `restore` brings back the state it had when this object was made."""

    def __init__(self, target: Target, engine_dsn: str) -> None:
        self.target = target
        self.engine_dsn = engine_dsn
        self.engine = psycopg.connect(engine_dsn, autocommit=True)
        self.last_error = ""
        """What the last run that was stopped said."""
        self.account_is_old = False
        """Whether a horizon has moved that no run has taken into the accounts yet."""
        self._session: Session | None = None
        self._process = 0
        with integration.writing(engine_dsn) as connection:
            # The first load would make the landing tables, which must be among those that are put back.
            integration.ensure(connection)
        self._tables = self._state_tables()
        self._initial = {table: self._copy_out(table) for table in self._tables}

    def close(self) -> None:
        if self._session is not None:
            self._session.close()
        self.engine.close()

    @property
    def session(self) -> Session:
        if self._session is None:
            self._session = Session(self.target)
            self._process = int(self._session.execute("select pg_backend_pid()").rows[0][0])
        return self._session

    # -- what a history does -----------------------------------------------------------------------------

    def load(self, source: Snapshot, at: datetime) -> None:
        with tempfile.TemporaryDirectory() as directory:
            write_csv(source, Path(directory))
            load(self.engine_dsn, Path(directory), at)

    def resync(self, table: str, at: datetime) -> None:
        resync(self.engine_dsn, table, at)

    def land(self, table: str, version: Version) -> None:
        """Put one version into the landing table behind the loader's back, as replication out of order would."""
        values = {field.name: getattr(version.row, field.name) for field in fields(version.row)}
        values |= {
            "_record_is_active": version.deleted is None,
            "_record_create_time": version.created,
            "_record_delete_time": version.deleted,
        }
        self.engine.execute(
            sql.SQL("insert into {}.{} ({}) values ({})").format(
                sql.Identifier(LANDING),
                sql.Identifier(table),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join([sql.Placeholder()] * len(values)),
            ),
            list(values.values()),
        )

    def end(self, table: str, key: int, at: datetime) -> None:
        """End the row's present version, behind the loader's back."""
        ((name,),) = (TABLES[table][1],)
        self.engine.execute(
            sql.SQL(
                "update {}.{} set _record_is_active = false, _record_delete_time = %s"
                " where _record_is_active and {} = %s"
            ).format(sql.Identifier(LANDING), sql.Identifier(table), sql.Identifier(name)),
            (at, key),
        )

    def run(
        self,
        as_of: datetime,
        mode: Mode = "incremental",
        *,
        publish_fails: bool = False,
        unguarded: bool = False,
    ) -> Outcome:
        """Call the pipeline and say how it ended. Errors that no test provoked are raised.

        `unguarded`: the warehouse does not know that the same run was done before, so it does it again.
        """
        if unguarded:
            self.engine.execute("update ops.runs set mode = 'forgotten' where state = 'succeeded'")
        before = self._newest_run()
        call = f"call ops.run_rental('{as_of}', '{mode}')"
        try:
            if publish_fails:
                with self._publish_fault():
                    self.session.execute(call)
            else:
                self.session.execute(call)
        except StatementFailed as error:
            self._reconnect()
            if publish_fails and FAULT in str(error):
                self.account_is_old = False
                return "failed"
            if "accept_reseed" in str(error):
                self.last_error = str(error)
                return "stopped"
            if "the archive has closed" in str(error):
                return "refused"
            raise
        run = self._newest_run()
        assert run is not None and run != before, "the run left no record"
        if run[1] == "succeeded":
            self.account_is_old = False
        return _OUTCOMES[run[1]]

    def archive(self, table: str, column: str, day: date, *, kept: bool = False) -> str:
        """What `archive run` does to the table: "refused", "nothing" to do, or "closed" before the day.

        `kept`: it stores the horizon and is killed before it deletes.
        """
        try:
            self.session.execute(f"call archive.check_horizon('{table}', '{column}', '{day}')")
        except StatementFailed as error:
            self.last_error = str(error)
            self._reconnect()
            return "refused"
        due = sql.SQL("from {} where {} < %s").format(
            sql.Identifier(*table.split(".")), sql.Identifier(column)
        )
        if not self.engine.execute(sql.SQL("select 1 {} limit 1").format(due), [day]).fetchone():
            return "nothing"
        with self.engine.transaction():
            self.engine.execute("delete from archive.horizons where table_name = %s", [table])
            self.engine.execute(
                "insert into archive.horizons values (%s, 'test', %s, %s, now())", [table, column, day]
            )
            if not kept:
                self.engine.execute(sql.SQL("delete {}").format(due), [day])
        self.account_is_old = True
        return "closed"

    def _newest_run(self) -> tuple[Any, ...] | None:
        return self.engine.execute(
            "select run_id, state from ops.runs order by started_at desc, run_id desc limit 1"
        ).fetchone()

    def _reconnect(self) -> None:
        """A session whose call failed is of no more use to us; real runs have one each.

        Its end is waited for: a run is taken for alive as long as its session is shown, and within five seconds of its
        last commit the next one would rightly be skipped.
        """
        if self._session is None:
            return
        self._session.close()
        self._session = None
        deadline = time.monotonic() + 120
        shown = "select 1 from zeroshift.sessions where pid = %s"
        while self.engine.execute(shown, [self._process]).fetchone() is not None:
            assert time.monotonic() < deadline, f"session {self._process} does not end"
            time.sleep(0.01)

    @contextmanager
    def _publish_fault(self) -> Iterator[None]:
        """Let a run's last statement but one fail, when all metrics have been written."""
        self.engine.execute(
            f"create function public.zs_test_fault() returns trigger language plpgsql as"
            f" $$ begin raise exception '{FAULT}'; end $$"
        )
        self.engine.execute(
            "create trigger zs_test_fault before update on ops.runs for each row"
            " when (new.state = 'succeeded') execute function public.zs_test_fault()"
        )
        try:
            yield
        finally:
            self.engine.execute("drop function public.zs_test_fault() cascade")

    # -- what it then holds ------------------------------------------------------------------------------

    def rows(self, view: str) -> Table:
        """The rows of presentation.<view>, as an analyst reads them."""
        return self.select(f"select {', '.join(COLUMNS[view])} from presentation.{view}")

    def select(self, query: str) -> Table:
        return table_of(self.session.execute(query).rows)

    def landing(self, table: str) -> Counter[tuple[Any, ...]]:
        """Keys and record times of the landing table."""
        _, key = TABLES[table]
        query = sql.SQL(
            "select {}, _record_create_time, _record_delete_time, _record_is_active from {}.{}"
        ).format(sql.SQL(", ").join(map(sql.Identifier, key)), sql.Identifier(LANDING), sql.Identifier(table))
        return Counter(self.engine.execute(query).fetchall())

    def row_versions(self, *schemas: str) -> dict[str, set[tuple[Any, ...]]]:
        """Where each row of the schemas' tables lies: a row that was written again lies elsewhere."""
        return {
            f"{schema}.{table}": set(
                self.engine.execute(
                    sql.SQL("select ctid::text, xmin::text from {}.{}").format(
                        sql.Identifier(schema), sql.Identifier(table)
                    )
                ).fetchall()
            )
            for schema, table in self._tables
            if schema in schemas
        }

    # -- between histories -------------------------------------------------------------------------------

    def restore(self) -> None:
        """Forget every load and run."""
        self.account_is_old = False
        names = sql.SQL(", ").join(sql.Identifier(*table) for table in self._tables)
        with self.engine.transaction():
            self.engine.execute(sql.SQL("truncate {} restart identity").format(names))
            for table, content in self._initial.items():
                if content:
                    with self.engine.cursor().copy(
                        sql.SQL("copy {} from stdin").format(sql.Identifier(*table))
                    ) as copy:
                        copy.write(content)
            self.engine.execute("update zeroshift.integrations set last_applied_at = null, txn_seq = 0")
            self.engine.execute("update zeroshift.integration_tables set copied_at = null, table_rows = 0")
            self.engine.execute("delete from zeroshift.integration_activity")

    def _state_tables(self) -> list[tuple[str, str]]:
        return [
            (schema, table)
            for schema, table in self.engine.execute(
                "select n.nspname, c.relname from pg_class as c"
                " join pg_namespace as n on n.oid = c.relnamespace"
                " where c.relkind = 'r' and n.nspname = any(%s) order by 1, 2",
                (list(_STATE),),
            )
        ]

    def _copy_out(self, table: tuple[str, str]) -> bytes:
        with self.engine.cursor().copy(sql.SQL("copy {} to stdout").format(sql.Identifier(*table))) as copy:
            return b"".join(bytes(block) for block in copy)


def table_of(rows: Sequence[tuple[Any, ...]]) -> Table:
    """Rows as text: 1.50 and 1.5 differ, NULL is the word."""
    return Counter(tuple("null" if value is None else str(value) for value in row) for row in rows)


def landing_of(versions: list[Version], key: tuple[str, ...]) -> Counter[tuple[Any, ...]]:
    """What `Warehouse.landing` must say, from the oracle's model."""
    return Counter(
        (*(getattr(v.row, name) for name in key), v.created, v.deleted, v.deleted is None) for v in versions
    )
