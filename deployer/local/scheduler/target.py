"""Calling a target: the universal targets of the Redshift Data API.

Source: EventBridge Scheduler User Guide, "Using universal targets" (arn:aws:scheduler:::aws-sdk:SERVICE:ACTION, the
Input is the call's own JSON) and "Adding context attributes". Scheduler has other targets, which are refused by name:
nothing in an environment of ours schedules them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from deployer.local.scheduler.store import Invocation
from deployer.mask import mask

PREFIX = "arn:aws:scheduler:::aws-sdk:"
ACTIONS = {
    f"{PREFIX}redshiftdata:executeStatement": ("ExecuteStatement", "execute_statement"),
    f"{PREFIX}redshiftdata:batchExecuteStatement": ("BatchExecuteStatement", "batch_execute_statement"),
}
"""The targets that are called, with the API's name of each and boto3's."""

_TEXT = 1000
"""Of a message this much is kept: an SQS attribute and a history's line need no more."""


class TargetError(Exception):
    """A call that failed. `permanent` when no repetition can help."""

    def __init__(self, code: str, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.permanent = code, mask(message)[:_TEXT], permanent


class Target(Protocol):
    def invoke(self, invocation: Invocation, text: str) -> str:
        """Call it with the Input `text`, its keywords replaced. The id that it answers. Raises TargetError."""


class DataApiTarget:
    """The Data API, by boto3. `client` makes one for a region: with it the local environment says where that is.

    One attempt is one call: repeating is the schedule's policy. Input that the API's model does not know fails for
    good. AWS finds out at each attempt, and whether it then repeats is not documented; here nobody has to wait for it.
    """

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client

    def invoke(self, invocation: Invocation, text: str) -> str:
        operation, method = action(invocation.target)
        given = checked(operation, text)
        import botocore.exceptions

        try:
            answer = getattr(self._client(invocation.region), method)(**given)
        except botocore.exceptions.ClientError as error:
            told = error.response.get("Error", {})
            raise TargetError(told.get("Code", "Unknown"), told.get("Message", str(error))) from None
        except botocore.exceptions.BotoCoreError as error:
            raise TargetError(type(error).__name__, str(error)) from None
        return str(answer["Id"])


def action(target: str) -> tuple[str, str]:
    """The operation that a target's ARN names, in the API's spelling and in boto3's. Raises TargetError."""
    if target not in ACTIONS:
        raise TargetError(
            "UnsupportedTarget",
            f"the local Scheduler calls {' and '.join(sorted(ACTIONS))}, not {target}",
            permanent=True,
        )
    return ACTIONS[target]


def checked(operation: str, text: str) -> dict[str, Any]:
    """The Input as the call's arguments, after botocore's model of it. Raises TargetError."""
    from botocore.validate import ParamValidator

    try:
        given = json.loads(text or "{}")
    except ValueError as error:
        raise TargetError("InvalidInput", f"the Input is not JSON: {error}", permanent=True) from None
    if not isinstance(given, dict):
        raise TargetError("InvalidInput", "the Input is not a JSON object", permanent=True)
    shape = _model().operation_model(operation).input_shape
    report = ParamValidator().validate(given, shape)
    if report.has_errors():
        told = report.generate_report().replace("\n", "; ")
        raise TargetError("InvalidInput", f"{operation} does not take the Input: {told}", permanent=True)
    return given


_MODELS: dict[str, Any] = {}


def _model() -> Any:
    import botocore.session

    if "redshift-data" not in _MODELS:
        _MODELS["redshift-data"] = botocore.session.get_session().get_service_model("redshift-data")
    return _MODELS["redshift-data"]


def replace_keywords(text: str, keywords: Mapping[str, str]) -> str:
    """`text` with each <aws.scheduler.NAME> replaced. A name that Scheduler does not have stays as it is, as in AWS."""
    for name, value in keywords.items():
        text = text.replace(f"<aws.scheduler.{name}>", value)
    return text
