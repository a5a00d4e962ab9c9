"""ZS5: statements that run and give a wrong or an arbitrary result."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.project.lint.catalog import Catalog
from deployer.project.lint.ddl import CreateTable, CreateView
from deployer.project.lint.findings import ERROR, WARNING, Rule
from deployer.project.lint.inference import Typer, is_integer
from deployer.project.lint.registry import Found, on_units
from deployer.project.lint.units import Unit
from deployer.project.lint.walk import selects
from deployer.sql.parse.nodes import (
    Binary,
    Cast,
    Column,
    Delete,
    Expr,
    FunctionCall,
    InQuery,
    Insert,
    IsTest,
    Literal,
    Node,
    Query,
    Select,
    Star,
    TableRef,
    Unary,
    Update,
)


def _meant(parent: Node | None) -> bool:
    """Whether an integer result is plainly meant: a cast to an integer type, or a remainder, directly around it."""
    if isinstance(parent, Binary):
        return parent.op == "%"
    return isinstance(parent, Cast) and parent.type.is_integer


@on_units(
    Rule(
        code="ZS501",
        name="integer-division",
        severity=ERROR,
        problem="Both operands are integers, so the quotient is cut off: a rate of 3 / 4 is 0.",
        redshift="The result of an operation on two integers is an integer, division included.",
        source="r_numeric_computations201",
        mend="Cast the operands to DECIMAL with the digits that are wanted; where the whole number is meant, say so"
        " by a cast of the quotient: CAST(a / b AS BIGINT).",
        bad="select count(is_stay) / count(*) as stay_rate from curated.bookings;",
        good="select cast(count(is_stay) as decimal(20, 4)) / count(*) as stay_rate from curated.bookings;",
    )
)
def integer_division(unit: Unit, catalog: Catalog) -> Found:
    if unit.tree is None or "/" not in unit.text:
        return
    typer = Typer(unit, catalog)
    for placed in typer.expressions(unit.tree):
        node = placed.node
        if isinstance(node, Binary) and node.op == "/" and not _meant(placed.parent):
            left, right = (typer.type_of(side, placed.scope) for side in (node.left, node.right))
            if is_integer(left) and is_integer(right):
                yield node.pos, "integer / integer cuts the fraction off: cast the operands to DECIMAL"


@on_units(
    Rule(
        code="ZS502",
        name="integer-average",
        severity=ERROR,
        problem="The average of integers is an integer: the mean of 1 and 2 is 1.",
        redshift="AVG returns BIGINT for any integer type argument.",
        source="r_AVG",
        mend="AVG(CAST(x AS DECIMAL(12, 4))).",
        bad="select avg(datediff(day, checkin_date, checkout_date)) as nights from curated.bookings;",
        good="select avg(cast(datediff(day, checkin_date, checkout_date) as decimal(12, 4))) as nights\n"
        "from curated.bookings;",
    )
)
def integer_average(unit: Unit, catalog: Catalog) -> Found:
    if unit.tree is None or "avg" not in unit.text.lower():
        return
    typer = Typer(unit, catalog)
    for placed in typer.expressions(unit.tree):
        node = placed.node
        if isinstance(node, FunctionCall) and node.name == "avg" and not node.schema and len(node.args) == 1:
            if not _meant(placed.parent) and is_integer(typer.type_of(node.args[0], placed.scope)):
                yield node.pos, "AVG of an integer is cut off to a BIGINT: cast the argument to DECIMAL"


@on_units(
    Rule(
        code="ZS503",
        name="not-in-subquery",
        severity=WARNING,
        problem="NOT IN with a sub-query finds no row at all as soon as the sub-query returns one NULL.",
        redshift="NOT IN returns NULL, and no rows, when nothing matches and one of the comparisons yields NULL.",
        source="r_in_condition",
        mend="Use NOT EXISTS, or a LEFT JOIN with IS NULL; or say `where column is not null` in the sub-query.",
        bad="select user_id from curated.users where user_id not in (select user_id from curated.blocked);",
        good="select user_id from curated.users\n"
        "where user_id not in (select user_id from curated.blocked where user_id is not null);",
    )
)
def not_in_subquery(unit: Unit, catalog: Catalog) -> Found:
    for node in unit.nodes:
        if isinstance(node, InQuery) and node.negated and not _never_null(node.query, catalog):
            yield node.pos, "NOT IN finds nothing when the sub-query returns a NULL: use NOT EXISTS"


def _never_null(query: Query, catalog: Catalog) -> bool:
    for select in selects(query):
        (item, *_) = select.items
        if isinstance(item.expr, Star):
            return False
        if isinstance(item.expr, Column):
            column = item.expr
            tests = [node for node in _conjuncts(select.where) if isinstance(node, IsTest) and node.negated]
            if any(t.test == "null" and isinstance(t.operand, Column) and t.operand.parts[-1] == column.parts[-1]
                   for t in tests):  # fmt: skip
                continue
            tables = [table for table in select.tables if isinstance(table, TableRef)]
            table = catalog.table(tables[0].parts) if len(tables) == len(select.tables) == 1 else None
            if table is not None and table.complete and column.parts[-1] in table.not_null:
                continue
            return False
        if not (isinstance(item.expr, Literal) and item.expr.kind in ("number", "string")):
            return False
    return True


def _conjuncts(node: Expr | None) -> Iterator[Expr]:
    if isinstance(node, Binary) and node.op == "and":
        yield from _conjuncts(node.left)
        yield from _conjuncts(node.right)
    elif isinstance(node, Unary) and node.op == "not" and isinstance(node.operand, IsTest):
        inner = node.operand
        yield IsTest(inner.operand, inner.test, not inner.negated, pos=node.pos)
    elif node is not None:
        yield node


_NUMBERED = frozenset("week weeks w month months mon quarter quarters qtr dayofyear doy".split())
_YEARS = frozenset("year years y yr yrs".split())


@on_units(
    Rule(
        code="ZS504",
        name="period-without-year",
        severity=WARNING,
        problem="The rows are grouped by the number of a week, month or quarter: those of different years fall"
        " together. With the calendar year beside the week, the days around New Year fall into the wrong one.",
        redshift="EXTRACT and DATE_PART return the week's number without its year; DATE_TRUNC returns the first day of"
        " the period, for a week its Monday.",
        source="r_DATE_TRUNC",
        mend="Group by DATE_TRUNC('week', d), which is the Monday of the week; and so for months and quarters.",
        bad="select extract(week from booking_date) as week_number, count(*) as bookings\n"
        "from curated.bookings group by extract(week from booking_date);",
        good="select date_trunc('week', booking_date) as week_start, count(*) as bookings\n"
        "from curated.bookings group by date_trunc('week', booking_date);",
    )
)
def period_without_year(unit: Unit, catalog: Catalog) -> Found:
    for select in unit.nodes:
        if not isinstance(select, Select):
            continue
        grouped = [_grouped(item, select) for item in select.group]
        parts = [(part, node) for node in grouped if node is not None and (part := _date_part(node))]
        named = {part for part, _ in parts}
        other = any(isinstance(node, FunctionCall) and node.name == "date_trunc" for node in grouped)
        for part, node in parts:
            if part not in _NUMBERED or other:
                continue
            if not named & _YEARS:
                yield node.pos, f"the {part}s of different years fall together: use DATE_TRUNC"
            elif part in ("week", "weeks", "w"):
                yield node.pos, "week 1 or 53 may belong to another year: use DATE_TRUNC('week', ...)"


def _grouped(item: object, select: Select) -> Expr | None:
    """What an item of GROUP BY stands for: a position or an alias of the select list, or itself."""
    if isinstance(item, Literal) and item.kind == "number" and item.value.isdigit():
        at = int(item.value) - 1
        return select.items[at].expr if 0 <= at < len(select.items) else None
    if isinstance(item, Column) and len(item.parts) == 1:
        for selected in select.items:
            if selected.alias == item.parts[0]:
                return selected.expr
    return item if isinstance(item, Expr) else None


def _date_part(node: Expr) -> str:
    while isinstance(node, Cast):
        node = node.operand
    if isinstance(node, FunctionCall) and node.name in ("extract", "date_part", "datepart") and node.args:
        part = node.args[0]
        if isinstance(part, Literal):
            return part.value.lower()
        if isinstance(part, Column):
            return part.parts[-1].lower()
    return ""


@on_units(
    Rule(
        code="ZS505",
        name="limit-without-order",
        severity=WARNING,
        problem="What is stored is cut off by LIMIT or TOP, and nothing says which rows stay: two runs may keep"
        " different ones.",
        redshift="LIMIT can be used without ORDER BY; to return a consistent set of rows, use them together.",
        source="r_ORDER_BY_clause",
        mend="Write ORDER BY with a key that is unique; or rank, so that ties are kept.",
        bad="create or replace view presentation.some_stays as select booking_id from curated.bookings limit 10;",
        good="create or replace view presentation.some_stays as\n"
        "select booking_id from curated.bookings order by booking_id limit 10;",
    )
)
def limit_without_order(unit: Unit, catalog: Catalog) -> Found:
    if not isinstance(unit.tree, Insert | CreateTable | CreateView):
        return
    for query in unit.nodes:
        if isinstance(query, Query) and query.limit is not None and not query.order:
            if isinstance(query.limit, Literal) and query.limit.value == "0":
                continue
            yield query.limit.pos, "which rows LIMIT keeps is arbitrary without ORDER BY"


@on_units(
    Rule(
        code="ZS506",
        name="row-number-without-order",
        severity=WARNING,
        problem="ROW_NUMBER numbers the rows in no order: which one gets 1, and is kept, changes from run to run.",
        redshift="If ORDER BY does not produce a unique ordering or is omitted, the order of the rows is"
        " nondeterministic.",
        source="r_WF_ROW_NUMBER",
        mend="Write ORDER BY in OVER, with columns that decide.",
        bad="select row_number() over (partition by user_id) as place from curated.bookings;",
        good="select row_number() over (partition by user_id order by booking_id) as place\n"
        "from curated.bookings;",
    )
)
def row_number_without_order(unit: Unit, catalog: Catalog) -> Found:
    for node in unit.nodes:
        if isinstance(node, FunctionCall) and node.name == "row_number" and node.over is not None:
            if not node.over.order:
                yield node.pos, "ROW_NUMBER without ORDER BY numbers the rows in no order"


@on_units(
    Rule(
        code="ZS507",
        name="write-without-where",
        severity=ERROR,
        problem="DELETE or UPDATE has no WHERE: it takes every row of the table, which is seldom what is meant, and"
        " leaves them all to VACUUM.",
        redshift="Without a WHERE clause all of the rows are deleted or updated; their space is reclaimed by VACUUM.",
        source="r_DELETE",
        mend="Say which rows; when all are meant, say so by a condition that holds for all. Temporary tables go"
        " without.",
        bad="delete from curated.bookings;",
        good="delete from curated.bookings where booking_date < '2020-01-01';",
    )
)
def write_without_where(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if not isinstance(tree, Update | Delete) or tree.where is not None or unit.downgrade:
        return
    if len(tree.target.parts) == 1 and catalog.is_temporary(tree.target.parts[0]):
        return
    word = "UPDATE" if isinstance(tree, Update) else "DELETE"
    yield tree.pos, f"{word} without WHERE takes every row of {'.'.join(tree.target.parts)}"
