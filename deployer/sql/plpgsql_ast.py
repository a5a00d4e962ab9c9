"""A parsed procedure body. Every `at` is a 0-based character offset into the body."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Text:
    """A piece of SQL as it was written: an expression, or a whole statement without its semicolon."""

    sql: str
    at: int


@dataclass(frozen=True)
class Declaration:
    """`type_text` is empty for an alias, "cursor" for a cursor, whose query then stands in `default`."""

    name: str
    type_text: str
    at: int
    default: Text | None = None
    constant: bool = False
    not_null: bool = False
    alias_of: str = ""


@dataclass(frozen=True)
class Handler:
    """EXCEPTION WHEN OTHERS THEN. `resume` for CONTINUE_HANDLER (NONATOMIC procedures only)."""

    body: tuple[Statement, ...]
    at: int
    resume: bool = False


@dataclass(frozen=True)
class Block:
    at: int
    label: str
    declarations: tuple[Declaration, ...]
    body: tuple[Statement, ...]
    handler: Handler | None = None


@dataclass(frozen=True)
class Assign:
    at: int
    target: str
    value: Text


@dataclass(frozen=True)
class If:
    at: int
    branches: tuple[tuple[Text, tuple[Statement, ...]], ...]
    otherwise: tuple[Statement, ...]


@dataclass(frozen=True)
class Case:
    """`subject` is None for a searched CASE. `otherwise` is None without ELSE: then no match is an error."""

    at: int
    subject: Text | None
    branches: tuple[tuple[tuple[Text, ...], tuple[Statement, ...]], ...]
    otherwise: tuple[Statement, ...] | None


@dataclass(frozen=True)
class Loop:
    """LOOP, or WHILE when it has a condition."""

    at: int
    label: str
    condition: Text | None
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class ForInteger:
    at: int
    label: str
    variable: str
    reverse: bool
    lower: Text
    upper: Text
    step: Text | None
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class ForQuery:
    """FOR targets IN query LOOP; `dynamic` for IN EXECUTE expression."""

    at: int
    label: str
    targets: tuple[str, ...]
    query: Text
    dynamic: bool
    body: tuple[Statement, ...]


@dataclass(frozen=True)
class Leave:
    """EXIT, or CONTINUE when `again`."""

    at: int
    again: bool
    label: str
    when: Text | None


@dataclass(frozen=True)
class Sql:
    """Any statement that goes to the warehouse. `into` are the targets of SELECT ... INTO, cut out of `text`."""

    at: int
    kind: str
    text: Text
    into: tuple[str, ...] = ()


@dataclass(frozen=True)
class Execute:
    at: int
    command: Text
    into: tuple[str, ...]


@dataclass(frozen=True)
class Call:
    at: int
    schema: str
    name: str
    arguments: tuple[Text, ...]


@dataclass(frozen=True)
class Raise:
    """`level` is debug, log, info, notice, warning or exception; empty for the bare RAISE of a handler."""

    at: int
    level: str
    format: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Return:
    at: int


@dataclass(frozen=True)
class GetRowCount:
    at: int
    target: str


@dataclass(frozen=True)
class Cursor:
    """OPEN, FETCH, MOVE or CLOSE. `query` belongs to OPEN ... FOR, `dynamic` when EXECUTE precedes it."""

    at: int
    verb: str
    name: str
    query: Text | None = None
    dynamic: bool = False
    into: tuple[str, ...] = ()


@dataclass(frozen=True)
class Transaction:
    """COMMIT, ROLLBACK, or START TRANSACTION (verb "start")."""

    at: int
    verb: str


@dataclass(frozen=True)
class Null:
    at: int


Statement = (
    Block | Assign | If | Case | Loop | ForInteger | ForQuery | Leave | Sql | Execute | Call | Raise | Return
    | GetRowCount | Cursor | Transaction | Null
)  # fmt: skip
