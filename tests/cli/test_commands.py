"""The real command, in processes of its own, on the tests' local warehouse."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest

from deployer.local.environment import LocalEnvironment, Status
from deployer.operations.warehouses import target_of
from deployer.warehouse.session import Session

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., subprocess.CompletedProcess[str]]


def hear_ctrl_c() -> None:
    """Before the command begins: where the tests run in the background, they and their children ignore SIGINT."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def zeroshift(environment: LocalEnvironment) -> Run:
    def run(*arguments: str, stdin: str | None = None, **variables: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deployer", *arguments],
            cwd=ROOT,
            env={**os.environ, "ZEROSHIFT_HOME": str(environment.home), **variables},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=240,
        )

    return run


SQL = "select 12345678901234567 as n, cast(1.50 as decimal(9, 2)) as d, cast(null as integer) as x, 'a,\"b\"' as t"


def test_query_prints_a_table(zeroshift: Run) -> None:
    done = zeroshift("query", SQL)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-2:] == ['12345678901234567  1.50     a,"b"', "(1 row)"]
    assert "\x1b" not in done.stdout


def test_query_prints_exact_csv_and_json(zeroshift: Run) -> None:
    done = zeroshift("query", "-", "--format", "csv", stdin=SQL)
    assert list(csv.reader(io.StringIO(done.stdout, newline=""))) == [
        ["n", "d", "x", "t"],
        ["12345678901234567", "1.50", "", 'a,"b"'],
    ]
    done = zeroshift("query", SQL, "--format", "json")
    (row,) = json.loads(done.stdout, parse_float=Decimal)
    assert row == {"n": 12345678901234567, "d": Decimal("1.50"), "x": None, "t": 'a,"b"'}
    assert str(row["d"]) == "1.50"


def test_a_refused_query_is_one_sentence_with_its_sqlstate(zeroshift: Run) -> None:
    done = zeroshift("query", "select generate_subscripts(1)")
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("zeroshift: ")
    assert "(SQLSTATE " in done.stderr
    assert "Traceback" not in done.stderr


def test_a_bad_snapshot_names_file_line_and_value(
    zeroshift: Run, fresh_database: Status, tmp_path: Path
) -> None:
    (tmp_path / "exchange_rates.csv").write_text(
        "currency,rate_date,usd_per_unit\nEUR,2026-01-01,1.1\nEUR,2026-01-02,many\n"
    )
    done = zeroshift("local", "load", str(tmp_path), "--at", "2026-01-05")
    assert done.returncode == 1
    assert f"{tmp_path / 'exchange_rates.csv'}:3" in done.stderr
    assert "many" in done.stderr


def test_load_prints_what_it_did(zeroshift: Run, fresh_database: Status, tmp_path: Path) -> None:
    (tmp_path / "exchange_rates.csv").write_text("currency,rate_date,usd_per_unit\nEUR,2026-01-01,1.1\n")
    done = zeroshift("local", "load", str(tmp_path), "--at", "2026-01-02T00:00:00Z")
    assert done.returncode == 0, done.stderr
    assert "source as of 2026-01-02 00:00:00 UTC" in done.stdout
    assert done.stdout.splitlines()[-1].split() == ["exchange_rates", "1", "0", "0", "0"]
    done = zeroshift("local", "load", str(tmp_path), "--at", "2026-01-01")
    assert done.returncode == 1
    assert "precedes the last load" in done.stderr


def until(engine: psycopg.Connection, question: str) -> None:
    """Wait until the engine says yes."""
    deadline = time.monotonic() + 120
    while engine.execute(question).fetchone() != (True,):
        assert time.monotonic() < deadline, question
        time.sleep(0.05)


def interrupt_a_run(status: Status, home: Path) -> None:
    """Ctrl-C while the run waits for a lock: it is cancelled in the warehouse, too."""
    with Session(target_of(status)) as session, session.transaction():
        session.execute("lock ops.leases")
        process = subprocess.Popen(
            [sys.executable, "-m", "deployer", "run", "rental"], stderr=subprocess.PIPE, text=True, cwd=ROOT,
            env={**os.environ, "ZEROSHIFT_HOME": str(home)}, preexec_fn=hear_ctrl_c,
        )  # fmt: skip
        assert process.stderr is not None
        for line in process.stderr:
            if "of the Data API" in line:
                break
        process.send_signal(signal.SIGINT)
        assert "interrupted" in process.communicate(timeout=120)[1]
        assert process.returncode == 130
        assert status.engine_dsn is not None
        with psycopg.connect(status.engine_dsn, autocommit=True) as engine:
            until(engine, "select count(*) = 0 from pg_locks where not granted")


def test_deploy_run_and_status_end_to_end(
    zeroshift: Run, environment: LocalEnvironment, fresh_database: Status, tmp_path: Path
) -> None:
    (tmp_path / "exchange_rates.csv").write_text("currency,rate_date,usd_per_unit\nEUR,2026-01-01,1.1\n")
    assert zeroshift("local", "load", str(tmp_path), "--at", "2026-01-02").returncode == 0
    done = zeroshift("status")
    assert "nothing is deployed yet" in done.stdout
    done = zeroshift("run", "rental")
    assert done.returncode == 1
    assert "`zeroshift deploy`" in done.stderr
    done = zeroshift("deploy")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("deployed: ")
    done = zeroshift("deploy")
    assert (done.returncode, done.stdout[:13]) == (0, "nothing to do")
    done = zeroshift("run", "rental", "--as-of", "2026-01-05", "--json")
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["state"], record["as_of"]) == ("succeeded", "2026-01-05 00:00:00")
    done = zeroshift("run", "rental", "--as-of", "2026-01-01")
    assert done.returncode == 0
    assert "superseded" in done.stdout
    interrupt_a_run(fresh_database, environment.home)
    done = zeroshift("run", "rental", "--full-refresh", "--rewind")
    assert done.returncode == 1
    assert "exclude each other" in done.stderr
    done = zeroshift("status", "--json")
    told = json.loads(done.stdout)
    assert told["migration"] == "0007"
    assert told["runs"][0]["state"] == "superseded"
    done = zeroshift("status")
    assert "Synced" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_reset_needs_yes(zeroshift: Run) -> None:
    done = zeroshift("local", "reset")
    assert done.returncode == 3
    assert "--yes" in done.stderr


def test_ctrl_c_ends_a_long_query_at_once(
    environment: LocalEnvironment, fresh_database: Status, engine: psycopg.Connection
) -> None:
    # Days of work for the engine.
    crossed = ", ".join(f"d {letter}" for letter in "abcdefghijklmnopqrstuv")
    sql = (
        "with d as (select 'a long query' as x union all select 'b' union all select 'c' union all select 'd')"
        f" select count(*) from {crossed}"
    )
    process = subprocess.Popen(
        [sys.executable, "-m", "deployer", "query", sql],
        cwd=ROOT,
        env={**os.environ, "ZEROSHIFT_HOME": str(environment.home)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    at_work = (
        "select count(*) = {} from pg_stat_activity where state = 'active' and pid <> pg_backend_pid()"
        " and position('a long query' in query) > 0"
    )
    try:
        until(engine, at_work.format(1))
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=120)
    finally:
        process.kill()
    assert (process.returncode, out) == (130, "")
    assert err.strip() == "zeroshift: interrupted"
    # Nor does the warehouse go on with it.
    until(engine, at_work.format(0))


@pytest.mark.slow
def test_the_life_of_a_local_warehouse(tmp_path: Path) -> None:
    variables = {**os.environ, "ZEROSHIFT_HOME": str(tmp_path / "home"), "ZEROSHIFT_PORT": "0"}

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "deployer", *arguments],
            cwd=ROOT,
            env=variables,
            capture_output=True,
            text=True,
            timeout=120,
        )

    assert "does not run" in run("local", "status").stdout
    assert run("local", "down").stdout == "it was not running\n"
    process = subprocess.Popen(
        [sys.executable, "-m", "deployer", "local", "up"],
        cwd=ROOT,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=hear_ctrl_c,
    )
    assert process.stdout is not None
    assert process.stdout.readline().startswith("local Redshift on 127.0.0.1:")
    deadline = time.monotonic() + 120
    while not json.loads(run("local", "status", "--json").stdout)["running"]:
        assert time.monotonic() < deadline
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err.strip()) == (130, "zeroshift: interrupted")
    assert json.loads(run("local", "status", "--json").stdout)["running"] is False

    # A command that needs it starts it, and its data outlives a stop.
    assert run("query", "create table public.kept (n integer)").returncode == 0
    assert run("local", "down").stdout == "stopped\n"
    assert run("query", "select count(*) as n from public.kept", "--format", "csv").stdout.split() == [
        "n",
        "0",
    ]
    assert run("local", "reset", "--yes").returncode == 0
    done = run("query", "select count(*) from public.kept")
    assert (done.returncode, "does not exist" in done.stderr) == (1, True)
    assert run("local", "down").returncode == 0


def test_query_runs_one_statement(zeroshift: Run) -> None:
    done = zeroshift("query", "select 1; select 2")
    assert done.returncode == 1
    assert (
        "the SQL holds 2 statements, and zeroshift query runs one: call it once for each of them"
        in done.stderr
    )
    assert zeroshift("query", "select 1;").returncode == 0


def test_columns_of_one_name_are_no_json_object(zeroshift: Run) -> None:
    done = zeroshift("query", "select 1 as a, 2 as a", "--format", "json")
    assert done.returncode == 1 and done.stdout == ""
    assert '2 columns are named "a", and a JSON object has each key once: name them with AS' in done.stderr
    assert zeroshift("query", "select 1 as a, 2 as a", "--format", "csv").stdout == "a,a\n1,2\n"
