"""What the local Redshift costs beside psycopg straight to the same PostgreSQL, and how fast it is up.

Bounds: a short SELECT whose text was seen before at most 1 ms more at the median; a million rows of five columns at 0.8
of the direct rate or better; translating a procedure of 300 lines the first time under 300 ms; `local up` from nothing
ready in under 4 s, from an existing home in under 2 s.

    python bench/local.py [--rows N]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg
from harness.fresh import ROOT

from deployer.local.environment import LocalEnvironment, Status

SELECTS = 2_000
SELECT_BOUND_MS = 1.0
ROWS_BOUND = 0.8
PROCEDURE_BOUND = 0.3
NEW_BOUND = 4.0
AGAIN_BOUND = 2.0

_STATEMENT = """\
    insert into bench.target (id, kind, amount)
    select s.id + {n}, upper(s.kind), sum(s.amount * {n}) / 2
    from bench.source as s left join bench.target as t on t.id = s.id and t.kind = s.kind
    where s.id > {n} and s.made_at >= dateadd(day, -{n}, getdate()) group by s.id, s.kind;
"""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    rows: int = parser.parse_args().rows
    with tempfile.TemporaryDirectory(prefix="zeroshift-bench-") as directory:
        os.environ["ZEROSHIFT_HOME"] = str(Path(directory) / "home")
        os.environ["ZEROSHIFT_PORT"] = "0"
        environment = LocalEnvironment(Path(directory) / "home")
        try:
            new = _up()
            environment.down()
            again = min(_up_again(environment) for _ in range(2))
            measured = {"up_new_s": new, "up_again_s": again} | _measure(environment.status(), rows)
        finally:
            environment.reset()
            environment.down()
    passed = (
        new < NEW_BOUND
        and again < AGAIN_BOUND
        and measured["select_more_ms"] <= SELECT_BOUND_MS
        and measured["rows_ratio"] >= ROWS_BOUND
        and measured["procedure_s"] < PROCEDURE_BOUND
    )
    print(json.dumps({name: round(value, 4) for name, value in measured.items()} | {"passed": passed}))
    sys.exit(0 if passed else 1)


def _up() -> float:
    """The whole command, Python's start included."""
    began = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "deployer", "local", "up", "--detach"],
        check=True,
        capture_output=True,
        cwd=ROOT,
    )
    return time.monotonic() - began


def _up_again(environment: LocalEnvironment) -> float:
    environment.down()
    return _up()


def _measure(status: Status, rows: int) -> dict[str, float]:
    assert status.engine_dsn is not None
    gateway = (
        f"host={status.host} port={status.port} dbname={status.database} user={status.user}"
        f" password={status.password} sslmode=disable"
    )
    with psycopg.connect(gateway, autocommit=True) as ours:
        ours.execute("create schema bench")
    with psycopg.connect(status.engine_dsn, autocommit=True) as engine:
        engine.execute(
            "create table bench.big as select n as id, n % 1000 as part, 'name ' || n as name,"
            " n / 7.0::float8 as amount, timestamp '2026-01-01' + n * interval '1 second' as at"
            f" from generate_series(1, {rows}) as n"
        )
        engine.execute("vacuum analyze bench.big")
    with (
        psycopg.connect(gateway, autocommit=True) as ours,
        psycopg.connect(status.engine_dsn, autocommit=True, sslmode="disable") as direct,
    ):
        return {**_select(ours, direct), **_rows(ours, direct), "procedure_s": _procedure(ours)}


def _select(ours: Any, direct: Any) -> dict[str, float]:
    """The median of a short SELECT, taken in turns."""
    sql = "select id, name from bench.big where id = 17 limit 1"
    times: dict[str, list[float]] = {"ours": [], "direct": []}
    for turn in range(SELECTS):
        for name, connection in (("ours", ours), ("direct", direct)):
            began = time.perf_counter()
            connection.execute("select 17 as id, 'x' as name" if turn % 2 else "select 1").fetchall()
            if turn > SELECTS // 20:
                times[name].append(time.perf_counter() - began)
    assert ours.execute(sql).fetchall() == direct.execute(sql).fetchall()
    medians = {name: statistics.median(found) * 1000 for name, found in times.items()}
    print(f"short SELECT   {medians['ours']:.3f} ms, direct {medians['direct']:.3f} ms")
    return {"select_ms": medians["ours"], "select_more_ms": medians["ours"] - medians["direct"]}


def _rows(ours: Any, direct: Any) -> dict[str, float]:
    """The best of three of fetching all rows, taken in turns."""
    best = {"ours": float("inf"), "direct": float("inf")}
    for _ in range(3):
        for name, connection in (("ours", ours), ("direct", direct)):
            began = time.perf_counter()
            count = len(connection.execute("select id, part, name, amount, at from bench.big").fetchall())
            best[name] = min(best[name], time.perf_counter() - began)
    print(f"{count} rows   {best['ours']:.2f} s, direct {best['direct']:.2f} s")
    return {"rows_s": best["ours"], "rows_ratio": best["direct"] / best["ours"]}


def _procedure(ours: Any) -> float:
    """CREATE, which reads the body, and what the first CALL takes longer than the second."""
    ours.execute(
        "create table bench.source (id bigint, kind varchar(20), amount decimal(12, 2), made_at timestamp)"
    )
    ours.execute("create table bench.target (id bigint, kind varchar(20), amount decimal(18, 4))")
    body = "".join(_STATEMENT.format(n=n) for n in range(1, 75))
    text = f"create procedure bench.long() as $$\nbegin\n{body}end;\n$$ language plpgsql"
    print(f"procedure      {text.count(chr(10)) + 1} lines")
    began = time.perf_counter()
    ours.execute(text)
    made = time.perf_counter()
    ours.execute("call bench.long()")
    first = time.perf_counter()
    ours.execute("call bench.long()")
    return (made - began) + (first - made) - (time.perf_counter() - first)


if __name__ == "__main__":
    main()
