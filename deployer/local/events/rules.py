"""Rules and their targets, read from the events service of the local AWS."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from deployer.local.events.pattern import Pattern, PatternError, parse
from deployer.local.events.retry import MAX_AGE, MAX_ATTEMPTS

log = logging.getLogger("zeroshift.events")

_REFUSED = (
    "InputTransformer", "EcsParameters", "HttpParameters", "KinesisParameters", "RedshiftDataParameters",
    "RunCommandParameters", "SageMakerPipelineParameters", "BatchParameters", "AppSyncParameters", "SqsParameters",
)  # fmt: skip
"""What a target may have on AWS and nothing of ours uses."""


@dataclass(frozen=True)
class Target:
    """One target of a rule. `input` replaces the event, `path` takes a part of it; at most one is given."""

    id: str
    arn: str
    role: str | None = None
    input: str | None = None
    path: str | None = None
    dead_letter: str | None = None
    max_age: int = MAX_AGE
    max_attempts: int = MAX_ATTEMPTS
    refused: str | None = None

    def payload(self, event: Mapping[str, Any]) -> str:
        """What the target is given: the event, its constant, or the part that its InputPath names.

        A path that leads nowhere gives the whole event, which the guide does not say; nothing is lost so.
        """
        if self.input is not None:
            return self.input
        found: Any = event
        for name in (self.path or "$").removeprefix("$").removeprefix(".").split("."):
            if name:
                if not isinstance(found, Mapping) or name not in found:
                    found = event
                    break
                found = found[name]
        return json.dumps(found, ensure_ascii=False)


@dataclass(frozen=True)
class Rule:
    """An enabled rule with a pattern."""

    arn: str
    name: str
    bus: str
    pattern: Pattern
    targets: tuple[Target, ...]


class Rules(Protocol):
    def all(self) -> tuple[Rule, ...]:
        """Every enabled rule that has a pattern."""


class AwsRules:
    """The rules of the default bus in one region, by boto3."""

    def __init__(self, client: Callable[[], Any]) -> None:
        self._client = client
        self._told: set[str] = set()

    def all(self) -> tuple[Rule, ...]:
        client = self._client()
        found = []
        for page in client.get_paginator("list_rules").paginate():
            for raw in page["Rules"]:
                if raw.get("State") == "ENABLED" and raw.get("EventPattern"):
                    rule = self._rule(client, raw)
                    if rule is not None:
                        found.append(rule)
        return tuple(found)

    def _rule(self, client: Any, raw: dict[str, Any]) -> Rule | None:
        try:
            pattern = parse(raw["EventPattern"])
        except PatternError as error:
            problem = f"rule {raw['Name']} matches nothing: {error}"
            if problem not in self._told:
                self._told.add(problem)
                log.error("%s", problem)
            return None
        pages = client.get_paginator("list_targets_by_rule").paginate(Rule=raw["Name"])
        targets = tuple(target(one) for page in pages for one in page["Targets"])
        return Rule(raw["Arn"], raw["Name"], raw.get("EventBusName", "default"), pattern, targets)


def target(raw: Mapping[str, Any]) -> Target:
    """A target as ListTargetsByRule says it."""
    retry = raw.get("RetryPolicy", {})
    refused = [name for name in _REFUSED if raw.get(name)]
    return Target(
        id=raw["Id"],
        arn=raw["Arn"],
        role=raw.get("RoleArn"),
        input=raw.get("Input"),
        path=raw.get("InputPath"),
        dead_letter=raw.get("DeadLetterConfig", {}).get("Arn"),
        max_age=retry.get("MaximumEventAgeInSeconds", MAX_AGE),
        max_attempts=retry.get("MaximumRetryAttempts", MAX_ATTEMPTS),
        refused=f"the local event bus has no {', '.join(refused)}" if refused else None,
    )
