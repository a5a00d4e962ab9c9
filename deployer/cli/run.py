"""`zeroshift run`: refresh a pipeline's metrics."""

from __future__ import annotations

from datetime import date

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, derivable_environment_option
from deployer.errors import UsageError
from deployer.operations import run as operations
from deployer.operations.local import parse_instant
from deployer.warehouse.runlog import RunRecord


@click.command(context_settings=CONTEXT)
@click.argument("pipeline", type=click.Choice(operations.PIPELINES))
@click.option(
    "--as-of", metavar="T", help="The instant that the run speaks for: ISO, UTC without a zone. Default: now."
)
@click.option(
    "--full-refresh", is_flag=True, help="Rebuild everything from landing and the record of history."
)
@click.option("--rewind", is_flag=True, help="Allow an --as-of before the last published one.")
@click.option("--accept-reseed", is_flag=True, help="Go on although a landing table was copied anew.")
@click.option(
    "--from", "first", metavar="D", help="With --to: compute the periods of these days anew, in slices."
)
@click.option("--to", "last", metavar="D", help="The last day, included.")
@click.option("--json", "as_json", is_flag=True, help="The run's record as one JSON object.")
@derivable_environment_option
def run(
    here: Here,
    pipeline: str,
    as_of: str | None,
    full_refresh: bool,
    rewind: bool,
    accept_reseed: bool,
    first: str | None,
    last: str | None,
    as_json: bool,
) -> None:
    """Run PIPELINE once: read what changed, refresh its metrics and publish them together.

    Without options only what changed since the last run is computed. A run for an instant before the last
    published one changes nothing and is recorded as superseded, unless --rewind is given. In an environment that is
    derived from another one (a pull request's) its own copy of the pipeline runs, beside the base.

    The same run again, when nothing has changed since, is a duplicate and does nothing. While another run is at work
    it is skipped: exit code 4.

    --from and --to compute the metrics of the periods that these days touch anew, as of what is published, a month at
    a time. When that was stopped, the same command goes on behind the last month that was published.
    """
    if first is not None or last is not None:
        if first is None or last is None:
            raise UsageError("--from and --to go together: a backfill has a first and a last day")
        if as_of is not None or full_refresh or rewind or accept_reseed:
            raise UsageError(
                "a backfill is as of what is published: --from and --to exclude the other options"
            )
        days = _day(first, "--from"), _day(last, "--to")
        with output.progress(lasting=False) as progress:
            record = operations.backfill(
                here.project, here.environment, pipeline, *days, derived=here.derived, progress=progress
            )
        _tell(record, as_json)
        return
    instant = parse_instant(as_of, "--as-of") if as_of is not None else None
    mode = operations.mode_of(full_refresh=full_refresh, rewind=rewind, accept_reseed=accept_reseed)
    with output.progress(lasting=False) as progress:
        record = operations.run(
            here.project, here.environment, pipeline,
            as_of=instant, mode=mode, derived=here.derived, progress=progress,
        )  # fmt: skip
    _tell(record, as_json)


def _day(text: str, option: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is no ISO date; write it like 2026-01-31") from None


def _tell(record: RunRecord, as_json: bool) -> None:
    if as_json:
        output.line(encode.dump(record))
    else:
        show(record)


def show(record: RunRecord) -> None:
    """Print a run's record."""
    if record.state == "superseded":
        output.line(
            f"run {record.run_id} is superseded: a later instant than {record.as_of} is published already;"
            " nothing was changed (--rewind turns back to it)"
        )
        return
    if record.state == "duplicate":
        output.line(
            f"run {record.run_id} is a duplicate: a {record.mode} run as of {record.as_of} has succeeded and nothing"
            " has changed since; nothing was done"
        )
        return
    output.table(
        ["step", "rows_read", "rows_written", "rows_rejected", "seconds"],
        [
            (step.step, step.rows_read, step.rows_written, step.rows_rejected, step.seconds)
            for step in record.steps
        ],
    )
    seconds = f" in {record.seconds} s" if record.seconds is not None else ""
    output.line(f"run {record.run_id} {record.state} as of {record.as_of} UTC{seconds}")
