"""[env.<name>.zero_etl.<integration>] of zeroshift.toml: what feeds a landing database of the local warehouse."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from deployer.data_filter import DataFilter, FilterError
from deployer.project.toml_file import Reader, Table

_KEYS = (
    "source", "password_env", "password_file", "filter", "landing", "refresh_interval", "truncatecolumns",
    "acceptinvchars", "query_all_states", "history_mode",
)  # fmt: skip
# Stay within what both guides allow: 64 lower-case letters and digits (facts/redshift.md 1.4 says where they differ).
_LANDING = r"[a-z][a-z0-9_]{0,63}"
_TAKEN = ("dev", "template0", "template1", "padb_harvest", "awsdatacatalog")
"""Databases that every warehouse has (DG "CREATE DATABASE": the reserved names; management guide: `dev` is made with
the warehouse, awsdatacatalog is mounted)."""
_VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"
_NAME = r"[a-z][a-z0-9_]{0,54}"
_SCHEMES = ("mysql", "mariadb", "postgresql", "postgres")
_POSTGRES = ("postgresql:", "postgres:")
LOCAL_SOURCE = "local"
"""`source` of what `zeroshift local source` starts."""
LOCAL_DATABASE = "rental"
LONGEST_INTERVAL = 432_000
"""Seconds of REFRESH_INTERVAL (DG r_CREATE_DATABASE)."""


@dataclass(frozen=True)
class ZeroEtl:
    """A replicated source. The password is never part of it: it stands in `password_env` (the name of a
    variable) or `password_file` (a path, relative to zeroshift.toml); with neither there is none.

    `database` is the one database that is replicated, "" for all that the filter lets through. With `is_local` the
    source is the one of `zeroshift local source`: host, port, user and password are known when it runs.
    """

    name: str
    host: str
    port: int
    user: str
    database: str
    landing: str
    filter: DataFilter
    password_env: str = ""
    password_file: str = ""
    refresh_interval: int = 0
    is_local: bool = False
    truncatecolumns: bool = False
    acceptinvchars: bool = False
    query_all_states: bool = False
    history_mode: bool = True
    is_postgres: bool = False
    line: int = field(default=0, compare=False)


def read(reader: Reader, at: Table, value: object) -> tuple[ZeroEtl, ...]:
    """The integrations of one environment; raises UsageError with file and line."""
    found = tuple(_one(reader, (*at, name), name, one) for name, one in reader.table(at, value).items())
    seen: dict[str, str] = {}
    for one in found:
        if one.landing in seen:
            raise reader.wrong(
                (*at, one.name), "landing",
                f"landing {one.landing!r} of {one.name} is that of {seen[one.landing]}, too: a landing database has one"
                " integration",
            )  # fmt: skip
        seen[one.landing] = one.name
    return found


def landing_of(reader: Reader, at: Table, table: Mapping[str, Any], name: str, own: str) -> str:
    """The key `landing`. A landing database is made for its integration, so it is none that is there anyhow; `own` is
    the one that the environment deploys into. Raises UsageError."""
    found = reader.matching(
        at, table, "landing", _LANDING, "a database's name in lower case", f"{name}_landing"
    )
    if found in (own, *_TAKEN):
        raise reader.wrong(
            at, "landing", f"landing {found!r} is a database that the warehouse has anyhow, and a landing database is"
            f' made for its integration; take another name, like "{name}_landing"',
        )  # fmt: skip
    return found


def _one(reader: Reader, at: Table, name: str, value: object) -> ZeroEtl:
    table = reader.table(at, value)
    reader.check_keys(at, table, _KEYS)
    if not re.fullmatch(_NAME, name):
        raise reader.wrong(
            at, None, f"the integration's name {name!r} must be lower-case letters, digits and _, at most 55"
        )
    source = reader.text(at, table, "source")
    is_local = source == LOCAL_SOURCE
    is_postgres = source.startswith(_POSTGRES)
    host, port, user, database = ("", 0, "", LOCAL_DATABASE) if is_local else _source(reader, at, source)
    for key in ("password_env", "password_file"):
        if is_local and key in table:
            raise reader.wrong(at, key, f'source = "{LOCAL_SOURCE}" makes its own password; take {key} out')
    if "password_env" in table and "password_file" in table:
        raise reader.wrong(at, "password_file", "password_env and password_file exclude each other; keep one")
    return ZeroEtl(
        name=name,
        host=host,
        port=port,
        user=user,
        database=database,
        landing=landing_of(reader, at, table, name, "dev"),
        filter=_filter(reader, at, reader.text(at, table, "filter", ""), database, is_postgres),
        password_env=reader.matching(
            at, table, "password_env", _VARIABLE, "the name of an environment variable", ""
        ),
        password_file=reader.text(at, table, "password_file", ""),
        refresh_interval=reader.number(at, table, "refresh_interval", 0, LONGEST_INTERVAL, 0),
        is_local=is_local,
        truncatecolumns=reader.flag(at, table, "truncatecolumns"),
        acceptinvchars=reader.flag(at, table, "acceptinvchars"),
        query_all_states=reader.flag(at, table, "query_all_states"),
        history_mode=reader.flag(at, table, "history_mode", default=True),
        is_postgres=is_postgres,
        line=reader.line_of(at),
    )


def _source(reader: Reader, at: Table, source: str) -> tuple[str, int, str, str]:
    """Host, port, user and database of the URL. Its text is in no message: it could hold a password."""
    try:
        parts = urlsplit(source)
        port = parts.port or (5432 if source.startswith(_POSTGRES) else 3306)
    except ValueError:
        raise _wrong_source(reader, at) from None
    if parts.password is not None:
        raise reader.wrong(
            at,
            "source",
            "source holds a password, which does not belong into a repository: take it out and name the variable"
            ' that has it, password_env = "...", or a file, password_file = "..."',
        )
    if parts.scheme not in _SCHEMES or not parts.hostname or not parts.username:
        raise _wrong_source(reader, at)
    database = unquote(parts.path.lstrip("/"))
    if parts.query or parts.fragment or "/" in database:
        raise _wrong_source(reader, at)
    if not database and parts.scheme in _SCHEMES[2:]:
        raise reader.wrong(
            at, "source", "a PostgreSQL source must name the database: postgresql://user@host/database"
        )
    return parts.hostname, port, unquote(parts.username), database


def _wrong_source(reader: Reader, at: Table) -> Exception:
    return reader.wrong(
        at,
        "source",
        'source must be a URL like "mysql://user@host:3306/database" or "postgresql://user@host:5432/database",'
        ' without a password, or "local"',
    )


def _filter(reader: Reader, at: Table, text: str, database: str, is_postgres: bool) -> DataFilter:
    try:
        if is_postgres:
            return DataFilter.parse(text or f'include: "{database}".*.*', parts=3)
        if text:
            return DataFilter.parse(text)
        return DataFilter.parse(f"include: {database}.*") if database else DataFilter.everything()
    except FilterError as error:
        raise reader.wrong(at, "filter" if text else "source", f"the data filter {error}") from None
