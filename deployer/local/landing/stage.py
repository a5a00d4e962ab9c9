"""From a file to the landing table: copy into a temporary table, compare as sets, write what differs.

All statements run in the caller's transaction and touch landing rows only where something has changed. A
version that ends is deleted and written again at the table's end rather than updated in place: like Redshift,
which appends, this keeps the zone maps (BRIN) of the old blocks narrow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from deployer.local.landing.csvfile import CsvFile
from deployer.local.landing.dates import DateFormat
from deployer.local.landing.integration import Checkpoint, Connection, landing_table
from deployer.local.landing.tables import TEXT_BYTES, Column, Table

_STAGE = sql.Identifier("pg_temp", "zs_stage")
_NUMBERED = sql.Identifier("pg_temp", "zs_numbered")
_CHANGES = sql.Identifier("pg_temp", "zs_changes")


@dataclass(frozen=True)
class Counts:
    """What a load did to one table, in rows of the source."""

    inserted: int = 0
    updated: int = 0
    deleted: int = 0
    unchanged: int = 0


def copy_file(connection: Connection, file: CsvFile, progress: Callable[[], None]) -> None:
    """Copy the file into the temporary table zs_stage, checked; `progress` is called after each chunk.

    Raises UsageError or a psycopg.DataError for a bad file (`CsvFile.explain` knows more about the latter).
    """
    columns = [
        sql.SQL("{} {}").format(sql.Identifier(column.name), _staging_type(column, file.dates))
        for column in file.columns
    ]
    checks = [
        sql.SQL("check (octet_length({}) <= {})").format(sql.Identifier(column.name), sql.Literal(TEXT_BYTES))
        for column in file.columns
        if column.kind == "text"
    ]
    for old in (_STAGE, _NUMBERED, _CHANGES):
        connection.execute(sql.SQL("drop table if exists {}").format(old))
    connection.execute(
        sql.SQL("create temporary table {} ({}) on commit drop").format(
            sql.Identifier("zs_stage"), sql.SQL(", ").join(columns + checks)
        )
    )
    names = sql.SQL(", ").join(sql.Identifier(column.name) for column in file.columns)
    statement = sql.SQL(
        "copy {} ({}) from stdin with (format csv, encoding 'UTF8', null '', force_null ({}))"
    ).format(_STAGE, names, names)
    with connection.cursor() as cursor:
        with cursor.copy(statement) as copy:
            for chunk in file.chunks():
                copy.write(chunk)
                progress()
        copied = cursor.rowcount
    if copied != file.rows:
        # PostgreSQL before 18 takes a line "\." for the end of the data.
        raise file.refusal(
            f"the engine read {copied} rows of {file.rows}; does a line hold nothing but \\. ?"
        )


def find_duplicate(connection: Connection, file: CsvFile) -> tuple[Any, ...] | None:
    """A key that stands in the file more than once (the lowest), or None."""
    if any(name not in (column.name for column in file.columns) for name in file.table.key):
        return None
    if len(file.table.key) == 1:
        # Counting by sorting is five times as fast as grouping by hash, and nearly always gives the answer.
        alone = _value(file.table.column(file.table.key[0]), file.dates)
        counted = connection.execute(
            sql.SQL("select count({0}) = count(distinct {0}) from {1}").format(alone, _STAGE)
        ).fetchone()
        if counted == (True,):
            return None
    keys = sql.SQL(", ").join(_value(file.table.column(name), file.dates) for name in file.table.key)
    numbers = sql.SQL(", ").join(sql.Literal(number + 1) for number in range(len(file.table.key)))
    return connection.execute(
        sql.SQL(
            "select {keys} from {stage} group by {numbers} having count(*) > 1 order by {numbers} limit 1"
        ).format(keys=keys, stage=_STAGE, numbers=numbers)
    ).fetchone()


def apply(connection: Connection, file: CsvFile, checkpoint: Checkpoint) -> Counts:
    """Make the landing table's present rows equal to zs_stage, as of the checkpoint."""
    table = file.table
    rows: sql.Composable = _staged_rows(table, file)
    if table.numbered and any(column.name in table.key for column in file.missing):
        rows = _number(connection, file, rows)
    target = landing_table(table)
    names = _names(table)
    if connection.execute(sql.SQL("select from {} limit 1").format(target)).fetchone() is None:
        inserted = connection.execute(
            sql.SQL("insert into {} ({}, {}) select {}, true, {}, null from ({}) as s").format(
                target, names, _HISTORY, names, sql.Literal(checkpoint.at), rows
            )
        ).rowcount
        return Counts(inserted=inserted)

    _find_changes(connection, table, rows)
    counted = connection.execute(
        sql.SQL(
            "select count(*) filter (where zs_old is null), count(*) filter (where zs_old is not null and"
            " zs_new),"
            " count(*) filter (where not zs_new) from {}"
        ).format(_CHANGES)
    ).fetchone()
    assert counted is not None  # an aggregate always has a row
    inserted, updated, deleted = counted
    _write_changes(connection, table, checkpoint)
    return Counts(inserted, updated, deleted, file.rows - inserted - updated)


def _find_changes(connection: Connection, table: Table, rows: sql.Composable) -> None:
    """Fill zs_changes: the new, changed and missing rows; zs_old is the ctid of the version that ends."""
    names = _names(table)
    key = [sql.Identifier(name) for name in table.key]
    others = [sql.Identifier(name) for name in table.names if name not in table.key]
    connection.execute(
        sql.SQL(
            "create temporary table {changes} on commit drop as"
            " select {new}, old.zs_old, new.{first} is not null as zs_new"
            " from ({rows}) as new"
            " full join (select ctid as zs_old, {names} from {target} where _record_is_active) as old on"
            " {same_key}"
            " where new.{first} is null or old.{first} is null or ({new_rest}) is distinct from ({old_rest})"
        ).format(
            changes=sql.Identifier("zs_changes"),
            new=sql.SQL(", ").join(sql.SQL("new.{}").format(sql.Identifier(name)) for name in table.names),
            first=key[0],
            rows=rows,
            names=names,
            target=landing_table(table),
            same_key=sql.SQL(" and ").join(sql.SQL("new.{0} = old.{0}").format(name) for name in key),
            new_rest=sql.SQL(", ").join(sql.SQL("new.{}").format(name) for name in others),
            old_rest=sql.SQL(", ").join(sql.SQL("old.{}").format(name) for name in others),
        )
    )
    connection.execute(sql.SQL("analyze {}").format(_CHANGES))


def _write_changes(connection: Connection, table: Table, checkpoint: Checkpoint) -> None:
    """End the versions that zs_changes names, then begin the new ones, both at the checkpoint's instant."""
    target = landing_table(table)
    names = _names(table)
    at = sql.Literal(checkpoint.at)
    connection.execute(
        sql.SQL(
            "with ended as (delete from {target} as l using {changes} as c where l.ctid = c.zs_old"
            " returning {columns}, l._record_create_time)"
            " insert into {target} ({names}, {history}) select {names}, false, _record_create_time, {at}"
            " from ended"
        ).format(
            target=target,
            changes=_CHANGES,
            columns=sql.SQL(", ").join(sql.SQL("l.{}").format(sql.Identifier(name)) for name in table.names),
            names=names,
            history=_HISTORY,
            at=at,
        )
    )
    connection.execute(
        sql.SQL(
            "insert into {target} ({names}, {history}) select {names}, true, {at}, null from {changes} where"
            " zs_new"
        ).format(target=target, names=names, history=_HISTORY, at=at, changes=_CHANGES)
    )


def _number(connection: Connection, file: CsvFile, rows: sql.Composable) -> sql.Composable:
    """Give numbers to rows whose file lacks the AUTO_INCREMENT key.

    A row keeps the number of a present row with the same content (the n-th such row that of the n-th); the
    others are numbered upwards from the highest number ever given, in the order of the file.
    """
    table = file.table
    key = sql.Identifier(table.key[0])
    # Rows are compared as one text: a row comparison that lets NULL equal NULL cannot be hashed.
    content = sql.SQL("row({})::text").format(
        sql.SQL(", ").join(sql.Identifier(name) for name in table.names if name not in table.key)
    )
    others = sql.SQL(", ").join(sql.Identifier(name) for name in table.names if name not in table.key)
    connection.execute(
        sql.SQL(
            "create temporary table {numbered} on commit drop as"
            " select coalesce(old.{key}, (select coalesce(max({key}), 0) from {target})"
            "  + row_number() over (partition by old.{key} is null order by new.zs_order)) as {key},"
            " {new_others}"
            " from (select *, {content} as zs_content,"
            "   row_number() over (partition by {content} order by zs_order) as zs_nth from ({rows}) as r)"
            " as new"
            " left join (select {key}, {content} as zs_content,"
            "   row_number() over (partition by {content} order by {key}) as zs_nth"
            "   from {target} where _record_is_active) as old"
            " on old.zs_content = new.zs_content and old.zs_nth = new.zs_nth"
        ).format(
            numbered=sql.Identifier("zs_numbered"),
            key=key,
            target=landing_table(table),
            content=content,
            rows=rows,
            new_others=sql.SQL(", ").join(
                sql.SQL("new.{}").format(sql.Identifier(name))
                for name in table.names
                if name not in table.key
            ),
        )
    )
    return sql.SQL("select {}, {} from {}").format(key, others, _NUMBERED)


def _staged_rows(table: Table, file: CsvFile) -> sql.Composed:
    """A query of zs_stage in landing types and the table's column order; zs_order is the file's."""
    present = {column.name for column in file.columns}
    values = [
        sql.SQL("{} as {}").format(
            _value(column, file.dates)
            if column.name in present
            else sql.SQL("null::{}").format(sql.SQL(column.landing_type)),
            sql.Identifier(column.name),
        )
        for column in table.columns
    ]
    return sql.SQL("select {}, ctid as zs_order from {}").format(sql.SQL(", ").join(values), _STAGE)


def _value(column: Column, dates: DateFormat) -> sql.Composable:
    """The staged column as its landing type."""
    name = sql.Identifier(column.name)
    rewriting = dates.rewriting()
    if column.kind in ("date", "datetime") and rewriting is not None:
        pattern, replacement = rewriting
        return sql.SQL("regexp_replace({}, {}, {})::{}").format(
            name, sql.Literal(pattern), sql.Literal(replacement), sql.SQL(column.landing_type)
        )
    if column.kind == "boolean":
        return sql.SQL("{}::integer::smallint").format(name)
    if column.is_text:
        return sql.SQL("{}::{}").format(name, sql.SQL(column.landing_type))
    return name


def _staging_type(column: Column, dates: DateFormat) -> sql.Composable:
    """The type as which PostgreSQL reads the file: the source's own, so that it checks ranges and widths."""
    if column.kind in ("date", "datetime") and dates.rewriting() is not None:
        return sql.SQL("text")
    match column.kind:
        case "boolean":
            return sql.SQL("boolean")
        case "char" | "varchar":
            # character(n) loses the blanks at its end when it is cast, as MySQL's CHAR does when it is read.
            return sql.SQL("{}({})").format(
                sql.SQL("character" if column.kind == "char" else "varchar"), sql.Literal(column.size)
            )
        case "text":
            return sql.SQL("text")
        case _:
            return sql.SQL(column.landing_type)


def _names(table: Table) -> sql.Composed:
    return sql.SQL(", ").join(sql.Identifier(name) for name in table.names)


_HISTORY = sql.SQL("_record_is_active, _record_create_time, _record_delete_time")
