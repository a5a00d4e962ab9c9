"""Choice rules in JSONPath: comparison operators (Amazon States Language, "Choice State")."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from deployer.local.states.errors import RUNTIME, StatesError
from deployer.local.states.paths import MISSING, find, get


def _text(value: Any) -> bool:
    return isinstance(value, str)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _flag(value: Any) -> bool:
    return isinstance(value, bool)


def _timestamp(value: Any) -> bool:
    return isinstance(value, str) and _time(value) is not None


def _time(text: str) -> datetime | None:
    if not re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", text):
        return None
    return datetime.fromisoformat(text)


_KINDS: dict[str, tuple[Callable[[Any], bool], Callable[[Any], Any]]] = {
    "String": (_text, lambda value: value),
    "Numeric": (_number, lambda value: value),
    "Timestamp": (_timestamp, _time),
    "Boolean": (_flag, lambda value: value),
}
_ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "Equals": lambda value, other: value == other,
    "LessThan": lambda value, other: value < other,
    "GreaterThan": lambda value, other: value > other,
    "LessThanEquals": lambda value, other: value <= other,
    "GreaterThanEquals": lambda value, other: value >= other,
}
_IS: dict[str, Callable[[Any], bool]] = {
    "IsNull": lambda value: value is None,
    "IsString": _text,
    "IsNumeric": _number,
    "IsBoolean": _flag,
    "IsTimestamp": _timestamp,
}
_OPERATOR = re.compile(
    r"(String|Numeric|Timestamp|Boolean)(Equals|LessThanEquals|GreaterThanEquals|LessThan|GreaterThan)(Path)?"
)


def holds(rule: Mapping[str, Any], data: Any, context: Any) -> bool:
    """Whether a rule's comparison is true. A value of another type than the comparison's is not equal to anything."""
    if "And" in rule:
        return all(holds(one, data, context) for one in rule["And"])
    if "Or" in rule:
        return any(holds(one, data, context) for one in rule["Or"])
    if "Not" in rule:
        return not holds(rule["Not"], data, context)
    names = set(rule) - {"Variable", "Next", "Comment"}
    if len(names) != 1 or "Variable" not in rule:
        raise StatesError(RUNTIME, f"a choice rule has one comparison of one Variable, not {sorted(names)}")
    name = names.pop()
    wanted = rule[name]
    if name == "IsPresent":
        return bool((find(rule["Variable"], data, context) is not MISSING) == wanted)
    value = _value(rule["Variable"], data, context)
    if name in _IS:
        return bool(_IS[name](value) == wanted)
    if name == "StringMatches":
        return _text(value) and _matches(wanted, value)
    match = _OPERATOR.fullmatch(name)
    if match is None or (match.group(1) == "Boolean" and match.group(2) != "Equals"):
        raise StatesError(RUNTIME, f"the local Step Functions does not know the comparison {name}")
    kind, order, by_path = match.groups()
    other = get(wanted, data, context) if by_path else wanted
    is_kind, read = _KINDS[kind]
    return is_kind(value) and is_kind(other) and _ORDERS[order](read(value), read(other))


def _value(path: str, data: Any, context: Any) -> Any:
    value = find(path, data, context)
    if value is MISSING:
        raise StatesError(RUNTIME, f"Invalid path '{path}': the choice state's condition path leads nowhere")
    return value


def _matches(wanted: str, value: str) -> bool:
    parts = re.findall(r"\\[*\\]|\*|[^\\*]+|\\", wanted)
    expression = "".join(
        ".*" if part == "*" else re.escape(part[1] if len(part) == 2 and part[0] == "\\" else part)
        for part in parts
    )
    return re.fullmatch(expression, value, re.DOTALL) is not None
