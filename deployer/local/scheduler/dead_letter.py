"""The dead-letter queue: what Scheduler gave up, as a message.

Source: EventBridge Scheduler User Guide, "Configuring a schedule's dead-letter queue", "Retrieve the dead-letter
event": the body is the payload that the target did not take, and the rest is told in message attributes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from deployer.local.scheduler.store import Invocation


class DeadLetters(Protocol):
    def send(self, invocation: Invocation, text: str, execution: str, condition: str | None) -> None:
        """Put a message on the invocation's queue. Whatever it raises is recorded: the invocation is then DROPPED."""


class SqsDeadLetters:
    """By boto3; `client` makes the SQS client of a region."""

    def __init__(self, client: Callable[[str], Any]) -> None:
        self._client = client

    def send(self, invocation: Invocation, text: str, execution: str, condition: str | None) -> None:
        assert invocation.dead_letter is not None
        region, account, name = invocation.dead_letter.split(":")[3:6]
        client = self._client(region)
        url = client.get_queue_url(QueueName=name, QueueOwnerAWSAccountId=account)["QueueUrl"]
        client.send_message(
            QueueUrl=url,
            # SQS takes no empty message.
            MessageBody=text or "{}",
            MessageAttributes={
                key: {"DataType": "String", "StringValue": value}
                for key, value in attributes(invocation, execution, condition).items()
            },
        )


def attributes(invocation: Invocation, execution: str, condition: str | None) -> dict[str, str]:
    """The message attributes. `condition` is the limit that was reached, None when there was nothing to repeat."""
    told = {
        "ERROR_CODE": invocation.code or "Unknown",
        "ERROR_MESSAGE": invocation.message or "Unknown",
        "EXECUTION_ID": execution,
        "IS_PAYLOAD_TRUNCATED": "false",
        # The first call is no retry.
        "RETRY_ATTEMPTS": str(max(invocation.attempts - 1, 0)),
        "SCHEDULED_TIME": f"{invocation.scheduled:%Y-%m-%dT%H:%M:%SZ}",
        "SCHEDULE_ARN": invocation.arn,
        "TARGET_ARN": invocation.target,
    }
    return told if condition is None else told | {"EXHAUSTED_RETRY_CONDITION": condition}
