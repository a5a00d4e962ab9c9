"""JSONata in state machines: `{% ... %}`, with $states and the machine's variables.

Source: Developer Guide, "Transforming data with JSONata in Step Functions": every failure, and a result that is
undefined, is States.QueryEvaluationError. Of the functions that Step Functions adds, $parse and $uuid are here; the
others are unknown, as is $eval there.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Mapping
from typing import Any

from deployer.local.states.errors import QUERY, StatesError

_EXPRESSION = re.compile(r"\s*\{%(.*)%\}\s*", re.DOTALL)
_MILLISECONDS = 5000
_REFUSED = re.compile(r"\$(eval|partition|range|hash|random)\s*\(")


def evaluate(raw: Any, states: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    """A value with every expression in it evaluated. Raises StatesError."""
    if isinstance(raw, list):
        return [evaluate(one, states, variables) for one in raw]
    if isinstance(raw, Mapping):
        return {key: evaluate(value, states, variables) for key, value in raw.items()}
    if isinstance(raw, str) and (match := _EXPRESSION.fullmatch(raw)):
        return _evaluated(match.group(1).strip(), states, variables)
    return raw


def _evaluated(text: str, states: Mapping[str, Any], variables: Mapping[str, Any]) -> Any:
    from jsonata import Jsonata, Utils

    if refused := _REFUSED.search(text):
        raise StatesError(QUERY, f"the local Step Functions has no ${refused.group(1)}()")
    given = {key: Utils.NULL_VALUE if value is None else value for key, value in variables.items()}
    given["states"] = dict(states)

    def run(expression: str) -> Any:
        made = Jsonata.jsonata(expression, timeout=_MILLISECONDS)
        made.register_lambda("parse", json.loads)
        made.register_lambda("uuid", lambda: str(uuid.uuid4()))
        return made.evaluate(None, given)

    try:
        found = run(text)
        if found is None and not run(f"$exists(({text}))"):
            raise StatesError(QUERY, f"the expression did not return a value: {text}")
    except StatesError:
        raise
    except Exception as error:
        code = getattr(error, "error", None)
        raise StatesError(QUERY, f"{code or type(error).__name__}: {error} (in {text})") from None
    return _plain(found)


def _plain(found: Any) -> Any:
    """The result as JSON has it; the library has kinds of lists and numbers of its own."""
    if isinstance(found, bool) or found is None or isinstance(found, str | int):
        return found
    if isinstance(found, float):
        return int(found) if found.is_integer() else found
    if isinstance(found, Mapping):
        return {str(key): _plain(value) for key, value in found.items()}
    if isinstance(found, list | tuple):
        return [_plain(one) for one in found]
    raise StatesError(QUERY, f"the result is no JSON: {type(found).__name__}")
