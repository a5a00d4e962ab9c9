"""Decoded changes of a table, and what they make of its rows.

A server that is not Aurora sends less than whole rows: of an updated row no old values, of a deleted one the key, and
of large values that were left alone nothing. Landing has them: the rows that a batch changes are read from it first.
(Aurora's enhanced logical replication writes every column, as REPLICA IDENTITY FULL does.)
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from psycopg import sql

from deployer.local.replication import landing
from deployer.local.replication.apply import Diverged, arrays
from deployer.local.replication.batch import Key, Net
from deployer.local.replication.landing import Connection
from deployer.local.replication.postgres import types
from deployer.local.replication.postgres.definition import PostgresTable
from deployer.local.replication.postgres.messages import UNCHANGED, Relation, Values, change
from deployer.local.replication.rowimage import Row, Undecodable


@dataclass(frozen=True)
class Event:
    """A change in the order of landing's columns. `old` is whole or has the key only; None where it was not sent."""

    kind: str
    old: Row | None
    whole: bool
    new: Row | None


class Decoder:
    """Makes events of the messages that follow on one Relation."""

    def __init__(
        self,
        table: PostgresTable,
        relation: Relation,
        old_names: dict[str, str],
        defaults: dict[str, str | None],
    ) -> None:
        """`old_names`: what columns were called that have been renamed since, in the same transaction; `defaults`: what
        those have that were added in it.
        """
        places = {column.name: place for place, column in enumerate(relation.columns)}
        self._takes = [places.get(name, places.get(old_names.get(name, ""), -1)) for name in table.names]
        self._converts = [types.converter(column.type) for column in table.own]
        self._plain = not any(self._converts)
        self._straight = self._plain and self._takes == list(range(len(relation.columns)))
        self._defaults = [defaults.get(name) for name in table.names]

    def event(self, data: bytes) -> Event:
        """Raises Undecodable."""
        found = change(data)
        return Event(
            found.kind,
            None if found.old is None else self._row(found.old),
            found.whole,
            None if found.new is None else self._row(found.new),
        )

    def _row(self, values: Values) -> Row:
        if self._straight:
            return tuple(values)
        row = [
            values[place] if place >= 0 else default
            for place, default in zip(self._takes, self._defaults, strict=True)
        ]
        if not self._plain:
            for place, convert in enumerate(self._converts):
                value = row[place]
                if convert is not None and value is not None and value is not UNCHANGED:
                    try:
                        row[place] = convert(value)
                    except ValueError:
                        raise Undecodable("A value cannot be read") from None
        return tuple(row)


class Present:
    """The present rows of a table, as far as a batch needs them."""

    def __init__(self, table: PostgresTable, history: bool) -> None:
        """`history`: landing has past rows, too."""
        self.key_places = table.key_places
        self._active = sql.SQL("l._record_is_active and " if history else "")
        self._table = table
        self._rows: dict[Key, Row | None] = {}
        self._emptied = False

    def read(self, connection: Connection, database: str, keys: Iterable[Key]) -> None:
        """Read these rows from landing."""
        wanted = list(dict.fromkeys(keys))
        if not wanted:
            return
        key = [self._table.columns[place] for place in self.key_places]
        names = [sql.Identifier(f"k{number}") for number in range(len(key))]
        statement = sql.SQL(
            "select {columns} from unnest({arrays}) as c ({names}) join {target} as l on {active}{same}"
        ).format(
            columns=sql.SQL(", ").join(sql.Identifier("l", name) for name in self._table.names),
            arrays=arrays(key),
            names=sql.SQL(", ").join(names),
            target=landing.table_of(database, self._table),
            active=self._active,
            same=sql.SQL(" and ").join(
                sql.SQL("({}) = ({})").format(
                    landing.disguised(column, sql.Identifier("l", column.name)),
                    landing.disguised(column, sql.SQL("c.{}").format(name)),
                )
                for column, name in zip(key, names, strict=True)
            ),
        )
        cursor = connection.execute(statement, [list(each) for each in zip(*wanted, strict=True)])
        result = cursor.pgresult
        assert result is not None
        for number in range(result.ntuples):
            # As COPY writes them: psycopg's own objects would have to be written again.
            row = tuple(
                None if (value := result.get_value(number, column)) is None else value.decode()
                for column in range(result.nfields)
            )
            self._rows[self.key_of(row)] = row

    def key_of(self, row: Row) -> Key:
        return tuple([row[place] for place in self.key_places])

    def empty(self) -> None:
        """TRUNCATE: no row is there any more."""
        self._rows.clear()
        self._emptied = True

    def take(self, event: Event, net: Net) -> None:
        """Add one change to its transaction's net change. Raises Diverged."""
        if event.kind == "I":
            assert event.new is not None
            self._rows[self.key_of(event.new)] = event.new
            net.add(None, event.new)
            return
        key = self.key_of(event.old if event.old is not None else event.new or ())
        before = event.old if event.whole else self._rows.get(key)
        if before is None or self._emptied and key not in self._rows:
            raise Diverged("a changed row is not in the landing table")
        self._rows[key] = None
        after = event.new
        if after is not None:
            if UNCHANGED in after:
                after = tuple(
                    [old if new is UNCHANGED else new for old, new in zip(before, after, strict=True)]
                )
            self._rows[self.key_of(after)] = after
        net.add(before, after)
