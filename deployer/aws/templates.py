"""The stacks base and run, generated from zeroshift.toml and eventbridge/. No account id, region or secret is in them.

A part of a stack is a function that returns resources; a later one is added to _BASE or _RUN and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployer.aws.resources import base, dashboard, run
from deployer.aws.scope import WORKGROUP_ID, Resources, Scope, Template, scope
from deployer.project.config import Project
from deployer.project.environments import CLUSTER, Environment

_BASE: tuple[Callable[[Scope], Resources], ...] = (
    base.runner, base.dead_letters, base.alerts, base.topic_key, base.starter,
)  # fmt: skip
_RUN: tuple[Callable[[Scope], Resources], ...] = (
    run.group, run.schedules, run.alert_path, run.event_log, run.rules, run.alarms, dashboard.dashboard,
)  # fmt: skip

FROM_BASE = ("RunnerRoleArn", "StarterRoleArn", "DeadLetterQueueArn", "AlertTopicArn")
"""Outputs of base that run has as parameters. Not Fn::ImportValue: run is planned when base may not be there yet."""


def template(project: Project, environment: Environment, part: str) -> Template | None:
    """The template of the stack `part`, or None when nothing belongs into it, for a stack cannot be empty."""
    made = scope(project, environment)
    resources: Resources = {}
    # Without a schedule nothing runs, and there is nothing to be told of.
    if part == "base" or not made.eventbridge.is_empty:
        for make in {"base": _BASE, "run": _RUN}[part]:
            resources |= make(made)
    if not resources:
        return None
    body: Template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Zeroshift: {part} of {project.name}, environment {environment.name}",
        "Parameters": parameters(environment)
        if part == "base"
        else dict.fromkeys(FROM_BASE, {"Type": "String"}),
        "Resources": resources,
        "Outputs": base.outputs(made) if part == "base" else {},
    }
    return {key: value for key, value in body.items() if value}


def parameters(environment: Environment) -> dict[str, Any]:
    """The parameters that the templates declare: for serverless the workgroup's id, which only AWS knows."""
    if environment.kind == CLUSTER:
        return {}
    return {
        WORKGROUP_ID: {
            "Type": "String",
            "AllowedPattern": "[0-9a-f-]{36}",
            "Description": "The id, not the name, of the Redshift Serverless workgroup",
        }
    }


def tags(project: Project, environment: Environment, part: str) -> dict[str, str]:
    """The tags of a stack, which CloudFormation passes on to its resources."""
    own = {
        "zeroshift:project": project.name,
        "zeroshift:environment": environment.name,
        "zeroshift:part": part,
    }
    return {**(environment.remote.tags if environment.remote else {}), **own}
