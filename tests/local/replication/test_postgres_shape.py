"""How the story of a table's definition is found, or not, from what landing knows, what was sent, and the catalog."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deployer.local.replication.ddl import ColumnAdded, ColumnDropped, ColumnRenamed
from deployer.local.replication.postgres.definition import Added, Listed, PostgresColumn, PostgresTable
from deployer.local.replication.postgres.messages import Relation, RelationColumn
from deployer.local.replication.postgres.shape import follow, relation_of, was_rewritten

INT, BIGINT, TEXT = 23, 20, 25
NAMES = {INT: "int4", BIGINT: "int8", TEXT: "text"}


def table(columns: str, numbers: int = 0, **more: int) -> PostgresTable:
    """Columns as "id a:text b:bigint#5": a name, a type, and a number where it is not the next."""
    made: list[PostgresColumn] = []
    for each in columns.split():
        rest, _, number = each.partition("#")
        name, _, kind = rest.partition(":")
        oid = {"": INT, "bigint": BIGINT, "text": TEXT}[kind]
        last = made[-1].number if made else 0
        made.append(PostgresColumn(name, NAMES[oid], number=int(number or last + 1), type_id=oid))
    return PostgresTable(
        "s", "t", tuple(made), ("id",), oid=1, file=more.get("file", 7), numbers=max(numbers, made[-1].number)
    )


def listed(columns: str, numbers: int = 0, default: str | None = "5") -> Listed:
    found = table(columns, numbers)
    added = {c.number: Added(default, default is not None, False) for c in found.own}
    return Listed(found, added, frozenset())


def sent(columns: str) -> Relation:
    return relation_of(Listed(table(columns), {}, frozenset()))


def told(known: str, came: str, now: Listed) -> list[str] | None:
    story = follow(table(known), sent(came), now)
    if story is None:
        return None
    shown = []
    for action in story.actions:
        match action:
            case ColumnAdded(column=column, default=default):
                shown.append(f"+{column.name}#{column.number}={default}")
            case ColumnDropped(column=name):
                shown.append(f"-{name}")
            case ColumnRenamed(old=old, new=new):
                shown.append(f"{old}>{new}")
    ghosts = [ghost.name for ghost in story.after.ghosts]
    assert [(c.name, c.type_id) for c in story.after.own] == [
        (c.name, c.type_id) for c in sent(came).columns if c.name not in ghosts
    ]
    return [*shown, *(f"~{name}" for name in ghosts)]


@pytest.mark.parametrize(
    ("known", "came", "now", "story"),
    [
        ("id a", "id a", listed("id a"), []),
        ("id a", "id a b", listed("id a b"), ["+b#3=5"]),
        ("id a", "id a b", listed("id a b", default=None), ["+b#3=None"]),
        ("id a b", "id b", listed("id b#3", 3), ["-a"]),
        ("id a", "id z", listed("id z"), ["a>z"]),
        ("id a b:text", "id z b:text c:bigint", listed("id z b:text c:bigint"), ["a>z", "+c#4=5"]),
        # The stream is behind: the catalog has more.
        ("id a", "id a", listed("id a b"), []),
        ("id a", "id a", listed("id", 2), []),
        ("id a", "id z", listed("id y"), ["a>z"]),
        ("id a", "id a b", listed("id a c"), ["+b#3=5"]),
        # It came and went meanwhile.
        ("id a", "id a b", listed("id a", 3), ["~b"]),
        ("id a", "id a b c:bigint", listed("id a c:bigint#4"), ["+c#4=5", "~b"]),
        ("id a", "id a b", listed("id a c:bigint#4"), ["~b"]),
        ("id a", "id z", listed("id", 2), ["a>z"]),
        # Which of two it was, of which nothing is left.
        ("id a", "id z", listed("id", 3), ["a>z"]),
        # Several of one type: their order tells.
        ("id a b", "id x y", listed("id p q"), ["a>x", "b>y"]),
        ("id a", "id x a", listed("id p#3 q"), None),
        # Not certain: a name that is another column's now, or one that two may have had.
        ("id a", "id a", listed("id a#3"), None),
        ("id a", "id a b", listed("id a b#4"), None),
        ("id a", "id a b", listed("id a c#4"), None),
        ("id a", "id b", listed("id b#3"), None),
        # Another type, another key.
        ("id a", "id a:bigint", listed("id a:bigint"), None),
        ("id a", "a", listed("a#2", 2), None),
    ],
)
def test_stories(known: str, came: str, now: Listed, story: list[str] | None) -> None:
    if came == "a":
        now = replace(now, table=replace(now.table, key=("a",)))
    assert told(known, came, now) == story


def test_a_default_that_was_computed_and_a_table_that_is_gone_are_copied() -> None:
    now = listed("id a b")
    assert follow(table("id a"), sent("id a b"), None) is None
    # What was done to it before it went can still land, where its columns are those that landing knows.
    last = follow(table("id a"), sent("id a"), None)
    assert last is not None and not last.actions
    computed = replace(now, added=now.added | {3: Added(None, False, True)})
    assert follow(table("id a"), sent("id a b"), computed) is None
    # Without a default: NULL, unless the rows were written anew meanwhile.
    plain = replace(now, added=now.added | {3: Added(None, False, False)})
    assert follow(table("id a"), sent("id a b"), plain) is not None
    assert follow(table("id a", file=6), sent("id a b"), plain) is None


def test_names_of_one_transaction() -> None:
    story = follow(table("id a b:text"), sent("id z c:bigint"), listed("id z c:bigint#4", 4))
    assert story is not None
    assert story.explains(sent("id a b:text"))
    assert story.explains(sent("id z b:text"))
    assert not story.explains(sent("id y b:text"))
    assert not story.explains(Relation(1, "s", "t", (RelationColumn("id", INT, -1),)))


def test_a_column_that_is_never_seen_may_go_within_a_transaction() -> None:
    known = replace(table("id a", 3), ghosts=(RelationColumn("b", INT, -1),))
    story = follow(known, sent("id a"), listed("id a c#4"))
    assert story is not None and not story.actions and not story.after.ghosts
    assert story.explains(sent("id a b"))


def test_rewritten_tables() -> None:
    known = table("id a")
    moved = replace(known, file=8)
    altered = replace(moved, columns=tuple(replace(c, altered="9") for c in moved.own))
    assert not was_rewritten(known, moved)
    assert not was_rewritten(known, replace(altered, file=7))
    assert not was_rewritten(replace(known, file=0), altered)
    assert was_rewritten(known, altered)


@dataclass(frozen=True)
class Column:
    """A column of the source, by its number; `modifier` stands for its type."""

    number: int
    name: str
    modifier: int


Shape = tuple[Column, ...]

NAMED = "abcd"


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[Shape, bool]]:
    """What a table has been, one definition after the other, each with whether a row was written then."""
    shape: Shape = (Column(1, "id", -1), Column(2, "a", 1), Column(3, "b", draw(st.integers(1, 2))))
    numbers, found = 3, [(shape, True)]
    for _ in range(draw(st.integers(1, 7))):
        free = [name for name in NAMED if name not in {column.name for column in shape}]
        other = shape[1:]
        kind = draw(st.sampled_from(["add"] * bool(free) + ["drop", "rename"] * bool(other)))
        if kind == "add":
            numbers += 1
            shape += (Column(numbers, draw(st.sampled_from(free)), draw(st.integers(1, 3))),)
        elif kind == "drop":
            gone = draw(st.sampled_from(other))
            shape = tuple(column for column in shape if column != gone)
        elif free:
            moved, name = draw(st.sampled_from(other)), draw(st.sampled_from(free))
            shape = tuple(replace(column, name=name) if column == moved else column for column in shape)
        found.append((shape, draw(st.booleans())))
    return found


def as_table(shape: Shape, numbers: int) -> PostgresTable:
    columns = tuple(
        PostgresColumn(c.name, "varchar", number=c.number, type_id=1043, modifier=c.modifier) for c in shape
    )
    return PostgresTable("s", "t", columns, ("id",), oid=1, file=7, numbers=numbers)


def as_sent(shape: Shape) -> Relation:
    return Relation(1, "s", "t", tuple(RelationColumn(c.name, 1043, c.modifier) for c in shape))


@settings(max_examples=500, deadline=None)
@given(histories(), st.data())
def test_a_story_that_is_told_is_true(history: list[tuple[Shape, bool]], data: st.DataObject) -> None:
    """Whatever was done to a table, and however late it is looked at: each column that the source still has is told to
    be what it was, or the table is copied anew.
    """
    all_columns = {column.number: column for shape, _ in history for column in shape}
    known = as_table(history[0][0], 3)
    seen = 0
    for place, (shape, has_row) in enumerate(history):
        if not has_row:
            continue
        # The catalog may be ahead of the stream, never behind it.
        seen = data.draw(st.integers(max(seen, place), len(history) - 1))
        later = history[seen][0]
        numbers = max(column.number for each, _ in history[: seen + 1] for column in each)
        alive = {column.number for column in later}
        now = Listed(
            as_table(later, numbers),
            {column.number: Added("5", True, False) for column in later},
            frozenset(),
            {n: all_columns[n].modifier for n in range(1, numbers + 1) if n not in alive},
        )
        story = follow(known, as_sent(shape), now)
        if story is None:
            # A copy: landing is as the source is then.
            known = now.table
            break
        landed = {column.name: column.number for column in story.after.own}
        real = {column.name: column.number for column in shape}
        assert landed.keys() <= real.keys()
        for name, number in real.items():
            # What has gone from the source by now goes from landing with all that is in it, whichever it was.
            if number in alive or landed.get(name) in alive:
                assert landed[name] == number, name
        known = story.after
