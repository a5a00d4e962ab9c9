"""`zeroshift schedule`: what is deployed, when it fires, firing by hand, and what came of it.

Schedules are read from EventBridge Scheduler, the local AWS's or Amazon's. Only the local one keeps a history: AWS has
no call that lists invocations, so for an environment there the dead-letter queues' lengths are all that can be told.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from deployer.aws import naming
from deployer.aws.client import Aws, Endpoint
from deployer.errors import UsageError
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import local_aws, local_environment, local_scheduler
from deployer.project.config import CONFIG_FILE, Project
from deployer.project.environments import LOCAL, Environment
from deployer.project.schedules import calls, files, model
from deployer.project.schedules.expression import ExpressionError, parse

if TYPE_CHECKING:
    from deployer.local.scheduler.process import LocalScheduler
    from deployer.local.scheduler.schedules import Schedule
    from deployer.local.scheduler.service import Service
    from deployer.local.scheduler.store import Invocation

FIRED_SECONDS = 180.0
"""How long a call may take that was asked for by hand, by the scheduler that runs or the one that begins."""
NO_HISTORY = (
    "AWS keeps no list of a schedule's invocations; `zeroshift status` has the runs that came of them"
)


@dataclass(frozen=True)
class Listed:
    """A schedule. `next` are its next times in UTC; `problem` says why it can have none.

    `deployed` and `in_files` tell where it is; of one that is in both, what is deployed is shown. `group` is empty for
    one that is not deployed.
    """

    name: str
    group: str
    expression: str
    timezone: str
    enabled: bool
    window_minutes: int
    next: tuple[datetime, ...]
    problem: str | None = None
    deployed: bool = True
    in_files: bool = True


@dataclass(frozen=True)
class Schedules:
    """The schedules of an environment. `firing`: whether somebody fires them now; AWS always does."""

    environment: str
    firing: bool
    schedules: tuple[Listed, ...]


@dataclass(frozen=True)
class Called:
    """One call of a target. `code` is None when it went well, or when nobody saw it end."""

    number: int
    began: datetime
    execution: str
    code: str | None
    message: str | None


@dataclass(frozen=True)
class Fired:
    """One time that a schedule was due. `statement` is the Data API's id, once it took the statement."""

    name: str
    scheduled: datetime
    state: str
    by_hand: bool
    statement: str | None
    code: str | None
    message: str | None
    attempts: tuple[Called, ...]


@dataclass(frozen=True)
class DeadLetters:
    """How many messages a dead-letter queue has, about."""

    queue: str
    messages: int


@dataclass(frozen=True)
class History:
    """What was fired, the newest first, and what lies in dead-letter queues. `note` says what cannot be told."""

    invocations: tuple[Fired, ...]
    dead_letters: tuple[DeadLetters, ...]
    note: str = ""


@dataclass(frozen=True)
class Alert:
    """A message that went to an SNS topic."""

    at: datetime
    topic: str
    subject: str
    message: str


def listed(project: Project, environment: Environment, count: int = 1, name: str | None = None) -> Schedules:
    """The deployed schedules and those of eventbridge/, each with its next `count` times; only `name` when it is given.

    An environment without an AWS side has those of the files only. Raises UsageError for a file that cannot be read,
    and when there is no schedule of that name.
    """
    written = {one.name: one for one in files.load(project.root).schedules}
    there = deployed(project, environment) if environment.remote is not None else []
    found = [_listed(one, count, one.name in written) for one in there]
    known = {one.name for one in there}
    found += [_of_file(one, count) for one in written.values() if one.name not in known]
    found.sort(key=lambda one: one.name)
    if name is not None and name not in {one.name for one in found}:
        raise UsageError(
            f"there is no schedule {name!r}, neither deployed in {environment.name} nor in eventbridge/schedules"
            f" ({', '.join(one.name for one in found) or 'there is none'})"
        )
    firing = environment.kind != LOCAL or local_scheduler(project).running
    return Schedules(
        environment.name, firing, tuple(one for one in found if name is None or one.name == name)
    )


def _listed(found: Schedule, count: int, in_files: bool) -> Listed:
    times: tuple[datetime, ...] = ()
    problem = None
    try:
        expression = parse(found.expression, found.timezone)
    except ExpressionError as error:
        problem = str(error)
    else:
        if found.enabled:
            times = expression.next(datetime.now(UTC), count, found.first() or found.created)
            last = found.last()
            times = tuple(moment for moment in times if last is None or moment <= last)
    return Listed(
        found.name, found.group, found.expression, found.timezone, found.enabled, found.window, times, problem,
        in_files=in_files,
    )  # fmt: skip


def _of_file(found: model.Schedule, count: int) -> Listed:
    times: tuple[datetime, ...] = ()
    problem = None
    try:
        if found.enabled:
            times = tuple(one.astimezone(UTC) for one in calls.next_times(found, datetime.now(UTC), count))
    except ExpressionError as error:
        problem = str(error)
    return Listed(
        found.name,
        "",
        found.expression,
        found.timezone,
        found.enabled,
        found.window,
        times,
        problem,
        deployed=False,
    )


def fire(
    project: Project,
    environment: Environment,
    name: str,
    at: datetime | None = None,
    progress: Progress = silent,
) -> Fired:
    """Call a schedule's target once, now, for the logical time `at` (UTC; None = now).

    In AWS that is a one-time schedule beside it, for the next minute, which deletes itself: so the statement runs as
    the schedules' role, which alone may describe it. Raises UsageError when there is no such schedule.
    """
    found = _named(deployed(project, environment), name, environment)
    scheduled = (at or datetime.now(UTC)).replace(microsecond=0)
    scheduled = scheduled.replace(tzinfo=UTC) if scheduled.tzinfo is None else scheduled.astimezone(UTC)
    if environment.kind != LOCAL:
        return _fire_in_aws(_aws(project, environment), found, scheduled)
    local_environment(project).ensure_up()
    service = open_service(project, environment)
    try:
        made = service.scheduler.fire(found, scheduled)
        return _fired(service, _called(service, local_scheduler(project), made.number, progress))
    finally:
        service.close()


def _called(service: Service, runs: LocalScheduler, number: int, progress: Progress) -> Invocation:
    """The invocation when it has been called, by the scheduler that runs or else by us.

    One may begin or end at any moment, also when it has been asked whether one runs; and whoever fires another schedule
    by hand looks like one.
    """
    from deployer.local.scheduler.process import Held

    deadline = time.monotonic() + FIRED_SECONDS
    told = False
    while True:
        made = service.store.invocation(number)
        if made.ended is not None or made.code is not None or time.monotonic() > deadline:
            return made
        if not runs.running:
            try:
                with runs.held():
                    return service.scheduler.call_alone(number)
            except Held:
                continue
        if not told:
            progress("waiting for the scheduler to call")
            told = True
        time.sleep(0.05)


def _fire_in_aws(aws: Aws, found: Schedule, scheduled: datetime) -> Fired:
    raw = aws.call("scheduler", "get_schedule", GroupName=found.group, Name=found.name)
    target = {
        **raw["Target"],
        "Input": found.input.replace(_SCHEDULED_TIME, f"{scheduled:%Y-%m-%dT%H:%M:%SZ}"),
    }
    # A minute ahead: what a one-time schedule does whose time has passed when it is made is not documented.
    when = datetime.now(UTC) + timedelta(minutes=1)
    # Names have 64 characters.
    name = f"{found.name[:48]}-{when:%Y%m%dT%H%M%S}"
    aws.call(
        "scheduler",
        "create_schedule",
        GroupName=found.group,
        Name=name,
        ScheduleExpression=f"at({when:%Y-%m-%dT%H:%M:%S})",
        FlexibleTimeWindow={"Mode": "OFF"},
        ActionAfterCompletion="DELETE",
        Target=target,
    )
    told = f"the one-time schedule {name} fires at {when:%H:%M:%S} UTC, and is then deleted"
    return Fired(found.name, scheduled, "PLANNED", True, None, None, told, ())


_SCHEDULED_TIME = "<aws.scheduler.scheduled-time>"


def history(project: Project, environment: Environment, name: str | None = None, count: int = 20) -> History:
    """What was fired, and how long the dead-letter queues are."""
    aws = _aws(project, environment)
    found = deployed(project, environment)
    dead = tuple(
        _dead_letters(aws, arn) for arn in sorted({one.dead_letter for one in found if one.dead_letter})
    )
    if environment.kind != LOCAL:
        return History((), dead, NO_HISTORY)
    service = open_service(project, environment)
    try:
        return History(tuple(_fired(service, made) for made in service.store.history(name, count)), dead)
    finally:
        service.close()


def alerts(project: Project, environment: Environment, count: int = 20) -> tuple[Alert, ...]:
    """The messages that the local event bus and state machines have published. Raises UsageError elsewhere."""
    if environment.kind != LOCAL:
        raise UsageError("SNS keeps no messages: read them where the topic's subscriptions deliver them")
    service = open_service(project, environment)
    try:
        return tuple(
            Alert(one.at, one.topic.rpartition(":")[2], one.subject, one.message)
            for one in service.executions.messages(count)
        )
    finally:
        service.close()


# -- parts ------------------------------------------------------------------------------------------------------


def open_service(project: Project, environment: Environment) -> Service:
    """The local Scheduler's parts, on the local AWS, which is started when it does not run."""
    from deployer.local.scheduler.service import Account, Service

    assert environment.remote is not None
    status = local_aws(project).up()
    assert status.endpoint_url is not None
    account = Account(status.endpoint_url, status.access_key, status.secret_key, environment.remote.region)
    return Service(local_scheduler(project).directory, account, parse)


def _aws(project: Project, environment: Environment) -> Aws:
    if environment.remote is None:
        raise UsageError(
            f"{project.root / CONFIG_FILE}: [env.{environment.name}] has no AWS side, and so no schedules;"
            " set aws = true"
        )
    if environment.kind != LOCAL:
        return Aws(environment.remote)
    status = local_aws(project).up()
    assert status.endpoint_url is not None
    return Aws(environment.remote, Endpoint(status.endpoint_url, status.access_key, status.secret_key))


def deployed(project: Project, environment: Environment) -> list[Schedule]:
    """The environment's schedules, by name: those of the groups that have its prefix."""
    from deployer.local.scheduler.schedules import schedule

    aws = _aws(project, environment)
    prefix = naming.prefix(project, environment)
    groups = [
        group["Name"]
        for group in aws.pages("scheduler", "list_schedule_groups", "ScheduleGroups", NamePrefix=prefix)
        if group["Name"] == prefix or group["Name"].startswith(f"{prefix}-")
    ]
    found: list[dict[str, Any]] = [
        aws.call("scheduler", "get_schedule", GroupName=group, Name=item["Name"])
        for group in groups
        for item in aws.pages("scheduler", "list_schedules", "Schedules", GroupName=group)
    ]
    return sorted((schedule(answer) for answer in found), key=lambda one: one.name)


def _named(found: list[Schedule], name: str, environment: Environment) -> Schedule:
    for one in found:
        if one.name == name:
            return one
    known = ", ".join(one.name for one in found) or "there is none"
    raise UsageError(
        f"{environment.name} has no deployed schedule {name!r} ({known}); `zeroshift deploy --env"
        f" {environment.name}` makes those of eventbridge/schedules"
    )


def _dead_letters(aws: Aws, arn: str) -> DeadLetters:
    name = arn.rpartition(":")[2]
    url = aws.call("sqs", "get_queue_url", QueueName=name)["QueueUrl"]
    told = aws.call(
        "sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["ApproximateNumberOfMessages"]
    )
    return DeadLetters(name, int(told["Attributes"]["ApproximateNumberOfMessages"]))


def _fired(service: Service, made: Invocation) -> Fired:
    attempts = tuple(
        Called(one.number, one.began, one.execution, one.code, one.message)
        for one in service.store.attempts(made.number)
    )
    return Fired(
        made.name, made.scheduled, made.state, made.manual, made.result, made.code, made.message, attempts
    )
