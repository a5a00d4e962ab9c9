"""Random bodies of the language that Redshift shares with PostgreSQL give the same values in both.

PostgreSQL's own PL/pgSQL is the oracle: the same body runs here by CALL and there as a procedure of the engine's.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest


class Writer:
    """Writes bodies over the integers a, b, c, d; `x` gets them all at the end."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._in_query = False

    def body(self) -> str:
        statements = "\n".join(self.statement(3) for _ in range(self._random.randint(1, 4)))
        told = " || ' ' || ".join(f"coalesce({name}::varchar, '-')" for name in "abcd")
        return (
            "declare a bigint := 1; b bigint := 2; c bigint; d bigint := 0; r record;\n"
            f"begin\n<<whole>> begin\n{statements}\nend;\nx := {told};\nend"
        )

    def variable(self) -> str:
        return self._random.choice("abc")

    def number(self, depth: int = 2) -> str:
        choice = self._random.randint(0, 7 if depth else 3)
        if choice <= 1:
            return self.variable()
        if choice <= 3:
            return self._random.choice([f"({self._random.randint(-9, 9)})", "null::bigint"])
        left, right = self.number(depth - 1), self.number(depth - 1)
        forms = ("({} + {})", "({} - {})", "(({} * {}) % 97)", "coalesce({}, {})")
        return forms[choice - 4].format(left, right)

    def condition(self, depth: int = 2) -> str:
        choice = self._random.randint(0, 6 if depth else 3)
        if choice == 0:
            return self._random.choice(["true", "false", "null"])
        if choice == 1:
            return f"{self.variable()} is {self._random.choice(['', 'not '])}null"
        if choice <= 3:
            return f"{self.number()} {self._random.choice(['=', '<>', '<', '>', '<=', '>='])} {self.number()}"
        if choice == 4:
            return f"not ({self.condition(depth - 1)})"
        word = self._random.choice(["and", "or"])
        return f"({self.condition(depth - 1)} {word} {self.condition(depth - 1)})"

    def statements(self, depth: int, loop: bool = False) -> str:
        written = [self.statement(depth) for _ in range(self._random.randint(1, 2))]
        if loop and self._random.random() < 0.7:
            leave = self._random.choice(["exit", "continue", "exit whole", "continue round", "exit round"])
            written.insert(self._random.randint(0, len(written)), f"{leave} when {self.condition()};")
        return "\n".join(written)

    def statement(self, depth: int) -> str:
        choice = self._random.randint(0, 10 if depth else 2)
        if choice <= 1:
            return f"{self.variable()} := {self.number()};"
        if choice == 2:
            where = self._random.choice(["", f" where {self.condition()}"])
            return f"select {self.number()}, {self.number()} into {self.variable()}, d{where};"
        inner = depth - 1
        if choice == 3:
            return (
                f"if {self.condition()} then {self.statements(inner)} elsif {self.condition()} then "
                f"{self.statements(inner)} else {self.statements(inner)} end if;"
            )
        if choice == 4:
            return (
                f"case {self.number()} when {self.number()}, {self.number()} then {self.statements(inner)} "
                f"else {self.statements(inner)} end case;"
            )
        if choice == 5:
            return (
                f"case when {self.condition()} then {self.statements(inner)} when {self.condition()} then "
                f"{self.statements(inner)} else null; end case;"
            )
        if choice == 6:
            step = self._random.choice(["", " by 2", " by 3"])
            return (
                f"<<round>> for i in {self.small()}..{self.small()}{step} loop a := a + round.i;\n"
                f"{self.statements(inner, True)} end loop;\nd := d + case when found then 1 else 0 end;"
            )
        if choice == 7:
            return (
                f"<<round>> for i in reverse {self.small()}..{self.small()} loop b := b - i;\n"
                f"{self.statements(inner, True)} end loop round;"
            )
        if choice == 8:
            return (
                "declare n bigint := 0; begin <<round>> while n < 3 loop n := n + 1;\n"
                f"{self.statements(inner, True)} end loop; end;"
            )
        if choice == 9 and not self._in_query:
            self._in_query = True
            text = (
                f"<<round>> for r in select {self.number()} as one union all select {self.number()} loop c := r.one;\n"
                f"{self.statements(inner, True)} end loop;\nd := d + case when found then 10 else 0 end;"
            )
            self._in_query = False
            return text
        return f"declare b bigint := {self.number()}; begin {self.statements(inner)} d := d + coalesce(b, 0) % 97; end;"

    def small(self) -> int:
        return self._random.randint(-2, 3)


@pytest.mark.parametrize("batch", range(4))
def test_bodies_give_what_postgresql_gives(
    fresh_database: None, connect: Callable[..., Any], engine: Any, batch: int
) -> None:
    cursor = connect(autocommit=True).cursor()
    engine.execute("create schema oracle")
    for seed in range(batch * 50, batch * 50 + 50):
        body = Writer(seed).body()
        cursor.execute(f"create or replace procedure p(x out varchar(200)) as $${body}$$ language plpgsql")
        cursor.execute("call p()")
        here = cursor.fetchone()[0]
        engine.execute(f"create or replace procedure oracle.p(x out varchar) as $${body}$$ language plpgsql")
        there = engine.execute("call oracle.p(null)").fetchone()[0]
        assert here == there, f"seed {seed}: {body}"
