"""Kill -9 of the client, and of PostgreSQL, in the middle of load, deploy and run; then the command again.

At the end every table must be as it is where nothing was killed.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest
from psycopg import sql

from deployer.local.environment import LocalEnvironment
from deployer.local.marketplace.bulk import change_bookings, write_snapshot

pytestmark = [pytest.mark.slow, pytest.mark.timeout(3600)]

ROOT = Path(__file__).parents[1]
BOOKINGS = 60_000
KILLS = 3
"""How often each command is killed, by each of the two ways, before it may end."""
PATIENCE = 300.0

Command = tuple[str, ...]


class Site:
    """An environment of its own, driven only by the command line."""

    def __init__(self, home: Path) -> None:
        self.environment = LocalEnvironment(home)
        self._variables = os.environ | {"ZEROSHIFT_HOME": str(home), "ZEROSHIFT_PORT": "0"}
        self._variables.pop("ZEROSHIFT_POSTGRES_DSN", None)
        self.environment.up()

    def start(self, command: Command) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "deployer", *command],
            cwd=ROOT,
            env=self._variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )

    def finish(self, command: Command) -> float:
        """Run the command until it succeeds; returns the seconds of the time that did.

        What a killed one has left behind may need a moment to go, so a refusal is repeated, but only for a
        while. It must be a sentence for people.
        """
        deadline = time.monotonic() + PATIENCE
        while True:
            started = time.monotonic()
            done = self.start(command)
            told, _ = done.communicate()
            if done.returncode == 0:
                return time.monotonic() - started
            assert "Traceback" not in told and done.returncode in (1, 4), told
            assert time.monotonic() < deadline, f"{' '.join(command)} does not recover: {told}"
            time.sleep(0.5)

    def kill_client(self, command: Command, delay: float) -> None:
        process = self.start(command)
        time.sleep(delay)
        process.kill()
        process.communicate()

    def kill_postgresql(self, command: Command, delay: float) -> None:
        victim = self.engine_pid()
        process = self.start(command)
        time.sleep(delay)
        os.kill(victim, signal.SIGKILL)
        told, _ = process.communicate(timeout=PATIENCE)
        # It may have ended before the blow; if not, it must say so in a sentence.
        assert "Traceback" not in told, told

    def engine_pid(self) -> int:
        """The running PostgreSQL's process id; after a kill the daemon needs a moment to start it again."""
        deadline = time.monotonic() + PATIENCE
        while True:
            status = self.environment.ensure_up()
            # One that answers may be newer than what is written down: the daemon writes that when it has prepared it.
            if status.engine_pid is not None and status.engine_version is not None:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(status.engine_pid, 0)
                    return status.engine_pid
            assert time.monotonic() < deadline, "PostgreSQL does not come back"
            time.sleep(0.1)

    def fingerprint(self) -> dict[str, tuple[int, str | None]]:
        """Count and digest of the rows of every table and view that a load, deploy or run fills."""
        status = self.environment.ensure_up()
        assert status.engine_dsn is not None
        found: dict[str, tuple[int, str | None]] = {}
        with psycopg.connect(status.engine_dsn, autocommit=True) as connection:
            relations = connection.execute(
                "select n.nspname, c.relname from pg_class as c"
                " join pg_namespace as n on n.oid = c.relnamespace"
                " where (n.nspname in ('curated', 'metrics', 'rental_landing.rental') and c.relkind = 'r')"
                " or (n.nspname = 'presentation' and c.relkind = 'v' and c.relname <> 'freshness')"
            ).fetchall()
            for schema, name in relations:
                row = connection.execute(
                    sql.SQL(
                        "select count(*), md5(string_agg(t::text, chr(10) order by t::text)) from {} as t"
                    ).format(sql.Identifier(schema, name))
                ).fetchone()
                assert row is not None
                found[f"{schema}.{name}"] = (row[0], row[1])
            unfinished = connection.execute(
                "select count(*) from ops.runs where state = 'running'"
            ).fetchone()
            held = connection.execute("select count(*) from ops.leases where token is not null").fetchone()
        assert unfinished == (0,), "a run that was killed still counts as running"
        assert held == (0,), "a lease is still held although nothing runs"
        return found


@pytest.fixture
def commands(tmp_path: Path) -> list[Command]:
    first, second = tmp_path / "first", tmp_path / "second"
    write_snapshot(first, bookings=BOOKINGS, until=date(2026, 11, 1), years=0.5, listings=500)
    second.mkdir()
    change_bookings(first / "bookings.csv", second / "bookings.csv", count=BOOKINGS // 20)
    return [
        ("local", "load", str(first), "--at", "2026-11-01 00:00:00"),
        ("deploy",),
        ("run", "rental", "--as-of", "2026-11-01 00:00:00"),
        ("local", "load", str(second), "--at", "2026-11-02 00:00:00"),
        ("run", "rental", "--as-of", "2026-11-02 00:00:00"),
        ("run", "rental", "--as-of", "2026-11-02 00:00:00", "--full-refresh"),
    ]


@pytest.fixture
def sites(tmp_path: Path) -> Iterator[tuple[Site, Site]]:
    made = [Site(tmp_path / "calm"), Site(tmp_path / "stormy")]
    try:
        yield made[0], made[1]
    finally:
        for site in made:
            site.environment.down()


def test_killed_and_repeated_commands_leave_the_same_tables(
    sites: tuple[Site, Site], commands: list[Command]
) -> None:
    calm, stormy = sites
    seconds = [calm.finish(command) for command in commands]
    chance = random.Random(20261101)
    for command, duration in zip(commands, seconds, strict=True):
        for kill in (stormy.kill_client, stormy.kill_postgresql) * KILLS:
            # Python takes a third of a second to start: before that there is nothing to interrupt.
            kill(command, chance.uniform(0.3, max(0.5, duration)))
        stormy.finish(command)
    wanted, found = calm.fingerprint(), stormy.fingerprint()
    assert any(count for count, _ in wanted.values())
    assert found == wanted
