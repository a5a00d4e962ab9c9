"""One execution of a state machine, step by step: it runs until it has to wait, and goes on when it is asked again."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from deployer.local.events.clock import Clock
from deployer.local.states import choices, expressions, paths
from deployer.local.states.definition import JSONATA, Machine
from deployer.local.states.errors import NO_CHOICE, QUERY, RUNTIME, TIMEOUT, StatesError

RUNNING, SUCCEEDED, FAILED, TIMED_OUT = "RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT"

EXPRESS_SECONDS = 300.0
"""An express workflow lasts five minutes at most (Developer Guide, "Choosing workflow type")."""


class Tasks(Protocol):
    def call(self, resource: str, arguments: Any) -> Any:
        """Call what a Task names. Its answer as Step Functions shows it. Raises StatesError."""


class Execution:
    """An execution from its start. `trail` has the states it was in, `output` its end's value, or `error` and `cause`.

    `random` (0 to 1) is the jitter of retriers that ask for it.
    """

    def __init__(
        self,
        machine: Machine,
        given: Any,
        tasks: Tasks,
        clock: Clock,
        context: Mapping[str, Any],
        limit: float = EXPRESS_SECONDS,
        random: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._machine, self._tasks, self._clock, self._random = machine, tasks, clock, random
        self._context: dict[str, Any] = json.loads(json.dumps(context))
        self._deadline = clock.now() + timedelta(seconds=min(limit, machine.timeout or limit))
        self._input = given
        self._variables: dict[str, Any] = {}
        self._resume: datetime | None = None
        self._waited = False
        self.status, self.state = RUNNING, machine.start
        self.output: Any = None
        self.error: str | None = None
        self.cause: str | None = None
        self.trail: list[str] = []
        self._enter(machine.start)

    def step(self) -> datetime | None:
        """Go on. When to come back, or None when it has ended."""
        while self.status == RUNNING:
            now = self._clock.now()
            if now >= self._deadline:
                self._end(TIMED_OUT, error=TIMEOUT, cause="the execution has lasted longer than it may")
                break
            if self._resume is not None and now < self._resume:
                return min(self._resume, self._deadline)
            self._resume = None
            self._run()
        return None

    def break_off(self, cause: str) -> None:
        """End it: the interpreter itself cannot go on."""
        self._end(FAILED, error=RUNTIME, cause=cause)

    # -- states -----------------------------------------------------------------------------------------------

    def _run(self) -> None:
        state = self._machine.states[self.state]
        try:
            getattr(self, f"_{state['Type'].lower()}")(state)
        except StatesError as error:
            self._failed(state, error)

    def _enter(self, name: str) -> None:
        self.state, self._waited = name, False
        self._retries: dict[int, int] = {}
        self.trail.append(name)
        self._context["State"] = {"Name": name, "EnteredTime": _iso(self._clock.now()), "RetryCount": 0}

    def _task(self, state: Mapping[str, Any]) -> None:
        began = self._clock.now()
        answer = self._tasks.call(state["Resource"], self._arguments(state))
        limit = state.get("TimeoutSeconds")
        if limit is not None and self._clock.now() - began > timedelta(seconds=limit):
            raise StatesError(TIMEOUT, f"the task took longer than {limit} s", task=True)
        self._leave(state, answer)

    def _pass(self, state: Mapping[str, Any]) -> None:
        if self._is_jsonata(state):
            self._leave(state, self._input)
        elif "Result" in state:
            self._leave(state, state["Result"])
        else:
            self._leave(state, self._arguments(state))

    def _choice(self, state: Mapping[str, Any]) -> None:
        for rule in state["Choices"]:
            if self._holds(state, rule):
                self._go(state, rule)
                return
        if "Default" not in state:
            raise StatesError(NO_CHOICE, f"No choice rule of {self.state} matched")
        self._go(
            state,
            {**{key: state[key] for key in ("Output", "Assign") if key in state}, "Next": state["Default"]},
        )

    def _go(self, state: Mapping[str, Any], rule: Mapping[str, Any]) -> None:
        """Leave a Choice by a rule."""
        if self._is_jsonata(state):
            self._input = self._assign_and_put_out(rule, self._states(), self._input)
        else:
            self._input = self._outgoing(state, self._incoming(state))
        self._enter(rule["Next"])

    def _holds(self, state: Mapping[str, Any], rule: Mapping[str, Any]) -> bool:
        if not self._is_jsonata(state):
            return choices.holds(rule, self._incoming(state), self._context)
        found = self._evaluate(rule.get("Condition"))
        if not isinstance(found, bool):
            raise StatesError(QUERY, f"the Condition of {self.state} is {found!r}, neither true nor false")
        return found

    def _wait(self, state: Mapping[str, Any]) -> None:
        if not self._waited:
            self._waited = True
            self._resume = self._until(state)
            return
        self._leave(state, self._input if self._is_jsonata(state) else self._incoming(state))

    def _until(self, state: Mapping[str, Any]) -> datetime:
        ((name, raw),) = [
            (key, value) for key, value in state.items() if key.startswith(("Seconds", "Timestamp"))
        ]
        if self._is_jsonata(state):
            value = self._evaluate(raw)
        elif name.endswith("Path"):
            value = paths.get(raw, self._incoming(state), self._context)
        else:
            value = raw
        if name.startswith("Timestamp"):
            try:
                return datetime.fromisoformat(value).astimezone(UTC)
            except (TypeError, ValueError):
                raise StatesError(RUNTIME, f"{value!r} is no timestamp to wait for") from None
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise StatesError(RUNTIME, f"{value!r} is no number of seconds to wait")
        return self._clock.now() + timedelta(seconds=value)

    def _succeed(self, state: Mapping[str, Any]) -> None:
        if self._is_jsonata(state):
            self._end(SUCCEEDED, output=self._assign_and_put_out(state, self._states(), self._input))
        else:
            self._end(SUCCEEDED, output=self._outgoing(state, self._incoming(state)))

    def _fail(self, state: Mapping[str, Any]) -> None:
        told = {}
        for name in ("Error", "Cause"):
            if self._is_jsonata(state):
                told[name] = self._evaluate(state.get(name))
            elif f"{name}Path" in state:
                told[name] = paths.evaluate(state[f"{name}Path"], self._input, self._context)
            else:
                told[name] = state.get(name)
        self._end(FAILED, error=told["Error"], cause=told["Cause"])

    # -- data -------------------------------------------------------------------------------------------------

    def _is_jsonata(self, state: Mapping[str, Any]) -> bool:
        return self._machine.language_of(state) == JSONATA

    def _states(self, **more: Any) -> dict[str, Any]:
        return {"input": self._input, "context": self._context, **more}

    def _evaluate(self, raw: Any, **more: Any) -> Any:
        return expressions.evaluate(raw, self._states(**more), self._variables)

    def _incoming(self, state: Mapping[str, Any]) -> Any:
        path = state.get("InputPath", "$")
        return {} if path is None else paths.get(path, self._input, self._context)

    def _outgoing(self, state: Mapping[str, Any], data: Any) -> Any:
        path = state.get("OutputPath", "$")
        return {} if path is None else paths.get(path, data, self._context)

    def _arguments(self, state: Mapping[str, Any]) -> Any:
        if self._is_jsonata(state):
            return self._evaluate(state["Arguments"]) if "Arguments" in state else self._input
        data = self._incoming(state)
        return paths.template(state["Parameters"], data, self._context) if "Parameters" in state else data

    def _leave(self, state: Mapping[str, Any], result: Any) -> None:
        """Put a state's result out, and go on."""
        if self._is_jsonata(state):
            default = result if state["Type"] == "Task" else self._input
            put_out = self._assign_and_put_out(state, self._states(result=result), default)
        elif state["Type"] == "Wait":
            put_out = self._outgoing(state, result)
        else:
            if "ResultSelector" in state:
                result = paths.template(state["ResultSelector"], result, self._context)
            put_out = self._outgoing(state, paths.put(state.get("ResultPath", "$"), self._input, result))
        if state.get("End"):
            self._end(SUCCEEDED, output=put_out)
        else:
            self._input = put_out
            self._enter(state["Next"])

    def _assign_and_put_out(self, fields: Mapping[str, Any], states: dict[str, Any], default: Any) -> Any:
        """Assign and Output of a state, a rule or a catcher; both see the variables as they were before."""
        before = dict(self._variables)
        assigned = expressions.evaluate(fields.get("Assign", {}), states, before)
        put_out = expressions.evaluate(fields["Output"], states, before) if "Output" in fields else default
        self._variables.update(assigned)
        return put_out

    # -- failing ----------------------------------------------------------------------------------------------

    def _failed(self, state: Mapping[str, Any], error: StatesError) -> None:
        for number, retrier in enumerate(state.get("Retry", [])):
            if error.is_one_of(retrier["ErrorEquals"]):
                made = self._retries.get(number, 0)
                if made < retrier.get("MaxAttempts", 3):
                    self._retries[number] = made + 1
                    self._context["State"]["RetryCount"] += 1
                    self._resume = self._clock.now() + timedelta(seconds=self._pause(retrier, made))
                    return
                break
        told = {"Error": error.error, "Cause": error.cause}
        for catcher in state.get("Catch", []):
            if error.is_one_of(catcher["ErrorEquals"]):
                if self._is_jsonata(state):
                    self._input = self._assign_and_put_out(catcher, self._states(errorOutput=told), told)
                else:
                    self._input = paths.put(catcher.get("ResultPath", "$"), self._input, told)
                self._enter(catcher["Next"])
                return
        self._end(FAILED, error=error.error, cause=error.cause)

    def _pause(self, retrier: Mapping[str, Any], made: int) -> float:
        pause = float(retrier.get("IntervalSeconds", 1)) * float(retrier.get("BackoffRate", 2.0)) ** made
        pause = min(pause, float(retrier.get("MaxDelaySeconds", pause)))
        return pause * self._random() if retrier.get("JitterStrategy") == "FULL" else pause

    def _end(self, status: str, *, output: Any = None, error: Any = None, cause: Any = None) -> None:
        self.status, self.output = status, output
        self.error, self.cause = error, cause


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
