"""Replication from a MySQL or MariaDB: its binlog's transactions and statements."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

from deployer.local.replication import snapshot, source, tables
from deployer.local.replication.batch import Net, TableBatch
from deployer.local.replication.ddl import Place
from deployer.local.replication.lenient import QUESTION_MARKS
from deployer.local.replication.position import Position, PositionLost
from deployer.local.replication.rowimage import Undecodable
from deployer.local.replication.settings import Settings
from deployer.local.replication.source import inspect
from deployer.local.replication.state import SYNCED, Known
from deployer.local.replication.stream import DELETE, UPDATE, Statement, Stream, Transaction
from deployer.local.replication.worker import Worker


class MySqlWorker(Worker):
    """One life of a replicator of a MySQL or MariaDB."""

    log_name = "binlog"

    def __init__(self, config: Settings, engine_dsn: str, server_id: int, stop: threading.Event) -> None:
        super().__init__(config, engine_dsn, server_id, stop)
        self.source = source.of(config)
        self._decoders = tables.Decoders(QUESTION_MARKS if config.acceptinvchars else "strict")

    def _check(self, known: Known | None) -> str:
        with self.source.connect() as connection:
            server = inspect(connection)
            if known is not None and known.position is not None:
                position = known.position
                if not _is_there(connection, server.is_mariadb, known.stamp == server.stamp, position):
                    raise PositionLost(
                        f"{position.file}:{position.at} is not in the source's binlog (any more)"
                    )
        return server.stamp

    @contextmanager
    def _stream(self, start: Position) -> Iterator[Iterator[Any]]:
        stream = Stream(self.source, start, self._server_id)
        try:
            yield iter(stream)
        finally:
            stream.close()

    def _snapshot(self, wanted: Iterable[Place] | None) -> AbstractContextManager[snapshot.Snapshot]:
        return snapshot.take(self.source, self.state.filter, None if wanted is None else set(wanted))

    def _places(self) -> set[Place]:
        with self.source.connect() as connection:
            server = inspect(connection)
            return tables.places(connection, server.is_mariadb, self.state.filter)

    def _handle(self, item: Transaction | Statement) -> None:
        if isinstance(item, Transaction):
            self._take(item)
        else:
            self._flush()
            self._resync(tables.define(self, item), item.position)

    def _take(self, transaction: Transaction) -> None:
        """Add one transaction to the batch."""
        assert transaction.position is not None
        self._mark()
        nets: dict[Place, Net] = {}
        anew: set[Place] = set()
        for rows in transaction.rows:
            table = self.tables.get(rows.place)
            if table is None:
                if self.config.lets_through(rows.place):
                    anew.add(rows.place)
                continue
            if table.state != SYNCED or table.definition is None:
                continue
            if table.copied is not None and transaction.position <= table.copied:
                continue
            try:
                decoder = self._decoders.of(table.definition, rows.columns)
                if decoder is None:
                    anew.add(rows.place)
                    continue
                images = decoder.rows(rows.data, len(rows.data))
            except (Undecodable, UnicodeDecodeError, IndexError) as error:
                self._flush()
                self.fail(
                    table,
                    str(error) if isinstance(error, Undecodable) else "A value holds invalid characters",
                )
                nets.pop(rows.place, None)
                continue
            net = nets.setdefault(rows.place, Net(table.definition.key_places))
            if rows.kind == UPDATE:
                for number in range(0, len(images), 2):
                    net.add(images[number], images[number + 1])
            else:
                for image in images:
                    net.add(*((image, None) if rows.kind == DELETE else (None, image)))
        if anew:
            # Not as the table is known. Its copy will be younger than this transaction.
            self._flush()
            self._resync(anew, transaction.position)
            nets = {place: net for place, net in nets.items() if place not in anew}
        if nets:
            at = self.next_time(transaction.at, transaction.position)
            for place, net in nets.items():
                batch = self._batches.setdefault(place, TableBatch(net.key_places))
                batch.apply(net, at)
                self._rows += len(net.rows)
            self.txn_seq += 1
            self._newest = transaction.at
        self.position, self._dirty = transaction.position, True


def _is_there(connection: Any, is_mariadb: bool, same_server: bool, position: Position) -> bool:
    """Whether the source still has what follows the position, and it means what it meant."""
    if not same_server:
        return False
    with connection.cursor() as cursor:
        if is_mariadb:
            cursor.execute("select binlog_gtid_pos(%s, %s)", (position.file, position.at))
            (found,) = cursor.fetchone()
            if found is None:
                return False
            return set(filter(None, position.gtid.split(","))) <= set(found.split(","))
        cursor.execute("show binary logs")
        sizes = {row[0]: row[1] for row in cursor.fetchall()}
    return bool(position.at <= sizes.get(position.file, -1))
