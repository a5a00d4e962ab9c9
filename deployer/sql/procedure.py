"""Parse CREATE PROCEDURE: everything around the body. And the signatures by which DROP, ALTER, SHOW, GRANT name one.

Source: Redshift Database Developer Guide, "CREATE PROCEDURE", "Limits and differences for stored procedure support".
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from deployer.sql.lexer import Token
from deployer.sql.names import Name
from deployer.sql.plpgsql import parse_body
from deployer.sql.plpgsql_ast import Block
from deployer.sql.plpgsql_check import check_mode
from deployer.sql.plpgsql_names import check_names
from deployer.sql.plpgsql_reader import BodyError, Reader, read_tokens

MAX_ARGUMENTS = 32
"""DG "Limits and differences": 32 input and 32 output arguments."""

_MODES = ("in", "out", "inout")
_TWO_WORD_TYPES = {
    "double": ("precision",),
    "character": ("varying",),
    "binary": ("varying",),
    "national": ("character", "char"),
    "timestamp": ("with", "without"),
    "time": ("with", "without"),
    "interval": ("year", "month", "day", "hour", "minute", "second"),
}


@dataclass(frozen=True)
class ArgumentText:
    """A declared argument; `name` is empty when it has none, `mode` is in, out or inout."""

    name: str
    mode: str
    type_text: str
    at: int = 0


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


@lru_cache(maxsize=128)
def parse_create_procedure(text: str) -> CreateProcedure:
    """Parse one CREATE [OR REPLACE] PROCEDURE statement, its body included.

    Raises BodyError with a position in `text`. A project's files are read by several rooms: the trees, which nobody
    can change, are kept.
    """
    reader = Reader(text, read_tokens(text))
    reader.expect("create")
    replace = reader.accept("or", "replace")
    reader.expect("procedure")
    if reader.accept("if", "not", "exists"):
        reader.refuse("CREATE PROCEDURE takes no IF NOT EXISTS on Redshift; use CREATE OR REPLACE PROCEDURE")
    name = read_name(reader)
    arguments = read_arguments(reader)
    nonatomic = definer = False
    settings: list[str] = []
    body: Token | None = None
    language = False
    while reader.token.kind != "end":
        if reader.accept("nonatomic"):
            nonatomic = True
        elif reader.accept("as"):
            body = _body(reader)
        elif reader.accept("language"):
            if reader.token.value != "plpgsql":
                reader.refuse(f'language "{reader.token.value}" is not supported for procedures; use plpgsql')
            reader.next()
            language = True
        elif reader.accept("security", "definer"):
            definer = True
        elif reader.accept("security", "invoker"):
            definer = False
        elif reader.accept("set"):
            settings.append(_setting(reader))
        else:
            reader.fail()
    if body is None or not language:
        raise BodyError("CREATE PROCEDURE needs AS $$ ... $$ and LANGUAGE plpgsql", reader.token.start)
    if nonatomic and (definer or settings):
        what = "SECURITY DEFINER" if definer else "SET"
        reader.refuse(f"a NONATOMIC procedure cannot have {what} on Redshift", body.start)
    body_at = text.index("$", body.start + 1) + 1
    try:
        block = parse_body(body.value)
        check_mode(block, nonatomic)
        check_names(block, frozenset(argument.name for argument in arguments if argument.name))
    except BodyError as error:
        raise BodyError(error.message, body_at + error.position, error.unsupported) from error
    return CreateProcedure(
        name, replace, arguments, body.value, body_at, block, definer, nonatomic, tuple(settings)
    )


def read_name(reader: Reader) -> Name:
    """A procedure's name with up to two qualifiers."""
    parts = [reader.name()]
    while reader.accept_op("."):
        if len(parts) == 3:
            reader.fail()
        parts.append(reader.name())
    return Name(parts[-1], parts[-2] if len(parts) > 1 else None, parts[-3] if len(parts) > 2 else None)


def _body(reader: Reader) -> Token:
    token = reader.next()
    if token.kind != "string" or not reader.text.startswith("$", token.start):
        reader.refuse("a procedure's body must be quoted with dollar signs: AS $$ ... $$", token.start)
    return token


def _setting(reader: Reader) -> str:
    """SET name { TO | = } value, after SET: "name=value", the values of a list joined by commas."""
    name = reader.name()
    if not (reader.accept("to") or reader.accept_op("=")):
        reader.fail("expected TO")
    values: list[str] = []
    while True:
        minus = "-" if reader.accept_op("-") else ""
        if reader.token.kind not in ("word", "quoted", "string", "number"):
            reader.fail("expected a value")
        values.append(minus + reader.next().value)
        if not reader.accept_op(","):
            return f"{name}={', '.join(values)}"


def read_arguments(reader: Reader) -> tuple[ArgumentText, ...]:
    """The parenthesised arguments of CREATE, DROP, ALTER, SHOW and GRANT."""
    opening = reader.token.start
    reader.expect_op("(")
    if reader.accept_op(")"):
        return ()
    found: list[ArgumentText] = []
    while True:
        found.append(_argument(reader))
        if reader.accept_op(")"):
            break
        reader.expect_op(",")
    for mode in ("in", "out"):
        if sum(a.mode in (mode, "inout") for a in found) > MAX_ARGUMENTS:
            reader.refuse(f"a procedure has at most {MAX_ARGUMENTS} {mode}put arguments on Redshift", opening)
    names = [a.name for a in found if a.name]
    for index, name in enumerate(names):
        if name in names[:index]:
            raise BodyError(f'parameter name "{name}" used more than once', opening)
    return tuple(found)


def _argument(reader: Reader) -> ArgumentText:
    """[name] [mode] type, or [mode] [name] type."""
    at = reader.token.start
    mode = _mode(reader)
    name = ""
    if _is_name(reader):
        name = reader.name()
    if not mode:
        mode = _mode(reader)
    first, depth = reader.at, 0
    while depth or not reader.is_op(",", ")"):
        if reader.token.kind == "end":
            reader.fail('expected ")"')
        if reader.is_word("default") or reader.is_op(":=", "="):
            reader.refuse("default arguments are not supported on Redshift")
        if reader.is_op("[", "]"):
            reader.refuse("array types are not supported on Redshift; use SUPER")
        depth += reader.is_op("(") - reader.is_op(")")
        reader.at += 1
    if reader.at == first:
        reader.fail("expected a type")
    return ArgumentText(name, mode or "in", reader.slice(first, reader.at).sql, at)


def _mode(reader: Reader) -> str:
    if reader.is_word("variadic"):
        reader.refuse("VARIADIC arguments are not supported on Redshift")
    if not reader.is_word(*_MODES) or reader.peek().value in (",", ")"):
        return ""
    if reader.accept("in", "out"):
        return "inout"
    return reader.next().value


def _is_name(reader: Reader) -> bool:
    """Whether a name comes next: a word that a type follows."""
    word, following = reader.token, reader.peek()
    if word.kind == "quoted":
        return True
    if word.kind != "word" or following.kind not in ("word", "quoted"):
        return False
    return following.value not in _TWO_WORD_TYPES.get(word.value, ())
