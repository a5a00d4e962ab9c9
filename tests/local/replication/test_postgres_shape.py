"""How the story of a table's definition is found, or not, from what landing knows, what was sent, and the catalog."""

from __future__ import annotations

from dataclasses import replace

import pytest

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
    assert [(c.name, c.type_id) for c in story.after.own if c.name not in story.after.ghosts] == [
        (c.name, c.type_id) for c in sent(came).columns if c.name not in story.after.ghosts
    ]
    return [*shown, *(f"~{name}" for name in story.after.ghosts)]


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
        ("id a", "id a b c:bigint", listed("id a c:bigint#4"), None),
        ("id a", "id a b", listed("id a c:bigint#4"), ["~b"]),
        ("id a", "id z", listed("id", 2), ["a>z"]),
        ("id a", "id z", listed("id", 3), None),
        # Not certain: a name that is another column's now, or two that a third may have been.
        ("id a", "id a", listed("id a#3"), None),
        ("id a", "id a b", listed("id a b#4"), None),
        ("id a", "id a b", listed("id a c#4"), None),
        ("id a b", "id x y", listed("id p q"), None),
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
    known = replace(table("id a", 3), ghosts=("b",))
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
