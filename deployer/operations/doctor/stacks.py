"""The CloudFormation stacks bootstrap, base and run, and the workgroup's usage limit."""

from __future__ import annotations

import json
from collections.abc import Iterator

from deployer.aws import bootstrap, naming, templates, usage_limit
from deployer.aws import stacks as aws_stacks
from deployer.aws.client import Aws, AwsError
from deployer.aws.connect import place
from deployer.operations.doctor.caller import bootstrap_command, no_aws
from deployer.operations.doctor.model import Check, Examination, missing, ok, unknown
from deployer.project.environments import LOCAL, SERVERLESS


def checks(seen: Examination) -> Iterator[Check]:
    """Nothing for an environment without an AWS side."""
    if not seen.has_aws:
        return
    if seen.aws is None:
        yield no_aws("stacks")
        return
    if seen.environment.kind != LOCAL:
        yield _bootstrap(seen, seen.aws)
    for part in naming.PARTS:
        yield _stack(seen, seen.aws, part)
    if seen.environment.kind == SERVERLESS:
        yield _limit(seen, seen.aws)


def _bootstrap(seen: Examination, aws: Aws) -> Check:
    """Whether the deployer was made by this zeroshift's template."""
    remote = aws.remote
    if not remote.owner:
        return ok("bootstrap", "not needed: no key 'owner', so whoever calls deploys")
    if remote.owner != bootstrap.deployer_name(seen.project, seen.environment):
        return ok("bootstrap", f"not ours: the key 'owner' names a role of your own, {remote.owner}")
    name = naming.stack(seen.project, seen.environment, "bootstrap")
    try:
        state = aws_stacks.status(aws, name)
        if state == aws_stacks.ABSENT:
            return missing("bootstrap", f"there is no stack {name}", bootstrap_command(seen))
        if state not in aws_stacks.SETTLED:
            return missing("bootstrap", aws_stacks.explain(name, state), bootstrap_command(seen))
        body = aws.call("cloudformation", "get_template", StackName=name)["TemplateBody"]
    except AwsError as error:
        if "AccessDenied" not in error.code:
            raise
        return unknown("bootstrap", f"{name}: {error.said}", bootstrap_command(seen))
    there = json.loads(body) if isinstance(body, str) else body
    if there != bootstrap.template(seen.project, seen.environment):
        return missing(
            "bootstrap",
            f"{name} is not what `zeroshift template {seen.env} --bootstrap` prints now: the deployer's or"
            " CloudFormation's rights may be too narrow",
            bootstrap_command(seen),
        )
    return ok("bootstrap", f"{name} is as `zeroshift template --bootstrap` prints it")


def _stack(seen: Examination, aws: Aws, part: str) -> Check:
    name = naming.stack(seen.project, seen.environment, part)
    state = aws_stacks.status(aws, name)
    deploy = f"zeroshift deploy {seen.env}"
    if state in (aws_stacks.ABSENT, aws_stacks.REVIEWED):
        if templates.template(seen.project, seen.environment, part) is None:
            return ok(part, "not there, and nothing belongs into it")
        if not seen.deployed:
            return ok(part, f"{name} is not there yet: the first deployment makes it")
        return missing(part, f"there is no stack {name}", deploy)
    if state in aws_stacks.SETTLED:
        return ok(part, f"{name}: {state}")
    if state == aws_stacks.FAILED_CREATION:
        return missing(part, f"{name}: its creation failed and was undone", deploy)
    if aws_stacks.is_busy(state):
        return missing(
            part, aws_stacks.explain(name, state),
            f"aws cloudformation describe-stack-events --stack-name {name}",
        )  # fmt: skip
    verb = "continue-update-rollback" if state == "UPDATE_ROLLBACK_FAILED" else "delete-stack"
    return missing(part, aws_stacks.explain(name, state), f"aws cloudformation {verb} --stack-name {name}")


def _limit(seen: Examination, aws: Aws) -> Check:
    where = seen.place or place(aws, seen.environment)
    limit = usage_limit.plan(aws, seen.environment, where.arn)
    if limit is None:
        return ok("usage limit", "usage_limit_rpu_hours = 0: limits are left alone")
    wanted = f"{limit.amount} RPU hours {limit.period}, {limit.action}"
    if not limit.is_changed:
        return ok("usage limit", wanted)
    if not seen.deployed:
        return ok("usage limit", f"not set yet: the first deployment sets {wanted}")
    before = f"{limit.before} RPU hours" if limit.before else "none is set"
    return missing("usage limit", f"{before}, instead of {wanted}", f"zeroshift deploy {seen.env}")
