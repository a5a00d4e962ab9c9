"""Who starts what replicates into the local warehouse, when several commands find that it does not run."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from deployer.local import state
from deployer.local.replication import monitor, process
from deployer.operations import replicators
from deployer.project import config


def test_a_command_does_not_forget_what_the_replicator_of_another_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is late would set it back to "not connected" for as long as it runs."""
    (tmp_path / "zeroshift.toml").write_text(
        '[project]\nname = "x"\n[env.local]\nkind = "local"\n'
        '[env.local.zero_etl.rental]\nsource = "mysql://me@db/rental"\n'
    )
    monkeypatch.setenv("ZEROSHIFT_HOME", str(tmp_path))
    project = config.load(tmp_path)
    late, go_on = threading.Event(), threading.Event()
    done: list[str] = []

    def expect(*_: object) -> None:
        done.append("expect")
        if len(done) == 1:
            late.set()
            assert go_on.wait(60)

    def start(*_: object) -> bool:
        done.append("start")
        return True

    known = replace(state.new_state(), engine_dsn="host=nowhere")
    monkeypatch.setattr(state, "read_state", lambda home: known)
    monkeypatch.setattr(monitor, "expect", expect)
    monkeypatch.setattr(monitor, "refused", lambda *_: False)
    monkeypatch.setattr(process, "runs_with", lambda *_: "start" in done)
    monkeypatch.setattr(process, "stop", lambda *_: False)
    monkeypatch.setattr(process, "start", start)
    started: list[list[str]] = []
    threads = [
        threading.Thread(
            target=lambda: started.append(replicators.start(project, project.environment("local")))
        )
        for _ in range(2)
    ]
    threads[0].start()
    assert late.wait(60)
    threads[1].start()
    threads[1].join(0.3)
    go_on.set()
    for thread in threads:
        thread.join(60)
    assert done == ["expect", "start"]
    assert sorted(started) == [[], ["rental"]]
