"""The repeatable part of a project: procedures/**/*.sql, one view or procedure a file."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from deployer.errors import UsageError
from deployer.project import header as headers
from deployer.project.header import Header
from deployer.sql.classify import classify
from deployer.sql.lexer import LexError, Token, tokenize
from deployer.sql.plpgsql import BodyError
from deployer.sql.procedure import parse_create_procedure
from deployer.sql.split import Statement, split

CHECKSUM = "sha256"

SECURITY = "security"
"""The directory beside those of the schemas that holds grants and security policies."""

_FOLLOWERS = ("comment", "grant", "revoke")
"""What may stand in an object's file after the statement that creates it."""

_TYPE_ALIASES = {
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "bool": "boolean",
    "numeric": "decimal",
    "character varying": "varchar",
    "nvarchar": "varchar",
    "text": "varchar",
    "character": "char",
    "timestamp without time zone": "timestamp",
    "timestamp with time zone": "timestamptz",
    "float": "double precision",
    "float8": "double precision",
    "float4": "real",
}


@dataclass(frozen=True)
class Object:
    """One view or procedure, as its file describes it.

    `name` is schema.name in lower case. `signature` is a procedure's input types, `(timestamp, varchar)`,
    and empty for a view. `checksum` is over the file's bytes with line ends made `\\n`, so that a checkout
    on another system changes nothing. `mentions` are all dotted names in the SQL, bodies included:
    schema.name. `text` is the whole file, its line ends made `\\n`.
    """

    kind: str
    name: str
    signature: str
    path: Path
    checksum: str
    header: Header
    statements: tuple[Statement, ...]
    late_binding: bool
    mentions: frozenset[str]
    text: str = field(default="", repr=False)

    @property
    def key(self) -> str:
        """How the ledger knows it: kind and name."""
        return f"{self.kind} {self.name}"


def read_all(directory: Path, root: Path) -> tuple[Object, ...]:
    """Every object under `directory`, sorted by name; raises UsageError for the first bad file, and for a
    name twice.
    """
    found: dict[str, Object] = {}
    for path in sorted(directory.rglob("*.sql")):
        if path.relative_to(directory).parts[0] == SECURITY:
            # Those are security policies.
            continue
        item = read(path, root)
        if item.name in found:
            raise UsageError(f"{item.path}:1: {item.name} is also in {found[item.name].path}")
        found[item.name] = item
    return tuple(found[name] for name in sorted(found))


def read(path: Path, root: Path) -> Object:
    """One file. `Object.path` is relative to `root`, and so are the messages of UsageError."""
    shown = path.relative_to(root)
    try:
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown}:1: not UTF-8 text (byte {error.start + 1})") from None
    except OSError as error:
        raise UsageError(f"cannot read {shown}: {error.strerror}") from None
    try:
        statements = split(text)
    except LexError as error:
        raise UsageError(f"{shown}:{line_at(text, error.position)}: {error.message}") from None
    header = headers.parse(text, shown)
    if not statements:
        raise UsageError(f"{shown}:1: the file has no SQL statement")
    first, *rest = statements
    kind, name = _created(first, shown)
    bare = name.rpartition(".")[2]
    if bare != path.stem:
        raise UsageError(f"{shown}:{first.line}: the file creates {name}, so it must be called {bare}.sql")
    for statement in rest:
        what = classify(statement.text).name
        if what not in _FOLLOWERS:
            words = " ".join(statement.text.split()[:3])
            raise UsageError(
                f"{shown}:{statement.line}: `{words} ...` does not belong into the file of {name}:"
                f" one object a file, followed only by {', '.join(_FOLLOWERS)}"
            )
    tokens = tokenize(first.text)
    return Object(
        kind=kind,
        name=name,
        signature=_signature(first, shown) if kind == "procedure" else "",
        path=shown,
        checksum=f"{CHECKSUM}:{hashlib.new(CHECKSUM, text.encode()).hexdigest()}",
        header=header,
        statements=tuple(statements),
        late_binding=kind == "view" and _is_late_binding(tokens),
        mentions=frozenset(_mentions(tokens)),
        text=text,
    )


def line_at(text: str, position: int) -> int:
    """The 1-based line of the 0-based offset `position`."""
    return text.count("\n", 0, position) + 1


def _created(statement: Statement, path: Path) -> tuple[str, str]:
    """Kind and name of what the first statement creates."""
    tokens = tokenize(statement.text)
    words = [token.value if token.kind == "word" else "" for token in tokens[:4]]
    where = f"{path}:{statement.line}"
    if words[:3] != ["create", "or", "replace"] or words[3] not in ("view", "procedure"):
        raise UsageError(f"{where}: the file must begin with `create or replace view` or `... procedure`")
    kind = words[3]
    schema, dot, name = tokens[4], tokens[5], tokens[6] if len(tokens) > 6 else tokens[-1]
    if dot.value != "." or schema.kind not in ("word", "quoted") or name.kind not in ("word", "quoted"):
        raise UsageError(f"{where}: the {kind}'s name must be written with its schema: schema.name")
    return kind, f"{schema.value}.{name.value}"


def _signature(statement: Statement, path: Path) -> str:
    """The input types of a procedure, in the spelling that DROP PROCEDURE takes: `(timestamp, varchar)`.

    The body is parsed too, so that a broken one is refused before anything is deployed.
    """
    try:
        procedure = parse_create_procedure(statement.text)
    except (BodyError, LexError) as error:
        line = statement.line + line_at(statement.text, error.position) - 1
        raise UsageError(f"{path}:{line}: {error.message}") from None
    types = []
    for argument in procedure.arguments:
        if argument.mode != "out":
            # Procedures are told apart by types alone: lengths go.
            spelled = " ".join(re.sub(r"\([^)]*\)", " ", argument.type_text.lower()).split())
            types.append(_TYPE_ALIASES.get(spelled, spelled))
    return f"({', '.join(types)})"


def _is_late_binding(tokens: list[Token]) -> bool:
    words = [token.value for token in tokens if token.kind == "word"]
    return words[-4:] == ["with", "no", "schema", "binding"]


def _mentions(tokens: list[Token]) -> Iterator[str]:
    """All dotted names, also inside of the dollar-quoted body. String constants are not looked into."""
    for first, dot, second in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if dot.value == "." and first.kind in ("word", "quoted") and second.kind in ("word", "quoted"):
            yield f"{first.value}.{second.value}"
    for before, token in zip(tokens, tokens[1:], strict=False):
        if token.kind == "string" and before.kind == "word" and before.value == "as":
            try:
                yield from _mentions(tokenize(token.value))
            except LexError:
                # A string constant after AS, not a body: bodies have been parsed before this.
                continue
