"""The PostgreSQL that is replicated: how it is reached, whether it is set up as zero-ETL needs it, its slot."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from deployer.errors import Unavailable
from deployer.local.replication.position import Position, PositionLost, SourceLost
from deployer.local.replication.settings import Settings

Connection = psycopg.Connection[tuple[Any, ...]]

PUBLICATION = "zeroshift"
OLDEST = 150_000
_WAL = "wal"
_BLOCK = 8192
_HEADERS = (24, 40)
_RELEASE_SECONDS = 20.0
_REFUSED = ("password authentication", "does not exist", "pg_hba.conf", "permission denied", "not permitted")
_FORMATS = {
    # One text for a value, whether it is copied, decoded or read back from landing.
    "datestyle": "ISO,YMD", "intervalstyle": "postgres", "timezone": "UTC", "extra_float_digits": "1",
    "bytea_output": "hex", "lc_monetary": "C", "xmlbinary": "base64", "search_path": "pg_catalog",
    # A policy that hides rows from us is an error, not a smaller table.
    "row_security": "off",
    "statement_timeout": "0", "lock_timeout": "60s", "idle_in_transaction_session_timeout": "0",
    # While a table is copied nobody answers the server.
    "wal_sender_timeout": "0",
}  # fmt: skip


@dataclass(frozen=True)
class Source:
    """A database and the account to use; the password is shown nowhere."""

    host: str
    port: int
    user: str
    _password: str
    database: str

    def __repr__(self) -> str:
        return f"Source({self.user}@{self.host}:{self.port}/{self.database})"

    def conninfo(self, **more: str) -> str:
        """libpq's connection string, which holds the password."""
        options = " ".join(f"-c {name}={value}" for name, value in _FORMATS.items())
        return make_conninfo(
            "", host=self.host, port=self.port, user=self.user, password=self._password, dbname=self.database,
            connect_timeout=10, keepalives_idle=15, keepalives_interval=5, keepalives_count=3, client_encoding="UTF8",
            application_name="zeroshift replication", options=options, **more,
        )  # fmt: skip

    def open(self) -> Connection:
        """A connection in autocommit. Raises SourceLost, Unavailable."""
        try:
            return psycopg.connect(self.conninfo(), autocommit=True)
        except psycopg.Error as error:
            raise translated(error, self) from None

    @contextmanager
    def connect(self) -> Iterator[Connection]:
        """As `open`, closed afterwards; what breaks inside is translated: use no other connection there."""
        connection = self.open()
        try:
            yield connection
        except psycopg.Error as error:
            raise translated(error, self) from None
        finally:
            connection.close()


def of(settings: Settings) -> Source:
    """The source of an integration."""
    return Source(settings.host, settings.port, settings.user, settings.password, settings.database)


def translated(error: psycopg.Error, source: Source) -> Exception:
    """SourceLost for what passes by itself, Unavailable for what the user must mend."""
    text = (error.diag.message_primary or str(error)).strip().splitlines()[-1].split("FATAL:")[-1].strip()
    where = f"the source {source.host}:{source.port}"
    if isinstance(error, psycopg.OperationalError) and not any(word in text for word in _REFUSED):
        return SourceLost(f"{where} cannot be reached: {text}")
    return Unavailable(f"{where} refuses: {text}")


def slot_name(settings: Settings, server_id: int) -> str:
    """The slot of an integration: it tells which warehouse's it is, since several may replicate one source."""
    return f"zeroshift_{settings.name[:40]}_{server_id:08x}"


def position(lsn: str | int) -> Position:
    """A place in the WAL, from PostgreSQL's text (16/B374D848) or its number."""
    if isinstance(lsn, str):
        high, _, low = lsn.partition("/")
        lsn = (int(high, 16) << 32) + int(low, 16)
    return Position(_WAL, lsn)


def lsn_text(at: int) -> str:
    """A place in the WAL as PostgreSQL writes it."""
    return f"{at >> 32:X}/{at & 0xFFFFFFFF:X}"


def end_of_log(connection: Connection) -> Position:
    """The end of all that was written. Where the next record begins a page its header is left out, which no transaction
    ends behind: a reader would wait for the next record.
    """
    row = connection.execute("select pg_current_wal_insert_lsn()::text").fetchone()
    assert row is not None
    at = position(row[0]).at
    return position(at - at % _BLOCK if at % _BLOCK in _HEADERS else at)


def inspect(connection: Connection, source: Source) -> str:
    """Check what zero-ETL and logical decoding need; returns the source's stamp: a position means nothing to another
    server or database. Raises Unavailable naming all that is wrong.
    """
    row = connection.execute(
        "select current_setting('server_version_num')::int, current_setting('wal_level'),"
        " current_setting('server_encoding'), d.oid, r.rolsuper or r.rolreplication or exists (select"
        " from pg_roles as g where g.rolname = 'rds_replication' and pg_has_role(r.oid, g.oid, 'member'))"
        " from pg_database as d, pg_roles as r where d.datname = current_database() and r.rolname = current_user"
    ).fetchone()
    assert row is not None
    version, level, encoding, database, may = row
    wrong = []
    if version < OLDEST:
        wrong.append(
            f"its version is {version // 10_000}, the oldest that can be replicated is {OLDEST // 10_000}"
        )
    if level != "logical":
        wrong.append(f"wal_level is {level}, must be logical (then restart it)")
    if encoding != "UTF8":
        wrong.append(f"the database's encoding is {encoding}, must be UTF8")
    if not may:
        wrong.append(f"{source.user} may not replicate: ALTER ROLE {source.user} REPLICATION")
    wrong += publication_problems(connection)
    if wrong:
        raise Unavailable(f"the source is not set up for replication: {'; '.join(wrong)}")
    return f"{_system(source)} database {database}"


def publication_stamp(connection: Connection) -> str:
    """A text that changes when the publication is dropped, made anew, or altered; never empty."""
    row = connection.execute(
        "select concat(oid, '/', xmin) from pg_publication where pubname = %s", (PUBLICATION,)
    ).fetchone()
    return "none" if row is None else str(row[0])


def publication_problems(connection: Connection) -> list[str]:
    """What is wrong with the publication."""
    row = connection.execute(
        "select pubinsert and pubupdate and pubdelete and pubtruncate, pubviaroot, exists (select from"
        " pg_publication_rel as l where l.prpubid = p.oid and (l.prqual is not null or l.prattrs is not null))"
        " from pg_publication as p where pubname = %s",
        (PUBLICATION,),
    ).fetchone()
    if row is None:
        return [
            f"it has no publication {PUBLICATION}: run CREATE PUBLICATION {PUBLICATION} FOR ALL TABLES there, or for"
            " some tables (updates of a published table without a primary key fail)"
        ]
    whole, via_root, filtered = row
    wrong = []
    if not whole:
        wrong.append(f"the publication {PUBLICATION} must publish insert, update, delete and truncate")
    if via_root:
        wrong.append(
            f"the publication {PUBLICATION} must not publish via the partition root: partitions are replicated"
        )
    if filtered:
        wrong.append(f"the publication {PUBLICATION} must have no row filters and no column lists")
    return wrong


def _system(source: Source) -> str:
    from deployer.local.replication.postgres.wire import Wire

    with Wire(source) as wire:
        return "system " + wire.command("IDENTIFY_SYSTEM")[0][0]


def check_slot(connection: Connection, slot: str, start: Position) -> None:
    """Raises PositionLost unless the slot still has everything behind `start`."""
    row = connection.execute(
        "select wal_status, confirmed_flush_lsn::text from pg_replication_slots"
        " where slot_name = %s and database = current_database() and plugin = 'pgoutput'",
        (slot,),
    ).fetchone()
    if row is None:
        raise PositionLost(f"the replication slot {slot} is not there (any more)")
    status, confirmed = row
    if status == "lost":
        raise PositionLost(f"the replication slot {slot} was invalidated (max_slot_wal_keep_size)")
    if confirmed is None or position(confirmed) > start:
        raise PositionLost(f"the replication slot {slot} was moved on to {confirmed}")


def drop_slot(connection: Connection, slot: str) -> None:
    """Drop the slot if it is there; whoever reads from it is ended, since it is a replicator that was killed."""
    release_slot(connection, slot)
    connection.execute(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s", (slot,)
    )


def release_slot(connection: Connection, slot: str) -> None:
    """End whoever still reads from the slot. Raises SourceLost when that takes too long."""
    deadline = time.monotonic() + _RELEASE_SECONDS
    while True:
        row = connection.execute(
            "select pg_terminate_backend(active_pid) from pg_replication_slots"
            " where slot_name = %s and active_pid is not null",
            (slot,),
        ).fetchone()
        if row is None:
            return
        if time.monotonic() > deadline:
            raise SourceLost(f"the replication slot {slot} is used by somebody else")
        time.sleep(0.05)
