"""What has happened to a table's definition, from three pictures of it.

pgoutput sends no definitions: it sends the columns that a table had (Relation) before the first row of each new shape.
That is the exact place in the order of changes, but names no causes: a renamed column is one that went and one that
came, and the default of a new one is not told. The source's catalog tells causes, by the columns' numbers, which are
never used twice; but it tells them as of now, which may be later. Where both do not agree on one story the table is
copied anew.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from deployer.local.replication.ddl import ColumnAdded, ColumnDropped, ColumnRenamed
from deployer.local.replication.postgres import types
from deployer.local.replication.postgres.definition import Listed, PostgresColumn, PostgresTable
from deployer.local.replication.postgres.messages import Relation, RelationColumn


@dataclass(frozen=True)
class Story:
    """What to do to the landing table; `ghosts` and `numbers` are the table's afterwards."""

    actions: tuple[ColumnDropped | ColumnRenamed | ColumnAdded, ...]
    numbers: int
    ghosts: tuple[str, ...]


def relation_of(listed: Listed) -> Relation:
    """The Relation that the source would send for the table as it is now."""
    table = listed.table
    columns = tuple(RelationColumn(c.name, c.type_id, c.modifier) for c in table.own)
    return Relation(table.oid, table.schema, table.name, columns)


def was_rewritten(known: PostgresTable, now: PostgresTable) -> bool:
    """Whether values may have changed without a row's change: ALTER COLUMN TYPE ... USING. VACUUM FULL and CLUSTER
    write a table anew, too, but leave the definitions of its columns alone.
    """
    altered = {column.number: column.altered for column in now.own}
    return bool(known.file) and known.file != now.file and any(
        altered.get(column.number, column.altered) != column.altered for column in known.own
    )  # fmt: skip


def follow(known: PostgresTable, sent: Relation, now: Listed | None) -> Story | None:
    """How the table that landing knows became the one that was sent; None where it must be copied anew."""
    if now is None or tuple(now.table.key) != known.key and _key_numbers(now.table) != _key_numbers(known):
        return None
    live = {column.number: column for column in now.table.own}
    names_now = {column.name: column.number for column in now.table.own}
    by_name = {column.name: column for column in sent.columns}
    names_known = set(known.names)
    rest = dict(by_name)
    dropped: list[ColumnDropped] = []
    renamed: list[ColumnRenamed] = []
    place = (known.schema, known.name)
    for column in known.own:
        there = by_name.get(column.name)
        alive = live.get(column.number)
        if there is not None:
            if not _same(there, column) or names_now.get(column.name, column.number) != column.number:
                # Another type; or a name that another column has now, which may have begun before these rows.
                return None
            del rest[column.name]
        elif alive is None:
            dropped.append(ColumnDropped(place, column.name))
        else:
            new = rest.get(alive.name)
            if new is None or not _same(new, column) or alive.name in names_known:
                return None
            renamed.append(ColumnRenamed(place, column.name, alive.name))
            del rest[alive.name]
    added = _added(known, now, rest)
    if added is None:
        return None
    actions, numbers, ghosts = added
    return Story((*dropped, *renamed, *actions), numbers, ghosts)


def _added(
    known: PostgresTable, now: Listed, rest: dict[str, RelationColumn]
) -> tuple[list[ColumnAdded], int, tuple[str, ...]] | None:
    """The columns that came; None when it is not certain which they are, or what rows have in them."""
    ghosts = tuple(name for name in known.ghosts if name in rest)
    fresh = {c.name: c for c in now.table.own if c.number > known.numbers}
    gone = [
        number
        for number in range(known.numbers + 1, now.table.numbers + 1)
        if number not in now.hidden and all(c.number != number for c in fresh.values())
    ]
    actions, numbers = [], known.numbers
    for name, sent in rest.items():
        if name in ghosts:
            continue
        column = fresh.get(name)
        if column is None:
            # Added and dropped again since these rows were written. It could also have been renamed.
            if not gone or any(_same(sent, other) and other.name not in rest for other in fresh.values()):
                return None
            ghosts += (name,)
            numbers = max(numbers, gone.pop(0))
            continue
        value = now.added[column.number]
        if gone and gone[0] < column.number:
            # The name may have been another column's, which is gone.
            return None
        if not _same(sent, column) or column.landing_type is None or value.computed:
            return None
        if not value.has_missing and known.file != now.table.file and known.file:
            return None
        numbers = max(numbers, column.number)
        actions.append(ColumnAdded((known.schema, known.name), column, _default(column, value.missing)))
    if any(column.number <= numbers and column.name not in rest for column in fresh.values()):
        return None
    return actions, numbers, ghosts


def _default(column: PostgresColumn, missing: str | None) -> str | None:
    convert = types.converter(column.type)
    return missing if missing is None or convert is None else convert(missing)


def _same(sent: RelationColumn, column: PostgresColumn) -> bool:
    return (sent.type_id, sent.modifier) == (column.type_id, column.modifier)


def _key_numbers(table: PostgresTable) -> list[int]:
    numbers = {column.name: column.number for column in table.own}
    return [numbers.get(name, 0) for name in table.key]


def settled(known: PostgresTable, now: PostgresTable) -> PostgresTable:
    """The table with what the catalog says of it, once landing has reached the same shape."""
    altered = {column.number: column.altered for column in now.own}
    columns = tuple(replace(c, altered=altered.get(c.number, c.altered)) for c in known.own)
    return replace(known, columns=columns, file=now.file, numbers=max(known.numbers, now.numbers), ghosts=())
