"""What planning and deploying a thousand views costs, beside dbt with the same thousand models.

All run as people run them, as processes, on the same PostgreSQL: zeroshift through the local Redshift in front of it,
dbt-core 1.11 with dbt-postgres 1.9 straight into a database of its own. Bounds: a plan without changes takes at most a
quarter of `dbt compile`, a deployment of one changed view at most a tenth of `dbt run`, `zeroshift --help` less than
0.3 times `dbt --help`. Each is the best of a few, dbt's with its partial parse warm.

Alembic alone goes into a third database, with a revision for each view and each change (schemachange, the other one of
its kind, knows Snowflake only). It has no bound: it compares nothing and checks nothing, which is the least that a
deployment can do.

    python bench/deploy.py [--objects N]
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

import psycopg
from harness.alembic_alone import Alembic
from harness.fresh import ROOT, warehouse
from psycopg.conninfo import conninfo_to_dict

PLAN_BOUND = 0.25
DEPLOY_BOUND = 0.1
HELP_BOUND = 0.3
DBT = ("dbt-core==1.11.*", "dbt-postgres==1.9.*")

_MIGRATION = '''\
"""The table that all views are built on."""

from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("create schema shop")
    op.execute("create schema shown")
    op.execute("create table shop.sales (id bigint, amount decimal(12, 2))")
'''


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", type=int, default=1_000)
    count: int = parser.parse_args().objects
    with warehouse(deployed=False) as house:
        dbt = _install_dbt(house.directory / "venv")
        models = _dbt_project(house.directory / "dbt", house.engine_dsn, count)
        ours = _our_project(house.directory / "ours", count)
        print(f"{count} views, in chains of ten")

        _timed([*_zeroshift("deploy")], ours)
        plan = min(_timed(_zeroshift("plan", "--check"), ours) for _ in range(3))
        deploys = []
        for number in range(3):
            _our_view(ours, count // 2, extra=number + 1)
            deploys.append(_timed(_zeroshift("deploy"), ours))
        deploy = min(deploys)

        compiled = min(_timed([dbt, "compile"], models) for _ in range(3))
        ran = min(_timed([dbt, "run"], models) for _ in range(2))
        ran_one = min(_timed([dbt, "run", "--select", f"v{count // 2:04d}"], models) for _ in range(2))

        alone = Alembic(house.directory / "alembic", house.engine_dsn, count, _query)
        _timed([*alone.command], alone.directory)
        alembic_idle = min(_timed([*alone.command], alone.directory) for _ in range(3))
        revised = []
        for number in range(3):
            alone.revise(count // 2, number + 1)
            revised.append(_timed([*alone.command], alone.directory))
        alembic_one = min(revised)

        help_ours = min(_timed(_zeroshift("--help"), ours) for _ in range(5))
        help_dbt = min(_timed([dbt, "--help"], models) for _ in range(5))

    ratios = {"plan": plan / compiled, "deploy": deploy / ran, "help": help_ours / help_dbt}
    for what, mine, peer, theirs, name, bound in (
        ("plan, nothing to do", plan, "dbt compile", compiled, "plan", PLAN_BOUND),
        ("deploy, one view", deploy, "dbt run", ran, "deploy", DEPLOY_BOUND),
        ("--help", help_ours, "dbt --help", help_dbt, "help", HELP_BOUND),
    ):
        print(
            f"{what:20} {mine:6.2f} s   {peer:12} {theirs:6.2f} s   {ratios[name]:.3f} of it (bound {bound})"
        )
    print(f"{'':32}dbt run --select one model {ran_one:.2f} s")
    print(f"{'':32}alembic upgrade, nothing to do {alembic_idle:.2f} s, one view {alembic_one:.2f} s")
    print(
        json.dumps(
            {
                "benchmark": "deploy",
                "objects": count,
                "plan_seconds": round(plan, 3),
                "dbt_compile_seconds": round(compiled, 3),
                "deploy_seconds": round(deploy, 3),
                "dbt_run_seconds": round(ran, 3),
                "dbt_run_one_seconds": round(ran_one, 3),
                "alembic_idle_seconds": round(alembic_idle, 3),
                "alembic_one_seconds": round(alembic_one, 3),
                "help_seconds": round(help_ours, 3),
                "dbt_help_seconds": round(help_dbt, 3),
                "reached": ratios["plan"] <= PLAN_BOUND
                and ratios["deploy"] <= DEPLOY_BOUND
                and ratios["help"] < HELP_BOUND,
            }
        )
    )


def _zeroshift(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "deployer", *arguments]


def _timed(command: list[str], directory: Path) -> float:
    """Seconds that the command takes from its start to its end; it must succeed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "DBT_PROFILES_DIR": str(directory)}
    # Installed programs are compiled: dbt's by pip, ours at the first start, but not into the work tree.
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    if command[0] == sys.executable:
        environment["PYTHONPYCACHEPREFIX"] = str(directory / "pycache")
    started = time.monotonic()
    done = subprocess.run(command, cwd=directory, env=environment, capture_output=True, text=True)
    seconds = time.monotonic() - started
    if done.returncode:
        sys.exit(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    return seconds


def _query(number: int, base: str, extra: int = 0) -> str:
    return f"select id, amount, amount * {number} as scaled from {base} where id > {number + extra}"


def _our_project(directory: Path, count: int) -> Path:
    (directory / "migrations" / "versions").mkdir(parents=True)
    (directory / "procedures" / "shown").mkdir(parents=True)
    (directory / "zeroshift.toml").write_text('[project]\nname = "bench"\n\n[env.local]\nkind = "local"\n')
    (directory / "migrations" / "versions" / "0001_sales.py").write_text(_MIGRATION)
    for number in range(count):
        _our_view(directory, number)
    return directory


def _our_view(directory: Path, number: int, *, extra: int = 0) -> None:
    name = f"shown.v{number:04d}"
    base = f"shown.v{number - 1:04d}" if number % 10 else "shop.sales"
    (directory / "procedures" / "shown" / f"v{number:04d}.sql").write_text(
        f"-- Purpose: view {number}.\ncreate or replace view {name} as\n{_query(number, base, extra)}\n;\n"
    )


def _dbt_project(directory: Path, engine_dsn: str, count: int) -> Path:
    with psycopg.connect(engine_dsn, autocommit=True) as connection:
        connection.execute("create database dbt_bench")
    told = conninfo_to_dict(engine_dsn)
    with psycopg.connect(engine_dsn, dbname="dbt_bench", autocommit=True) as connection:
        connection.execute("create schema shop")
        connection.execute("create table shop.sales (id bigint, amount decimal(12, 2))")
    (directory / "models").mkdir(parents=True)
    (directory / "dbt_project.yml").write_text(
        "name: bench\nversion: '1.0'\nprofile: bench\nmodels:\n  bench:\n    +materialized: view\n"
    )
    (directory / "models" / "sources.yml").write_text(
        "version: 2\nsources:\n  - name: shop\n    tables:\n      - name: sales\n"
    )
    (directory / "profiles.yml").write_text(
        json.dumps(
            {
                "bench": {
                    "target": "dev",
                    "outputs": {
                        "dev": {
                            "type": "postgres",
                            "host": told.get("host", "127.0.0.1"),
                            "port": int(told.get("port") or 5432),
                            "user": told.get("user"),
                            "password": told.get("password") or "",
                            "dbname": "dbt_bench",
                            "schema": "shown",
                            "threads": os.cpu_count() or 1,
                        }
                    },
                }
            }
        )
    )
    for number in range(count):
        base = f"{{{{ ref('v{number - 1:04d}') }}}}" if number % 10 else "{{ source('shop', 'sales') }}"
        (directory / "models" / f"v{number:04d}.sql").write_text(_query(number, base) + "\n")
    return directory


def _install_dbt(directory: Path) -> str:
    venv.create(directory, with_pip=True)
    subprocess.run([str(directory / "bin" / "pip"), "install", "-q", *DBT], check=True, capture_output=True)
    return str(directory / "bin" / "dbt")


if __name__ == "__main__":
    main()
