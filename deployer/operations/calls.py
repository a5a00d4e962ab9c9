"""Whether every procedure's callees exist with the types of arguments that they are called with.

Redshift looks a callee up when the CALL runs, in the middle of a pipeline. Here the bodies are parsed beforehand. A
variable has the type of its declaration; the type of any other expression is asked of the warehouse itself, by a query
that has typed NULLs in place of the variables and returns no rows. What is known only at run time (a record's field, a
dynamic call) is reported as such.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from deployer.errors import StatementFailed
from deployer.sql.lexer import Token
from deployer.sql.names import quote_ident
from deployer.sql.overloads import distance, type_name
from deployer.sql.plpgsql import parse_body
from deployer.sql.plpgsql_ast import Call, Text
from deployer.sql.plpgsql_calls import CallSite, Variable, call_sites
from deployer.sql.plpgsql_reader import BodyError, read_tokens
from deployer.sql.types import UNKNOWN, RedshiftType
from deployer.warehouse.routines import Routine, type_of
from deployer.warehouse.session import Session

_UNTYPED = ("record", "cursor", "refcursor", "")
_ONE_QUERY = 200
"""Expressions asked for in one query: a target list is limited (to 1,664 entries in PostgreSQL)."""


@dataclass(frozen=True)
class CallProblem:
    """A call that fails, or, when not `certain`, one of which we cannot tell. `at` is an offset into the body."""

    routine: Routine
    at: int
    message: str
    certain: bool


@dataclass
class _Types:
    """The types of expressions, asked of the warehouse many at a time. None: the warehouse refuses the expression."""

    session: Session
    known: dict[str, RedshiftType | None] = field(default_factory=dict)

    def ask(self, expressions: Sequence[str]) -> None:
        new = sorted({sql for sql in expressions if sql not in self.known})
        for start in range(0, len(new), _ONE_QUERY):
            self._ask(new[start : start + _ONE_QUERY])

    def _ask(self, some: list[str]) -> None:
        try:
            found = self.session.execute(f"select {', '.join(f'({sql})' for sql in some)} where false")
        except StatementFailed:
            if len(some) == 1:
                self.known[some[0]] = None
                return
            # One of them is refused: halves find it.
            middle = len(some) // 2
            self._ask(some[:middle])
            self._ask(some[middle:])
            return
        for sql, column in zip(some, found.columns, strict=True):
            self.known[sql] = type_of(column.type_oid)


def check(
    session: Session, routines: Sequence[Routine], checked: Sequence[Routine]
) -> tuple[int, list[CallProblem]]:
    """Check the calls in the bodies of `checked` against `routines`, which is all there are: their number, and what
    is wrong with them.
    """
    by_name: dict[str, list[Routine]] = {}
    for routine in routines:
        by_name.setdefault(routine.name, []).append(routine)
    problems: list[CallProblem] = []
    sites: list[tuple[Routine, CallSite]] = []
    for routine in checked:
        try:
            sites += [(routine, site) for site in _sites(routine)]
        except BodyError as error:
            problems.append(
                CallProblem(routine, error.position, f"its body cannot be read: {error.message}", False)
            )
    types = _Types(session)
    types.ask(_column_types(sites))
    types.ask([sql for _, site in sites for sql in _expressions(site, types.known)])
    for routine, site in sites:
        problems += [
            CallProblem(routine, at, text, certain)
            for at, text, certain in _judge(site, by_name, types.known)
        ]
    return len(sites), problems


def _sites(routine: Routine) -> Iterator[CallSite]:
    arguments = {
        argument.name or f"${number}": Variable(type_name(argument.type))
        for number, argument in enumerate(routine.arguments, start=1)
    }
    return call_sites(parse_body(routine.body), arguments)


def _column_types(sites: Sequence[tuple[Routine, CallSite]]) -> list[str]:
    """What to ask for variables declared as table.column%TYPE."""
    found = set()
    for _, site in sites:
        for variable in site.variables.values():
            asked = _percent_type(variable.type_text)
            if asked:
                found.add(asked)
    return sorted(found)


def _percent_type(declared: str) -> str:
    """`schema.table.column%TYPE` as a query for the column, empty for any other declaration."""
    text = "".join(declared.split())
    if not text.lower().endswith("%type"):
        return ""
    parts = [token.value for token in read_tokens(text[: -len("%type")]) if token.kind in ("word", "quoted")]
    if len(parts) < 2:
        # variable%TYPE is resolved among the variables.
        return ""
    table = ".".join(quote_ident(part) for part in parts[:-1])
    return f"select {quote_ident(parts[-1])} from {table} where false"


def _declared(
    variable: Variable, names: Mapping[str, Variable], known: Mapping[str, RedshiftType | None]
) -> str | None:
    """The text of a variable's type for CAST; None when it has none of its own."""
    text = variable.type_text.strip()
    if text.lower() in _UNTYPED or text.lower().endswith("%rowtype"):
        return None
    if not "".join(text.split()).lower().endswith("%type"):
        return text
    asked = _percent_type(text)
    if asked:
        kind = known.get(asked)
        return None if kind is None else type_name(kind)
    other = names.get(text.rpartition("%")[0].strip().lower())
    return _declared(other, names, known) if other is not None and other is not variable else None


def _expressions(site: CallSite, known: Mapping[str, RedshiftType | None]) -> list[str]:
    """The queries' texts for those arguments of a call whose types the warehouse has to tell."""
    if site.call is None:
        return []
    found = []
    for argument in site.call.arguments:
        asked = _asked(argument, site.variables, known)
        if isinstance(asked, str):
            found.append(asked)
    return found


def _asked(
    argument: Text, names: Mapping[str, Variable], known: Mapping[str, RedshiftType | None]
) -> str | RedshiftType | None:
    """What to ask for an argument's type, the type itself when it is plain, or None when only a run can tell."""
    tokens = read_tokens(argument.sql)[:-1]
    if len(tokens) == 1 and (
        tokens[0].kind == "string" or tokens[0].value == "null" and tokens[0].kind == "word"
    ):
        return UNKNOWN
    pieces: list[str] = []
    at = index = 0
    while index < len(tokens):
        end, variable = _variable(tokens, index, names)
        if variable is None:
            index += 1
            continue
        declared = _declared(variable, names, known)
        if declared is None or _goes_on(tokens, end):
            return None
        pieces.append(argument.sql[at : tokens[index].start] + f"cast(null as {declared})")
        at, index = tokens[end - 1].end, end
    return "".join(pieces) + argument.sql[at:]


def _variable(
    tokens: Sequence[Token], index: int, names: Mapping[str, Variable]
) -> tuple[int, Variable | None]:
    """The variable whose name begins at `index`, and the index behind it."""
    token = tokens[index]
    if token.kind == "param":
        return index + 1, names.get(token.value)
    if token.kind not in ("word", "quoted") or index and tokens[index - 1].value in (".", "::"):
        return index + 1, None
    following = tokens[index + 1].value if index + 1 < len(tokens) else ""
    if following == "." and index + 2 < len(tokens):
        labelled = names.get(f"{token.value}.{tokens[index + 2].value}")
        if labelled is not None:
            return index + 3, labelled
    if following == "(":
        return index + 1, None
    return index + 1, names.get(token.value)


def _goes_on(tokens: Sequence[Token], end: int) -> bool:
    """Whether a field of a record follows."""
    return end < len(tokens) and tokens[end].value == "."


def _judge(
    site: CallSite, by_name: Mapping[str, Sequence[Routine]], known: Mapping[str, RedshiftType | None]
) -> Iterator[tuple[int, str, bool]]:
    """What is wrong with one call: where, what, and whether that is certain."""
    call = site.call
    if call is None:
        yield site.at, "calls a procedure by text that is put together as it runs: cannot tell which", False
        return
    title = f"{call.schema}.{call.name}" if call.schema else call.name
    if not call.schema:
        yield site.at, f"calls {title} without a schema: cannot tell which one the search path finds", False
        return
    candidates = by_name.get(title, ())
    if not candidates:
        yield site.at, f"calls {title}, which does not exist", True
        return
    given = [_type(argument, site.variables, known) for argument in call.arguments]
    fitting = [(steps, routine) for routine in candidates if (steps := _distance(given, routine)) is not None]
    if not fitting:
        yield site.at, _nothing_fits(title, given, candidates), True
        return
    blind = [str(number) for number, kind in enumerate(given, start=1) if kind is None]
    if blind:
        yield (
            site.at,
            f"calls {title}: cannot tell the type of argument {', '.join(blind)} before it runs",
            False,
        )
        if len(fitting) > 1:
            return
    best = min(steps for steps, _ in fitting)
    nearest = [routine for steps, routine in fitting if steps == best]
    if len(nearest) > 1:
        yield (
            site.at,
            f"calls {title}({_types(given)}), which fits more than one of its overloads equally; cast",
            True,
        )
        return
    yield from _arguments(site, call, nearest[0])


def _type(
    argument: Text, names: Mapping[str, Variable], known: Mapping[str, RedshiftType | None]
) -> RedshiftType | None:
    asked = _asked(argument, names, known)
    return known.get(asked) if isinstance(asked, str) else asked


def _distance(given: Sequence[RedshiftType | None], routine: Routine) -> int | None:
    """How far the arguments are from a procedure's; one of unknown type is no distance from any."""
    if len(given) != len(routine.inputs):
        return None
    total = 0
    for kind, declared in zip(given, routine.inputs, strict=True):
        step = 0 if kind is None else distance(kind, declared.type)
        if step is None:
            return None
        total += step
    return total


def _arguments(site: CallSite, call: Call, routine: Routine) -> Iterator[tuple[int, str, bool]]:
    """OUT and INOUT: DG "CALL", nested calls: the inner procedure defines INOUT and is passed nonconstant variables."""
    if any(argument.mode == "out" for argument in routine.arguments):
        yield site.at, f"calls {routine.name}, which has OUT arguments: a nested call needs INOUT", True
        return
    for number, (text, argument) in enumerate(zip(call.arguments, routine.inputs, strict=True), start=1):
        if argument.mode != "inout":
            continue
        tokens = read_tokens(text.sql)[:-1]
        end, variable = _variable(tokens, 0, site.variables)
        called = f"argument {number} of {routine.name}" + (f" ({argument.name})" if argument.name else "")
        if variable is None or end != len(tokens) and not _goes_on(tokens, end):
            yield text.at, f"{called} is INOUT: it must be passed a variable, not {text.sql}", True
        elif variable.constant:
            yield text.at, f"{called} is INOUT: {text.sql} is a CONSTANT and cannot take its value", True


def _nothing_fits(title: str, given: Sequence[RedshiftType | None], candidates: Sequence[Routine]) -> str:
    there = ", ".join(f"({_types([argument.type for argument in routine.inputs])})" for routine in candidates)
    return f"calls {title}({_types(given)}), but it exists only with {there}"


def _types(kinds: Sequence[RedshiftType | None]) -> str:
    return ", ".join("?" if kind is None else type_name(kind) for kind in kinds)
