"""The AWS part of plan, deploy, drift and destroy: the stacks base and run, and the workgroup's usage limit.

`plan` asks what would change and leaves nothing behind. `deploy` calls `apply_base` before the SQL and `apply_run`
after it, with the plan that it showed: anything else is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from deployer.aws import (
    bootstrap,
    changesets,
    connect,
    drift,
    imports,
    naming,
    schedule_starts,
    scope,
    stacks,
    templates,
    usage_limit,
)
from deployer.aws.changesets import Planned, ResourceChange
from deployer.aws.client import Aws, Endpoint
from deployer.aws.connect import Place
from deployer.aws.resources import integration as resource
from deployer.aws.resources import run as run_resources
from deployer.aws.stacks import Stack
from deployer.aws.usage_limit import UsageLimit
from deployer.errors import Unavailable, Unsafe
from deployer.operations import integration_stack
from deployer.operations.changes import Change
from deployer.operations.integration_stack import Found
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import local_aws
from deployer.project.config import CONFIG_FILE, Project
from deployer.project.environments import CLUSTER, LOCAL, Environment

NOT_YET = "not-deployed-yet"
"""Stands in a plan of the stack run for what the stack base will have made by then. It is never deployed."""

_ACTIONS = {"Add": "create", "Modify": "modify", "Remove": "remove", "Import": "create"}


@dataclass(frozen=True)
class AwsPlan:
    """What a deployment would do in AWS. `fingerprint` is equal for equal plans: a saved plan holds it. `line` is that
    of the environment in zeroshift.toml, `integrations` are the configured ones as they were found, `sources` the files
    of eventbridge/ by the logical ids of what is made from them."""

    base: Planned | None = None
    run: Planned | None = None
    limit: UsageLimit | None = None
    line: int = 0
    integrations: tuple[Found, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict)

    @property
    def changes(self) -> tuple[Change, ...]:
        """All of it, base first, the usage limit last."""
        found = [
            change
            for planned in (self.base, self.run)
            if planned
            for change in _changes(planned, self.integrations)
        ]
        if self.limit is not None and self.limit.is_changed:
            found.append(_limit_change(self.limit))
        return tuple(self._placed(change) for change in found)

    def _placed(self, change: Change) -> Change:
        """With the place where it is written: a file of eventbridge/, else the environment's table."""
        if change.name in self.sources and change.kind in run_resources.OF_FILES:
            return replace(change, path=self.sources[change.name], line=1)
        return replace(change, line=change.line or self.line)

    @property
    def fingerprint(self) -> str:
        parts = [planned.fingerprint for planned in (self.base, self.run) if planned]
        if self.limit is not None:
            parts.append(f"{self.limit.before}>{self.limit.amount}")
        parts += [identifier for _, identifier in _adopted_ids(self.integrations)]
        return " ".join(parts)


@dataclass(frozen=True)
class AwsDone:
    """What a step in AWS did; `left` are resources that a deletion has left in the account, as they hold data."""

    changes: tuple[Change, ...]
    left: tuple[str, ...] = ()


def has_stacks(environment: Environment) -> bool:
    """Whether the environment has an AWS side at all."""
    return environment.remote is not None


def changes(project: Project, environment: Environment, progress: Progress = silent) -> tuple[Change, ...]:
    """What a deployment would change in AWS; nothing for an environment without an AWS side."""
    return plan(project, environment, progress).changes


def plan(
    project: Project,
    environment: Environment,
    progress: Progress = silent,
    parts: Collection[str] = naming.PARTS,
) -> AwsPlan:
    """What a deployment would do in AWS, or to `parts` of it; the usage limit goes with base.

    Waits for a stack that a deployment, perhaps a killed one, has left in progress. Raises AwsError, Unavailable,
    StackFailed, Unsafe for a change that would replace what holds data, and UsageError for a start that has passed.
    """
    if not has_stacks(environment):
        return AwsPlan()
    aws = _aws(project, environment, progress)
    progress("planning the CloudFormation stacks")
    where = _place(aws, environment)
    planned: dict[str, Planned] = {}
    found: tuple[Found, ...] = ()
    for part in parts:
        stacks.settle(aws, naming.stack(project, environment, part), progress)
        if part == "base":
            found = _integrations(aws, project, environment)
        planned[part] = changesets.plan(aws, _stack(aws, project, environment, part, where))
        changesets.refuse_data_loss(planned[part])
        schedule_starts.refuse_past(planned[part])
    limit = usage_limit.plan(aws, environment, where.arn) if "base" in parts else None
    sources = run_resources.sources(scope.scope(project, environment))
    return AwsPlan(planned.get("base"), planned.get("run"), limit, environment.line, found, sources)


def apply_base(
    project: Project, environment: Environment, expected: AwsPlan | None = None, progress: Progress = silent
) -> AwsDone:
    """Deploy what the SQL and the schedules stand on: the base stack and the usage limit."""
    if not has_stacks(environment):
        return AwsDone(())
    aws = _aws(project, environment, progress)
    where = _place(aws, environment)
    stack = _stack(aws, project, environment, "base", where)
    told = expected.base if expected else None
    found = _integrations(aws, project, environment)
    adopted = integration_stack.adoptions(scope.scope(project, environment), found)
    if adopted:
        # First the comparison: what the import changes is no longer as it was planned.
        planned = changesets.plan(aws, stack)
        if told is not None and (
            planned.fingerprint != told.fingerprint
            or (expected and _adopted_ids(expected.integrations) != _adopted_ids(found))
        ):
            raise Unsafe(f"{stack.name} is no longer what it was when this was planned; plan again")
        changesets.refuse_data_loss(planned)
        imports.adopt(aws, stack, adopted, progress)
        changesets.apply(aws, stack, progress)
        done = AwsDone(_changes(planned, found))
    else:
        done = _apply(aws, stack, told, progress)
    limit = usage_limit.apply(aws, environment, where.arn, expected.limit if expected else None)
    if limit is not None and limit.is_changed:
        progress(f"usage limit set to {limit.amount} RPU hours, {limit.period}")
        return AwsDone((*done.changes, _limit_change(limit)), done.left)
    return done


def apply_run(
    project: Project, environment: Environment, expected: AwsPlan | None = None, progress: Progress = silent
) -> AwsDone:
    """Deploy what calls the warehouse's procedures, which are there by now: the run stack."""
    if not has_stacks(environment):
        return AwsDone(())
    aws = _aws(project, environment, progress)
    stack = _stack(aws, project, environment, "run", _place(aws, environment))
    if NOT_YET in stack.parameters.values():
        raise Unavailable(
            f"{naming.stack(project, environment, 'base')} lacks what the schedules need, so they were not deployed;"
            f" `zeroshift deploy --env {environment.name}` makes it first"
        )
    return _apply(aws, stack, expected.run if expected else None, progress)


def drifted(
    project: Project, environment: Environment, progress: Progress = silent
) -> tuple[drift.Drift, ...]:
    """Resources of the stacks that somebody has changed by hand."""
    if not has_stacks(environment):
        return ()
    aws = _aws(project, environment, progress)
    found: list[drift.Drift] = []
    for part in naming.PARTS:
        progress(f"looking for drift in the stack {part}")
        found += drift.detect(aws, naming.stack(project, environment, part))
    return tuple(found)


def destroy(project: Project, environment: Environment, *, yes: bool, progress: Progress = silent) -> AwsDone:
    """Delete the stacks, run before base. What holds data stays in the account and is named; so does the warehouse.

    Raises Unsafe without `yes`.
    """
    scope.scope(project, environment)
    names = [naming.stack(project, environment, part) for part in reversed(naming.PARTS)]
    if not yes:
        raise Unsafe(
            f"this deletes the stacks {' and '.join(names)} with all their resources; say --yes to do it"
        )
    aws = _aws(project, environment, progress)
    left: list[str] = []
    gone: list[Change] = []
    for name in names:
        state = stacks.settle(aws, name, progress)
        left += stacks.delete(aws, name, progress)
        if state not in (stacks.ABSENT, stacks.REVIEWED):
            gone.append(Change("remove", "AWS::CloudFormation::Stack", name))
    return AwsDone(tuple(gone), tuple(left))


def template(project: Project, environment: Environment, part: str) -> scope.Template | None:
    """The template of "base", "run" or "bootstrap"; None for a stack that nothing belongs into yet."""
    if part == "bootstrap":
        return bootstrap.template(project, environment)
    return templates.template(project, environment, part)


def _aws(project: Project, environment: Environment, progress: Progress) -> Aws:
    assert environment.remote is not None
    if environment.kind != LOCAL:
        return Aws(environment.remote)
    local = local_aws(project)
    if not local.running:
        progress("starting the local AWS")
    status = local.up()
    assert status.endpoint_url is not None
    return Aws(environment.remote, Endpoint(status.endpoint_url, status.access_key, status.secret_key))


def _place(aws: Aws, environment: Environment) -> Place:
    """The workgroup as the templates and the usage limit need it; of a cluster they need nothing but its name."""
    return Place("", 0, "") if environment.kind == CLUSTER else connect.place(aws, environment)


def _stack(aws: Aws, project: Project, environment: Environment, part: str, where: Place) -> Stack:
    assert environment.remote is not None
    body = templates.template(project, environment, part)
    values = {}
    if body is not None and part == "run":
        made = stacks.outputs(aws, naming.stack(project, environment, "base"))
        values = {name: made.get(name, NOT_YET) for name in body["Parameters"]}
    elif body is not None:
        if environment.kind != CLUSTER:
            values[scope.WORKGROUP_ID] = where.workgroup_id
        if environment.integrations:
            values[scope.NAMESPACE_ID] = connect.namespace(aws, environment).id
    role = environment.remote.cloudformation_role
    return Stack(
        naming.stack(project, environment, part),
        body,
        values,
        templates.tags(project, environment, part),
        aws.role_arn(role) if role else "",
        frozenset(templates.from_base(environment)),
    )


def _apply(aws: Aws, stack: Stack, expected: Planned | None, progress: Progress) -> AwsDone:
    planned, left = changesets.apply(aws, stack, progress, expected)
    return AwsDone(_changes(planned), left)


def _adopted_ids(found: tuple[Found, ...]) -> list[tuple[str, str]]:
    return [(each.one.name, each.live.id) for each in found if each.adopts and each.live]


def _integrations(aws: Aws, project: Project, environment: Environment) -> tuple[Found, ...]:
    """The configured integrations as they are. Raises Unsafe for a change that only another integration could bring."""
    found = integration_stack.look(aws, project, environment)
    for each in found:
        integration_stack.check_key(aws, scope.scope(project, environment), each)
    return found


def _changes(planned: Planned, integrations: tuple[Found, ...] = ()) -> tuple[Change, ...]:
    """A stack's changes. One that only touches tags or outputs is told as a change of the stack itself."""
    ours = {resource.logical_id(each.one): each for each in integrations}
    found = tuple(
        integration_stack.change(item, ours[item.logical_id], _change(planned, item))
        if item.logical_id in ours
        else _change(planned, item)
        for item in planned.changes
    )
    if not found and planned.action != "none":
        action = {"create": "create", "update": "modify", "delete": "remove"}[planned.action]
        return (Change(action, "AWS::CloudFormation::Stack", planned.stack.name, CONFIG_FILE),)
    return found


def _change(planned: Planned, item: ResourceChange) -> Change:
    action = _ACTIONS.get(item.action, "modify")
    destructive = ""
    if item.action == "Remove":
        if not (item.retained or item.holds_data):
            destructive = f"the {item.kind} {item.logical_id}, which is deleted"
    elif item.replacement == "True":
        action = "replace"
        destructive = f"the present {item.kind} {item.logical_id}, which is deleted for a new one"
    reason = f"changes {', '.join(item.properties)}" if item.properties else ""
    if item.action == "Remove" and not destructive:
        reason = "it holds data: it leaves the stack and stays in the account"
    elif item.replacement == "Conditional":
        reason += "; may be replaced, as CloudFormation only finds out when it does it"
    return Change(action, item.kind, item.logical_id, CONFIG_FILE, reason=reason, destructive=destructive)


def _limit_change(limit: UsageLimit) -> Change:
    before = f"from {limit.before} " if limit.before else ""
    return Change(
        "modify" if limit.before else "create",
        "usage limit",
        f"{limit.period} {limit.action}",
        CONFIG_FILE,
        reason=f"{before}to {limit.amount} RPU hours",
    )
