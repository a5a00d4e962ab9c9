"""Parse CREATE PROCEDURE: everything around the body.

Source: Redshift Database Developer Guide, "CREATE PROCEDURE" and "Stored procedure limitations".
"""

from __future__ import annotations

from dataclasses import dataclass

from deployer.sql.lexer import Token, tokenize
from deployer.sql.names import Name
from deployer.sql.plpgsql import BodyError, parse_body
from deployer.sql.plpgsql_ast import Block

MAX_ARGUMENTS = 32
_MODES = {"in": "in", "out": "out", "inout": "inout"}


@dataclass(frozen=True)
class ArgumentText:
    """A declared argument; `name` is empty when it has none, `mode` is in, out or inout."""

    name: str
    mode: str
    type_text: str


@dataclass(frozen=True)
class CreateProcedure:
    """A parsed CREATE PROCEDURE. `body_at` is the 0-based offset of the body's first character in the statement."""

    name: Name
    replace: bool
    arguments: tuple[ArgumentText, ...]
    body: str
    body_at: int
    block: Block
    definer: bool
    nonatomic: bool
    settings: tuple[str, ...]


def parse_create_procedure(text: str) -> CreateProcedure:
    """Parse one CREATE [OR REPLACE] PROCEDURE statement, its body included.

    Raises BodyError with a position in `text`, and LexError.
    """
    tokens = tokenize(text)
    at = 0

    def word(*values: str) -> bool:
        return all(tokens[at + i].kind == "word" and tokens[at + i].value == v for i, v in enumerate(values))

    def fail(token: Token, message: str = "") -> BodyError:
        near = text[token.start : token.end] or "end of statement"
        return BodyError(message or f'syntax error at or near "{near}"', token.start, bool(message))

    def take(*values: str) -> None:
        nonlocal at
        if not word(*values):
            raise fail(tokens[at])
        at += len(values)

    take("create")
    replace = word("or", "replace")
    at += 2 * replace
    take("procedure")
    parts: list[str] = []
    while True:
        if tokens[at].kind not in ("word", "quoted"):
            raise fail(tokens[at])
        parts.append(tokens[at].value)
        at += 1
        if tokens[at].value != "." or tokens[at].kind != "op":
            break
        at += 1
    if len(parts) > 3:
        raise fail(tokens[at - 1])
    name = Name(parts[-1], parts[-2] if len(parts) > 1 else None, parts[-3] if len(parts) > 2 else None)
    if tokens[at].value != "(":
        raise fail(tokens[at])
    arguments, at = _arguments(text, tokens, at + 1)
    nonatomic = definer = secured = False
    settings: list[str] = []
    body: Token | None = None
    language = ""
    while tokens[at].kind != "end":
        if word("nonatomic"):
            nonatomic = True
            at += 1
        elif word("as"):
            body = tokens[at + 1]
            if body.kind != "string" or not text.startswith("$", body.start):
                raise fail(body, "a procedure's body must be quoted with dollar signs: AS $$ ... $$")
            at += 2
        elif word("language"):
            language = tokens[at + 1].value
            if language != "plpgsql":
                raise fail(
                    tokens[at + 1], f'language "{language}" does not exist for procedures; use plpgsql'
                )
            at += 2
        elif word("security", "definer") or word("security", "invoker"):
            definer = tokens[at + 1].value == "definer"
            secured = True
            at += 2
        elif word("set"):
            setting, at = _setting(text, tokens, at + 1)
            settings.append(setting)
        else:
            raise fail(tokens[at])
    if body is None or not language:
        raise fail(tokens[at], "CREATE PROCEDURE needs AS $$ ... $$ and LANGUAGE plpgsql")
    if nonatomic and (definer or settings):
        what = "SECURITY DEFINER" if definer else "SET"
        raise fail(body, f"a NONATOMIC procedure cannot have {what} on Redshift")
    del secured
    opening = text.index("$", body.start + 1) + 1 - body.start
    body_at = body.start + opening
    try:
        block = parse_body(body.value)
    except BodyError as error:
        raise BodyError(error.message, body_at + error.position, error.unsupported) from error
    return CreateProcedure(
        name, replace, arguments, body.value, body_at, block, definer, nonatomic, tuple(settings)
    )


def _arguments(text: str, tokens: list[Token], at: int) -> tuple[tuple[ArgumentText, ...], int]:
    found: list[ArgumentText] = []
    if tokens[at].value == ")":
        return (), at + 1
    while True:
        start = at
        depth = 0
        while depth or tokens[at].kind != "op" or tokens[at].value not in (",", ")"):
            token = tokens[at]
            if token.kind == "end":
                raise BodyError("syntax error: the argument list is not closed", token.start)
            if token.kind == "word" and token.value == "default" or token.value in (":=", "="):
                raise BodyError("default arguments are not supported on Redshift", token.start, True)
            if token.kind == "op":
                depth += (token.value == "(") - (token.value == ")")
            at += 1
        found.append(_argument(text, tokens[start:at], tokens[at]))
        at += 1
        if tokens[at - 1].value == ")":
            break
    for mode, words in (("in", ("in", "inout")), ("out", ("out", "inout"))):
        if sum(a.mode in words for a in found) > MAX_ARGUMENTS:
            raise BodyError(f"a procedure has at most {MAX_ARGUMENTS} {mode} arguments on Redshift", 0, True)
    return tuple(found), at


def _argument(text: str, tokens: list[Token], closing: Token) -> ArgumentText:
    """[name] [mode] type or [mode] [name] type."""
    if not tokens:
        raise BodyError(f'syntax error at or near "{closing.value}"', closing.start)
    mode, name, rest = "in", "", list(tokens)

    def mode_of(token: Token) -> str | None:
        return _MODES.get(token.value) if token.kind == "word" else None

    if len(rest) > 1 and mode_of(rest[0]):
        mode = mode_of(rest.pop(0)) or "in"
        if mode == "in" and len(rest) > 1 and rest[0].value == "out" and rest[0].kind == "word":
            mode = "inout"
            rest.pop(0)
    if len(rest) > 1 and rest[0].kind in ("word", "quoted") and rest[1].value != "(":
        two_words = rest[0].value in ("double", "character", "timestamp", "time", "national", "binary")
        if not (
            two_words and rest[1].value in ("precision", "varying", "with", "without", "character", "char")
        ):
            name = rest.pop(0).value
    if name and len(rest) > 1 and mode_of(rest[0]):
        mode = mode_of(rest.pop(0)) or "in"
    return ArgumentText(name, mode, text[rest[0].start : rest[-1].end])


def _setting(text: str, tokens: list[Token], at: int) -> tuple[str, int]:
    """SET name { TO | = } value, after SET."""
    name = tokens[at].value
    at += 1
    if tokens[at].value in ("to", "="):
        at += 1
    values = [tokens[at].value]
    at += 1
    while tokens[at].value == "," and tokens[at].kind == "op":
        values.append(tokens[at + 1].value)
        at += 2
    return f"{name}={', '.join(values)}", at
