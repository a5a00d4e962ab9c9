"""What has happened to a table's definition, from three pictures of it.

pgoutput sends no definitions: it sends the columns that a table had (Relation) before the first row of each new shape.
That is the exact place in the order of changes, but names no causes: a renamed column is one that went and one that
came, and the default of a new one is not told. The source's catalog tells causes, by the columns' numbers, which are
never used twice; but it tells them as of now, which may be later. Where both do not agree on one story the table is
copied anew.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
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
    passing: tuple[RelationColumn, ...]

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
        ghosts = {ghost.name for ghost in (*self.passing, *self.after.ghosts)}
        if not names <= {*self.after.names, *old.values(), *gone, *ghosts}:
            return False
        return all(
            name in names or old.get(name) in names or name in self.defaults for name in self.after.names
        )


def relation_of(listed: Listed) -> Relation:
    """The Relation that the source would send for the table as it is now."""
    table = listed.table
    return Relation(table.oid, table.schema, table.name, relation_columns(table))


def relation_columns(table: PostgresTable) -> tuple[RelationColumn, ...]:
    """The columns as a Relation has them."""
    return tuple(RelationColumn(c.name, c.type_id, c.modifier) for c in table.own)


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
    if now is None and relation_columns(known) == sent.columns:
        # It is gone by now, and could not be copied: its last changes came to the columns that landing knows.
        return Story((), known, known.ghosts)
    if now is None or _key_numbers(now.table) != _key_numbers(known):
        return None
    numbers_now = {column.name: column.number for column in now.table.own}
    names = {column.name: column for column in sent.columns}
    for column in known.own:
        there = names.get(column.name)
        if there is not None and (
            not _same(there, column) or numbers_now.get(column.name, column.number) != column.number
        ):
            # Another type; or a name that another column has now, which may have begun before these rows.
            return None
    numbers = _Numbers(known, sent, now).tell()
    return None if numbers is None else _story(known, now, sent, numbers)


class _Numbers:
    """Which column each of those that were sent is, by its number.

    A Relation has its columns in the order of their numbers. All that landing knows and the source still has are among
    them, and so is every other that the source has with a number below one of them. What else is there has been dropped
    by now: a column that landing knows, or one that came and went meanwhile, of which the catalog keeps nothing of the
    type but its modifier, the n of varchar(n). Where several ways to number them remain, they must agree on every
    column that the source still has; of the others nothing will be left.
    """

    def __init__(self, known: PostgresTable, sent: Relation, now: Listed) -> None:
        self._sent = sent.columns
        self._live = {column.number: column for column in now.table.own}
        self._alive = sorted(self._live)
        self._last_known = max((c.number for c in known.own if c.number in self._live), default=0)
        self._known = {column.number: column for column in known.own}
        self._fresh = {number: c for number, c in self._live.items() if number > known.numbers}
        self._gone = [
            number
            for number in range(1, now.table.numbers + 1)
            if number not in now.hidden and number not in self._live and number not in self._known
        ]
        self._numbers = known.numbers
        self._ghosts = {_kind(ghost) for ghost in known.ghosts}
        self._dropped = now.dropped

    def tell(self) -> list[int] | None:
        """The numbers of the columns that were sent, or None when that is not certain."""
        steps = [self._candidates(column) for column in self._sent]
        forward: list[list[int]] = []
        for place, step in enumerate(steps):
            forward.append(
                self._after(forward[-1], step) if place else [n for n in step if not self._below(n)]
            )
        found: list[list[int]] = []
        for place in reversed(range(len(steps))):
            if not found:
                found.append([n for n in forward[place] if n >= self._last_known])
            else:
                found.append(self._before(found[-1], forward[place]))
        found.reverse()
        if not all(found) or any(len(each) > 1 and self._live.keys() & set(each) for each in found):
            return None
        chosen: list[int] = []
        for each in found:
            # Each has one that goes on from the last.
            chosen.append(self._after(chosen[-1:], each)[0] if chosen else each[0])
        return chosen

    def _candidates(self, sent: RelationColumn) -> list[int]:
        """The numbers that the column may have, in order."""
        found = [n for columns in (self._known, self._fresh) for n, c in columns.items() if _same(sent, c)]
        for number in self._gone:
            if number <= self._numbers and _kind(sent) not in self._ghosts:
                continue
            if self._dropped.get(number, sent.modifier) == sent.modifier:
                found.append(number)
        return sorted(found)

    def _below(self, number: int) -> int:
        """How many columns the source has with smaller numbers."""
        return bisect_left(self._alive, number)

    def _upto(self, number: int) -> int:
        return bisect_right(self._alive, number)

    def _after(self, earlier: list[int], step: list[int]) -> list[int]:
        """Those of `step` that may follow on one of `earlier`, no column of the source in between."""
        first: dict[int, int] = {}
        for number in earlier:
            first.setdefault(self._upto(number), number)
        return [n for n in step if first.get(self._below(n), n) < n]

    def _before(self, later: list[int], step: list[int]) -> list[int]:
        last: dict[int, int] = {}
        for number in later:
            last[self._below(number)] = number
        return [n for n in step if last.get(self._upto(n), n) > n]


def _story(known: PostgresTable, now: Listed, sent: Relation, numbers: list[int]) -> Story | None:
    """What was done, once the columns are known by their numbers; None for what landing cannot do without a copy."""
    place = (known.schema, known.name)
    had = {column.number: column for column in known.own}
    names = dict(zip(numbers, sent.columns, strict=True))
    dropped = [ColumnDropped(place, column.name) for number, column in had.items() if number not in names]
    renamed = [
        ColumnRenamed(place, had[number].name, there.name)
        for number, there in names.items()
        if number in had and had[number].name != there.name
    ]
    added = []
    for column in now.table.own:
        there = names.get(column.number)
        if there is None or column.number in had:
            continue
        value = now.added[column.number]
        rewritten = bool(known.file) and known.file != now.table.file
        if column.landing_type is None or value.computed or not value.has_missing and rewritten:
            return None
        convert = types.converter(column.type)
        default = value.missing if value.missing is None or convert is None else convert(value.missing)
        added.append(ColumnAdded(place, replace(column, name=there.name), default))
    living = {column.number for column in now.table.own}
    ghosts = tuple(there for number, there in names.items() if number not in had and number not in living)
    after = _after(known, dropped, renamed, added)
    if after is None or len({action.new for action in renamed} & set(known.names)) > 0:
        # Names that columns have exchanged.
        return None
    after = replace(after, numbers=max(known.numbers, *numbers), ghosts=ghosts)
    return Story((*dropped, *renamed, *added), after, known.ghosts)


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
