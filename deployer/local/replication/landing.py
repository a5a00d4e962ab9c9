"""Landing tables of replicated sources: made, altered and removed in the local engine.

A landing table `rental_landing.rental.bookings` is the PostgreSQL table "rental_landing.rental".bookings, as
deployer/local/landing makes it from CSV files.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Any

import psycopg
from psycopg import sql

from deployer.local.replication.definition import ColumnDefinition, TableDefinition

Connection = psycopg.Connection[tuple[Any, ...]]

HISTORY = ("_record_is_active", "_record_create_time", "_record_delete_time")
RANGE = "zs_range_"
"""How the constraints begin that hold off values which Redshift does not have."""
_BRIN_PAGES = 16
_LONGEST_NAME = 63


def schema_of(database: str, schema: str) -> str:
    """The PostgreSQL schema of a landing database's schema."""
    return f"{database}.{schema}"


def table_of(database: str, table: TableDefinition) -> sql.Composed:
    """The table's name in PostgreSQL, quoted."""
    return name_of(database, table.schema, table.name)


def name_of(database: str, schema: str, table: str) -> sql.Composed:
    """As table_of, of a table that is known by its name alone."""
    return sql.SQL("{}.{}").format(sql.Identifier(schema_of(database, schema)), sql.Identifier(table))


def create(connection: Connection, database: str, table: TableDefinition, history: bool) -> None:
    """Make the table anew, empty and without indexes; one that is there goes, its grants are given again. One with
    history that the new one is to have no more is kept under another name.
    """
    name = table_of(database, table)
    schema = sql.Identifier(schema_of(database, table.schema))
    connection.execute(sql.SQL("create schema if not exists {}").format(schema))
    connection.execute(sql.SQL("grant usage on schema {} to admin with grant option").format(schema))
    grants = connection.execute(
        "select case a.grantee when 0 then null else pg_get_userbyid(a.grantee) end, a.is_grantable"
        " from pg_class as c, aclexplode(c.relacl) as a"
        " where c.oid = to_regclass(%s) and a.privilege_type = 'SELECT' and a.grantee <> c.relowner",
        (name.as_string(connection),),
    ).fetchall()
    if not history and has_history(connection, database, table):
        _set_aside(connection, database, table)
    connection.execute(sql.SQL("drop table if exists {}").format(name))
    columns: list[sql.Composable] = [_column(column, column.name in table.key) for column in table.columns]
    if history:
        columns += [
            sql.SQL("_record_is_active boolean not null"),
            sql.SQL("_record_create_time timestamp not null"),
            sql.SQL("_record_delete_time timestamp"),
        ]
    connection.execute(sql.SQL("create table {} ({})").format(name, sql.SQL(", ").join(columns)))
    connection.execute(sql.SQL("grant select on {} to admin with grant option").format(name))
    # Asleep until the table cannot be read (`guard`).
    connection.execute(
        sql.SQL(
            "create policy zeroshift_states on {name} using (zeroshift.require_readable_to_plan({place})"
            " and (select zeroshift.require_readable({place})))"
        ).format(
            name=name,
            place=sql.SQL(", ").join(map(sql.Literal, (database, table.schema, table.name))),
        )
    )
    for grantee, passing in grants:
        role = sql.SQL("public") if grantee is None else sql.Identifier(grantee)
        connection.execute(
            sql.SQL("grant select on {} to {}" + (" with grant option" if passing else "")).format(name, role)
        )


def guard(connection: Connection, database: str, place: tuple[str, str], guarded: bool) -> None:
    """Let the policy of `create` answer who reads the table, with an error that names its state, or not. It is on only
    then: it would cost plans. Nothing happens where there is no table, or it is so already.
    """
    name = name_of(database, *place)
    found = connection.execute(
        "select relrowsecurity from pg_class where oid = to_regclass(%s)", (name.as_string(connection),)
    ).fetchone()
    if found is not None and found[0] is not guarded:
        connection.execute(
            sql.SQL("alter table {} {} row level security").format(
                name, sql.SQL("enable" if guarded else "disable")
            )
        )


def has_history(connection: Connection, database: str, table: TableDefinition) -> bool:
    """Whether landing has the table, and with history's columns."""
    found = connection.execute(
        "select from pg_attribute where attrelid = to_regclass(%s) and attname = %s and not attisdropped",
        (table_of(database, table).as_string(connection), HISTORY[0]),
    ).fetchone()
    return found is not None


def _set_aside(connection: Connection, database: str, table: TableDefinition) -> None:
    """History mode is off: "the table is renamed to TABLE_historical_TIMESTAMP" (Redshift Management Guide, "History
    mode"). How the timestamp is written is not documented: to the second, in UTC.
    """
    ending = f"_historical_{datetime.now(UTC):%Y%m%d%H%M%S}"
    # PostgreSQL cuts names of more than 63 bytes, in silence.
    kept = table.name.encode()[: _LONGEST_NAME - len(ending)].decode(errors="ignore") + ending
    name = table_of(database, table)
    connection.execute(sql.SQL("drop policy if exists zeroshift_states on {}").format(name))
    connection.execute(sql.SQL("alter table {} disable row level security").format(name))
    connection.execute(sql.SQL("alter table {} rename to {}").format(name, sql.Identifier(kept)))


def index(connection: Connection, database: str, table: TableDefinition, history: bool) -> None:
    """What a copied table needs: a zone map of its record times, as the CSV source's tables have, and the key's index.

    The key's index is for replication alone: Redshift has none, so it is built on expressions that no query of a user
    has, or point reads would be faster here than there. It also holds that no key is active twice.
    """
    name = table_of(database, table)
    if history:
        connection.execute(
            sql.SQL("create index on {} using brin ({}) with (pages_per_range = {})").format(
                name, sql.SQL(", ").join(map(sql.Identifier, HISTORY[1:])), sql.Literal(_BRIN_PAGES)
            )
        )
    keys = sql.SQL(", ").join(sql.SQL("({})").format(key) for key in key_expressions(table))
    present = sql.SQL(" where _record_is_active" if history else "")
    connection.execute(sql.SQL("create unique index on {} ({}){}").format(name, keys, present))
    connection.execute(sql.SQL("analyze {}").format(name))


def key_expressions(table: TableDefinition) -> list[sql.Composed]:
    """The key's columns in the disguise that the index knows them by."""
    return [
        disguised(table.columns[place], sql.Identifier(table.columns[place].name))
        for place in table.key_places
    ]


def disguised(column: ColumnDefinition, value: sql.Composable) -> sql.Composed:
    """A value of the column's type as the key's index has it; the same for both sides of a comparison."""
    kind = column.engine_type
    if kind.startswith(("varchar", "char")):
        return sql.SQL("{} || ''").format(value)
    if kind == "bytea":
        return sql.SQL("{} || ''::bytea").format(value)
    if kind == "timestamptz":
        return sql.SQL("{} at time zone 'UTC'").format(value)
    if kind == "timestamp" or kind.startswith("interval"):
        return sql.SQL("{} + interval '0'").format(value)
    if kind == "boolean":
        return sql.SQL("{}::integer").format(value)
    if kind == "redshift.super":
        return sql.SQL("{}::text").format(value)
    return sql.SQL("{} + 0").format(value)


def add_column(
    connection: Connection,
    database: str,
    table: TableDefinition,
    column: ColumnDefinition,
    default: str | None,
    history: bool,
) -> None:
    """Add a column at the end; present rows get the default, ended versions had none."""
    name = table_of(database, table)
    connection.execute(sql.SQL("alter table {} add column {}").format(name, _column(column, False)))
    if default is not None:
        connection.execute(
            sql.SQL("update {} set {} = %s::text::{}{}").format(
                name,
                sql.Identifier(column.name),
                sql.SQL(column.engine_type),
                sql.SQL(" where _record_is_active" if history else ""),
            ),
            (default,),
        )


def drop(connection: Connection, database: str, table: TableDefinition) -> None:
    """The table goes, as its source has."""
    connection.execute(sql.SQL("drop table if exists {}").format(table_of(database, table)))


def drop_column(connection: Connection, database: str, table: TableDefinition, column: str) -> None:
    connection.execute(
        sql.SQL("alter table {} drop column {}").format(table_of(database, table), sql.Identifier(column))
    )


def rename_column(connection: Connection, database: str, table: TableDefinition, old: str, new: str) -> None:
    connection.execute(
        sql.SQL("alter table {} rename column {} to {}").format(
            table_of(database, table), sql.Identifier(old), sql.Identifier(new)
        )
    )


def _column(column: ColumnDefinition, is_key: bool) -> sql.Composed:
    """The column's definition. PostgreSQL counts a varchar's characters, zero-ETL its bytes: hence the check. Another
    one holds off values that PostgreSQL has and Redshift has not.
    """
    name = sql.Identifier(column.name)
    checks = sql.Composed([])
    most = column.most_bytes
    if most is not None and column.can_be_longer:
        checks += sql.SQL(" check (octet_length({}) <= {})").format(name, sql.Literal(most))
    if column.condition:
        # Names of constraints are the table's own, and columns are renamed.
        checks += sql.SQL(" constraint {} check (" + column.condition + ")").format(
            sql.Identifier(f"{RANGE}{uuid.uuid4().hex[:16]}"), *[name] * column.condition.count("{}")
        )
    return sql.SQL("{} {}{}{}").format(
        name, sql.SQL(column.engine_type), sql.SQL(" not null" if is_key else ""), checks
    )
