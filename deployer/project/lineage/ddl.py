"""Names of columns out of CREATE TABLE and ALTER TABLE. The grammar: DG r_CREATE_TABLE_NEW, r_ALTER_TABLE."""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.sql.parse.nodes import Query
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused

_CONSTRAINTS = ("constraint", "primary", "unique", "foreign", "check")


@dataclass(slots=True)
class NewTable:
    """CREATE TABLE. `likes` are the tables whose columns are copied, each with its place among `columns`."""

    parts: tuple[str, ...]
    temporary: bool
    columns: list[str] = field(default_factory=list)
    likes: list[tuple[int, tuple[str, ...]]] = field(default_factory=list)
    query: Query | None = None


@dataclass(frozen=True, slots=True)
class Altered:
    """ALTER TABLE, as far as it changes names. `verb` is add, drop, rename, rename_table, append or other."""

    parts: tuple[str, ...]
    verb: str
    column: str = ""
    new_name: str = ""
    other: tuple[str, ...] = ()


def create_table(text: str) -> NewTable:
    """Read CREATE TABLE in any of its forms. Raises Refused."""
    parser = Parser(text)
    parser.expect("create")
    external = parser.accept("external")
    parser.accept("local")
    temporary = parser.accept("temporary") or parser.accept("temp")
    parser.expect("table")
    parser.accept("if", "not", "exists")
    parts = parser.qualified()
    table = NewTable(parts, temporary or parts[-1].startswith("#"))
    if parser.is_op("("):
        _elements(parser, table)
    if external:
        return table
    while parser.token.kind != "end":
        if parser.is_word("as"):
            parser.next()
            table.query = parser.query()
            break
        parser.next()
    return table


def _elements(parser: Parser, table: NewTable) -> None:
    parser.expect_op("(")
    while True:
        if parser.accept("like"):
            table.likes.append((len(table.columns), parser.qualified()))
        elif not parser.any_word(_CONSTRAINTS):
            table.columns.append(parser.identifier())
        _skip(parser)
        if not parser.accept_op(","):
            break
    parser.expect_op(")")


def _skip(parser: Parser) -> None:
    """To the comma or parenthesis that ends a column's definition."""
    depth = 0
    while depth or not (parser.is_op(",") or parser.is_op(")")):
        if parser.token.kind == "end":
            parser.fail()
        depth += parser.is_op("(") - parser.is_op(")")
        parser.next()


def alter_table(text: str) -> Altered:
    """Read ALTER TABLE. Raises Refused."""
    parser = Parser(text)
    parser.expect("alter", "table")
    parts = parser.qualified()
    if parser.accept("add"):
        if parser.any_word(_CONSTRAINTS):
            return Altered(parts, "other")
        parser.accept("column")
        return Altered(parts, "add", parser.identifier())
    if parser.accept("drop"):
        if parser.any_word(_CONSTRAINTS):
            return Altered(parts, "other")
        parser.accept("column")
        return Altered(parts, "drop", parser.identifier())
    if parser.accept("rename"):
        if parser.accept("to"):
            return Altered(parts, "rename_table", new_name=parser.identifier())
        parser.accept("column")
        old = parser.identifier()
        parser.expect("to")
        return Altered(parts, "rename", old, parser.identifier())
    if parser.accept("append"):
        parser.expect("from")
        return Altered(parts, "append", other=parser.qualified())
    return Altered(parts, "other")


def create_view(text: str) -> tuple[tuple[str, ...], tuple[str, ...], Query]:
    """Read CREATE [OR REPLACE] [MATERIALIZED] VIEW: its name, its listed columns, its query. Raises Refused."""
    parser = Parser(text)
    parser.expect("create")
    parser.accept("or", "replace")
    materialized = parser.accept("materialized")
    parser.expect("view")
    parts = parser.qualified()
    columns = parser.identifiers() if parser.is_op("(") else ()
    while materialized and parser.token.kind != "end" and not parser.is_word("as"):
        parser.next()
    parser.expect("as")
    return parts, columns, parser.query()


def dropped(text: str) -> list[tuple[str, ...]]:
    """The names of DROP TABLE [IF EXISTS] a, b. Raises Refused."""
    parser = Parser(text)
    parser.expect("drop")
    if not (parser.accept("table") or parser.accept("view")):
        raise Refused("not DROP TABLE", position=0)
    parser.accept("if", "exists")
    found = [parser.qualified()]
    while parser.accept_op(","):
        found.append(parser.qualified())
    return found
