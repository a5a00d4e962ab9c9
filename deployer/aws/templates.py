"""The stacks base and run, generated from zeroshift.toml and eventbridge/. No account id, region or secret is in them.

A part of a stack is a function that returns resources; a later one is added to _BASE or _RUN and nothing else.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from deployer.aws.resources import archive, base, dashboard, integration, run
from deployer.aws.scope import NAMESPACE_ID, WORKGROUP_ID, Resources, Scope, Template, scope
from deployer.project.config import Project
from deployer.project.environments import CLUSTER, Environment

_BASE: tuple[Callable[[Scope], Resources], ...] = (
    base.runner, base.dead_letters, base.alerts, base.topic_key, base.starter, integration.integrations,
    archive.bucket, archive.role,
)  # fmt: skip
_RUN: tuple[Callable[[Scope], Resources], ...] = (
    run.group, run.schedules, run.alert_path, run.event_log, run.rules, run.alarms, dashboard.dashboard,
    integration.alarms, integration.rules,
)  # fmt: skip

_FROM_BASE = ("RunnerRoleArn", "StarterRoleArn", "DeadLetterQueueArn", "AlertTopicArn")


def from_base(environment: Environment) -> tuple[str, ...]:
    """Outputs of base that run has as parameters. Not Fn::ImportValue: run is planned when base may not be there
    yet."""
    return (*_FROM_BASE, *(integration.id_output(one) for one in environment.integrations))


def template(project: Project, environment: Environment, part: str) -> Template | None:
    """The template of the stack `part`, or None when nothing belongs into it, for a stack cannot be empty."""
    made = scope(project, environment)
    resources: Resources = {}
    if part == "base" or not made.is_quiet:
        for make in {"base": _BASE, "run": _RUN}[part]:
            resources |= make(made)
    if not resources:
        return None
    body: Template = {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": f"Zeroshift: {part} of {project.name}, environment {environment.name}",
        "Parameters": parameters(environment) if part == "base" else _used(from_base(environment), resources),
        "Resources": resources,
        "Outputs": base.outputs(made) | integration.outputs(made) | archive.outputs(made)
        if part == "base"
        else {},
    }
    return {key: value for key, value in body.items() if value}


def _used(names: tuple[str, ...], resources: Resources) -> dict[str, Any]:
    """Parameters for those of `names` that the resources refer to."""
    text = json.dumps(resources)
    return {
        name: {"Type": "String"} for name in names if f'{{"Ref": "{name}"}}' in text or f"${{{name}}}" in text
    }


def parameters(environment: Environment) -> dict[str, Any]:
    """The parameters that the templates declare, ids which only AWS knows: for serverless the workgroup's, for
    integrations the namespace's."""
    made: dict[str, Any] = {}
    if environment.kind != CLUSTER:
        made[WORKGROUP_ID] = _id("The id, not the name, of the Redshift Serverless workgroup")
    if environment.integrations:
        made[NAMESPACE_ID] = _id("The id of the warehouse's namespace")
    return made


def _id(description: str) -> dict[str, str]:
    return {"Type": "String", "AllowedPattern": "[0-9a-f-]{36}", "Description": description}


def tags(project: Project, environment: Environment, part: str) -> dict[str, str]:
    """The tags of a stack, which CloudFormation passes on to its resources."""
    own = {
        "zeroshift:project": project.name,
        "zeroshift:environment": environment.name,
        "zeroshift:part": part,
    }
    return {**(environment.remote.tags if environment.remote else {}), **own}
