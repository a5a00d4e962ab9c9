"""State machines of the local AWS, executed: an actor that carries on whatever runs.

An execution that a kill has cut begins again from its start, as AWS documents for asynchronous express workflows: at
least once (Developer Guide, "Choosing workflow type"). What it had published before is published again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from deployer.local.events.clock import Clock
from deployer.local.events.targets import DeliveryError
from deployer.local.states.definition import DefinitionError, parse
from deployer.local.states.interpreter import EXPRESS_SECONDS, FAILED, RUNNING, SUCCEEDED, Execution, Tasks
from deployer.local.states.store import ExecutionStore, Started

log = logging.getLogger("zeroshift.states")

STANDARD_SECONDS = 365 * 86400.0
"""A standard workflow lasts a year at most."""
HISTORY = timedelta(days=90)


class Definitions(Protocol):
    """Where state machines are stored: boto3's stepfunctions client."""

    def describe_state_machine(self, *, stateMachineArn: str) -> dict[str, Any]: ...


class Machines:
    """`client` makes the stepfunctions client of a region, `tasks` what calls out in a region."""

    def __init__(
        self,
        clock: Clock,
        store: ExecutionStore,
        client: Callable[[str], Definitions],
        tasks: Callable[[str], Tasks],
    ) -> None:
        self._clock, self._store, self._client, self._tasks = clock, store, client, tasks
        self._running: dict[int, tuple[Started, Execution]] = {}
        self._expired = datetime.min.replace(tzinfo=UTC)

    def start(self, machine: str, name: str, given: str) -> None:
        """Start an execution, once for each name. Raises DeliveryError when there is no such machine, or for input that
        is not JSON, which StartExecution does not take."""
        import botocore.exceptions

        try:
            json.loads(given)
        except ValueError as error:
            raise DeliveryError(
                "InvalidExecutionInput", f"the input is not JSON: {error}", permanent=True
            ) from None
        try:
            self._client(machine.split(":")[3]).describe_state_machine(stateMachineArn=machine)
        except botocore.exceptions.ClientError as error:
            told = error.response.get("Error", {})
            raise DeliveryError(
                str(told.get("Code")),
                str(told.get("Message")),
                permanent=told.get("Code") == "StateMachineDoesNotExist",
            ) from None
        except botocore.exceptions.BotoCoreError as error:
            raise DeliveryError(type(error).__name__, str(error)) from None
        # Names of executions have 80 characters (StartExecution).
        self._store.start(machine, name[:80], given, self._clock.now())

    def step(self) -> datetime | None:
        """When the next one is to go on."""
        wanted = []
        for started in self._store.running():
            if started.number not in self._running:
                begun = self._begin(started)
                if begun is None:
                    continue
                self._running[started.number] = started, begun
            execution = self._running[started.number][1]
            try:
                following = execution.step()
            except Exception as error:
                # The others go on.
                log.exception("execution %s cannot go on", started.name)
                execution.break_off(f"{type(error).__name__}: {error}")
                following = None
            if following is not None:
                wanted.append(following)
            else:
                self._end(*self._running.pop(started.number))
        if self._clock.now() - self._expired > timedelta(hours=1):
            self._expired = self._clock.now()
            self._store.expire(self._expired - HISTORY)
        return min(wanted, default=None)

    def _begin(self, started: Started) -> Execution | None:
        import botocore.exceptions

        region, account, _, name = started.machine.split(":")[3:7]
        try:
            found = self._client(region).describe_state_machine(stateMachineArn=started.machine)
        except botocore.exceptions.ClientError as error:
            if error.response.get("Error", {}).get("Code") != "StateMachineDoesNotExist":
                raise
            # Deleted since the execution was asked for. It will not come back, and the others go on.
            log.warning("state machine %s was deleted before execution %s began", name, started.name)
            cause = f"the state machine {name} was deleted"
            self._store.end(started.number, self._clock.now(), FAILED, [], None, "States.Runtime", cause)
            return None
        express = found.get("type") == "EXPRESS"
        kind = "express" if express else "execution"
        try:
            machine = parse(found["definition"])
        except DefinitionError as error:
            log.error("state machine %s cannot run: %s", name, error)
            self._store.end(started.number, self._clock.now(), FAILED, [], None, "States.Runtime", str(error))
            return None
        context = {
            "Execution": {
                "Id": f"arn:aws:states:{region}:{account}:{kind}:{name}:{started.name}",
                "Input": started.input,
                "Name": started.name,
                "RoleArn": found.get("roleArn", ""),
                "StartTime": started.began.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
                "RedriveCount": 0,
            },
            "StateMachine": {"Id": started.machine, "Name": name},
        }
        limit = EXPRESS_SECONDS if express else STANDARD_SECONDS
        return Execution(machine, started.input, self._tasks(region), self._clock, context, limit)

    def _end(self, started: Started, done: Execution) -> None:
        assert done.status != RUNNING
        if done.status != SUCCEEDED:
            log.warning("execution %s: %s: %s: %s", started.name, done.status, done.error, done.cause)
        self._store.end(
            started.number, self._clock.now(), done.status, done.trail, done.output, done.error, done.cause
        )
