"""[env.<name>.zero_etl.<integration>] of zeroshift.toml for an environment in AWS: an Aurora cluster, replicated by a
zero-ETL integration of AWS into a landing database of the environment's own warehouse.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from deployer.data_filter import DataFilter, FilterError
from deployer.project.toml_file import Reader, Table
from deployer.project.zero_etl import LONGEST_INTERVAL, landing_of

AURORA_MYSQL, AURORA_POSTGRESQL = "aurora-mysql", "aurora-postgresql"
ENGINES = (AURORA_MYSQL, AURORA_POSTGRESQL)
_KEYS = (
    "source", "engine", "database", "filter", "kms_key", "landing", "history_mode", "refresh_interval",
    "truncatecolumns", "acceptinvchars", "query_all_states", "max_lag", "tags", "connection", "password_env",
    "password_file",
)  # fmt: skip
_NAME = r"[a-z][a-z0-9_]{0,54}"
# botocore, rds CreateIntegration: SourceArn ends in cluster:[a-z][a-z0-9]*(-[a-z0-9]+)*; an identifier has 63.
_CLUSTER = r"(?=.{1,63}$)[a-z][a-z0-9]*(-[a-z0-9]+)*"
_DATABASE = r"[A-Za-z_][A-Za-z0-9_$]{0,62}"
# A key's id or an alias; its ARN would hold the account's id (KMS API reference, "KeyId").
_KEY = r"alias/[A-Za-z0-9/_-]{1,250}|(mrk-)?[0-9a-f-]{32,36}"
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_SCHEMES = {"mysql": AURORA_MYSQL, "postgresql": AURORA_POSTGRESQL}
_PORTS = {AURORA_MYSQL: 3306, AURORA_POSTGRESQL: 5432}
_DATABASES = re.compile(r'(?:include|exclude)\s*:\s*("[^"]+"|[^.\s]+)', re.IGNORECASE)


@dataclass(frozen=True)
class SourceConnection:
    """The source's own address, which only `doctor` and `reconcile` use. The password is never part of it."""

    host: str
    port: int
    user: str
    password_env: str = ""
    password_file: str = ""


@dataclass(frozen=True)
class AwsZeroEtl:
    """A zero-ETL integration. `source` is the Aurora cluster's identifier, in the environment's account and region.

    `database` is the source database, which only Aurora PostgreSQL has to name. `filter` is the data filter's text,
    empty for everything. `refresh_interval` in seconds; None: half of what lies between two runs of the pipeline that
    is called like the integration. `max_lag` in seconds, None: made from the refresh interval.
    """

    name: str
    source: str
    landing: str
    engine: str = AURORA_MYSQL
    database: str = ""
    filter: str = ""
    kms_key: str = ""
    history_mode: bool = True
    refresh_interval: int | None = None
    truncatecolumns: bool = False
    acceptinvchars: bool = False
    query_all_states: bool = False
    max_lag: int | None = None
    tags: Mapping[str, str] = field(default_factory=dict, hash=False)
    connection: SourceConnection | None = None
    line: int = 0


def read(reader: Reader, at: Table, value: object, own: str = "") -> tuple[AwsZeroEtl, ...]:
    """The integrations of one environment in AWS, whose own database is `own`; raises UsageError with file and line."""
    found = tuple(_one(reader, (*at, name), name, one, own) for name, one in reader.table(at, value).items())
    for key in ("source", "landing"):
        seen: dict[str, str] = {}
        for one in found:
            text = str(getattr(one, key))
            if text in seen:
                raise reader.wrong(
                    (*at, one.name), key,
                    f"{key} {text!r} of {one.name} is that of {seen[text]}, too: AWS allows one integration for each"
                    " pair of source and target, and a landing database has one integration",
                )  # fmt: skip
            seen[text] = one.name
    return found


def _one(reader: Reader, at: Table, name: str, value: object, own: str) -> AwsZeroEtl:
    table = reader.table(at, value)
    reader.check_keys(at, table, _KEYS)
    if not re.fullmatch(_NAME, name):
        raise reader.wrong(
            at, None, f"the integration's name {name!r} must be lower-case letters, digits and _, at most 55"
        )
    engine = reader.choice(at, table, "engine", ENGINES, AURORA_MYSQL)
    database = reader.matching(at, table, "database", _DATABASE, "a database's name", "")
    # DG "CREATE DATABASE": the clause DATABASE is for PostgreSQL, where it is required.
    if engine == AURORA_POSTGRESQL and not database:
        raise reader.wrong(
            at, None, f"[{'.'.join(at)}] lacks the key 'database': Aurora PostgreSQL replicates one database a landing"
            " database",
        )  # fmt: skip
    if engine == AURORA_MYSQL and database:
        raise reader.wrong(
            at, "database", "database is for Aurora PostgreSQL; of Aurora MySQL every database becomes a schema of the"
            f' landing database, and filter = "include: {database}.*" lets one through',
        )  # fmt: skip
    return AwsZeroEtl(
        name=name,
        source=reader.matching(at, table, "source", _CLUSTER, "an Aurora cluster's identifier, not its ARN"),
        landing=landing_of(reader, at, table, name, own),
        engine=engine,
        database=database,
        filter=_filter(reader, at, reader.text(at, table, "filter", ""), engine, database),
        kms_key=reader.matching(at, table, "kms_key", _KEY, "a key's id or alias/NAME, not its ARN", ""),
        history_mode=reader.flag(at, table, "history_mode", default=True),
        refresh_interval=reader.number(at, table, "refresh_interval", 0, LONGEST_INTERVAL, 0)
        if "refresh_interval" in table
        else None,
        truncatecolumns=reader.flag(at, table, "truncatecolumns"),
        acceptinvchars=reader.flag(at, table, "acceptinvchars"),
        query_all_states=reader.flag(at, table, "query_all_states"),
        max_lag=reader.number(at, table, "max_lag", 1, 604_800, 1) if "max_lag" in table else None,
        tags=_tags(reader, at, table),
        connection=_connection(reader, at, table, engine),
        line=reader.line_of(at),
    )


def _filter(reader: Reader, at: Table, text: str, engine: str, database: str) -> str:
    """The filter as AWS gets it. Of Aurora PostgreSQL one that names a single database is mandatory (Aurora User
    Guide, zero-etl.filtering), so that all of `database` is the default.
    """
    try:
        if engine == AURORA_MYSQL:
            return DataFilter.parse(text).text if text else ""
        return _postgresql_filter(text, database) if text else f"include: {database}.*.*"
    except FilterError as error:
        raise reader.wrong(at, "filter", f"the data filter {error}") from None


def _postgresql_filter(text: str, database: str) -> str:
    """Raises FilterError for what AWS would refuse, and for a pattern of another database than `database`."""
    DataFilter.parse(text, parts=3)
    for found in _DATABASES.finditer(text):
        if found[1].strip('"') != database:
            raise FilterError(f"names the database {found[1]}, where the key 'database' says {database}")
    return text


def _tags(reader: Reader, at: Table, table: Mapping[str, Any]) -> Mapping[str, str]:
    """Tags of the integration alone, beside those of the environment (CreateIntegration takes 50)."""
    inside = (*at, "tags")
    found = reader.table(inside, table.get("tags", {}))
    for key, value in found.items():
        good = isinstance(value, str) and len(value) <= 256 and 0 < len(key) <= 128
        if not good or key.lower().startswith(("aws:", "rds:", "zeroshift:")):
            raise reader.wrong(
                inside, key, f"tag {key!r} of [{'.'.join(at)}] must have a text as value, and no name that begins with"
                " aws:, rds: or zeroshift:",
            )  # fmt: skip
    return dict(found)


def _connection(reader: Reader, at: Table, table: Mapping[str, Any], engine: str) -> SourceConnection | None:
    if "connection" not in table:
        for key in ("password_env", "password_file"):
            if key in table:
                raise reader.wrong(at, key, f"{key} goes with the key 'connection', the source's own address")
        return None
    if "password_env" in table and "password_file" in table:
        raise reader.wrong(at, "password_file", "password_env and password_file exclude each other; keep one")
    # Its text is in no message: it could hold a password.
    text = reader.text(at, table, "connection")
    try:
        parts = urlsplit(text)
        port = parts.port or _PORTS[engine]
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.password is not None:
        raise reader.wrong(
            at, "connection", "connection holds a password, which does not belong into a repository: take it out and"
            ' name the variable that has it, password_env = "...", or a file, password_file = "..."',
        )  # fmt: skip
    path = parts.path.strip("/")
    if (
        _SCHEMES.get(parts.scheme) != engine or not parts.hostname or not parts.username or path
        or parts.query or parts.fragment
    ):  # fmt: skip
        scheme = "mysql" if engine == AURORA_MYSQL else "postgresql"
        raise reader.wrong(
            at, "connection", f'connection must be a URL like "{scheme}://user@host:{_PORTS[engine]}", without a'
            " password and without a database",
        )  # fmt: skip
    return SourceConnection(
        parts.hostname,
        port,
        unquote(parts.username),
        reader.matching(at, table, "password_env", _VARIABLE, "the name of an environment variable", ""),
        reader.text(at, table, "password_file", ""),
    )
