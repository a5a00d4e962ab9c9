"""What becomes of replication when a PostgreSQL restarts, forgets, or is set up wrongly."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from pathlib import Path

import pytest
from postgres import Postgres
from replica import Replica

from deployer.errors import Unavailable
from deployer.local.environment import Status
from deployer.local.replication.position import SourceLost

pytestmark = pytest.mark.slow

PAGE = Path(__file__).parents[3] / "docs/local-replication-postgresql.md"


def test_source_restarts_and_lost_slots(postgres_replica: Replica, postgres_source: Postgres) -> None:
    replica, server = postgres_replica, postgres_source
    server.execute("create table one (id int primary key)", "insert into one values (1)")
    replica.start()
    replica.until_state("one", "Synced")
    server.kill()
    with pytest.raises(SourceLost):
        replica.until(lambda: False, "the break")
    server.start()
    server.execute("insert into one values (2)")
    replica.stop()
    replica.start()
    replica.catch_up()
    assert replica.present("one") == [(1,), (2,)]

    # While nobody replicates the slot goes.
    replica.stop()
    server.until_nobody_reads()
    server.execute(
        "insert into one values (3)", "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
    )
    replica.start()
    reason = replica.until_state("one", "ResyncRequired")
    assert "the source's WAL no longer has them: the replication slot zeroshift_rental_" in reason
    assert replica.present("one") == [(1,), (2,)]
    replica.refresh("one")
    assert replica.present("one") == [(1,), (2,), (3,)]
    server.execute("insert into one values (4)")
    replica.catch_up()
    assert replica.present("one") == [(1,), (2,), (3,), (4,)]

    # A slot that somebody moved on, or the server gave up, lacks what landing lacks.
    replica.stop()
    server.until_nobody_reads()
    server.execute(
        "insert into one values (5)",
        "select pg_replication_slot_advance(slot_name, pg_current_wal_lsn()) from pg_replication_slots",
    )
    replica.start()
    assert "was moved on" in replica.until_state("one", "ResyncRequired")
    replica.refresh("one")
    replica.stop()
    server.execute("alter system set max_slot_wal_keep_size = '1MB'", "select pg_reload_conf()")
    try:
        deadline = time.monotonic() + 180
        while not _is_lost(server):
            # When the server takes note of the setting is its own affair.
            assert time.monotonic() < deadline
            server.execute(
                "insert into one select max(id) + 1 from one", "select pg_switch_wal()", "checkpoint"
            )
        replica.start()
        assert "was invalidated" in replica.until_state("one", "ResyncRequired")
    finally:
        server.execute("alter system reset max_slot_wal_keep_size", "select pg_reload_conf()")
    replica.refresh("one")
    with server.connect() as connection:
        rows = connection.execute("select id from one").fetchall()
    assert replica.present("one") == sorted(rows, key=repr) and len(rows) > 5


def _is_lost(server: Postgres) -> bool:
    with server.connect() as connection:
        return connection.execute("select wal_status from pg_replication_slots").fetchall() == [("lost",)]


def test_a_publication_that_was_not_there_for_a_while(
    postgres_replica: Replica, postgres_source: Postgres
) -> None:
    """Changes are lost then, and PostgreSQL says nothing: it is no dropped table, and the copy is made anew."""
    replica, server = postgres_replica, postgres_source
    server.execute("create table one (id int primary key)", "insert into one values (1)")
    replica.start()
    replica.until_state("one", "Synced")
    server.execute("drop publication zeroshift", "insert into one values (2)")
    with pytest.raises(Unavailable, match="it has no publication zeroshift"):
        replica.until(lambda: False, "the refusal")
    assert replica.states()["one"] == ("Synced", "")
    replica.stop()
    server.execute("create publication zeroshift for table one")
    replica.start()
    # Servers before 18 do not even decode what happened meanwhile.
    replica.until(
        lambda: len(replica.present("one")) == 2 or replica.states()["one"][0] == "ResyncRequired", "it"
    )
    if replica.states()["one"][0] == "ResyncRequired":
        replica.refresh("one")
    replica.until_state("one", "Synced")
    assert replica.present("one") == [(1,), (2,)]
    before = replica.copied_at()
    server.execute(
        "alter publication zeroshift drop table one", "insert into one values (3)",
        "alter publication zeroshift add table one",
    )  # fmt: skip
    replica.until(
        lambda: replica.copied_at() > before or replica.states()["one"][0] == "DroppedSource", "the copy"
    )


def test_a_source_that_is_not_set_up_is_refused(postgres_replica: Replica, postgres_source: Postgres) -> None:
    postgres_source.execute("drop publication zeroshift", "alter role replicator noreplication")
    try:
        with pytest.raises(Unavailable) as refused:
            postgres_replica.start().until(lambda: False, "the refusal")
    finally:
        postgres_source.execute("alter role replicator replication")
    assert "ALTER ROLE replicator REPLICATION" in str(refused.value)
    assert "run CREATE PUBLICATION zeroshift FOR ALL TABLES there" in str(refused.value)


def test_the_page_prepares_a_source(
    postgres_source: Postgres, engine_dsn: str, fresh_database: Status
) -> None:
    """As docs/local-replication-postgresql.md says it, for an account that may do nothing else."""
    server = postgres_source
    statements = re.search(r"```sql\n(create role.*?)```", PAGE.read_text(), re.S)
    assert statements is not None
    server.execute(
        "drop publication zeroshift", "create table one (id int primary key)", "insert into one values (1)"
    )
    server.execute("drop owned by guided; drop role guided" if _has_role(server) else "select 1")
    server.execute(*statements[1].replace("replicator", "guided").strip().split(";\n"))
    made = Replica(server, engine_dsn)
    made.settings = replace(made.settings, user="guided", password="...")
    try:
        made.start().until_state("one", "Synced")
        server.execute("insert into one values (2)")
        made.catch_up()
        assert made.present("one") == [(1,), (2,)]
    finally:
        made.close()


def _has_role(server: Postgres) -> bool:
    with server.connect() as connection:
        return connection.execute("select 1 from pg_roles where rolname = 'guided'").fetchone() is not None
