"""A PostgreSQL of its own for tests, from the wheel that the engine is: logical WAL, stopped by its own process id."""

from __future__ import annotations

import contextlib
import secrets
import time
from pathlib import Path
from typing import Any

import psycopg

from deployer.local import engine
from deployer.local.ports import lasting_port
from deployer.local.replication.position import Position
from deployer.local.replication.postgres import source
from deployer.local.replication.settings import Settings

USER = "replicator"
PASSWORD = "not a secret: it's for tests"
_SETTINGS = {
    "wal_level": "logical", "max_wal_senders": "10", "max_replication_slots": "10", "shared_buffers": "64MB",
    "max_connections": "50", "max_wal_size": "512MB", "wal_sender_timeout": "10s",
}  # fmt: skip


class _Engine(engine.Engine):
    """The engine's server with other settings, at a port that stays."""

    def start(self) -> None:
        kept, mine = engine.SETTINGS, engine.SETTINGS | _SETTINGS
        port, free = self.port or lasting_port(), engine.free_port
        engine.SETTINGS = mine
        engine.free_port = lambda: port
        try:
            super().start()
        finally:
            engine.SETTINGS, engine.free_port = kept, free


class Postgres:
    """A server in `directory` with a database `rental`. `start` and `stop` may alternate; the port stays."""

    schema = "public"

    def __init__(self, directory: Path) -> None:
        home = directory / "home"
        home.mkdir()
        self._engine = _Engine(home, secrets.token_hex(16))

    @property
    def port(self) -> int:
        return self._engine.port

    @property
    def running(self) -> bool:
        return self._engine.process is not None

    def create(self) -> None:
        self._engine.create()
        hba = self._engine._data.resolve() / "pg_hba.conf"
        hba.write_text(
            "host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n"
        )
        self.start()
        self.execute(
            f"create role {USER} login replication password '{PASSWORD.replace(chr(39), chr(39) * 2)}'",
            database="dev",
        )

    def start(self) -> None:
        self._engine.start()
        with psycopg.connect(self._dsn("postgres"), autocommit=True) as connection:
            if connection.execute("select 1 from pg_database where datname = 'dev'").fetchone() is None:
                connection.execute("create database dev")

    def empty(self) -> None:
        """A new database `rental`, with a publication."""
        with psycopg.connect(self._dsn("dev"), autocommit=True) as connection:
            connection.execute(
                "select pg_terminate_backend(active_pid) from pg_replication_slots where active_pid is not null"
            )
            self._until_nobody_reads(connection)
            connection.execute("select pg_drop_replication_slot(slot_name) from pg_replication_slots")
            connection.execute("drop database if exists rental with (force)")
            connection.execute("create database rental")
        self.execute(
            "create publication zeroshift for all tables",
            f"alter default privileges in schema public grant select on tables to {USER}",
        )

    def until_nobody_reads(self) -> None:
        """Wait until the server has noticed that its replicators have gone: a slot that is read cannot be touched."""
        with self.connect() as connection:
            self._until_nobody_reads(connection)

    def _until_nobody_reads(self, connection: psycopg.Connection[tuple[Any, ...]]) -> None:
        deadline = time.monotonic() + 180
        while connection.execute(
            "select 1 from pg_replication_slots where active_pid is not null"
        ).fetchone():
            assert time.monotonic() < deadline
            time.sleep(0.02)

    def _dsn(self, database: str) -> str:
        return psycopg.conninfo.make_conninfo(self._engine.dsn, dbname=database)

    def connect(self, database: str = "rental") -> psycopg.Connection[tuple[Any, ...]]:
        """A connection as superuser, autocommit."""
        return psycopg.connect(self._dsn(database), autocommit=True)

    def execute(self, *statements: str, database: str = "rental") -> None:
        with self.connect(database) as connection:
            for statement in statements:
                connection.execute(statement)  # type: ignore[call-overload]  # tests write literals

    def settings(self, filter_text: str | None = None, **more: Any) -> Settings:
        return Settings(
            "rental", "127.0.0.1", self.port, USER, PASSWORD, "rental", "rental_landing",
            filter_text or "include: rental.*.*", is_postgres=True, **more,
        )  # fmt: skip

    def position(self) -> Position:
        """The end of everything that it has committed."""
        with self.connect() as connection:
            return source.end_of_log(connection)

    def kill(self) -> None:
        """kill -9 of the postmaster; its children end by themselves."""
        process = self._engine.process
        if process is not None:
            process.kill()
            process.wait()
            self._engine.process = None

    def stop(self) -> None:
        self._engine.stop()
        self._engine.process = None

    def destroy(self) -> None:
        self.stop()
        with contextlib.suppress(OSError):
            self._engine.destroy()
