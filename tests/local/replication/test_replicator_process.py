"""The replicator's process: that exactly one runs, whoever looks at it or starts the warehouse meanwhile."""

from __future__ import annotations

import fcntl
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.local.replication import process
from deployer.local.replication.process import Replicator
from deployer.local.replication.settings import Settings
from deployer.local.state import DAEMON_LOCK, new_state, write_state

SETTINGS = Settings("rental", "127.0.0.1", 1, "", "", "rental", "rental_landing", "include: rental.*")


@pytest.mark.slow
def test_who_looks_whether_it_runs_does_not_keep_it_from_starting(tmp_path: Path) -> None:
    started: list[bool] = []
    thread = threading.Thread(target=lambda: started.append(process.start(tmp_path, SETTINGS)))
    # A warehouse that does not answer: without one a replicator ends.
    write_state(tmp_path, replace(new_state(), engine_dsn="host=127.0.0.1 port=1"))
    with (tmp_path / DAEMON_LOCK).open("w") as alive:
        fcntl.flock(alive, fcntl.LOCK_EX)
        _starts_while_somebody_looks(tmp_path, thread, started)


def _starts_while_somebody_looks(tmp_path: Path, thread: threading.Thread, started: list[bool]) -> None:
    try:
        with (tmp_path / "replication-rental.lock").open("w") as looking:
            fcntl.flock(looking, fcntl.LOCK_SH)
            thread.start()
            deadline = time.monotonic() + 120
            while not process.log_file(tmp_path, "rental").exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            # It takes the lock next, if it can.
            thread.join(0.5)
            assert started == []
        thread.join(180)
        assert started == [True]
        assert process.runs_with(tmp_path, SETTINGS)
    finally:
        assert process.stop_all(tmp_path)
    assert not process.running(tmp_path, "rental")


@pytest.mark.parametrize("comes_back", [True, False])
def test_a_warehouse_that_comes_back_while_it_ends_is_replicated_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, comes_back: bool
) -> None:
    """Who starts the warehouse then takes it for alive, or sees that it is not: nobody is left without one."""
    shown: list[bool] = []
    lived: list[str] = []

    def live(dsn: str) -> float:
        lived.append(dsn)
        made.stop.set()
        return 0.0

    made = Replicator(tmp_path, SETTINGS, shown.append)
    monkeypatch.setattr(process, "_ORPHAN_SECONDS", 0.0)
    monkeypatch.setattr(made, "_warehouse", lambda: "dsn" if shown and comes_back else None)
    monkeypatch.setattr(made, "_live", live)
    made.run()
    assert (shown, lived) == (([False, True], ["dsn"]) if comes_back else ([False], []))
