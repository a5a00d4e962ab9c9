"""State machines, read and checked: what the interpreter does not know is refused before anything runs.

Source: Amazon States Language specification; AWS Step Functions Developer Guide, "Using JSONPath", "Transforming data
with JSONata". Task, Choice, Wait, Pass, Succeed and Fail, in both query languages; Parallel, Map and, in JSONPath,
Assign are refused by name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

JSONPATH, JSONATA = "JSONPath", "JSONata"

_EVERYWHERE = {"Type", "Comment", "QueryLanguage"}
_FLOW = {"Next", "End"}
_FIELDS: dict[str, dict[str, set[str]]] = {
    JSONPATH: {
        "Task": _FLOW
        | {"Resource", "Parameters", "ResultSelector", "ResultPath", "InputPath", "OutputPath", "Retry", "Catch",
           "TimeoutSeconds"},
        "Choice": {"Choices", "Default", "InputPath", "OutputPath"},
        "Wait": _FLOW | {"Seconds", "SecondsPath", "Timestamp", "TimestampPath", "InputPath", "OutputPath"},
        "Pass": _FLOW | {"Result", "Parameters", "ResultPath", "InputPath", "OutputPath"},
        "Succeed": {"InputPath", "OutputPath"},
        "Fail": {"Error", "Cause", "ErrorPath", "CausePath"},
    },
    JSONATA: {
        "Task": _FLOW | {"Resource", "Arguments", "Output", "Assign", "Retry", "Catch", "TimeoutSeconds"},
        "Choice": {"Choices", "Default", "Output", "Assign"},
        "Wait": _FLOW | {"Seconds", "Timestamp", "Output", "Assign"},
        "Pass": _FLOW | {"Output", "Assign"},
        "Succeed": {"Output"},
        "Fail": {"Error", "Cause"},
    },
}  # fmt: skip
_RETRY = {
    "ErrorEquals", "IntervalSeconds", "MaxAttempts", "BackoffRate", "MaxDelaySeconds", "JitterStrategy", "Comment"
}  # fmt: skip
_CATCH = {
    JSONPATH: {"ErrorEquals", "Next", "ResultPath", "Comment"},
    JSONATA: {"ErrorEquals", "Next", "Output", "Assign", "Comment"},
}
_TOP = {"Comment", "StartAt", "States", "TimeoutSeconds", "Version", "QueryLanguage"}


class DefinitionError(ValueError):
    """A definition that Step Functions would not take, or that is refused here by name."""


@dataclass(frozen=True)
class Machine:
    """A checked definition. `timeout` is in seconds; None leaves the kind's own limit."""

    start: str
    states: Mapping[str, Mapping[str, Any]]
    language: str = JSONPATH
    timeout: float | None = None

    def language_of(self, state: Mapping[str, Any]) -> str:
        return str(state.get("QueryLanguage", self.language))


def parse(text: str) -> Machine:
    """A definition as DescribeStateMachine gives it. Raises DefinitionError."""
    try:
        raw = json.loads(text)
    except ValueError as error:
        raise DefinitionError(f"the definition is not JSON: {error}") from None
    _known(raw, _TOP, "the state machine")
    machine = Machine(
        raw.get("StartAt", ""),
        raw.get("States", {}),
        raw.get("QueryLanguage", JSONPATH),
        raw.get("TimeoutSeconds"),
    )
    if machine.language not in _FIELDS:
        raise DefinitionError(f"QueryLanguage is JSONPath or JSONata, not {machine.language!r}")
    if machine.start not in machine.states:
        raise DefinitionError(f"StartAt names {machine.start!r}, which is no state")
    for name, state in machine.states.items():
        _check(machine, name, state)
    return machine


def _check(machine: Machine, name: str, state: Mapping[str, Any]) -> None:
    kind, language = state.get("Type"), machine.language_of(state)
    if language not in _FIELDS or (machine.language == JSONATA and language == JSONPATH):
        # The guide: JSONata may stand inside a JSONPath machine, not the other way round.
        raise DefinitionError(f"state {name}: QueryLanguage {language!r} cannot stand here")
    if kind not in _FIELDS[language]:
        raise DefinitionError(f"state {name}: the local Step Functions has no {kind}")
    _known(state, _FIELDS[language][kind] | _EVERYWHERE, f"state {name}")
    ends = kind in ("Choice", "Succeed", "Fail")
    if not ends and ("Next" in state) == (state.get("End") is True):
        raise DefinitionError(f"state {name} needs either Next or End")
    if kind == "Task" and not isinstance(state.get("Resource"), str):
        raise DefinitionError(f"state {name} needs a Resource")
    if kind == "Wait" and len([one for one in state if one.startswith(("Seconds", "Timestamp"))]) != 1:
        raise DefinitionError(f"state {name} waits for exactly one of Seconds and Timestamp")
    if kind == "Choice" and not state.get("Choices"):
        raise DefinitionError(f"state {name} needs Choices")
    _check_retry(name, state.get("Retry", []))
    for catcher in state.get("Catch", []):
        _known(catcher, _CATCH[language], f"a catcher of state {name}")
    _check_errors(name, state.get("Catch", []))
    for following in _followers(state):
        if following not in machine.states:
            raise DefinitionError(f"state {name} goes on to {following!r}, which is no state")


def _check_retry(name: str, retriers: list[Mapping[str, Any]]) -> None:
    for retrier in retriers:
        _known(retrier, _RETRY, f"a retrier of state {name}")
        if retrier.get("JitterStrategy", "NONE") not in ("NONE", "FULL"):
            raise DefinitionError(f"a retrier of state {name}: JitterStrategy is NONE or FULL")
        if retrier.get("BackoffRate", 2.0) < 1.0 or retrier.get("IntervalSeconds", 1) < 1:
            raise DefinitionError(
                f"a retrier of state {name}: BackoffRate and IntervalSeconds are at least 1"
            )
    _check_errors(name, retriers)


def _check_errors(name: str, handlers: list[Mapping[str, Any]]) -> None:
    for number, handler in enumerate(handlers, 1):
        errors = handler.get("ErrorEquals")
        if not errors:
            raise DefinitionError(f"state {name}: ErrorEquals must name an error")
        if "States.ALL" in errors and (len(errors) > 1 or number < len(handlers)):
            raise DefinitionError(f"state {name}: States.ALL must stand alone, and last")


def _followers(state: Mapping[str, Any]) -> list[str]:
    direct = [state[key] for key in ("Next", "Default") if key in state]
    inside = [one["Next"] for key in ("Choices", "Catch") for one in state.get(key, []) if "Next" in one]
    return direct + inside


def _known(given: Any, fields: set[str], what: str) -> None:
    if not isinstance(given, Mapping):
        raise DefinitionError(f"{what} is not a JSON object")
    unknown = sorted(set(given) - fields)
    if unknown:
        raise DefinitionError(
            f"{what} has {', '.join(unknown)}, which the local Step Functions does not know"
        )
