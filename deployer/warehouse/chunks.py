"""Long texts in rows: cut into parts that fit Redshift's longest VARCHAR, and put together again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from deployer.warehouse.session import Session

PART_BYTES = 65_535
"""The longest VARCHAR, in bytes of UTF-8 (Redshift Database Developer Guide, "Character types")."""

_STATEMENT_BYTES = 1_000_000
_STATEMENT_VALUES = 30_000
"""A statement of several rows stays far below 16 MB (the longest SQL statement) and below the 32,767 values that the
protocol can bind."""


def cut(text: str) -> list[str]:
    """`text` in parts of at most PART_BYTES bytes, never within a character; one empty part for an empty text."""
    parts = []
    raw = text.encode()
    start = 0
    while start < len(raw):
        end = min(start + PART_BYTES, len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:
            # 10xxxxxx goes on with the character before it.
            end -= 1
        parts.append(raw[start:end].decode())
        start = end
    return parts or [""]


def joined(rows: Iterable[tuple[str, int, str]]) -> dict[str, str]:
    """Texts by key from rows of key, part number and part, in any order."""
    found: dict[str, list[tuple[int, str]]] = {}
    for key, number, part in rows:
        found.setdefault(key, []).append((number, part))
    return {key: "".join(part for _, part in sorted(parts)) for key, parts in found.items()}


def insert(session: Session, table: str, columns: str, rows: Iterable[Sequence[object]]) -> None:
    """Insert rows with few statements: each INSERT costs Redshift more than its rows.

    `table` and `columns` are our own names; values are bound.
    """
    for batch in _batches(rows):
        marks = ", ".join("(" + ", ".join(["%s"] * len(row)) + ")" for row in batch)
        values = [value for row in batch for value in row]
        session.execute(f"insert into {table} ({columns}) values {marks}", values)


def _batches(rows: Iterable[Sequence[object]]) -> Iterator[list[Sequence[object]]]:
    batch: list[Sequence[object]] = []
    size = count = 0
    for row in rows:
        weight = sum(len(value.encode()) if isinstance(value, str) else 8 for value in row)
        if batch and (size + weight > _STATEMENT_BYTES or count + len(row) > _STATEMENT_VALUES):
            yield batch
            batch, size, count = [], 0, 0
        batch.append(row)
        size += weight
        count += len(row)
    if batch:
        yield batch
