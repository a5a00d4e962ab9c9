"""The rental source as MySQL defines it, and who may do what in it."""

from __future__ import annotations

import hashlib

from deployer.local.landing.tables import SOURCE_DATABASE, TABLES, Table

ADMIN, WRITER, REPLICATOR = "zeroshift", "rental", "replicator"
"""The accounts, from 127.0.0.1 only: for this program's own tools, for who writes to the source, for replication."""

_RIGHTS = {
    ADMIN: ("all privileges on *.* to {} with grant option",),
    WRITER: (f"all privileges on {SOURCE_DATABASE}.* to {{}}",),
    # Neither SUPER nor CONNECTION ADMIN: init_connect must work for it (replay.py).
    REPLICATOR: ("select, replication slave, binlog monitor on *.* to {}",),
}


def database() -> list[str]:
    """The statements that make the empty rental database."""
    return [
        f"create database `{SOURCE_DATABASE}` character set utf8mb4",
        *(_create(table) for table in TABLES),
    ]


def accounts(passwords: dict[str, str]) -> list[str]:
    """The statements that make the accounts, whatever was there before; they hold hashes, not passwords."""
    made = []
    for name, rights in _RIGHTS.items():
        account = f"'{name}'@'127.0.0.1'"
        made.append(f"create or replace user {account} identified by password '{_hashed(passwords[name])}'")
        made += [f"grant {each.format(account)}" for each in rights]
    return made


def _create(table: Table) -> str:
    columns = [
        f"`{column.name}` {column.source_type}"
        + (" not null" if column.name in table.key else "")
        + (" auto_increment" if table.numbered and column.name in table.key else "")
        for column in table.columns
    ]
    keys = ", ".join(f"`{name}`" for name in table.key)
    return (
        f"create table `{SOURCE_DATABASE}`.`{table.name}` ({', '.join(columns)}, primary key ({keys}))"
        " engine = innodb"
    )


def _hashed(password: str) -> str:
    """As mysql_native_password stores it (MariaDB Knowledge Base, "Authentication Plugin - mysql_native_password")."""
    once = hashlib.sha1(password.encode(), usedforsecurity=False).digest()
    return "*" + hashlib.sha1(once, usedforsecurity=False).hexdigest().upper()
