"""Event patterns, matched as EventBridge matches them.

Source: EventBridge User Guide, "Creating event patterns", "Comparison operators". A pattern is a JSON object; each leaf
is a list of alternatives. What the guide does not know is refused, and so is `cidr`, which no event of ours can need.
Numbers are compared by their text (300, 300.0 and 3.0e2 differ), except by `numeric`.

Where the guide is silent: a field whose value is an object, or an empty list, counts as absent, since the guide has
`exists` work on leaves only; a list of objects matches when one of its objects matches all that is asked of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

LONGEST = 4096
"""Characters of a pattern (PutRule)."""
_ALTERNATIVES = 1000
"""Combinations that $or may stand for."""
_NUMERIC_LIMIT = 5_000_000_000
_NUMERIC_DIGITS = 15

_COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "=": lambda value, bound: value == bound,
}


class PatternError(ValueError):
    """A pattern that EventBridge would not take, or that is refused here by name."""


@dataclass(frozen=True)
class Number:
    """A JSON number, as it was written."""

    text: str


Leaf = str | Number | bool | None
Test = Callable[[Leaf], bool]


@dataclass(frozen=True)
class _Field:
    """What one leaf is asked. `absent` when it may also be missing."""

    tests: tuple[Test, ...]
    absent: bool

    def matches(self, values: list[Leaf]) -> bool:
        return (self.absent and not values) or any(test(value) for test in self.tests for value in values)


@dataclass(frozen=True)
class Pattern:
    """A parsed pattern. All fields must match, and one of each list of alternatives."""

    fields: tuple[tuple[str, _Field | Pattern], ...]
    either: tuple[Pattern, ...] = ()

    def matches(self, event: Mapping[str, Any]) -> bool:
        """Whether it matches an event, given as json.loads gives it."""
        return self._matches(loads(json.dumps(event)))

    def _matches(self, event: Mapping[str, Any]) -> bool:
        return all(_fits(part, event.get(name)) for name, part in self.fields) and (
            not self.either or any(part._matches(event) for part in self.either)
        )

    @property
    def combinations(self) -> int:
        inside = [part.combinations for _, part in self.fields if isinstance(part, Pattern)]
        product = sum(part.combinations for part in self.either) or 1
        for count in inside:
            product *= count
        return product


def _fits(part: _Field | Pattern, value: Any) -> bool:
    if isinstance(part, _Field):
        return part.matches(list(_leaves(value)))
    if isinstance(value, list):
        objects = [one for one in value if isinstance(one, dict)]
        return any(part._matches(one) for one in objects) if objects else part._matches({})
    return part._matches(value if isinstance(value, dict) else {})


def _leaves(value: Any) -> Iterable[Leaf]:
    """The leaves that a field has: each of a list's. Null is told from absent by the caller's sentinel below."""
    if isinstance(value, list):
        for one in value:
            yield from _leaves(one)
    elif value is not None and not isinstance(value, dict):
        yield None if value is NULL else cast(Leaf, value)


class _Null:
    """JSON's null inside an event, which is not the same as nothing."""


NULL = _Null()


def loads(text: str) -> dict[str, Any]:
    """JSON with its numbers as Number and its nulls as NULL; a repeated key is refused. Raises PatternError."""
    try:
        read = json.loads(text, parse_int=Number, parse_float=Number, parse_constant=_constant)
    except ValueError as error:
        raise PatternError(f"it is not JSON: {error}") from None
    if not isinstance(read, dict):
        raise PatternError("it is not a JSON object")
    return cast(dict[str, Any], _with_nulls(read))


def _constant(text: str) -> None:
    raise PatternError(f"{text} is not JSON")


def _with_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _with_nulls(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_with_nulls(one) for one in value]
    return NULL if value is None else value


# -- parsing --------------------------------------------------------------------------------------------------


def parse(text: str) -> Pattern:
    """A rule's EventPattern. Raises PatternError, which says where in the pattern."""
    if len(text) > LONGEST:
        raise PatternError(f"it has {len(text)} characters; EventBridge takes {LONGEST}")
    found = _pattern(loads(text), "")
    if found.combinations > _ALTERNATIVES:
        raise PatternError(f"its $or stand for more than {_ALTERNATIVES} combinations")
    return found


def _pattern(raw: dict[str, Any], path: str) -> Pattern:
    if not raw:
        raise PatternError(f"{path or 'the pattern'} is empty")
    fields: list[tuple[str, _Field | Pattern]] = []
    either: tuple[Pattern, ...] = ()
    for name, value in raw.items():
        place = f"{path}.{name}" if path else name
        if name == "$or":
            either = _either(value, place, path)
        elif isinstance(value, dict):
            fields.append((name, _pattern(value, place)))
        elif isinstance(value, list):
            fields.append((name, _field(value, place)))
        else:
            raise PatternError(f"{place} must be an object or a list")
    return Pattern(tuple(fields), either)


def _either(value: Any, place: str, path: str) -> tuple[Pattern, ...]:
    if not isinstance(value, list) or len(value) < 2 or not all(isinstance(one, dict) for one in value):
        raise PatternError(f"{place} must be a list of at least two objects")
    return tuple(_pattern(one, path) for one in value)


def _field(values: list[Any], place: str) -> _Field:
    if not values:
        raise PatternError(f"{place} is an empty list, which EventBridge does not take")
    tests: list[Test] = []
    absent = False
    for value in values:
        if isinstance(value, dict):
            if value == {"exists": False}:
                absent = True
            else:
                tests.append(_operator(value, place))
        elif isinstance(value, list):
            raise PatternError(f"{place} has a list inside its list")
        else:
            tests.append(_equal(None if value is NULL else value))
    return _Field(tuple(tests), absent)


def _operator(raw: dict[str, Any], place: str) -> Test:
    if len(raw) != 1:
        raise PatternError(f"{place}: an object in a list has one operator, not {len(raw)}")
    ((name, value),) = raw.items()
    if name == "exists":
        if value is not True:
            raise PatternError(f"{place}: exists takes true or false")
        return lambda leaf: True
    if name == "numeric":
        return _numeric(value, place)
    if name == "anything-but":
        return _anything_but(value, place)
    if name in _TEXT:
        if isinstance(value, dict) and name in ("prefix", "suffix"):
            return _ignoring_case(name, value, place)
        return _TEXT[name](_text(value, name, place), place)
    if name == "cidr":
        raise PatternError(f"{place}: the local event bus has no cidr")
    raise PatternError(f"{place}: EventBridge has no operator {name}")


def _equal(wanted: Leaf) -> Test:
    # In Python True == 1; here the types differ, numbers being Number.
    return lambda leaf: type(leaf) is type(wanted) and leaf == wanted


def _text(value: Any, name: str, place: str) -> str:
    if not isinstance(value, str):
        raise PatternError(f"{place}: {name} takes a string")
    return value


def _prefix(wanted: str, place: str) -> Test:
    return lambda leaf: isinstance(leaf, str) and leaf.startswith(wanted)


def _suffix(wanted: str, place: str) -> Test:
    return lambda leaf: isinstance(leaf, str) and leaf.endswith(wanted)


def _same_letters(wanted: str, place: str) -> Test:
    return lambda leaf: isinstance(leaf, str) and leaf.lower() == wanted.lower()


def _wildcard(wanted: str, place: str) -> Test:
    parts = re.findall(r"\\[*\\]|\\|\*|[^\\*]+", wanted)
    if ("*", "*") in pairwise(parts):
        raise PatternError(f"{place}: wildcard takes no two * beside each other")
    if "\\" in parts:
        raise PatternError(f"{place}: in wildcard a backslash stands before * or another one")
    expression = "".join(
        ".*" if part == "*" else re.escape(part[1] if part.startswith("\\") else part) for part in parts
    )
    compiled = re.compile(expression, re.DOTALL)
    return lambda leaf: isinstance(leaf, str) and compiled.fullmatch(leaf) is not None


_TEXT: dict[str, Callable[[str, str], Test]] = {
    "prefix": _prefix,
    "suffix": _suffix,
    "equals-ignore-case": _same_letters,
    "wildcard": _wildcard,
}


def _ignoring_case(name: str, value: dict[str, Any], place: str) -> Test:
    if list(value) != ["equals-ignore-case"]:
        raise PatternError(f"{place}: {name} takes a string, or equals-ignore-case with one")
    test = _TEXT[name](_text(value["equals-ignore-case"], name, place).lower(), place)
    return lambda leaf: isinstance(leaf, str) and test(leaf.lower())


def _anything_but(value: Any, place: str) -> Test:
    """Any leaf that none of these matches. The field must be there."""
    if isinstance(value, dict):
        if len(value) != 1 or next(iter(value)) not in _TEXT:
            raise PatternError(f"{place}: anything-but takes values, or one of {', '.join(_TEXT)}")
        ((name, inside),) = value.items()
        wanted = inside if isinstance(inside, list) else [inside]
        tests = [_TEXT[name](_text(one, name, place), place) for one in wanted]
    else:
        wanted = value if isinstance(value, list) else [value]
        kinds = {type(one) for one in wanted}
        if kinds not in ({str}, {Number}):
            raise PatternError(f"{place}: anything-but takes strings only, or numbers only")
        tests = [_equal(one) for one in wanted]
    if not tests:
        raise PatternError(f"{place}: anything-but has an empty list")
    return lambda leaf: not any(test(leaf) for test in tests)


def _numeric(value: Any, place: str) -> Test:
    if not isinstance(value, list) or len(value) not in (2, 4):
        raise PatternError(f"{place}: numeric takes a list of one or two comparisons")
    bounds = [(value[at], _number(value[at + 1], place)) for at in range(0, len(value), 2)]
    if len(bounds) == 2 and (bounds[0][0] not in (">", ">=") or bounds[1][0] not in ("<", "<=")):
        raise PatternError(f"{place}: a range of numeric begins with > or >= and ends with < or <=")
    if any(operator not in _COMPARE for operator, _ in bounds):
        raise PatternError(f"{place}: numeric compares with {' '.join(_COMPARE)}")
    if len(bounds) == 2 and bounds[0][1] >= bounds[1][1]:
        raise PatternError(f"{place}: the range of numeric is empty")

    def test(leaf: Leaf) -> bool:
        return isinstance(leaf, Number) and all(
            _COMPARE[operator](float(leaf.text), bound) for operator, bound in bounds
        )

    return test


def _number(value: Any, place: str) -> float:
    if not isinstance(value, Number):
        raise PatternError(f"{place}: numeric compares with numbers")
    digits = re.sub(r"[eE].*|[^0-9]", "", value.text).strip("0")
    if abs(float(value.text)) > _NUMERIC_LIMIT or len(digits) > _NUMERIC_DIGITS:
        raise PatternError(
            f"{place}: numeric takes numbers within -5e9 and 5e9, of {_NUMERIC_DIGITS} digits; not {value.text}"
        )
    return float(value.text)
