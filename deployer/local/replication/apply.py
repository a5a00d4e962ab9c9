"""Writes a batch's changes of one table: ends versions, appends new ones. All in the caller's transaction."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from psycopg import sql

from deployer.local.replication import landing
from deployer.local.replication.batch import TableBatch
from deployer.local.replication.definition import ColumnDefinition, TableDefinition
from deployer.local.replication.landing import HISTORY, Connection
from deployer.local.replication.lenient import Lenient

_HISTORY = sql.SQL(", ").join(map(sql.Identifier, HISTORY))


class Diverged(Exception):
    """Landing does not hold what the source has changed; the message is the table's reason."""


def write(
    connection: Connection,
    database: str,
    table: TableDefinition,
    batch: TableBatch,
    lenient: Lenient,
    history: bool,
) -> None:
    """Bring the landing table up to the batch's end. Raises Diverged, or a psycopg error for a value.

    Without `history` it holds the present rows alone. As in landing/stage.py a version that ends is written again at
    the table's end, as Redshift does.
    """
    if batch.ended:
        ended = _end(connection, database, table, batch, history)
        if ended > len(batch.ended):
            # As on Redshift, where keys are not enforced (DG "CREATE DATABASE", AUTO_REMEDIATION: duplicate rows).
            raise Diverged(f"{ended} rows are there for {len(batch.ended)} changed keys")
        if ended != len(batch.ended):
            raise Diverged(
                f"{len(batch.ended) - ended} of {len(batch.ended)} changed rows are not in the landing table"
            )
    if not batch.present and not (batch.versions and history):
        return
    names = sql.SQL(", ").join(map(sql.Identifier, table.names))
    statement = sql.SQL("copy {} ({}) from stdin").format(
        landing.table_of(database, table), sql.SQL(", ").join([names, _HISTORY]) if history else names
    )
    mended = (lambda row: row) if lenient.idle else lenient.row
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        if not history:
            for row, _ in batch.present.values():
                copy.write_row(mended(row))
            return
        for row, begin, end in batch.versions:
            copy.write_row((*mended(row), "f", begin.isoformat(" "), end.isoformat(" ")))
        for row, begin in batch.present.values():
            copy.write_row((*mended(row), "t", begin.isoformat(" "), None))


def _end(
    connection: Connection, database: str, table: TableDefinition, batch: TableBatch, history: bool
) -> int:
    """End the present versions of the batch's keys; returns how many there were."""
    keys = list(zip(*batch.ended, strict=True))
    wanted = [table.columns[place] for place in table.key_places]
    places = [sql.Identifier(f"k{number}") for number in range(len(wanted))]
    columns = sql.SQL(", ").join(sql.SQL("l.{}").format(sql.Identifier(name)) for name in table.names)
    statement = sql.SQL(
        "with ended as (delete from {target} as l using unnest({arrays}, %s::timestamp[]) as c ({places}, zs_at)"
        " where l._record_is_active and {same} returning {columns}, l._record_create_time, c.zs_at)"
        " insert into {target} ({names}, {history}) select {names}, false, _record_create_time, zs_at from ended"
        if history
        else "delete from {target} as l using unnest({arrays}, %s::timestamp[]) as c ({places}, zs_at) where {same}"
    ).format(
        target=landing.table_of(database, table),
        arrays=arrays(wanted),
        places=sql.SQL(", ").join(places),
        same=sql.SQL(" and ").join(
            sql.SQL("({}) = ({})").format(
                landing.disguised(column, sql.Identifier("l", column.name)),
                landing.disguised(column, sql.SQL("c.{}").format(place)),
            )
            for column, place in zip(wanted, places, strict=True)
        ),
        columns=columns,
        names=sql.SQL(", ").join(map(sql.Identifier, table.names)),
        history=_HISTORY,
    )
    # One key or a million, by index: without statistics of the arrays the planner would rather read the whole table.
    return connection.execute(
        statement, (*[list(each) for each in keys], [at.isoformat(" ") for at in batch.ended.values()])
    ).rowcount


def arrays(columns: Sequence[ColumnDefinition]) -> sql.Composed:
    """Parameters for lists of the columns' texts, one each."""
    return sql.SQL(", ").join(
        sql.SQL("%s::text[]::{}[]").format(sql.SQL(_bare(column.engine_type))) for column in columns
    )


def end_all(
    connection: Connection, database: str, table: TableDefinition, at: datetime, history: bool
) -> int:
    """TRUNCATE at the source, or a table that is filtered out: every present version ends."""
    if not history:
        # DELETE, since a reader with an older snapshot would find a truncated table empty.
        return connection.execute(
            sql.SQL("delete from {}").format(landing.table_of(database, table))
        ).rowcount
    names = sql.SQL(", ").join(map(sql.Identifier, table.names))
    return connection.execute(
        sql.SQL(
            "with ended as (delete from {target} where _record_is_active returning {names}, _record_create_time)"
            " insert into {target} ({names}, {history}) select {names}, false, _record_create_time, {at} from ended"
        ).format(target=landing.table_of(database, table), names=names, history=_HISTORY, at=sql.Literal(at))
    ).rowcount


def _bare(kind: str) -> str:
    """The type without its size: an array of numeric(20,0) would round, one of varchar(n) be cut."""
    bare = kind.partition("(")[0]
    if bare.startswith("interval"):
        return "interval"
    return "bpchar" if bare == "char" else bare
