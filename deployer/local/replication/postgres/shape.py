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
    """What to do to the landing table, and what it then is. `passing`: the ghosts that it had before."""

    actions: tuple[ColumnDropped | ColumnRenamed | ColumnAdded, ...]
    after: PostgresTable
    passing: tuple[str, ...]

    @property
    def old_names(self) -> dict[str, str]:
        """What renamed columns were called before."""
        return {action.new: action.old for action in self.actions if isinstance(action, ColumnRenamed)}

    @property
    def defaults(self) -> dict[str, str | None]:
        """What columns that were added have in rows that were there."""
        return {
            action.column.name: action.default for action in self.actions if isinstance(action, ColumnAdded)
        }

    def explains(self, sent: Relation) -> bool:
        """Whether rows of an earlier definition in the same transaction can be read: each of their columns is one of
        now, by one of its names, or has gone. A column that had three names cannot be told.
        """
        names = {column.name for column in sent.columns}
        old = self.old_names
        gone = {action.column for action in self.actions if isinstance(action, ColumnDropped)}
        if not names <= {*self.after.names, *old.values(), *gone, *self.passing, *self.after.ghosts}:
            return False
        return all(
            name in names or old.get(name) in names or name in self.defaults for name in self.after.names
        )


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
    if now is None or _key_numbers(now.table) != _key_numbers(known):
        return None
    numbers_now = {column.name: column.number for column in now.table.own}
    alive = {column.number: column for column in now.table.own}
    rest = {column.name: column for column in sent.columns}
    moved: list[PostgresColumn] = []
    lost: list[PostgresColumn] = []
    for column in known.own:
        there = rest.pop(column.name, None)
        if there is not None:
            if not _same(there, column) or numbers_now.get(column.name, column.number) != column.number:
                # Another type; or a name that another column has now, which may have begun before these rows.
                return None
        else:
            (moved if column.number in alive else lost).append(column)
    came = _Came(known, now, rest, moved, lost)
    if not came.tell():
        return None
    dropped = [ColumnDropped((known.schema, known.name), column.name) for column in came.lost.values()]
    after = _after(known, dropped, came.renamed, came.added)
    if after is None:
        return None
    after = replace(after, numbers=came.numbers, ghosts=tuple(came.ghosts))
    return Story((*dropped, *came.renamed, *came.added), after, known.ghosts)


class _Came:
    """What the columns are that came under names which landing does not know."""

    def __init__(
        self,
        known: PostgresTable,
        now: Listed,
        rest: dict[str, RelationColumn],
        moved: list[PostgresColumn],
        lost: list[PostgresColumn],
    ) -> None:
        """`rest`: the columns that were sent and are not known; `moved` and `lost`: those that are known and were not
        sent, and are alive, or have been dropped by now.
        """
        self._known = known
        self._now = now
        self._moved = {column.number: column for column in moved}
        self.lost = {column.number: column for column in lost}
        self.ghosts = [name for name in known.ghosts if name in rest]
        self._rest = {name: sent for name, sent in rest.items() if name not in self.ghosts}
        self._fresh = {c.number: c for c in now.table.own if c.number > known.numbers}
        self._gone = [
            number
            for number in range(known.numbers + 1, now.table.numbers + 1)
            if number not in now.hidden and number not in self._fresh
        ]
        self.numbers = known.numbers
        self.renamed: list[ColumnRenamed] = []
        self.added: list[ColumnAdded] = []

    def tell(self) -> bool:
        """Find it out; False when it is not certain."""
        live = {column.number: column for column in self._now.table.own}
        for number in list(self._moved):
            sent = self._rest.get(live[number].name)
            if sent is not None and not self._rename(number, sent):
                return False
        for number, column in list(self._fresh.items()):
            sent = self._rest.get(column.name)
            # The name may have been another column's, which is gone.
            if sent is not None and (self._gone and self._gone[0] < number or not self._add(number, sent)):
                return False
        for sent in list(self._rest.values()):
            if not self._by_elimination(sent):
                return False
        # A column that landing knows and the source has is in every row; and what was passed over would be lost.
        return not self._moved and all(number > self.numbers for number in self._fresh)

    def _by_elimination(self, sent: RelationColumn) -> bool:
        """A name that is no column's any more: of one that has been renamed since, or dropped."""
        kin = [other for other in self._rest.values() if _kind(other) == _kind(sent)]
        known = self._moved | self.lost
        moved = [number for number, column in known.items() if _same(sent, column)]
        fresh = [number for number, column in self._fresh.items() if _same(sent, column)]
        if len(kin) != 1 or len(moved) + len(fresh) + bool(self._gone) != 1:
            return False
        if moved:
            return self._rename(moved[0], sent)
        if fresh:
            return self._add(fresh[0], sent)
        self.numbers = max(self.numbers, self._gone.pop(0))
        self.ghosts.append(sent.name)
        del self._rest[sent.name]
        return True

    def _rename(self, number: int, sent: RelationColumn) -> bool:
        column = self._moved.pop(number, None) or self.lost.pop(number)
        del self._rest[sent.name]
        self.renamed.append(ColumnRenamed((self._known.schema, self._known.name), column.name, sent.name))
        return _same(sent, column)

    def _add(self, number: int, sent: RelationColumn) -> bool:
        column = self._fresh.pop(number)
        del self._rest[sent.name]
        value = self._now.added[number]
        rewritten = bool(self._known.file) and self._known.file != self._now.table.file
        if not _same(sent, column) or column.landing_type is None or value.computed:
            return False
        if not value.has_missing and rewritten:
            return False
        self.numbers = max(self.numbers, number)
        convert = types.converter(column.type)
        default = value.missing if value.missing is None or convert is None else convert(value.missing)
        self.added.append(
            ColumnAdded((self._known.schema, self._known.name), replace(column, name=sent.name), default)
        )
        return True


def puzzle(known: PostgresTable, sent: Relation, now: Listed | None) -> str:
    """Why a table is copied anew, for the log."""
    here = " ".join(f"{column.name}#{column.number}" for column in known.own)
    there = " ".join(column.name for column in sent.columns)
    later = "gone" if now is None else " ".join(f"{column.name}#{column.number}" for column in now.table.own)
    return f"how ({here}) became ({there}) cannot be told, the source's table being ({later}) now"


def _after(
    known: PostgresTable, dropped: list[ColumnDropped], renamed: list[ColumnRenamed], added: list[ColumnAdded]
) -> PostgresTable | None:
    """The table with all that done; None without a column of its key, which needs a copy."""
    gone = {action.column for action in dropped}
    names = {action.old: action.new for action in renamed}
    if gone & set(known.key):
        return None
    columns = tuple(
        replace(column, name=names.get(column.name, column.name))
        for column in known.columns
        if column.name not in gone
    )
    key = tuple(names.get(name, name) for name in known.key)
    return replace(known, columns=columns + tuple(action.column for action in added), key=key)


def _kind(sent: RelationColumn) -> tuple[int, int]:
    return sent.type_id, sent.modifier


def _same(sent: RelationColumn, column: PostgresColumn) -> bool:
    return _kind(sent) == (column.type_id, column.modifier)


def _key_numbers(table: PostgresTable) -> list[int]:
    numbers = {column.name: column.number for column in table.own}
    return [numbers.get(name, 0) for name in table.key]


def settled(known: PostgresTable, now: PostgresTable) -> PostgresTable:
    """The table with what the catalog says of it, once landing has reached the same shape."""
    altered = {column.number: column.altered for column in now.own}
    columns = tuple(replace(c, altered=altered.get(c.number, c.altered)) for c in known.own)
    return replace(known, columns=columns, file=now.file, numbers=max(known.numbers, now.numbers), ghosts=())
