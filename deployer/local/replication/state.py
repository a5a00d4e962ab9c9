"""What replication remembers in the engine, and what SVV_INTEGRATION and its kin show of it.

Every function runs in the caller's transaction: the position is written by the one that writes the rows up to it.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import psycopg
from psycopg import sql

from deployer.errors import Unsafe
from deployer.local.replication import landing
from deployer.local.replication.ddl import Place
from deployer.local.replication.definition import TableDefinition
from deployer.local.replication.position import Position
from deployer.local.replication.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]

SYNCED, FAILED, REQUIRED, INITIATED, DROPPED = (
    "Synced",
    "Failed",
    "ResyncRequired",
    "ResyncInitiated",
    "DroppedSource",
)
CONNECTING, DISCOVERING, REPLICATING, ERROR = (
    "PendingDbConnectState", "SchemaDiscoveryState", "CdcRefreshState", "ErrorState",
)  # fmt: skip

READABLE = (SYNCED, DROPPED)

DEADLOCK_TIMEOUT = "5s"
"""How long a replicator waits for a lock before it looks whether somebody waits for it, too: longer than a user's
statement does, or a long copy would end for its sake.
"""

_REASON = 256
_KEPT = "7 days"
"""As long as Redshift keeps the rows of SYS views (DG, "SYS monitoring views")."""


@dataclass
class Replicated:
    """One table as replication knows it. `copied` is the position of the snapshot that it was copied from."""

    place: Place
    state: str
    reason: str = ""
    definition: TableDefinition | None = None
    copied: Position | None = None
    copied_at: datetime | None = None


@dataclass(frozen=True)
class Known:
    """The whole state at one position. `last` is the latest record time, None before the first copy."""

    stamp: str
    position: Position | None
    last: datetime | None
    txn_seq: int
    filter_text: str
    tables: dict[Place, Replicated]


class State:
    """One integration's rows."""

    def __init__(self, config: Settings) -> None:
        self.config = config
        self.filter = config.filter
        self.id = integration_id(config.landing)

    def lock(self, connection: Connection) -> None:
        """Hold what only one replicator may hold. A killed one's last transaction ends before this is given."""
        connection.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (self.id,))

    def announce(self, connection: Connection) -> None:
        """Make the integration's rows where they are missing, and turn history mode on or off. Raises Unsafe where
        landing holds others' rows, or tables that history mode cannot be turned on or off for.
        """
        other = connection.execute(
            "select integration_id from zeroshift.integrations where target_database = %s and integration_id <> %s",
            (self.config.landing, self.id),
        ).fetchone()
        if other is not None:
            raise Unsafe(
                f"the landing database {self.config.landing} holds what `zeroshift local load` or the demo has put"
                " there; `zeroshift local reset --yes` empties the local warehouse, then replication can begin"
            )
        connection.execute(
            "insert into zeroshift.integrations (integration_id, target_database, source, source_database, state,"
            " is_history_mode, creation_time, refresh_interval, query_all_states) values (%s, %s, %s, %s, %s, %s,"
            " now() at time zone 'UTC', %s, %s) on conflict (integration_id)"
            " do update set refresh_interval = excluded.refresh_interval,"
            " query_all_states = excluded.query_all_states",
            (
                self.id,
                self.config.landing,
                "PostgreSQL" if self.config.is_postgres else "MySQL",
                self.config.database or "*",
                CONNECTING,
                self.config.history_mode,
                self.config.refresh_interval,
                self.config.query_all_states,
            ),
        )
        self._turn(connection)

    def _turn(self, connection: Connection) -> None:
        """Turn history mode on or off where zeroshift.toml says so by now: every table is copied anew in the other
        form. (That it is loaded anew is documented of turning it off; of turning it on only that the columns come.)
        """
        wanted = self.config.history_mode
        if not connection.execute(
            "update zeroshift.integrations set is_history_mode = %s where integration_id = %s"
            " and is_history_mode <> %s",
            (wanted, self.id, wanted),
        ).rowcount:
            return
        tables = self.tables(connection)
        # "Only for tables in the Synced state" (Redshift Management Guide, "Considerations").
        wrong = [
            f"{'.'.join(table.place)} is {table.state}"
            for table in tables.values()
            if table.definition is not None and table.state not in READABLE
        ]
        if wrong:
            raise Unsafe(
                f"history mode of the landing database {self.config.landing} can be turned {'on' if wanted else 'off'}"
                f" only while its tables are Synced, but {', '.join(sorted(wrong))}: set history_mode back to"
                f" {str(not wanted).lower()}, mend that with `zeroshift integration refresh`, and then change it"
            )
        for table in tables.values():
            if table.state == SYNCED:
                table.state = INITIATED
                self.save_table(connection, table, None)

    def keeps(self, connection: Connection, table: TableDefinition) -> bool:
        """Whether a table stays in landing when its source goes. One that could not be copied anew since history mode
        was turned off still has its history.
        """
        return self.config.history_mode or landing.has_history(connection, self.config.landing, table)

    def prune(self, connection: Connection) -> None:
        """Forget the activity that Redshift would show no more."""
        connection.execute(
            "delete from zeroshift.integration_activity where integration_id = %s"
            " and ended_at < (now() at time zone 'UTC') - %s::interval",
            (self.id, _KEPT),
        )
        connection.execute(
            "delete from zeroshift.integration_state_changes where integration_id = %s"
            " and record_time < (now() at time zone 'UTC') - %s::interval",
            (self.id, _KEPT),
        )

    def load(self, connection: Connection) -> Known | None:
        """What was remembered; None before the first copy."""
        row = connection.execute(
            "select r.source_stamp, r.log_file, r.log_position, r.gtid, i.last_applied_at, i.txn_seq, r.data_filter"
            " from zeroshift.replications as r join zeroshift.integrations as i using (integration_id)"
            " where r.integration_id = %s",
            (self.id,),
        ).fetchone()
        if row is None:
            return None
        stamp, file, at, gtid, last, txn_seq, filter_text = row
        return Known(
            stamp,
            Position(file, at, gtid) if file else None,
            last,
            txn_seq,
            filter_text,
            self.tables(connection),
        )

    def tables(self, connection: Connection) -> dict[Place, Replicated]:
        """All tables and their states."""
        found = {}
        for schema, name, state, reason, definition, file, at, copied_at in connection.execute(
            "select t.schema_name, t.table_name, t.table_state, t.reason, d.definition, d.copy_file, d.copy_position,"
            " d.copied_at from zeroshift.integration_tables as t"
            " left join zeroshift.replicated_tables as d using (integration_id, schema_name, table_name)"
            ' where t.integration_id = %s order by t.schema_name collate "C", t.table_name collate "C"',
            (self.id,),
        ):
            found[schema, name] = Replicated(
                (schema, name),
                state,
                reason,
                TableDefinition.from_json(schema, name, definition) if definition else None,
                Position(file, at) if file else None,
                copied_at,
            )
        return found

    def initiated(self, connection: Connection) -> set[Place]:
        """The tables that somebody asked to be copied anew."""
        rows = connection.execute(
            "select schema_name, table_name from zeroshift.integration_tables"
            " where integration_id = %s and table_state = %s",
            (self.id, INITIATED),
        )
        return {(schema, name) for schema, name in rows}

    def set_integration(self, connection: Connection, state: str, message: str | None = "") -> None:
        """SVV_INTEGRATION.state, and a message for `zeroshift integration status`; None leaves that as it is."""
        connection.execute(
            "update zeroshift.integrations set state = %s where integration_id = %s", (state, self.id)
        )
        if message is None:
            return
        connection.execute(
            "insert into zeroshift.replicators values (%s, %s)"
            " on conflict (integration_id) do update set message = excluded.message",
            (self.id, message),
        )

    def set_position(
        self,
        connection: Connection,
        stamp: str,
        position: Position | None,
        last: datetime | None,
        txn_seq: int,
    ) -> None:
        """How far the landing tables are; `position` None: it is lost."""
        connection.execute(
            "insert into zeroshift.replications (integration_id, source_stamp, log_file, log_position, gtid,"
            " data_filter) values (%s, %s, %s, %s, %s, %s) on conflict (integration_id)"
            " do update set source_stamp = excluded.source_stamp, log_file = excluded.log_file,"
            " log_position = excluded.log_position, gtid = excluded.gtid,"
            " data_filter = excluded.data_filter",
            (
                self.id,
                stamp,
                position.file if position else None,
                position.at if position else None,
                position.gtid if position else "",
                self.config.filter_text,
            ),
        )
        connection.execute(
            "update zeroshift.integrations set last_applied_at = %s, txn_seq = %s where integration_id = %s",
            (last, txn_seq, self.id),
        )

    def set_lag(self, connection: Connection, milliseconds: int) -> None:
        connection.execute(
            "update zeroshift.replications set lag_ms = %s, seen_at = clock_timestamp() where integration_id = %s",
            (milliseconds, self.id),
        )

    def save_table(self, connection: Connection, table: Replicated, at: datetime | None) -> None:
        """Write the table's state and definition, and guard it."""
        # The landing table is locked before its row: ALTER DATABASE ... INTEGRATION REFRESH locks in that order, too.
        self.guard(connection, table)
        self.save_row(connection, table, at)

    def save_row(self, connection: Connection, table: Replicated, at: datetime | None) -> None:
        """As `save_table`; the caller guards the table in the same transaction."""
        schema, name = table.place
        connection.execute(
            "insert into zeroshift.integration_tables (integration_id, schema_name, table_name, table_state, reason,"
            " is_history_mode, last_updated_timestamp) values (%s, %s, %s, %s, %s, %s, %s)"
            " on conflict (integration_id, schema_name, table_name) do update set table_state = excluded.table_state,"
            " reason = excluded.reason, last_updated_timestamp = coalesce(excluded.last_updated_timestamp,"
            " zeroshift.integration_tables.last_updated_timestamp)",
            (self.id, schema, name, table.state, table.reason[:_REASON], self.config.history_mode, at),
        )
        self._save_definition(connection, table)

    def save_failure(self, connection: Connection, table: Replicated, at: datetime | None) -> None:
        """Write that a table is out of sync, unless somebody has just asked for a refresh of it: then that comes."""
        self.guard(connection, table)
        connection.execute(
            "update zeroshift.integration_tables set table_state = %s, reason = %s,"
            " last_updated_timestamp = coalesce(%s, last_updated_timestamp)"
            " where integration_id = %s and schema_name = %s and table_name = %s and table_state <> %s",
            (table.state, table.reason[:_REASON], at, self.id, *table.place, INITIATED),
        )
        self._save_definition(connection, table)

    def save_definition(self, connection: Connection, table: Replicated, at: datetime | None) -> None:
        """Write the definition of a table whose state stays: somebody may just have asked for a refresh of it, which
        must not be forgotten.
        """
        connection.execute(
            "update zeroshift.integration_tables set last_updated_timestamp = coalesce(%s, last_updated_timestamp)"
            " where integration_id = %s and schema_name = %s and table_name = %s",
            (at, self.id, *table.place),
        )
        self._save_definition(connection, table)

    def save_reason(self, connection: Connection, table: Replicated) -> None:
        """Write the reason alone, unless the table has another state by now."""
        connection.execute(
            "update zeroshift.integration_tables set reason = %s"
            " where integration_id = %s and schema_name = %s and table_name = %s and table_state = %s",
            (table.reason[:_REASON], self.id, *table.place, table.state),
        )

    def _save_definition(self, connection: Connection, table: Replicated) -> None:
        schema, name = table.place
        connection.execute(
            "insert into zeroshift.replicated_tables values (%s, %s, %s, %s, %s, %s, %s)"
            " on conflict (integration_id, schema_name, table_name) do update set definition = excluded.definition,"
            " copy_file = excluded.copy_file, copy_position = excluded.copy_position, copied_at = excluded.copied_at",
            (
                self.id,
                schema,
                name,
                json.dumps(table.definition.as_json()) if table.definition else None,
                table.copied.file if table.copied else None,
                table.copied.at if table.copied else None,
                table.copied_at,
            ),
        )

    def guard(self, connection: Connection, table: Replicated) -> None:
        """Let a table be read only while it is Synced or DroppedSource: DG r_CREATE_DATABASE, QUERY_ALL_STATES."""
        landing.guard(
            connection,
            self.config.landing,
            table.place,
            table.state not in READABLE and not self.config.query_all_states,
        )

    def guard_again(self, connection: Connection) -> None:
        """Guard every table by the state that it has now. Not in a transaction.

        A table is locked only where its guard is wrong, which is seen in one snapshot with its state: a refresh that is
        asked for meanwhile changes both.
        """
        wrong = connection.execute(
            "select t.schema_name, t.table_name from zeroshift.integration_tables as t join pg_class as c"
            " on c.oid = to_regclass(format('%%I.%%I', %s || '.' || t.schema_name, t.table_name))"
            " where t.integration_id = %s and c.relrowsecurity <> (t.table_state <> all (%s) and not %s)",
            (self.config.landing, self.id, list(READABLE), self.config.query_all_states),
        ).fetchall()
        for place in wrong:
            with connection.transaction():
                name = landing.name_of(self.config.landing, *place)
                connection.execute(sql.SQL("lock table {}").format(name))
                self.guard(connection, self.tables(connection)[place])

    def forget_table(self, connection: Connection, place: Place) -> None:
        """The table was never there to be read."""
        connection.execute(
            "delete from zeroshift.integration_tables"
            " where integration_id = %s and schema_name = %s and table_name = %s",
            (self.id, *place),
        )

    def record(
        self, connection: Connection, place: Place, txn_seq: int, at: datetime, *, snapshot: bool, inserted: int,
        updated: int, deleted: int, started: datetime,
    ) -> None:  # fmt: skip
        """What a batch or a copy did to a table, for the SYS views; a copy begins a new epoch."""
        connection.execute(
            "update zeroshift.integration_tables set last_updated_timestamp = %s, txn_seq = %s,"
            " table_rows = case when %s then 0 else table_rows end + %s,"
            " copied_at = case when %s then %s else copied_at end,"
            " is_history_mode = case when %s then %s else is_history_mode end"
            " where integration_id = %s and schema_name = %s and table_name = %s",
            (
                at,
                txn_seq,
                snapshot,
                inserted + (updated if self.config.history_mode else -deleted),
                snapshot,
                at,
                snapshot,
                self.config.history_mode,
                self.id,
                *place,
            ),
        )
        connection.execute(
            "insert into zeroshift.integration_activity (integration_id, schema_name, table_name, txn_seq,"
            " checkpoint_type, record_time, inserted_rows, updated_rows, deleted_rows, started_at, ended_at)"
            " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, clock_timestamp() at time zone 'UTC')",
            (
                self.id, *place, txn_seq, "snapshot" if snapshot else "cdc", at, inserted, updated, deleted, started,
            ),
        )  # fmt: skip


def integration_id(landing: str) -> str:
    """The same for the same landing database wherever it is replicated, so that output can be compared."""
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, f"{landing}.replication"))
