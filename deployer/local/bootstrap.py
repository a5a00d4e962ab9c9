"""Makes a PostgreSQL into the local warehouse: its database, the compatibility schema, the user `admin`."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from deployer.errors import Unavailable
from deployer.local.gateway.backend import Target
from deployer.local.gateway.scram import matches

COMPAT = Path(__file__).with_name("compat")
OLDEST = 150000
_CHARACTER_TYPES = ("C.UTF-8", "C.utf8", "en_US.UTF-8", "en_US.utf8")
_OURS = "zeroshift"
"""The comment on the role `admin` by which we know that we made it."""


@dataclass(frozen=True)
class Server:
    """A PostgreSQL that is ready for the gateway: `dsn` and `target` both reach the database as superuser."""

    dsn: str
    target: Target
    version: str


def prepare(dsn: str, database: str, user: str, password: str) -> Server:
    """Make everything that the gateway needs in the PostgreSQL at `dsn`, whatever of it is there already.

    Raises Unavailable, naming what lacks, when that PostgreSQL cannot serve.
    """
    try:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=30) as connection:
            version = _check_server(connection)
            _create_database(connection, database)
    except psycopg.OperationalError as error:
        raise Unavailable(
            f"cannot connect to the PostgreSQL of the local Redshift: {_first_line(error)}"
        ) from error
    inner = make_conninfo(dsn, dbname=database)
    with psycopg.connect(inner, autocommit=True) as connection:
        encoding = connection.execute("show server_encoding").fetchone()
        if encoding != ("UTF8",):
            raise Unavailable(f"database {database} has encoding {encoding and encoding[0]}; it must be UTF8")
        _apply_compat(connection)
        _create_admin(connection, database, user, password)
    return Server(inner, target(inner, database), version)


def target(dsn: str, database: str) -> Target:
    """`dsn` as the gateway's own connection code wants it. TCP or a socket's directory, without SSL."""
    parts = conninfo_to_dict(dsn)
    with psycopg.connect(dsn) as connection:
        info = connection.info
        host, port, user, password = info.host or "/tmp", info.port, info.user, info.password
    if parts.get("hostaddr"):
        host = str(parts["hostaddr"])
    return Target(host=host, port=port, user=user, password=password, database=database)


def _check_server(connection: psycopg.Connection) -> str:
    number = connection.info.server_version
    row = connection.execute(
        "select current_setting('server_version'), rolsuper from pg_roles where rolname = current_user"
    )
    version, superuser = row.fetchone() or ("", False)
    if number < OLDEST:
        raise Unavailable(
            f"the local Redshift needs PostgreSQL 15 or newer; ZEROSHIFT_POSTGRES_DSN names a {version}"
        )
    if not superuser:
        raise Unavailable(
            f"the local Redshift needs a superuser; {connection.info.user} of ZEROSHIFT_POSTGRES_DSN is none"
        )
    return str(version)


def _create_database(connection: psycopg.Connection, database: str) -> None:
    if connection.execute("select 1 from pg_database where datname = %s", [database]).fetchone():
        return
    # Redshift orders text by its bytes, and knows the case of all letters. The builtin provider of 17 gives both.
    if connection.info.server_version >= 170000:
        choices = ["locale_provider builtin builtin_locale 'C.UTF-8' locale 'C'"]
    else:
        choices = [f"lc_collate 'C' lc_ctype '{name}'" for name in _CHARACTER_TYPES]
    for choice in choices:
        try:
            connection.execute(
                sql.SQL("create database {} template template0 encoding 'UTF8' " + choice).format(
                    sql.Identifier(database)
                )
            )
            return
        except psycopg.errors.WrongObjectType:
            # "invalid LC_CTYPE locale name": the server's system lacks this one.
            continue
    raise Unavailable(
        f"the PostgreSQL of ZEROSHIFT_POSTGRES_DSN has none of the locales {', '.join(_CHARACTER_TYPES)}; "
        "install one of them, or use PostgreSQL 17 or newer"
    )


def compat_files() -> Sequence[Path]:
    """The compatibility schema's files in the order in which they are run."""
    return sorted(COMPAT.glob("*.sql"))


def _apply_compat(connection: psycopg.Connection) -> None:
    """Run the files unless the database has seen exactly these. Each is idempotent; all together or none."""
    files = compat_files()
    digest = hashlib.sha256(b"".join(path.name.encode() + path.read_bytes() for path in files)).hexdigest()
    if connection.execute("select to_regclass('zeroshift.engine_state')").fetchone() != (None,):
        seen = connection.execute("select value from zeroshift.engine_state where name = 'compat'").fetchone()
        if seen == (digest,):
            return
    with connection.transaction():
        connection.execute("set local client_min_messages = warning")
        for path in files:
            try:
                connection.execute(path.read_bytes())
            except psycopg.Error as error:
                line = _line(path, error)
                raise Unavailable(
                    f"{path.name}{line} does not run in this PostgreSQL: {_first_line(error)}; "
                    "`zeroshift local reset --yes` makes a new one, without the data"
                ) from error
        connection.execute(
            "insert into zeroshift.engine_state values ('compat', %s)"
            " on conflict (name) do update set value = excluded.value",
            [digest],
        )


def _line(path: Path, error: psycopg.Error) -> str:
    position = error.diag.statement_position
    if position is None:
        return ""
    return f", line {path.read_text(encoding='utf-8').count(chr(10), 0, int(position)) + 1},"


def _create_admin(connection: psycopg.Connection, database: str, user: str, password: str) -> None:
    """The first user: superuser in Redshift's sense (membership), an ordinary role for PostgreSQL."""
    name = sql.Identifier(user)
    row = connection.execute(
        "select rolpassword, shobj_description(oid, 'pg_authid') from pg_authid where rolname = %s", [user]
    ).fetchone()
    if row is None:
        connection.execute(sql.SQL("create role {} login createdb createrole").format(name))
        connection.execute(sql.SQL("comment on role {} is {}").format(name, sql.Literal(_OURS)))
    elif row[1] != _OURS:
        raise Unavailable(
            f'this PostgreSQL has a role "{user}" that zeroshift did not make; name another PostgreSQL'
        )
    if row is None or not matches(password, row[0]):
        connection.execute("set password_encryption = 'scram-sha-256'")
        connection.execute(sql.SQL("alter role {} password {}").format(name, sql.Literal(password)))
    connection.execute(sql.SQL("grant pg_read_all_data to {}").format(name))
    # A superuser makes other superusers (CREATE USER ... CREATEUSER), and each may do what the first one may.
    connection.execute(sql.SQL("grant zeroshift_superusers to {} with admin option").format(name))
    connection.execute("grant pg_read_all_data to zeroshift_superusers")
    connection.execute(
        sql.SQL("grant create on database {} to zeroshift_superusers").format(sql.Identifier(database))
    )
    connection.execute(sql.SQL("alter database {} owner to {}").format(sql.Identifier(database), name))
    # Redshift: every user may create in schema public and make temporary tables.
    connection.execute("grant usage, create on schema public to public")
    connection.execute(sql.SQL("grant temporary on database {} to public").format(sql.Identifier(database)))


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
