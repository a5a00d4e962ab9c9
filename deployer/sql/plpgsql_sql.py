"""SQL statements inside of a procedure's body: where they end, their INTO, and which ones Redshift allows there."""

from __future__ import annotations

from deployer.sql.classify import Kind, classify_tokens
from deployer.sql.lexer import Token
from deployer.sql.plpgsql_ast import Sql, Text
from deployer.sql.plpgsql_reader import Reader

NO_USING = "EXECUTE ... USING is not supported on Redshift; use QUOTE_LITERAL"
_OWN_CONTEXT = ("prepare", "deallocate", "vacuum")
"""DG "Limits and differences": commands that need a transaction of their own, beside those `classify` calls alone."""


def read_target(reader: Reader) -> str:
    """A variable or a record's field: "total", "rec.total"."""
    name = reader.name()
    while reader.accept_op("."):
        name += "." + reader.name()
    return name


def read_targets(reader: Reader) -> tuple[str, ...]:
    """The variables after INTO or FOR."""
    if reader.is_word("strict"):
        reader.refuse("SELECT INTO STRICT is not supported on Redshift")
    names = [read_target(reader)]
    while reader.accept_op(","):
        names.append(read_target(reader))
    return tuple(names)


def forbidden(tokens: list[Token], kind: Kind) -> str:
    """The name of the command when it cannot be used in a procedure, else an empty text."""
    words = [token.value for token in tokens if token.kind == "word"]
    first = words[0] if words else ""
    if first == "set" and words[1:2] == ["local"]:
        return "SET LOCAL"
    if kind.alone and "append" in words:
        return "ALTER TABLE APPEND"
    if kind.alone and "external" in words:
        return f"{first} external table".upper()
    if kind.alone and kind.object:
        return f"{first} {kind.object}".upper()
    return first.upper() if kind.alone or first in _OWN_CONTEXT else ""


def read_sql(reader: Reader) -> Sql:
    """A statement that goes to the warehouse, up to its semicolon."""
    start = reader.at
    first = reader.token
    if first.kind != "word" and not reader.is_op("("):
        reader.fail()
    while not reader.is_op(";"):
        if reader.token.kind == "end":
            reader.fail('expected ";"')
        reader.at += 1
    tokens = reader.tokens[start : reader.at]
    text = reader.slice(start, reader.at)
    kind = classify_tokens([*tokens, Token("end", "", tokens[-1].end, tokens[-1].end)])
    if kind.name in ("unknown", "empty"):
        reader.at = start
        reader.fail()
    name = forbidden(tokens, kind)
    if name:
        reader.refuse(f"{name} cannot be used in a procedure on Redshift", text.at)
    if kind.name in ("insert", "update", "delete", "merge"):
        returning = next((t for t in tokens if t.kind == "word" and t.value == "returning"), None)
        if returning is not None:
            reader.refuse("RETURNING is not supported on Redshift", returning.start)
    if kind.name == "create_table_as" and first.value != "create" or kind.name == "select":
        return _select(reader, text, tokens)
    return Sql(text.at, kind.name, text)


def _select(reader: Reader, text: Text, tokens: list[Token]) -> Sql:
    """SELECT ... INTO targets: the INTO clause, which may stand nearly anywhere, is blanked, so that offsets stay."""
    depth = 0
    for index, token in enumerate(tokens):
        if token.kind == "op":
            depth += (token.value in "([") - (token.value in ")]")
        if depth or token.kind != "word" or token.value != "into":
            continue
        inner = Reader(reader.text, [*tokens[index + 1 :], Token("end", "", tokens[-1].end, tokens[-1].end)])
        if inner.is_word("temp", "temporary", "table") or inner.token.value.startswith("#"):
            return Sql(text.at, "create_table_as", text)
        targets = read_targets(inner)
        begin, end = token.start - text.at, inner.tokens[inner.at - 1].end - text.at
        blank = "".join(c if c == "\n" else " " for c in text.sql[begin:end])
        return Sql(text.at, "select", Text(text.sql[:begin] + blank + text.sql[end:], text.at), targets)
    return Sql(text.at, "select", text)
