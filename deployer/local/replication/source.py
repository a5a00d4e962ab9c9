"""The source server: how it is reached, and whether it is set up as zero-ETL needs it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pymysql

from deployer.errors import Unavailable
from deployer.local.replication.position import SourceLost
from deployer.local.replication.settings import Settings

READ_SECONDS = 60
_LOST = (2002, 2003, 2006, 2013, 2055)
_PASSING = (1040, 1053, 1205, 1213, 1317, 1927, 4031)
"""What a server says that is full, stops, or ends a statement or a connection, or whose locks were in the way: it may
say one of these, or nothing, before the connection breaks (ER_CON_COUNT_ERROR, ER_SERVER_SHUTDOWN,
ER_LOCK_WAIT_TIMEOUT, ER_LOCK_DEADLOCK, ER_QUERY_INTERRUPTED; MariaDB's ER_CONNECTION_KILLED; MySQL's
ER_CLIENT_INTERACTION_TIMEOUT).
"""
_REQUIRED = {
    "log_bin": ("ON", "1"),
    "binlog_format": ("ROW",),
    "binlog_row_image": ("FULL",),
    "binlog_row_metadata": ("FULL",),
}
"""Aurora User Guide, "Setting up zero-ETL integrations". Aurora's own parameters have no meaning elsewhere."""
_COMPRESSION = ("log_bin_compress", "binlog_transaction_compression")
_FORBIDDEN = {"binlog_row_value_options": "PARTIAL_JSON"} | dict.fromkeys(_COMPRESSION, "ON")


@dataclass(frozen=True)
class Source:
    """A server and the account to use; `password` is shown nowhere."""

    host: str
    port: int
    user: str
    _password: str

    def __repr__(self) -> str:
        return f"Source({self.user}@{self.host}:{self.port})"

    @property
    def arguments(self) -> dict[str, Any]:
        """What pymysql.connect takes. Times in UTC: a TIMESTAMP is shown in the session's zone."""
        return {
            "host": self.host,
            "port": self.port,
            "user": self.user,
            "password": self._password,
            "charset": "utf8mb4",
            "connect_timeout": 10,
            "read_timeout": READ_SECONDS,
            "write_timeout": READ_SECONDS,
        }

    @contextmanager
    def connect(self) -> Iterator[Any]:
        """A connection in autocommit. Raises SourceLost when it breaks, Unavailable when the server says no."""
        connection = None
        try:
            connection = pymysql.connect(
                **self.arguments, autocommit=True, init_command="set time_zone = '+00:00'"
            )
            yield connection
        except pymysql.OperationalError as error:
            raise translated(error, self) from None
        finally:
            if connection is not None:
                connection.close()


def of(settings: Settings) -> Source:
    """The source of an integration."""
    return Source(settings.host, settings.port, settings.user, settings.password)


def translated(error: pymysql.OperationalError, source: Source) -> Exception:
    """SourceLost for what passes by itself, Unavailable for what the user must mend."""
    code, text = error.args[0], str(error.args[-1])
    if code in _LOST:
        return SourceLost(f"the source {source.host}:{source.port} cannot be reached ({code})")
    if code in _PASSING:
        return SourceLost(f"the source {source.host}:{source.port} cannot be reached: {text} ({code})")
    return Unavailable(f"the source {source.host}:{source.port} refuses: {text} ({code})")


@dataclass(frozen=True)
class Server:
    """What the server is. `stamp` identifies it: a position in its binlog means nothing to another one."""

    is_mariadb: bool
    version: str
    stamp: str


def inspect(connection: Any) -> Server:
    """Check the parameters that zero-ETL requires. Raises Unavailable naming all that are wrong."""
    variables = _variables(connection)
    wrong = [
        f"{name} is {variables.get(name, 'unknown')}, must be {allowed[0]}"
        for name, allowed in _REQUIRED.items()
        if variables.get(name, "").upper() not in allowed
    ]
    wrong += [
        f"{name} must not be {value}"
        for name, value in _FORBIDDEN.items()
        if value in variables.get(name, "").upper()
    ]
    if variables.get("server_id", "0") == "0":
        wrong.append("server_id must not be 0")
    if wrong:
        raise Unavailable(
            f"the source is not set up for replication: {'; '.join(wrong)}; change its configuration and restart it"
        )
    version = variables["version"]
    # MariaDB's server_uid changes with its port and network card; its positions are told apart by their GTID.
    stamp = variables.get("server_uuid") or f"server_id {variables['server_id']}"
    return Server("mariadb" in version.lower(), version, stamp)


def _variables(connection: Any) -> dict[str, str]:
    wanted = [*_REQUIRED, *_FORBIDDEN, "server_id", "server_uuid", "version"]
    with connection.cursor() as cursor:
        cursor.execute(
            f"show global variables where variable_name in ({', '.join(['%s'] * len(wanted))})", wanted
        )
        return {name.lower(): value for name, value in cursor.fetchall()}
