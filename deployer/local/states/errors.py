"""Errors as the Amazon States Language names them."""

from __future__ import annotations

TIMEOUT = "States.Timeout"
TASK_FAILED = "States.TaskFailed"
RUNTIME = "States.Runtime"
PARAMETER_PATH = "States.ParameterPathFailure"
RESULT_PATH = "States.ResultPathMatchFailure"
NO_CHOICE = "States.NoChoiceMatched"
INTRINSIC = "States.IntrinsicFailure"
QUERY = "States.QueryEvaluationError"
ALL = "States.ALL"


class StatesError(Exception):
    """A state that failed: the name that Retry and Catch compare, and a text for people. `task`: a Task's call did."""

    def __init__(self, error: str, cause: str, *, task: bool = False) -> None:
        super().__init__(f"{error}: {cause}")
        self.error, self.cause, self.task = error, cause, task

    def is_one_of(self, names: list[str]) -> bool:
        """Whether a handler with these ErrorEquals is meant (Developer Guide, "Handling errors")."""
        if self.error in names:
            return True
        # States.ALL is for all but what no handler may take; States.TaskFailed for all but a time-out.
        if ALL in names and self.error not in (RUNTIME, "States.DataLimitExceeded"):
            return True
        return TASK_FAILED in names and self.task and self.error != TIMEOUT
