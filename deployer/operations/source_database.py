"""The source of an integration, asked over its own connection: only `doctor` and `reconcile` do that, and only read.

PyMySQL and psycopg come with the extra `local`. Off this machine the connection is encrypted; the server's certificate
is not checked, since Aurora's authority is in no system's store.
"""

from __future__ import annotations

import importlib
import os
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Protocol

from deployer.aws.client import is_loopback
from deployer.data_filter import DataFilter
from deployer.errors import Unavailable
from deployer.mask import mask
from deployer.project.config import Project
from deployer.project.zero_etl_aws import AURORA_MYSQL, AwsZeroEtl, SourceConnection

CONNECT_SECONDS = 10
MYSQL_SYSTEM = "('mysql', 'information_schema', 'performance_schema', 'sys')"
"""The databases of MySQL's own, as a list of SQL."""


class Source(Protocol):
    """A session with the source."""

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        """All rows of a query, with %s for parameters. Raises Unavailable when it fails."""


class _Session:
    def __init__(self, connection: Any, error: type[Exception], name: str) -> None:
        self._connection = connection
        self._error = error
        self._name = name

    def rows(self, sql: str, parameters: Sequence[object] = ()) -> list[tuple[Any, ...]]:
        try:
            with self._connection.cursor() as cursor:
                # Without parameters a percent sign is itself.
                cursor.execute(sql, list(parameters) if parameters else None)
                return [tuple(row) for row in cursor.fetchall()]
        except self._error as error:
            raise Unavailable(
                f"the source of the integration {self._name} refuses a query: {_said(error)}"
            ) from None


@contextmanager
def opened(project: Project, one: AwsZeroEtl) -> Iterator[Source]:
    """A read-only session with the source. Raises Unavailable when it cannot be had."""
    where = one.connection
    assert where is not None
    module = "pymysql" if one.engine == AURORA_MYSQL else "psycopg"
    try:
        driver = importlib.import_module(module)
    except ModuleNotFoundError:
        raise Unavailable(
            f"asking the source of {one.name} needs the extra 'local', which is not installed:"
            " pip install 'zeroshift[local]'"
        ) from None
    secret = _password(project, one, where)
    try:
        connection = (
            _mysql(driver, where, secret)
            if one.engine == AURORA_MYSQL
            else _postgresql(driver, one, where, secret)
        )
    except (driver.Error, OSError) as error:
        raise Unavailable(
            f"cannot connect to {where.user}@{where.host}:{where.port}, the source of the integration {one.name}:"
            f" {_said(error)}; let this machine reach it, or leave the key 'connection' away"
        ) from None
    try:
        yield _Session(connection, driver.Error, one.name)
    finally:
        connection.close()


def tables(source: Source, one: AwsZeroEtl) -> dict[tuple[str, str], str]:
    """The tables of the source that the data filter lets through, by schema and name, as far as the login sees them; of
    MySQL each with its engine."""
    if one.engine == AURORA_MYSQL:
        chosen = DataFilter.parse(one.filter) if one.filter else DataFilter.everything()
        return {
            (str(schema), str(table)): str(engine)
            for schema, table, engine in source.rows(
                "select table_schema, table_name, engine from information_schema.tables"
                f" where table_type = 'BASE TABLE' and table_schema not in {MYSQL_SYSTEM} order by 1, 2"
            )
            if chosen.lets_through(str(schema), str(table))
        }
    chosen = DataFilter.parse(one.filter or f'include: "{one.database}".*.*', parts=3)
    return {
        (str(schema), str(table)): ""
        for schema, table in source.rows(
            "select n.nspname, c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
            " where c.relkind = 'r' and c.relpersistence = 'p' and n.nspname not like 'pg\\_%'"
            " and n.nspname <> 'information_schema' order by 1, 2"
        )
        if chosen.lets_through(one.database, str(schema), str(table))
    }


def _mysql(driver: Any, where: SourceConnection, secret: str) -> Any:
    context = None
    if not is_loopback(where.host):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return driver.connect(
        host=where.host, port=where.port, user=where.user, password=secret, ssl=context, charset="utf8mb4",
        connect_timeout=CONNECT_SECONDS, autocommit=True, init_command="set session transaction read only",
    )  # fmt: skip


def _postgresql(driver: Any, one: AwsZeroEtl, where: SourceConnection, secret: str) -> Any:
    return driver.connect(
        host=where.host, port=where.port, user=where.user, password=secret, dbname=one.database, autocommit=True,
        sslmode="prefer" if is_loopback(where.host) else "require", connect_timeout=CONNECT_SECONDS,
        options="-c default_transaction_read_only=on", application_name="zeroshift",
    )  # fmt: skip


def _password(project: Project, one: AwsZeroEtl, where: SourceConnection) -> str:
    if where.password_env:
        found = os.environ.get(where.password_env)
        if found is None:
            raise Unavailable(
                f"the environment variable {where.password_env}, which has the password of the source of {one.name}, is"
                " not set; set it and repeat"
            )
        return found
    if where.password_file:
        path = project.root / where.password_file
        try:
            return path.read_text(encoding="utf-8").rstrip("\r\n")
        except OSError as error:
            raise Unavailable(
                f"cannot read {path}, which has the password of the source of {one.name}: {error.strerror}"
            ) from None
    return ""


def _said(error: Exception) -> str:
    """A driver's words in one line; PyMySQL's first argument is a number."""
    told = error.args[1] if len(error.args) > 1 and isinstance(error.args[0], int) else error
    return mask(" ".join(str(told).split()), accounts=True)[:300].rstrip(".")
