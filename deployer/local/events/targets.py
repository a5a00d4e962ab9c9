"""Handing an event to a target: SNS topics, SQS queues, log groups and Step Functions state machines, by boto3."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any, Protocol

from deployer.local.events.store import Delivery
from deployer.mask import mask

_NEVER = {
    "AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist", "NotFound", "NotFoundException",
    "ResourceNotFoundException", "StateMachineDoesNotExist", "AccessDenied", "AccessDeniedException",
    "AuthorizationError",
}  # fmt: skip
"""Not tried again: the target is not there, or may not be used (EventBridge User Guide, "How EventBridge retries")."""


class DeliveryError(Exception):
    """A target that did not take an event. `permanent` when no repetition can help."""

    def __init__(self, code: str, message: str, *, permanent: bool = False) -> None:
        super().__init__(message)
        self.code, self.message, self.permanent = code, mask(message)[:1000], permanent


class Deliver(Protocol):
    def deliver(self, delivery: Delivery, now: datetime) -> None:
        """Hand it over. Raises DeliveryError."""

    def bury(self, delivery: Delivery, condition: str | None) -> None:
        """Put it on its dead-letter queue. Whatever it raises is recorded: the delivery is then DROPPED."""


Start = Callable[[str, str, str], None]
"""Starts an execution: the state machine's ARN, the execution's name, its input. Raises DeliveryError."""


Published = Callable[[str, str, str], None]
"""Told of each SNS message: the topic's ARN, the subject, the text."""


class AwsTargets:
    """`client` makes a client for a service in a region; `start` starts executions of state machines."""

    def __init__(
        self, client: Callable[[str, str], Any], start: Start, published: Published = lambda *_: None
    ) -> None:
        self._client, self._start, self._published = client, start, published

    def deliver(self, delivery: Delivery, now: datetime) -> None:
        import botocore.exceptions

        try:
            self._deliver(delivery, now)
        except botocore.exceptions.ClientError as error:
            told = error.response.get("Error", {})
            code = told.get("Code", "Unknown")
            raise DeliveryError(code, told.get("Message", str(error)), permanent=code in _NEVER) from None
        except botocore.exceptions.BotoCoreError as error:
            raise DeliveryError(type(error).__name__, str(error)) from None

    def _deliver(self, delivery: Delivery, now: datetime) -> None:
        service, region, rest = _parts(delivery.target)
        if service == "sns":
            self._client("sns", region).publish(TopicArn=delivery.target, Message=delivery.payload)
            self._published(delivery.target, "", delivery.payload)
        elif service == "sqs" and not rest.endswith(".fifo"):
            self._send(delivery.target, delivery.payload, {})
        elif service == "logs" and rest.startswith("log-group:"):
            self._log(region, rest.split(":")[1], delivery.payload, now)
        elif service == "states" and rest.startswith("stateMachine:"):
            # EventBridge names executions itself; the event's id and the delivery's tell which one it is.
            self._start(delivery.target, f"{delivery.event}_{delivery.number}", delivery.payload)
        else:
            raise DeliveryError(
                "UnsupportedTarget",
                f"the local event bus delivers to SNS, SQS, logs and state machines, not to {delivery.target}",
                permanent=True,
            )

    def bury(self, delivery: Delivery, condition: str | None) -> None:
        assert delivery.dead_letter is not None
        # EventBridge User Guide, "Using dead-letter queues": the attributes of such a message.
        told = {
            "RULE_ARN": delivery.rule,
            "TARGET_ARN": delivery.target,
            "ERROR_CODE": delivery.code or "Unknown",
            "ERROR_MESSAGE": delivery.message or "Unknown",
            "RETRY_ATTEMPTS": str(max(delivery.attempts - 1, 0)),
        }
        if condition is not None:
            told["EXHAUSTED_RETRY_CONDITION"] = condition
        self._send(delivery.dead_letter, delivery.payload, told)

    def _send(self, arn: str, body: str, told: dict[str, str]) -> None:
        region, account, name = arn.split(":")[3:6]
        client = self._client("sqs", region)
        url = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
        attributes = {key: {"DataType": "String", "StringValue": value} for key, value in told.items()}
        client.send_message(QueueUrl=url, MessageBody=body, MessageAttributes=attributes)

    def _log(self, region: str, group: str, payload: str, now: datetime) -> None:
        client = self._client("logs", region)
        # How EventBridge names its streams is not documented.
        stream = f"{now:%Y-%m-%d}"
        try:
            client.create_log_stream(logGroupName=group, logStreamName=stream)
        except client.exceptions.ResourceAlreadyExistsException:
            pass
        client.put_log_events(
            logGroupName=group,
            logStreamName=stream,
            logEvents=[{"timestamp": int(now.timestamp() * 1000), "message": payload}],
        )


def _parts(arn: str) -> tuple[str, str, str]:
    """Service, region and resource of an ARN. Raises DeliveryError."""
    parts = arn.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn":
        raise DeliveryError("InvalidTarget", f"{arn!r} is no ARN", permanent=True)
    return parts[2], parts[3], parts[5]
