"""`zeroshift schedule`: deployed schedules, the local Scheduler that fires them, and what came of it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.errors import StatementFailed

if TYPE_CHECKING:
    from deployer.operations.schedules import Listed


@click.group(context_settings=CONTEXT)
def schedule() -> None:
    """Show, start and fire the schedules of an environment."""


_AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@schedule.command("start", context_settings=CONTEXT)
@click.option("--detach", is_flag=True, help="Go on in the background; `zeroshift schedule stop` ends it.")
@environment_option
def start(here: Here, detach: bool) -> None:
    """Fire the schedules of the local AWS, by this machine's clock, until Ctrl-C.

    Events of statements reach the rules' targets, and the alert path's state machine runs. What came due while it did
    not run is made up for when it is not too old. In AWS this is Amazon's own business.
    """
    from deployer.operations import schedule_service as operations

    if not detach:
        operations.run(here.project, here.environment, output.line)
        return
    with output.progress(lasting=False) as progress:
        progress("starting the local Scheduler")
        found = operations.start(here.project, here.environment)
    output.line(
        f"the local Scheduler {'runs' if found.started else 'ran already'} (process {found.pid}, {found.log})"
    )


@schedule.command("stop", context_settings=CONTEXT)
@environment_option
def stop(here: Here) -> None:
    """End the local Scheduler that runs. What comes due meanwhile is made up for at its next start."""
    from deployer.operations import schedule_service as operations

    output.line("stopped" if operations.stop(here.project) else "no local Scheduler runs")


@schedule.command("list", context_settings=CONTEXT)
@_AS_JSON
@environment_option
def list_(here: Here, as_json: bool) -> None:
    """Show the deployed schedules, each with its next time, and those of eventbridge/ that are not deployed."""
    from deployer.operations import schedules as operations

    found = operations.listed(here.project, here.environment)
    if as_json:
        output.line(encode.dump(found))
        return
    if not found.schedules:
        output.line(f"{found.environment} has no schedule; write one in eventbridge/schedules, and deploy it")
        return
    output.table(
        ["name", "expression", "timezone", "state", "next"],
        [
            (
                one.name, one.expression, one.timezone, _state(one),
                one.problem or (_shown(one.next[0], one.timezone) if one.next else "never"),
            )
            for one in found.schedules
        ],
    )  # fmt: skip
    if not found.firing and any(one.deployed for one in found.schedules):
        output.line("nobody fires them; `zeroshift schedule start` does")
    if not all(one.deployed for one in found.schedules):
        output.line(
            f"not deployed: `zeroshift deploy --env {found.environment}`, once it has an AWS side, makes them"
        )


def _state(one: Listed) -> str:
    state = "enabled" if one.enabled else "disabled"
    return (
        state
        if one.deployed and one.in_files
        else f"{state}, not {'in files' if one.deployed else 'deployed'}"
    )


@schedule.command("next", context_settings=CONTEXT)
@click.argument("name", required=False)
@click.option(
    "--count", type=click.IntRange(1, 1000), default=5, show_default=True, help="How many times of each."
)
@_AS_JSON
@environment_option
def next_(here: Here, name: str | None, count: int, as_json: bool) -> None:
    """Show the next times of NAME, or of all schedules, in their timezone and in UTC."""
    from deployer.operations import schedules as operations

    found = operations.listed(here.project, here.environment, count, name)
    if as_json:
        output.line(encode.dump(found))
        return
    rows = [
        (one.name, _shown(moment, one.timezone), f"{moment:%Y-%m-%d %H:%M:%S}")
        for one in found.schedules
        for moment in one.next
    ]
    output.table(["name", "local", "utc"], rows)
    for one in found.schedules:
        if not one.next:
            output.line(f"{one.name} does not fire{': ' + one.problem if one.problem else ''}")


@schedule.command("fire", context_settings=CONTEXT)
@click.argument("name")
@click.option("--at", help="The logical time that the statement gets, ISO, UTC; by default now.")
@_AS_JSON
@environment_option
def fire(here: Here, name: str, at: str | None, as_json: bool) -> None:
    """Call NAME's target once, now.

    Locally the Data API is called as the schedule would; in AWS a one-time schedule beside it does, which deletes
    itself. Fired again for the same logical time, the pipeline's own guard does the work once.
    """
    from deployer.operations import local
    from deployer.operations import schedules as operations

    moment: datetime | None = local.parse_instant(at, "--at") if at else None
    with output.progress(lasting=False) as progress:
        made = operations.fire(here.project, here.environment, name, moment, progress)
    if as_json:
        output.line(encode.dump(made))
    else:
        told = made.message if made.statement is None else f"statement {made.statement}"
        output.line(f"{made.name} for {made.scheduled:%Y-%m-%d %H:%M:%S} UTC: {made.state}; {told}")
    if made.state not in ("DELIVERED", "PLANNED"):
        raise StatementFailed(
            f"{made.name} was not taken by its target ({made.code}); `zeroshift schedule history {made.name}` shows"
            " its attempts"
        )


@schedule.command("history", context_settings=CONTEXT)
@click.argument("name", required=False)
@click.option(
    "--count", type=click.IntRange(1, 10000), default=20, show_default=True, help="The newest so many."
)
@_AS_JSON
@environment_option
def history(here: Here, name: str | None, count: int, as_json: bool) -> None:
    """Show what was fired, its attempts, and the dead-letter queues."""
    from deployer.operations import schedules as operations

    found = operations.history(here.project, here.environment, name, count)
    if as_json:
        output.line(encode.dump(found))
        return
    if found.invocations:
        output.table(
            ["name", "scheduled (UTC)", "state", "attempts", "statement"],
            [
                (
                    one.name + (" (by hand)" if one.by_hand else ""), f"{one.scheduled:%Y-%m-%d %H:%M:%S}", one.state,
                    len(one.attempts), one.statement or "",
                )
                for one in found.invocations
            ],
        )  # fmt: skip
        for one in found.invocations:
            if one.code:
                output.line(f"{one.name} for {one.scheduled:%Y-%m-%d %H:%M:%S}: {one.code}: {one.message}")
    else:
        output.line(found.note or "nothing was fired yet")
    for queue in found.dead_letters:
        output.line(f"dead-letter queue {queue.queue}: {queue.messages} messages")


@schedule.command("alerts", context_settings=CONTEXT)
@click.option(
    "--count", type=click.IntRange(1, 10000), default=20, show_default=True, help="The newest so many."
)
@_AS_JSON
@environment_option
def alerts(here: Here, count: int, as_json: bool) -> None:
    """Show the messages that went to SNS topics locally, where nobody's mailbox is behind them."""
    from deployer.operations import schedules as operations

    found = operations.alerts(here.project, here.environment, count)
    if as_json:
        output.line(encode.dump(found))
        return
    if not found:
        output.line("no alert was sent")
    for one in found:
        output.heading(f"{one.at:%Y-%m-%d %H:%M:%S} UTC  {one.topic}  {one.subject}".rstrip())
        output.line(one.message)
        output.line()


def _shown(moment: datetime, zone: str) -> str:
    """A time in the schedule's timezone, with the offset: an hour may come twice."""
    return f"{moment.astimezone(ZoneInfo(zone) if zone != 'UTC' else UTC):%Y-%m-%d %H:%M:%S %z}"
