"""kill -9 of the replicator and of the source amid the first copy, and amid a refresh, at random moments."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import seeds
from mariadb import MariaDb
from postgres import Postgres
from replica import Replica
from soak import kill_replicator

from deployer.local.environment import Status
from deployer.local.replication import process

pytestmark = pytest.mark.slow

ROWS = 100_000


@pytest.fixture
def home(fresh_database: Status) -> Iterator[Path]:
    yield fresh_database.home
    process.stop_all(fresh_database.home)


def is_killed_again_and_again(server: Any, home: Path, dsn: str) -> None:
    rolls = random.Random(seeds.seed(1))
    watcher = Replica(server, dsn)
    try:
        for round_ in range(2):
            for attempt in range(5):
                process.start(home, watcher.settings)
                assert kill_replicator(home, rolls.random())
                number = ROWS + 10 * round_ + attempt
                server.execute(
                    f"insert into big values ({number}, 'late')", f"delete from big where id = {attempt}"
                )
                if attempt == 2:
                    process.start(home, watcher.settings)
                    time.sleep(rolls.random())
                    server.kill()
                    server.start()
            process.start(home, watcher.settings)
            watcher.until_state("big", "Synced")
            watcher.catch_up()
            with server.connect() as connection, connection.cursor() as cursor:
                cursor.execute("select id, note from big")
                wanted = sorted(tuple(row) for row in cursor.fetchall())
            assert sorted(watcher.present("big")) == wanted
            assert watcher.states() == {"big": ("Synced", "")}
            watcher.engine.execute("update zeroshift.integration_tables set table_state = 'ResyncInitiated'")
    finally:
        process.stop_all(home)
        watcher.engine.close()


def test_copies_of_a_mariadb(source_server: MariaDb, home: Path, engine_dsn: str) -> None:
    source_server.execute(
        "create table big (id int primary key, note varchar(200))",
        f"insert into big select seq, repeat('x', 200) from seq_1_to_{ROWS - 1}",
    )
    is_killed_again_and_again(source_server, home, engine_dsn)


def test_copies_of_a_postgresql(postgres_source: Postgres, home: Path, engine_dsn: str) -> None:
    postgres_source.execute(
        "create table big (id int primary key, note varchar(200))",
        f"insert into big select i, repeat('x', 200) from generate_series(1, {ROWS - 1}) as i",
    )
    is_killed_again_and_again(postgres_source, home, engine_dsn)
    # A killed copy's goes with its connection, when the server notices.
    slots: list[Any] = []
    deadline = time.monotonic() + 180
    with postgres_source.connect() as connection:
        while len(slots) != 1:
            assert time.monotonic() < deadline, (
                f"each copy that was begun anew has left no slot behind: {slots}"
            )
            slots = connection.execute("select slot_name, temporary from pg_replication_slots").fetchall()
            time.sleep(0.02)
    assert not slots[0][1]
