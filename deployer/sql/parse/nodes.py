"""The parsed form of a statement: plain data, made by the parser, read by the binder.

`pos` is the 0-based offset of the node's first token in the user's text. It takes no part in equality, so that two
spellings of one expression at different places are equal.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.sql.types import RedshiftType


@dataclass(slots=True)
class Node:
    """Anything that stands at a place of the text."""

    pos: int = field(default=0, compare=False, kw_only=True)


@dataclass(slots=True)
class Expr(Node):
    """An expression."""


@dataclass(slots=True)
class Literal(Expr):
    """`kind` is string, number, null, true, false or default (the keyword, in VALUES and SET)."""

    kind: str
    value: str = ""


@dataclass(slots=True)
class Parameter(Expr):
    """A client's $n."""

    number: int


@dataclass(slots=True)
class Column(Expr):
    """A column, or a procedure's variable: one to four parts, already folded."""

    parts: tuple[str, ...]
    quoted: bool = False
    outer: bool = False
    """Marked with Oracle's (+)."""
    written: tuple[str, ...] = field(default=(), compare=False)
    """The parts before they were folded to lower case, where that has changed one."""


@dataclass(slots=True)
class Star(Expr):
    """`*` or `t.*`."""

    parts: tuple[str, ...] = ()


@dataclass(slots=True)
class Unary(Expr):
    """Operators before their operand: - + not @ |/ ||/ ~."""

    op: str
    operand: Expr


@dataclass(slots=True)
class Binary(Expr):
    """Operators between two operands, AND and OR included."""

    op: str
    left: Expr
    right: Expr


@dataclass(slots=True)
class IsTest(Expr):
    """IS [NOT] NULL, TRUE, FALSE, UNKNOWN."""

    operand: Expr
    test: str
    negated: bool


@dataclass(slots=True)
class Between(Expr):
    operand: Expr
    low: Expr
    high: Expr
    negated: bool


@dataclass(slots=True)
class InList(Expr):
    operand: Expr
    items: list[Expr]
    negated: bool


@dataclass(slots=True)
class InQuery(Expr):
    operand: Expr
    query: Query
    negated: bool


@dataclass(slots=True)
class Like(Expr):
    """LIKE, ILIKE, SIMILAR TO (`op` in lower case)."""

    op: str
    operand: Expr
    pattern: Expr
    escape: Expr | None
    negated: bool


@dataclass(slots=True)
class Quantified(Expr):
    """`operand op ANY|ALL (query)`; with an array expression only over catalog tables."""

    operand: Expr
    op: str
    word: str
    argument: Query | Expr


@dataclass(slots=True)
class Exists(Expr):
    query: Query


@dataclass(slots=True)
class ScalarQuery(Expr):
    query: Query


@dataclass(slots=True)
class Case(Expr):
    operand: Expr | None
    whens: list[tuple[Expr, Expr]]
    default: Expr | None


@dataclass(slots=True)
class Cast(Expr):
    """CAST, ::, CONVERT(type, x) and `type 'text'`."""

    operand: Expr
    type: RedshiftType
    typed_literal: bool = False
    lenient: bool = False
    """TRY_CAST: NULL in place of an error."""


@dataclass(slots=True)
class IntervalLiteral(Expr):
    """INTERVAL '...' with its qualifier ("", "day", "year to month", ...)."""

    text: str
    qualifier: str


@dataclass(slots=True)
class OrderItem(Node):
    expr: Expr
    descending: bool = False
    nulls: str = ""
    """"first", "last" or "" when not written."""


@dataclass(slots=True)
class Window(Node):
    partition: list[Expr]
    order: list[OrderItem]
    frame: str


@dataclass(slots=True)
class FunctionCall(Expr):
    """A call by its written name (the last part), `schema` when it was qualified."""

    name: str
    args: list[Expr]
    schema: str = ""
    distinct: bool = False
    star: bool = False
    bare: bool = False
    within: list[OrderItem] = field(default_factory=list)
    ignore_nulls: bool = False
    over: Window | None = None


@dataclass(slots=True)
class AtTimeZone(Expr):
    operand: Expr
    zone: Expr


@dataclass(slots=True)
class CatalogOnly(Expr):
    """PostgreSQL syntax that clients use on catalog tables: an array constructor or a subscript.

    `parts` are literal text and expressions in turn.
    """

    parts: list[str | Expr | Query]


@dataclass(slots=True)
class Row(Expr):
    """`(a, b)` before IN, and each set of its list."""

    items: list[Expr]


@dataclass(slots=True)
class Subscript(Expr):
    """`value[index]`."""

    operand: Expr
    index: Expr


@dataclass(slots=True)
class Attribute(Expr):
    """`value.name` behind a subscript; `written` is the name before it was folded to lower case."""

    operand: Expr
    name: str
    written: str = field(default="", compare=False)


@dataclass(slots=True)
class Grouping(Node):
    """ROLLUP, CUBE, GROUPING SETS or a parenthesised list ("") inside GROUP BY."""

    kind: str
    items: list[Expr | Grouping]


@dataclass(slots=True)
class SelectItem(Node):
    expr: Expr
    alias: str | None


@dataclass(slots=True)
class From(Node):
    """Something that stands in FROM."""


@dataclass(slots=True)
class TableRef(From):
    parts: tuple[str, ...]
    alias: str | None = None
    columns: tuple[str, ...] = ()
    written: tuple[str, ...] = field(default=(), compare=False)


@dataclass(slots=True)
class DerivedTable(From):
    query: Query
    alias: str | None
    columns: tuple[str, ...] = ()


@dataclass(slots=True)
class FunctionTable(From):
    call: FunctionCall
    alias: str | None
    columns: tuple[tuple[str, RedshiftType | None], ...] = ()


@dataclass(slots=True)
class Unnest(From):
    """The elements of a SUPER array (`path AS alias AT at`), or with `unpivot` the attributes of a SUPER object.

    UNNEST(path) AS alias (value, at) names its columns; without it the value's column is called as the alias.
    """

    path: Expr
    alias: str
    at: str | None = None
    unpivot: bool = False
    value: str | None = None


@dataclass(slots=True)
class Pivot(From):
    """`input PIVOT (call AS call_alias FOR column IN (value AS name, ...)) AS alias (columns)`."""

    input: From
    call: FunctionCall
    call_alias: str | None
    column: str
    values: list[tuple[Expr, str | None]]
    alias: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(slots=True)
class Unpivot(From):
    """`input UNPIVOT (value FOR name IN (column AS label, ...)) AS alias (columns)`."""

    input: From
    include_nulls: bool
    value: str
    name: str
    items: list[tuple[str, str | None]]
    alias: str | None = None
    columns: tuple[str, ...] = ()


@dataclass(slots=True)
class Join(From):
    """`kind` is inner, left, right, full or cross."""

    kind: str
    left: From
    right: From
    on: Expr | None = None
    using: tuple[str, ...] = ()
    natural: bool = False


@dataclass(slots=True)
class Select(Node):
    items: list[SelectItem]
    tables: list[From]
    distinct: bool = False
    where: Expr | None = None
    group: list[Expr | Grouping] = field(default_factory=list)
    having: Expr | None = None
    qualify: Expr | None = None
    top: Expr | None = None
    """TOP n until the query takes it as its limit."""
    into: tuple[tuple[str, ...], bool] | None = None
    """The table of SELECT INTO and whether it is temporary."""
    start: Expr | None = None
    connect: Expr | None = None
    """START WITH and CONNECT BY; PRIOR is a Unary."""
    group_all: bool = False
    exclude: tuple[str, ...] = ()
    """The columns of `* EXCLUDE (...)`."""


@dataclass(slots=True)
class SetOperation(Node):
    """`op` is union, intersect or except."""

    op: str
    all: bool
    left: Body
    right: Body


@dataclass(slots=True)
class CommonTable(Node):
    name: str
    columns: tuple[str, ...]
    query: Query


@dataclass(slots=True)
class Query(Node):
    """A query with its WITH, ORDER BY, LIMIT (TOP included) and OFFSET."""

    body: Body
    ctes: list[CommonTable] = field(default_factory=list)
    recursive: bool = False
    order: list[OrderItem] = field(default_factory=list)
    limit: Expr | None = None
    offset: Expr | None = None


Body = Select | SetOperation | Query


@dataclass(slots=True)
class Insert(Node):
    target: TableRef
    columns: tuple[str, ...]
    source: Query | None
    rows: list[list[Expr]]
    """The rows of VALUES; both empty for DEFAULT VALUES."""
    ctes: list[CommonTable]
    recursive: bool


@dataclass(slots=True)
class Update(Node):
    target: TableRef
    assignments: list[tuple[str, Expr, int]]
    tables: list[From]
    where: Expr | None
    ctes: list[CommonTable]
    recursive: bool


@dataclass(slots=True)
class Delete(Node):
    target: TableRef
    tables: list[From]
    where: Expr | None
    ctes: list[CommonTable]
    recursive: bool


@dataclass(slots=True)
class Merge(Node):
    """`matched` is "update", "delete" or, for REMOVE DUPLICATES, ""."""

    target: TableRef
    source: From
    on: Expr
    matched: str
    assignments: list[tuple[str, Expr, int]]
    insert_columns: tuple[str, ...]
    insert_values: list[Expr]
