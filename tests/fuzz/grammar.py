"""Random statements that are grown from statements.grammar, over the schema of `support.SETUP`.

Many are right, so that they get past the parser and run; some have an argument too many, a type that does not fit, a
name that does not exist. Nothing in here knows what an answer should be. Queries and expressions are grown by the
program, which knows the tables that they stand on and the functions that there are.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path

from deployer.local.functions.registry import FUNCTIONS

LITERALS = {
    "int": ["0", "1", "-1", "32767", "2147483648", "9223372036854775807", "99999999999999999999", "2", "3"],
    "text": ["''", "'x'", "'a b  '", "'\u00e4\u20ac'", "'%_'", "'2024-02-29'", "'12'", "null", "'{\"a\": [1, 2]}'"],
    "number": ["1.5", "-0.005", "1234567890123.12345", ".5", "1.", "99999999999999999999999999999999999.9"],
    "date": ["'2024-02-29'::date", "date '1999-12-31'", "current_date", "'4713-01-01 BC'::date", "'infinity'::date"],
    "timestamp": ["'2024-02-29 23:59:59.999'::timestamp", "getdate()", "sysdate", "timestamptz '2024-01-01 00:00+05'"],
    "bool": ["true", "false", "null", "'t'::bool", "a > 1"],
    "super": ["json_parse('[1, {\"a\": null}]')", "array(1, 'x')", "object('a', 1)", "null::super", "array()"],
    "real": ["1e10", "'nan'::float", "'inf'::real", "-1e-300", "random()", "pi()"],
    "bytes": ["'ab'::varbyte", "from_hex('00ff')", "to_varbyte('x', 'utf8')"],
    "time": ["'23:59:59'::time", "time '00:00'", "'12:00+01'::timetz"],
    "interval": ["interval '1' day", "interval '1-2' year to month", "'3 days'::interval", "interval '1 month'"],
}  # fmt: skip
KINDS = tuple(LITERALS)
TABLES = {
    "t": ("a", "b"), "u": ("a", "b"), "v": ("a",), "mv": ("a",), "svv_tables": ("table_name", "table_schema"),
    "pg_class": ("relname", "oid"), "wide": ("i", "s", "n", "d", "ts", "f", "j", "y", "ok"), "lb": ("i", "s"),
    "pg_table_def": ("column", "type"), "stv_recents": ("pid",), "(select 1 as a, 'x' as b)": ("a", "b"),
}  # fmt: skip
COLUMN_KINDS = {
    "a": "int", "b": "text", "i": "int", "s": "text", "n": "number", "d": "date", "ts": "timestamp", "f": "real",
    "j": "super", "y": "bytes", "ok": "bool", "k": "super", "table_name": "text", "relname": "text", "pid": "int",
    "x": "int",
}  # fmt: skip
SETUP = (
    "create table wide (i bigint identity(1, 1), s varchar(20) default 'x' not null, n decimal(12, 3), d date,"
    " ts timestamp, f double precision, j super, y varbyte(16), ok boolean, primary key (i)) diststyle even",
    "insert into wide (s, n, d, ts, f, j, y, ok) values ('one', 1.5, '2024-01-01', '2024-01-01 10:00', 0.1,"
    " json_parse('{\"k\": [1, 2]}'), 'ab', true), ('two  ', null, null, null, null, null, null, null)",
    "create view lb as select i, s from sup.wide with no schema binding",
    "insert into t values (1, 'x'), (2, 'y'), (null, null)",
    "insert into u values (1, 'x'), (3, null)",
)
"""Goes after `support.SETUP`."""
LONGEST = 8000

_PARTS = (
    "year month day hour minute second week quarter dow doy epoch century decade ms us dayofweek x".split()
)
_NAMES = 'a b i s n d ts f j y ok t u v mv wide lb c x nothing sup.t dev.sup.t "A_b" other.public.t'.split()
_FUNCTIONS = sorted(
    (f for f in FUNCTIONS.values() if f.name not in ("pg_terminate_backend", "pg_cancel_backend")),
    key=lambda f: f.name,
)


class Grammar:
    """Grows statements; `rng` decides everything. `scope` are the columns that an expression may name."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.scope: list[str] = []
        self._depth = 0
        self._own: dict[str, Callable[[], str]] = {
            "query": lambda: self.query(self._depth),
            "query1": lambda: self.query(self._depth, 1),
            "query2": lambda: self.query(self._depth, 2),
            "int": lambda: self.expression(self._depth, "int"),
            "text": lambda: self.expression(self._depth, "text"),
            "any": lambda: self.expression(self._depth),
            "columns": lambda: f"{self.expression(self._depth)}, {self.expression(self._depth)}",
            "condition": lambda: self.condition(self._depth),
            "quoted": lambda: self.grow("statement").replace("'", "''"),
        }

    def statement(self, rule: str = "statement") -> str:
        """A text of a rule. Most are shallow, so that they run."""
        self.scope, self._depth = ["a", "b", "t.a", "u.a", "x"], self.rng.choice((0, 1, 1, 1, 2, 2, 3))
        return self.grow(rule)[:LONGEST]

    def grow(self, rule: str, level: int = 0) -> str:
        """A random text of a rule of the grammar, less and less long the deeper it nests."""
        if rule in self._own:
            return self._own[rule]()
        alternatives = rules()[rule]
        if level > 8 and rule in ("step", "body", "statement"):
            return "null;" if rule != "statement" else "select 1"
        return self._fill(self.rng.choice(alternatives), level + 1)

    def _fill(self, text: str, level: int) -> str:
        """Choices taken from the inside out, then rules replaced."""
        while (found := _CHOICE.search(text)) is not None:
            text = text[: found.start()] + self.one(*found[1].split("|")) + text[found.end() :]
        grown = _RULE.sub(lambda name: self.grow(name[1], level), text)
        return grown if level > 1 else _literal(grown)

    def one(self, *choices: str) -> str:
        return self.rng.choice(choices)

    def chance(self, probability: float) -> bool:
        return self.rng.random() < probability

    def maybe(self, text: str, probability: float = 0.3) -> str:
        return text if self.chance(probability) else ""

    # -- expressions ------------------------------------------------------------------------------------------

    def column(self, kind: str) -> str:
        fitting = [name for name in self.scope if COLUMN_KINDS.get(name.rpartition(".")[2]) == kind]
        if fitting and self.chance(0.9):
            return self.rng.choice(fitting)
        return self.one(*LITERALS[kind]) if self.chance(0.9) else self.one(*_NAMES, *self.scope)

    def expression(self, depth: int, kind: str = "") -> str:
        kind = kind or self.one(*KINDS)
        if depth <= 0 or self.chance(0.2):
            return self.column(kind) if self.chance(0.6) else self.one(*LITERALS[kind])
        deeper = depth - 1
        same, when = self.expression(deeper, kind), self.expression(deeper, "timestamp")
        ways: tuple[Callable[[], str], ...] = (
            *[lambda: self.call(deeper)] * 5,
            lambda: f"cast({same} as {self.grow('type')})",
            lambda: f"{same}::{self.grow('type')}",
            lambda: (
                f"case when {self.condition(deeper)} then {same} else {self.expression(deeper, kind)} end"
            ),
            lambda: f"case {same} when {self.expression(deeper, kind)} then {self.expression(deeper)} end",
            lambda: f"({self.query(deeper, 1 if self.chance(0.9) else 2)})",
            lambda: f"({self.condition(deeper)})",
            lambda: f"{self.column('super')}.{self.one('k', 'a', 'k[0]', '*')}",
            lambda: f"{when} at time zone {self.column('text')}",
            lambda: f"extract({self.one(*_PARTS)} from {when})",
            lambda: (
                f"({same} {self.one(*'+ - * / % || ^ & | # << >>'.split())} {self.expression(deeper, kind)})"
            ),
        )
        return self.rng.choice(ways)()

    def call(self, depth: int) -> str:
        function = self.rng.choice(_FUNCTIONS)
        if function.bare and self.chance(0.8):
            return function.name
        most = function.max_args if function.max_args is not None else function.min_args + 2
        number = self.rng.randint(function.min_args, max(most, function.min_args))
        number += self.rng.choice((-1, 1)) if self.chance(0.03) else 0
        kind = self.one(*KINDS)
        arguments = [self.expression(depth, kind if self.chance(0.7) else "") for _ in range(number)]
        if function.datepart and arguments:
            arguments[0] = self.one(*_PARTS)
        if function.star and self.chance(0.5):
            arguments = ["*"]
        distinct = "distinct " if function.distinct and self.chance(0.3) else ""
        text = f"{function.name}({distinct}{', '.join(arguments)})"
        if function.within_group == "required" or (function.within_group == "optional" and self.chance(0.6)):
            text += f" within group (order by {self.expression(depth)}{self.maybe(' desc')})"
        if function.ignores_nulls:
            text += self.one("", "", " ignore nulls", " respect nulls")
        if function.kind == "window" or (function.windowed and self.chance(0.3)):
            order = function.ordered == "required" or (function.ordered != "no" and self.chance(0.5))
            parts = [f"partition by {self.expression(depth)}"] if self.chance(0.5) else []
            parts += [f"order by {self.expression(depth)}"] if order else []
            if order and function.framed != "no" and self.chance(0.9):
                parts.append(self.one("rows unbounded preceding", "rows between 1 preceding and current row"))
            text += f" over ({' '.join(parts)})"
        return text

    def condition(self, depth: int) -> str:
        if depth <= 0:
            return self.one("true", "a > 1", "1 = 1", "b is null")
        deeper, kind = depth - 1, self.one(*KINDS)
        left, right = self.expression(deeper, kind), self.expression(deeper, kind)
        negation = self.maybe("not ")
        ways: tuple[Callable[[], str], ...] = (
            *[lambda: f"{left} {self.one('=', '<>', '!=', '<', '>', '<=', '>=')} {right}"] * 3,
            lambda: f"{left} is {negation}{self.one('null', 'true', 'false', 'unknown')}",
            lambda: f"{left} {negation}in ({self.one(right, self.query(deeper, 1))})",
            lambda: f"{left} {negation}{self.one('like', 'ilike', 'similar to')} {self.column('text')}",
            lambda: f"{left} like {self.column('text')} escape {self.column('text')}",
            lambda: f"{left} {negation}between {right} and {self.expression(0, kind)}",
            lambda: f"{negation}exists ({self.query(deeper)})",
            lambda: f"{left} {self.one('~', '!~', '~*')} {self.column('text')}",
            lambda: f"({self.condition(deeper)} {self.one('and', 'or')} {negation}{self.condition(deeper)})",
        )
        return self.rng.choice(ways)()

    # -- queries ----------------------------------------------------------------------------------------------

    def source(self, depth: int) -> str:
        """What stands behind FROM; its columns are in scope from then on."""
        roll, alias = self.rng.randrange(10), self.one("t", "u", "x", "c", "q1")
        if depth > 0 and roll == 0:
            names = ["k1", "a"][: self.rng.randint(1, 2)]
            inner = self.query(depth - 1, len(names))
            self.scope += names
            return f"({inner}) {self.maybe('as ')}{alias} ({', '.join(names)})"
        if depth > 0 and roll < 3:
            kind = self.one(
                "join", "left join", "right outer join", "full join", "cross join", "natural join", ","
            )
            left, right = self.source(depth - 1), self.source(depth - 1)
            on = self.one(f" on {self.condition(depth)}", " using (a)") if kind.endswith("join") else ""
            return f"{left} {kind} {right}{'' if kind[:2] in ('cr', 'na') else on}"
        if roll == 3 and self.chance(0.5):
            self.scope += ["e.k", "e", "w.s", "n"]
            return f"wide w, w.j.k as e{self.maybe(' at n')}"
        if roll == 4 and self.chance(0.5):
            how = self.one(
                "sum(i) for s in ('one', 'two' as two)", "count(*) for ok in (true)", "max(n) for s in ('x')"
            )
            self.scope += ["i", "one"]
            return f"(select i, s, n, ok from wide) pivot ({how}){self.maybe(' as p')}"
        if roll == 5 and self.chance(0.5):
            self.scope += ["val", "nam"]
            return (
                f"(select a, a as b2 from t) unpivot {self.maybe('include nulls ')}(val for nam in (a, b2))"
            )
        name = self.rng.choice(list(TABLES))
        short = alias if self.chance(0.3) or name.startswith("(") else name
        self.scope += [*TABLES[name], *(f"{short}.{column}" for column in TABLES[name])]
        return name if short == name else f"{name} {self.maybe('as ')}{alias}"

    def query(self, depth: int, columns: int = 0) -> str:
        """A query of so many columns, or of any number."""
        before = list(self.scope)
        text = self._select(depth, columns or self.rng.randint(1, 3))
        self.scope = before
        if depth > 0 and self.chance(0.1):
            other = self.query(depth - 1, columns or 1)
            text = f"{text} {self.one('union', 'union all', 'intersect', 'except', 'minus')} {other}"
        if self.chance(0.2):
            text += f" order by {self.one('1', '2 desc', 'a', 'b nulls first', self.expression(1), '1, 2')}"
        if self.chance(0.15) and "top" not in text:
            text += f" limit {self.one('1', '0', 'all', '10 offset 1', '$1', '-1')}"
        if depth > 1 and self.chance(0.12):
            end = f" union all select {self.one('a + 1', 'a', '1')} from c where {self.one('a < 3', 'false')}"
            inner = self.query(1, 1)
            text = self.one(
                f"with c{self.maybe(' (a)', 0.7)} as ({inner}) {text}",
                f"with recursive c (a) as ({inner}{end}) {text}",
            )
        return text

    def _select(self, depth: int, columns: int) -> str:
        self.scope = []
        source = self.source(depth) if self.chance(0.9) else ""
        first = self.one("", "", "", "", "", "", "distinct ", "all ", "top 2 ")
        made = [self.expression(depth) + self.maybe(f" as c{number}") for number in range(columns)]
        if columns == 3 and self.chance(0.3):
            made = [self.one("*", "count(*)", "* exclude a", "t.*", "*, 1")]
        text = f"select {first}{', '.join(made)}"
        if source:
            text += f" from {source}"
        if self.chance(0.35):
            text += f" where {self.condition(depth)}"
        if self.chance(0.04):
            text += f" start with {self.condition(1)} connect by prior a = b"
        if self.chance(0.15):
            keys = self.one("1", "2", "1, 2", "a", "b", self.expression(1))
            text += " group by " + self.one(keys, keys, "all", f"rollup ({keys})", f"cube ({keys})")
            text += self.one("", f" having {self.condition(1)}")
        if self.chance(0.05):
            text += f" qualify {self.one('row_number() over (order by 1) = 1', self.condition(1))}"
        return text


# -- the grammar's text --------------------------------------------------------------------------------------------

_ESCAPED = {"\\<": "\ue000", "\\>": "\ue001", "\\|": "\ue002", "\\{": "\ue003"}
_CHOICE = re.compile(r"\{([^{}]*)\}")
_RULE = re.compile(r"<(\w+)>")


@cache
def rules() -> dict[str, list[str]]:
    """The rules of statements.grammar with their alternatives."""
    found: dict[str, str] = {}
    name = ""
    for line in Path(__file__).with_name("statements.grammar").read_text().splitlines():
        if not line or line.startswith("#"):
            continue
        if not line.startswith(" "):
            name, _, line = line.partition(":")
            found[name] = ""
        found[name] += " " + line.strip()
    return {name: _alternatives(text) for name, text in found.items()}


def _alternatives(text: str) -> list[str]:
    for written, hidden in _ESCAPED.items():
        text = text.replace(written, hidden)
    depth, parts = 0, [""]
    for character in text:
        depth += (character == "{") - (character == "}")
        if character == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    return [part.strip() for part in parts]


def _literal(text: str) -> str:
    for written, hidden in _ESCAPED.items():
        text = text.replace(hidden, written[1])
    return text
