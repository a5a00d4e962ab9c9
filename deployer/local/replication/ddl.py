"""What a statement in the binlog does to replicated tables.

Only what zero-ETL carries over is understood: ADD, DROP and RENAME COLUMN alone in an ALTER, CREATE, DROP, RENAME and
TRUNCATE TABLE, DROP DATABASE. Anything else that may change a table makes it be copied anew, as the Aurora User Guide's
"Troubleshooting zero-ETL integrations" says for FIRST, AFTER, DEFAULT CURRENT_TIMESTAMP and several operations at once.
A wrong guess here is found out: the next row's table map is compared with what is known of the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployer.local.replication.definition import ColumnDefinition

Place = tuple[str, str]

_TOKEN = re.compile(
    r"\s+|--[ \t][^\n]*|\#[^\n]*|/\*(?![!M]).*?\*/"
    r"|(?P<open>/\*M?!\d*)|(?P<close>\*/)"
    r"|`(?P<quoted>(?:[^`]|``)*)`|(?P<string>'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.|\"\")*\")"
    r"|(?P<word>[\w$]+(?:\.\d+)?)|(?P<other>.)",
    re.DOTALL,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}
_ALIASES = {
    "integer": "int", "bool": "tinyint", "boolean": "tinyint", "numeric": "decimal", "dec": "decimal",
    "fixed": "decimal",
}  # fmt: skip
_PLAIN_DEFAULT = frozenset(
    [
        "tinyint",
        "smallint",
        "mediumint",
        "int",
        "bigint",
        "decimal",
        "char",
        "varchar",
        "date",
        "datetime",
        "enum",
    ]
)
_NO_TABLE = frozenset(
    [
        "view", "procedure", "function", "trigger", "event", "user", "role", "server", "index", "unique", "fulltext",
        "spatial", "sequence", "package", "definer", "sql", "aggregate", "algorithm", "tablespace", "undo",
    ]
)  # fmt: skip
_QUIET = frozenset(
    [
        "grant", "revoke", "set", "flush", "analyze", "optimize", "check", "use", "do", "comment", "kill", "reset",
        "install", "uninstall",
    ]
)  # fmt: skip
_HARMLESS = (
    ("add", "index"), ("add", "key"), ("add", "unique"), ("add", "fulltext"), ("add", "spatial"), ("drop", "index"),
    ("drop", "key"), ("drop", "foreign"), ("drop", "constraint"), ("drop", "check"), ("rename", "index"),
    ("rename", "key"), ("comment",), ("auto_increment",), ("row_format",), ("disable", "keys"), ("enable", "keys"),
    ("alter", "index"), ("alter", "key"), ("stats_persistent",), ("lock",), ("algorithm",), ("engine", "=", "innodb"),
)  # fmt: skip


@dataclass(frozen=True)
class Created:
    place: Place


@dataclass(frozen=True)
class Dropped:
    place: Place


@dataclass(frozen=True)
class DatabaseDropped:
    schema: str


@dataclass(frozen=True)
class Truncated:
    place: Place


@dataclass(frozen=True)
class Renamed:
    place: Place
    new: Place


@dataclass(frozen=True)
class ColumnAdded:
    """`default` is the value of the rows that are there; None for NULL."""

    place: Place
    column: ColumnDefinition
    default: str | None


@dataclass(frozen=True)
class ColumnDropped:
    place: Place
    column: str


@dataclass(frozen=True)
class ColumnRenamed:
    place: Place
    old: str
    new: str


@dataclass(frozen=True)
class Altered:
    """Changed in a way that only a new copy follows."""

    place: Place


@dataclass(frozen=True)
class Anything:
    """A statement that may have changed any table: rows that were not logged as rows, or XA."""

    why: str


Action = (
    Created | Dropped | DatabaseDropped | Truncated | Renamed | ColumnAdded | ColumnDropped | ColumnRenamed | Altered
    | Anything
)  # fmt: skip


@dataclass(frozen=True)
class _Token:
    """`text` is lower-case for a bare word; `written` as it stands, without quotes."""

    kind: str
    text: str
    written: str


def read(statement: str, schema: str) -> list[Action]:
    """What the statement, run in database `schema`, does to tables; [] for nothing that replication cares about."""
    tokens = _tokens(statement)
    words = [token.text if token.kind == "word" else "" for token in tokens]
    first = words[0] if words else ""
    if not tokens or first in _QUIET:
        return []
    if first == "xa":
        return [Anything("the source uses XA transactions")] if words[1:2] == ["commit"] else []
    if first in ("create", "alter", "drop"):
        return _definition(tokens, words, schema)
    if first == "truncate":
        at = 2 if words[1:2] == ["table"] else 1
        return [Truncated(_name(tokens, at, schema)[0])]
    if first == "rename":
        return _renames(tokens, schema) if words[1:2] in (["table"], ["tables"]) else []
    return [Anything(f"a {first.upper() or 'statement'} was logged as a statement instead of as rows")]


def _definition(tokens: list[_Token], words: list[str], schema: str) -> list[Action]:
    verb, at = words[0], 1
    replaces = words[1:3] == ["or", "replace"]
    at = 3 if replaces else at
    while at < len(words) and words[at] in ("online", "offline", "ignore"):
        at += 1
    kind = words[at] if at < len(words) else ""
    if kind == "temporary" or kind in _NO_TABLE:
        return []
    if kind in ("database", "schema"):
        if verb != "drop":
            return []
        return [DatabaseDropped(tokens[_past(words, at + 1, "if", "exists")].written)]
    if kind not in ("table", "tables"):
        return [Anything(f"{verb.upper()} {kind.upper()} is not understood")]
    at = _past(words, at + 1, "if", "not", "exists")
    at = _past(words, at, "if", "exists")
    if verb == "drop":
        return list(map(Dropped, _names(tokens, at, schema)))
    place, after = _name(tokens, at, schema)
    if verb == "create":
        return [Altered(place)] if replaces else [Created(place)]
    return _alter(place, tokens[after:], schema)


def _alter(place: Place, tokens: list[_Token], schema: str) -> list[Action]:
    parts = _split(tokens)
    if all(_is_harmless(part) for part in parts):
        return []
    telling = [part for part in parts if not _is_lock(part)]
    if len(telling) != 1:
        return [Altered(place)]
    part = telling[0]
    words = [token.text if token.kind == "word" else "" for token in part]
    if words[0] == "add":
        at = _past(words, 2 if words[1:2] == ["column"] else 1, "if", "not", "exists")
        return [_added(place, part[at:]) or Altered(place)]
    if words[0] == "drop" and words[1:2] not in (["primary"], ["partition"], ["system"], ["period"]):
        at = _past(words, 2 if words[1:2] == ["column"] else 1, "if", "exists")
        if len(part) in (at + 1, at + 2) and words[at + 1 :] in ([], ["restrict"], ["cascade"]):
            return [ColumnDropped(place, part[at].written)]
    if words[:2] == ["rename", "column"]:
        at = _past(words, 2, "if", "exists")
        if len(part) == at + 3 and words[at + 1] == "to":
            return [ColumnRenamed(place, part[at].written, part[at + 2].written)]
    elif words[0] == "rename":
        return [Renamed(place, _name(part, 2 if words[1] in ("to", "as") else 1, schema)[0])]
    return [Altered(place)]


def _is_harmless(part: Sequence[_Token]) -> bool:
    return any(tuple(token.text for token in part[: len(each)]) == each for each in _HARMLESS)


def _is_lock(part: Sequence[_Token]) -> bool:
    return bool(part) and part[0].text in ("lock", "algorithm")


def _added(place: Place, tokens: list[_Token]) -> ColumnAdded | None:
    """A column added at the end with a type and a default that can be carried over."""
    if len(tokens) < 2 or tokens[0].kind not in ("word", "quoted") or tokens[1].kind != "word":
        return None
    if tokens[0].kind == "word" and tokens[0].text in (
        "constraint",
        "foreign",
        "primary",
        "check",
        "partition",
        "period",
    ):
        return None
    kind = _ALIASES.get(tokens[1].text, tokens[1].text)
    at, sizes = 2, []
    if at < len(tokens) and tokens[at].text == "(":
        depth = at
        while depth < len(tokens) and tokens[depth].text != ")":
            depth += 1
        sizes = [int(t.text) for t in tokens[at:depth] if t.kind == "word" and t.text.isdigit()]
        at = depth + 1
    column = _column(
        tokens[0].written, kind, sizes, any(t.text == "unsigned" and t.kind == "word" for t in tokens[at:])
    )
    found = _attributes(tokens[at:])
    if column.landing_type is None or found is None:
        return None
    default, nullable = found
    if default is None:
        return ColumnAdded(place, column, None) if nullable else None
    return ColumnAdded(place, column, default) if kind in _PLAIN_DEFAULT else None


def _column(name: str, kind: str, sizes: list[int], unsigned: bool) -> ColumnDefinition:
    size, scale = 0, 0
    if kind in ("char", "varchar", "binary", "varbinary", "bit"):
        size = sizes[0] if sizes else 1
    elif kind == "decimal":
        size, scale = (sizes[0] if sizes else 10), (sizes[1] if len(sizes) > 1 else 0)
    elif kind in ("datetime", "timestamp", "time"):
        scale = sizes[0] if sizes else 0
    whole = kind in ("tinyint", "smallint", "mediumint", "int", "bigint")
    return ColumnDefinition(name, kind, size, scale, unsigned and whole)


def _attributes(tokens: list[_Token]) -> tuple[str | None, bool] | None:
    """Default and whether NULL is allowed; None for an attribute that is not understood."""
    default: str | None = None
    nullable, at = True, 0
    while at < len(tokens):
        word = tokens[at].text
        if word in ("unsigned", "signed", "null"):
            at += 1
        elif word == "not":
            nullable, at = False, at + 2
        elif word in ("collate", "comment"):
            at += 2
        elif word == "charset" or (word == "character" and at + 1 < len(tokens)):
            at += 2 if word == "charset" else 3
        elif word == "default" and at + 1 < len(tokens):
            value = tokens[at + 1]
            negative = value.text == "-" and at + 2 < len(tokens)
            if negative:
                at, value = at + 1, tokens[at + 2]
            if value.kind == "string":
                default = value.written
            elif re.fullmatch(r"\d+(\.\d+)?", value.text):
                default = ("-" if negative else "") + value.text
            elif value.text != "null":
                return None
            at += 2
            if at < len(tokens) and tokens[at].text in ("(", "."):
                return None
        else:
            return None
    return default, nullable


def _renames(tokens: list[_Token], schema: str) -> list[Action]:
    found: list[Action] = []
    for part in _split(tokens[2:]):
        words = [token.text for token in part]
        old, at = _name(part, _past(words, 0, "if", "exists"), schema)
        if "to" in words[at:]:
            found.append(Renamed(old, _name(part, words.index("to", at) + 1, schema)[0]))
    return found


def _names(tokens: list[_Token], at: int, schema: str) -> list[Place]:
    return [_name(part, 0, schema)[0] for part in _split(tokens[at:]) if part]


def _name(tokens: list[_Token], at: int, schema: str) -> tuple[Place, int]:
    """The table named at `at`, and where the statement goes on."""
    first = tokens[at].written
    if at + 2 < len(tokens) and tokens[at + 1].text == ".":
        return (first, tokens[at + 2].written), at + 3
    return (schema, first), at + 1


def _past(words: Sequence[str], at: int, *phrase: str) -> int:
    """Behind the phrase if it stands at `at`."""
    return at + len(phrase) if tuple(words[at : at + len(phrase)]) == phrase else at


def _split(tokens: list[_Token]) -> list[list[_Token]]:
    """The parts between commas that stand in no parentheses."""
    parts: list[list[_Token]] = [[]]
    depth = 0
    for token in tokens:
        if token.kind == "other":
            depth += (token.text == "(") - (token.text == ")")
            if token.text == "," and depth == 0:
                parts.append([])
                continue
            if token.text == ";":
                continue
        parts[-1].append(token)
    return parts


def _tokens(statement: str) -> list[_Token]:
    """Words, names, strings and signs; what /*! hides from other databases counts."""
    found = []
    for match in _TOKEN.finditer(statement):
        kind = match.lastgroup
        if kind == "quoted":
            text = match["quoted"].replace("``", "`")
            found.append(_Token("quoted", text, text))
        elif kind == "string":
            text = _unquoted(match["string"])
            found.append(_Token("string", text, text))
        elif kind == "word":
            found.append(_Token("word", match["word"].lower(), match["word"]))
        elif kind == "other":
            found.append(_Token("other", match["other"], match["other"]))
    return found


def _unquoted(text: str) -> str:
    quote = text[0]
    inner = text[1:-1].replace(quote * 2, quote)
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[1]), inner, flags=re.DOTALL)
