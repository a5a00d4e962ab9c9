"""Command tags: what a statement did, in the words and with the number of CommandComplete."""

from __future__ import annotations

from deployer.sql.classify import Kind
from deployer.sql.lexer import tokenize


def own_tag(text: str, kind: Kind) -> str:
    """The tag of a definition: what was defined in the client's words, not what it became (a user became a role)."""
    if kind.name == "create_procedure":
        return "CREATE PROCEDURE"
    if kind.name in ("show", "grant", "revoke"):
        return kind.name.upper()
    if kind.name != "ddl" or not kind.object:
        return ""
    if kind.object == "default":
        return "ALTER DEFAULT PRIVILEGES"
    return f"{tokenize(text)[0].value} {kind.object}".upper()


def count(tag: str) -> int:
    """The rows that a tag tells."""
    last = tag.rpartition(" ")[2]
    return int(last) if last.isdigit() else 0


def shown_tag(tag: str) -> str:
    """The tag as Redshift words it: PostgreSQL 8.0's, whose SELECT has no count."""
    return "SELECT" if tag.startswith("SELECT ") else tag
