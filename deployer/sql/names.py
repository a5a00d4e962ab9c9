"""Identifiers and literals: the one place that quotes them."""

from __future__ import annotations

from dataclasses import dataclass

MAX_IDENTIFIER_BYTES = 127


def quote_ident(name: str) -> str:
    """`name` as a delimited identifier, always quoted, so that no word is ever reserved.

    Raises ValueError for an empty name, a NUL character, or more than 127 bytes (Redshift's limit).
    """
    if not name or "\x00" in name:
        raise ValueError("an identifier must not be empty or hold a NUL character")
    if len(name.encode()) > MAX_IDENTIFIER_BYTES:
        raise ValueError(f"identifier {name[:40]!r}... is longer than {MAX_IDENTIFIER_BYTES} bytes")
    return '"' + name.replace('"', '""') + '"'


def quote_literal(text: str) -> str:
    """`text` as a string literal. Redshift reads a backslash as an escape, so it is doubled too."""
    if "\x00" in text:
        raise ValueError("a string literal cannot hold a NUL character")
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"


@dataclass(frozen=True, order=True)
class Name:
    """A relation's or procedure's name, already folded as Redshift folds it (lower case unless quoted)."""

    name: str
    schema: str | None = None
    database: str | None = None

    def sql(self) -> str:
        """The name with every part quoted."""
        parts = (self.database, self.schema, self.name)
        return ".".join(quote_ident(part) for part in parts if part is not None)

    def __str__(self) -> str:
        return ".".join(part for part in (self.database, self.schema, self.name) if part is not None)
