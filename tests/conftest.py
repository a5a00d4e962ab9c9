"""Fixtures for every test that needs a local Redshift.

environment     (session)   a LocalEnvironment that is up, in a temporary home, on a free port
status          (session)   its Status: host, port, user, password, database, engine_dsn
engine_dsn      (session)   DSN of PostgreSQL itself, as superuser (what landing writes through)
connect         (function)  factory: connect(), connect(user=..., password=..., autocommit=True) give
                            redshift_connector connections to the gateway, closed after the test
psql            (function)  factory: psql("select 1") runs psql on the gateway and gives the CompletedProcess; skips
                            the test when there is no psql
engine          (function)  a psycopg connection (autocommit) to PostgreSQL itself, as superuser
fresh_database  (function)  everything that users or landing made is dropped before the test; `connect`, `psql` and
                            `engine` do not ask for it, a test that creates objects should

With ZEROSHIFT_POSTGRES_DSN the tests use that PostgreSQL; its database dev is emptied by fresh_database.

`make test` runs two test processes (pytest-xdist), each with its own local Redshift and whole modules at a time
(loadfile), since a module's tests share what its fixtures have deployed.

What is drawn at random is drawn from fixed seeds, hypothesis's examples too, unless ZEROSHIFT_FUZZ_SEED says otherwise
(tests/seeds.py, CONTRIBUTING.md).
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import pytest
import seeds

from deployer.local.aws.environment import LocalAws
from deployer.local.environment import LocalEnvironment, Status

# Without an example database: what one run has found must not decide whether the next one passes. Without a deadline,
# which is 200 ms an example unless it is told otherwise, or a limit to what drawing takes: a busy machine takes longer
# now and then.
_TIMELESS = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("fixed", derandomize=True, print_blob=True, **_TIMELESS)
hypothesis.settings.register_profile("exploring", print_blob=True, **_TIMELESS)
hypothesis.settings.load_profile("exploring" if seeds.exploring() else "fixed")
if not seeds.exploring():
    seeds.draw_no_constants()


@pytest.fixture(scope="session")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalEnvironment]:
    home = tmp_path_factory.mktemp("zeroshift") / "home"
    before = os.environ.get("ZEROSHIFT_PORT")
    os.environ["ZEROSHIFT_PORT"] = "0"
    made = LocalEnvironment(home)
    try:
        made.up()
        yield made
    finally:
        made.down()
        # Whatever needs S3 starts the local AWS of this home, too.
        LocalAws(home).down()
        if before is None:
            del os.environ["ZEROSHIFT_PORT"]
        else:
            os.environ["ZEROSHIFT_PORT"] = before


@pytest.fixture(scope="session")
def status(environment: LocalEnvironment) -> Status:
    return environment.status()


@pytest.fixture(scope="session")
def engine_dsn(status: Status) -> str:
    assert status.engine_dsn is not None
    return status.engine_dsn


@pytest.fixture
def connect(status: Status) -> Iterator[Callable[..., Any]]:
    import redshift_connector

    opened: list[Any] = []

    def open_one(*, autocommit: bool = False, **arguments: Any) -> Any:
        settings = {
            "host": status.host,
            "port": status.port,
            "database": status.database,
            "user": status.user,
            "password": status.password,
            "ssl": False,
        }
        connection = redshift_connector.connect(**(settings | arguments))
        connection.autocommit = autocommit
        opened.append(connection)
        return connection

    yield open_one
    for connection in opened:
        try:
            connection.close()
        except Exception:
            # The test has ended it already, or the server has.
            pass


@pytest.fixture
def psql(status: Status) -> Callable[..., subprocess.CompletedProcess[str]]:
    program = shutil.which("psql")
    if program is None:
        pytest.skip("no psql on this machine")

    def run(sql: str, *options: str, user: str | None = None, password: str | None = None) -> Any:
        command = [
            program, "--no-psqlrc", "-h", status.host, "-p", str(status.port), "-U", user or status.user,
            "-d", status.database, "-v", "VERBOSITY=verbose", *options,
        ]  # fmt: skip
        environment = os.environ | {"PGPASSWORD": password or status.password, "LC_ALL": "C.UTF-8"}
        return subprocess.run(
            [*command, "-c", sql] if sql else command,
            env=environment,
            capture_output=True,
            text=True,
            timeout=180,
        )

    return run


@pytest.fixture
def engine(engine_dsn: str) -> Iterator[Any]:
    import psycopg

    with psycopg.connect(engine_dsn, autocommit=True) as connection:
        yield connection


@pytest.fixture
def fresh_database(engine_dsn: str, status: Status) -> Status:
    """An empty warehouse: no user schemas, landing databases, integrations or users but `admin`."""
    empty(engine_dsn, status.user)
    return status


@pytest.fixture(scope="session")
def make_empty(engine_dsn: str, status: Status) -> Callable[[], None]:
    """For tests that need more than one empty warehouse, one after the other."""
    return lambda: empty(engine_dsn, status.user)


def empty(engine_dsn: str, admin: str) -> None:
    """Drop all that users and landing have made, over the engine's own connection.

    What the gateway does by itself meanwhile (the refresh of a materialized view) may be dropped under its hands, or
    hold what is to be dropped, in another order of locks: then it is tried again. So it is where a session that a test
    has left behind holds a lock, and cannot end before it has looked into a table that is being emptied here.
    """
    import psycopg

    for attempt in range(10):
        try:
            return _empty(engine_dsn, admin)
        except (
            psycopg.errors.DeadlockDetected,
            psycopg.errors.LockNotAvailable,
            psycopg.errors.UndefinedObject,
            psycopg.errors.UndefinedTable,
            # "tuple concurrently updated" or "deleted".
            psycopg.errors.InternalError_,
        ):
            if attempt == 9:
                raise


def _empty(engine_dsn: str, admin: str) -> None:
    import psycopg
    from psycopg import sql

    kept = (
        "pg_catalog",
        "information_schema",
        "zeroshift",
        "redshift",
        "redshift_catalog",
        "redshift_information",
        "redshift_newer",
        "public",
    )
    with psycopg.connect(engine_dsn) as connection:
        connection.execute("set client_min_messages = warning")
        connection.execute("set lock_timeout = '10s'")
        # Sessions that a test has left behind would hold locks on what is to go.
        connection.execute(
            "select pg_terminate_backend(pid, 1000) from pg_stat_activity where datname = current_database()"
            " and pid <> pg_backend_pid() and backend_type = 'client backend' and state like 'idle in transaction%'"
        )
        # Their lookup tables could not be dropped.
        connection.execute("delete from zeroshift.policies")
        connection.execute(
            "truncate zeroshift.rls_relations, zeroshift.rls_attachments, zeroshift.mask_attachments,"
            " zeroshift.system_privileges, zeroshift.function_defaults"
        )
        schemas = connection.execute(
            "select nspname from pg_namespace where nspname <> all (%s) and nspname not like 'pg\\_%%'",
            [list(kept)],
        ).fetchall()
        for (schema,) in schemas:
            connection.execute(sql.SQL("drop schema {} cascade").format(sql.Identifier(schema)))
        connection.execute("drop schema public cascade")
        connection.execute("create schema public authorization pg_database_owner")
        connection.execute("grant usage, create on schema public to public")
        roles = connection.execute(
            "select rolname from pg_roles where not rolsuper and rolname not like 'pg\\_%%'"
            " and rolname not in (%s, 'zeroshift_superusers', 'sys:secadmin')",
            [admin],
        ).fetchall()
        for (role,) in roles:
            connection.execute(sql.SQL("drop owned by {} cascade").format(sql.Identifier(role)))
            connection.execute(sql.SQL("drop role {}").format(sql.Identifier(role)))
        # What new procedures of the one who stays are open to; granted as it was, PostgreSQL forgets about it.
        connection.execute(
            sql.SQL("alter default privileges for role {} grant execute on routines to public").format(
                sql.Identifier(admin)
            )
        )
        connection.execute("delete from zeroshift.integrations")
        connection.execute(
            "truncate zeroshift.external_databases, zeroshift.external_tables, zeroshift.external_partitions"
        )


def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """How many processes `-n auto` means: one when they would share the PostgreSQL that somebody has named."""
    if os.environ.get("ZEROSHIFT_POSTGRES_DSN"):
        return 1
    return max(1, min(4, os.cpu_count() or 1))


def pytest_report_header() -> str:
    try:
        from deployer.local.engine import find_binaries

        return f"local Redshift: PostgreSQL of {Path(find_binaries()).parent.name}"
    except Exception as error:
        return f"local Redshift: {error}"
