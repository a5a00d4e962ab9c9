"""JSONPath as the alert path needs it: reference paths, payload templates, intrinsic functions.

Source: Developer Guide, "Using JSONPath paths" and "Intrinsic functions". A reference path names one node: `$`, fields
and indexes; what may find several (wildcards, slices, filters, ..) is refused. `$$` is the context object.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from deployer.local.states.errors import INTRINSIC, PARAMETER_PATH, RESULT_PATH, RUNTIME, StatesError

_STEP = re.compile(r"\.([A-Za-z_][\w-]*)|\['((?:[^'\\]|\\.)*)'\]|\[(\d+)\]")
MISSING = object()


def find(path: str, data: Any, context: Any) -> Any:
    """What a path names, or MISSING. Raises StatesError for a path of another kind."""
    node = context if path.startswith("$$") else data
    for step in steps(path):
        if isinstance(step, int) and isinstance(node, list) and step < len(node):
            node = node[step]
        elif isinstance(step, str) and isinstance(node, Mapping) and step in node:
            node = node[step]
        else:
            return MISSING
    return node


def get(path: str, data: Any, context: Any) -> Any:
    """As `find`; raises StatesError when there is nothing."""
    found = find(path, data, context)
    if found is MISSING:
        raise StatesError(PARAMETER_PATH, f"The path {path} leads nowhere in {_short(data)}")
    return found


def steps(path: str) -> list[str | int]:
    """A path's fields and indexes."""
    rest = path.removeprefix("$$") if path.startswith("$$") else path.removeprefix("$")
    if not path.startswith("$"):
        raise StatesError(RUNTIME, f"{path} is no path: it begins with $")
    found: list[str | int] = []
    at = 0
    while at < len(rest):
        match = _STEP.match(rest, at)
        if match is None:
            raise StatesError(RUNTIME, f"the local Step Functions does not know the path {path}")
        name, quoted, index = match.groups()
        found.append(int(index) if index is not None else name if name is not None else _unescaped(quoted))
        at = match.end()
    return found


def put(path: str | None, data: Any, value: Any) -> Any:
    """`data` with `value` at a ResultPath: None leaves the data, `$` replaces it. The data itself stays as it is."""
    if path is None:
        return data
    way = steps(path)
    if not way:
        return value
    made = json.loads(json.dumps(data))
    node = made
    for number, step in enumerate(way):
        if not isinstance(step, str) or not isinstance(node, dict):
            raise StatesError(RESULT_PATH, f"The ResultPath {path} does not fit {_short(data)}")
        if number == len(way) - 1:
            node[step] = value
        else:
            node = node.setdefault(step, {})
    return made


def template(raw: Any, data: Any, context: Any) -> Any:
    """A payload template: keys that end in .$ have paths or intrinsic functions for values."""
    if isinstance(raw, list):
        return [template(one, data, context) for one in raw]
    if not isinstance(raw, Mapping):
        return raw
    made = {}
    for key, value in raw.items():
        if key.endswith(".$"):
            made[key.removesuffix(".$")] = evaluate(value, data, context)
        else:
            made[key] = template(value, data, context)
    return made


def evaluate(text: Any, data: Any, context: Any) -> Any:
    """A path, or an intrinsic function."""
    if not isinstance(text, str):
        raise StatesError(RUNTIME, f"{text!r} is neither a path nor an intrinsic function")
    if text.startswith("$"):
        return get(text, data, context)
    value, at = _call(text, 0, data, context)
    if at != len(text):
        raise StatesError(INTRINSIC, f"{text!r} has something behind its function")
    return value


# -- intrinsic functions ----------------------------------------------------------------------------------------


def _format(text: str, *values: Any) -> str:
    parts = re.split(r"(?<!\\)\{\}", text)
    if len(parts) != len(values) + 1:
        raise StatesError(INTRINSIC, f"States.Format has {len(parts) - 1} {{}} and {len(values)} values")
    shown = [one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in values]
    made = "".join(part + value for part, value in zip(parts, [*shown, ""], strict=True))
    return made.replace("\\{", "{").replace("\\}", "}")


def _load(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise StatesError(INTRINSIC, f"States.StringToJson: {error}") from None


def _split(text: str, splitter: str) -> list[str]:
    return [part for part in re.split("|".join(map(re.escape, splitter)), text) if part]


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "States.Format": _format,
    "States.StringToJson": _load,
    "States.JsonToString": lambda value: json.dumps(value, ensure_ascii=False, separators=(",", ":")),
    "States.Array": lambda *values: list(values),
    "States.ArrayContains": lambda values, value: value in values,
    "States.ArrayGetItem": lambda values, index: values[index],
    "States.ArrayLength": len,
    "States.MathAdd": lambda first, second: first + second,
    "States.StringSplit": _split,
    "States.UUID": lambda: str(uuid.uuid4()),
}
_NAME = re.compile(r"\s*(States\.[A-Za-z0-9]+)\(")
_TEXT = re.compile(r"\s*'((?:[^'\\]|\\.)*)'\s*")
_NUMBER = re.compile(r"\s*(-?\d+(?:\.\d+)?|true|false|null)\s*")
_PATH = re.compile(r"\s*(\$[^,)\s]*)\s*")


def _call(text: str, at: int, data: Any, context: Any) -> tuple[Any, int]:
    """The function call that begins at `at`, and where it ends."""
    match = _NAME.match(text, at)
    if match is None or match.group(1) not in _FUNCTIONS:
        raise StatesError(INTRINSIC, f"the local Step Functions does not know {text[at:]!r}")
    name, at = match.group(1), match.end()
    values: list[Any] = []
    while not text.startswith(")", at):
        value, at = _argument(text, at, data, context)
        values.append(value)
        if text.startswith(",", at):
            at += 1
        elif not text.startswith(")", at):
            raise StatesError(INTRINSIC, f"{text!r} has no closing parenthesis")
    try:
        return _FUNCTIONS[name](*values), at + 1
    except (TypeError, IndexError, AttributeError) as error:
        raise StatesError(INTRINSIC, f"{name}: {error}") from None


def _argument(text: str, at: int, data: Any, context: Any) -> tuple[Any, int]:
    if match := _TEXT.match(text, at):
        return _unescaped(match.group(1)), match.end()
    if match := _NUMBER.match(text, at):
        return json.loads(match.group(1)), match.end()
    if match := _PATH.match(text, at):
        return get(match.group(1), data, context), match.end()
    value, at = _call(text, at, data, context)
    return value, at + len(text[at:]) - len(text[at:].lstrip())


def _unescaped(text: str) -> str:
    # \{ and \} are States.Format's.
    return re.sub(r"\\(['\\])", r"\1", text)


def _short(data: Any) -> str:
    text = json.dumps(data, ensure_ascii=False)
    return text if len(text) <= 200 else text[:200] + "..."
