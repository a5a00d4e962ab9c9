"""Which code replicates from which kind of source."""

from __future__ import annotations

import threading
from contextlib import AbstractContextManager

from deployer.local.replication.copy import Snapshot
from deployer.local.replication.settings import Settings
from deployer.local.replication.worker import Worker


def worker(config: Settings, engine_dsn: str, server_id: int, stop: threading.Event) -> Worker:
    """One life of a replicator of this source."""
    if config.is_postgres:
        from deployer.local.replication.postgres.worker import PostgresWorker

        return PostgresWorker(config, engine_dsn, server_id, stop)
    from deployer.local.replication.mysql_worker import MySqlWorker

    return MySqlWorker(config, engine_dsn, server_id, stop)


def snapshot(config: Settings) -> AbstractContextManager[Snapshot]:
    """Everything that the filter lets through, to be counted. Raises SourceLost, Unavailable."""
    if config.is_postgres:
        from deployer.local.replication.postgres import snapshot as postgres_snapshot
        from deployer.local.replication.postgres import source as postgres_source

        return postgres_snapshot.take(postgres_source.of(config), config.lets_through, None)
    from deployer.local.replication import snapshot as mysql_snapshot
    from deployer.local.replication import source as mysql_source

    return mysql_snapshot.take(mysql_source.of(config), config.filter, None)
