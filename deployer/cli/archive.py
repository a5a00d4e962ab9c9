"""`zeroshift archive`: closed periods leave the warehouse for S3, and come back when asked for."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.errors import LeaseHeld, Unsafe, UsageError

if TYPE_CHECKING:
    from deployer.warehouse.archive_ledger import ArchiveRun

_AS_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")
_WAIT = click.option(
    "--wait",
    default=0.0,
    metavar="SECONDS",
    help="How long to wait for a deployment, another archive run, or a pipeline whose rows are to go.",
)


@click.group(context_settings=CONTEXT)
def archive() -> None:
    """Archive closed periods to S3 by the policies of procedures/archive, and bring them back."""


@archive.command("run", context_settings=CONTEXT)
@click.argument("policies", nargs=-1)
@click.option(
    "--as-of",
    metavar="D",
    help="The day that decides what is closed, and that a snapshot is told to be of. Default: the warehouse's today.",
)
@click.option("--restored", is_flag=True, help="Archive again what `archive restore` brought back, too.")
@_WAIT
@_AS_JSON
@environment_option
def run(
    here: Here, policies: tuple[str, ...], as_of: str | None, restored: bool, wait: float, as_json: bool
) -> int:
    """Archive what is due, of POLICIES or of all.

    Rows are unloaded as Parquet, the files are checked against their manifest and read back, and only then, where the
    policy says so, deleted in the transaction that lets the archive's view show them. A run that was killed is
    finished, or given up and cleaned, by the next one. A policy that fails, or is refused, keeps no other one from its
    turn.
    """
    from deployer.operations.archive import run as operations

    with output.progress() as progress:
        done = operations.run(
            here.project,
            here.environment,
            policies,
            as_of=_day(as_of, "--as-of"),
            restored=restored,
            wait=wait,
            progress=progress,
        )
    states = {outcome.state for outcome in done.outcomes}
    code = Unsafe.exit_code if operations.REFUSED in states else int(operations.FAILED in states)
    if not code and operations.HELD in states:
        code = LeaseHeld.exit_code
    if as_json:
        output.line(encode.dump(done))
        return code
    for name in done.given_up:
        output.line(f"gave up {name}, which had been interrupted, and deleted its files")
    if not done.outcomes:
        output.line("there is no policy in procedures/archive")
    for outcome in done.outcomes:
        told = f"{outcome.state}: {outcome.problem}" if outcome.problem else outcome.state
        output.line(f"{outcome.policy}: {_told(outcome.run) if outcome.run else told}")
    return code


def _told(run: ArchiveRun) -> str:
    return (
        f"{run.row_count} rows from {run.period_from} to {run.period_to} in {run.file_count} files,"
        f" {run.file_bytes} bytes, in {run.seconds} s ({run.rows_per_second} rows/s, {run.bytes_per_second} bytes/s);"
        f" {'deleted here' if run.is_visible else 'kept here, too'} ({run.archive_run})"
    )


@archive.command("list", context_settings=CONTEXT)
@click.argument("policy", default="")
@click.option("--periods", is_flag=True, help="What S3 holds, period by period, instead of the runs.")
@_AS_JSON
@environment_option
def list_(here: Here, policy: str, periods: bool, as_json: bool) -> None:
    """Show the archive runs, of POLICY or all, with rows, bytes and rates."""
    from deployer.operations.archive import look

    with output.progress(lasting=False) as progress:
        found = look.listed(here.project, here.environment, policy, progress=progress)
    if as_json:
        output.line(encode.dump(found))
    elif periods:
        output.table(
            ["policy", "period", "rows", "bytes", "files", "min", "max", "run"],
            [
                (
                    one.policy, one.archive_period, one.row_count, one.file_bytes, one.file_count, one.period_min,
                    one.period_max, one.archive_run,
                )
                for one in found.partitions
            ],
        )  # fmt: skip
    else:
        output.table(
            ["run", "policy", "from", "to", "state", "after", "rows", "bytes", "rows/s", "bytes/s"],
            [
                (
                    one.archive_run, one.policy, one.period_from, one.period_to, one.state, one.after, one.row_count,
                    one.file_bytes, one.rows_per_second, one.bytes_per_second,
                )
                for one in found.runs
            ],
        )  # fmt: skip


@archive.command("verify", context_settings=CONTEXT)
@click.argument("names", nargs=-1)
@_AS_JSON
@environment_option
def verify(here: Here, names: tuple[str, ...], as_json: bool) -> int:
    """Check that S3 still holds what was archived: sizes by the manifests, rows and values by reading all files back.

    NAMES are policies or runs; all without them. Exits 1 when something is missing or differs.
    """
    from deployer.operations.archive import look

    with output.progress(lasting=False) as progress:
        found = look.verify(here.project, here.environment, names, progress=progress)
    if as_json:
        output.line(encode.dump(found))
    else:
        for one in found:
            output.line(
                f"{one.archive_run} {one.policy}: {one.problem or f'{one.row_count} rows as they were unloaded'}"
            )
        if not found:
            output.line("S3 holds nothing yet")
    return 1 if any(one.problem for one in found) else 0


@archive.command("restore", context_settings=CONTEXT)
@click.argument("name")
@click.option("--into", default="", metavar="SCHEMA.TABLE", help="Another table, which is made, for a look.")
@click.option("--swap", is_flag=True, help="Replace the rows of the runs' periods instead of appending.")
@click.option("--from", "first", metavar="D", help="Only runs that touch this day or later ones.")
@click.option("--to", "last", metavar="D", help="Only runs that touch this day or earlier ones.")
@_WAIT
@_AS_JSON
@environment_option
def restore(
    here: Here,
    name: str,
    into: str,
    swap: bool,
    first: str | None,
    last: str | None,
    wait: float,
    as_json: bool,
) -> None:
    """Bring rows back from S3: those of NAME, a policy or a run.

    Files are read into a temporary table and compared with what was unloaded first. Columns are matched by name; where
    the table's are no longer those of the files, and a value would be lost or cut, it is refused.
    """
    from deployer.operations.archive import restore as operations

    with output.progress(lasting=False) as progress:
        done = operations.restore(
            here.project, here.environment, name, into=into, swap=swap, first=_day(first, "--from"),
            last=_day(last, "--to"), wait=wait, progress=progress,
        )  # fmt: skip
    if as_json:
        output.line(encode.dump(done))
    else:
        output.line(f"{done.rows} rows are in {done.table}, from {', '.join(done.runs)}")


@archive.command("prune", context_settings=CONTEXT)
@click.argument("policies", nargs=-1)
@click.option(
    "--before", metavar="D", help="Delete files of periods that ended by this day, and are kept here."
)
@click.option(
    "--run", "runs", multiple=True, metavar="RUN", help="This run: give it up, or delete its files."
)
@click.option("--yes", is_flag=True, help="Do it; without, it is only shown.")
@_WAIT
@_AS_JSON
@environment_option
def prune(
    here: Here,
    policies: tuple[str, ...],
    before: str | None,
    runs: tuple[str, ...],
    yes: bool,
    wait: float,
    as_json: bool,
) -> None:
    """Delete from S3 what is left over or old, and note what S3's lifecycle has expired. Shows it, unless --yes.

    The only copy of rows is never deleted, nor are files that the ledger does not know: those are named.
    """
    from deployer.operations.archive import prune as operations

    with output.progress(lasting=False) as progress:
        found = operations.prune(
            here.project, here.environment, policies, before=_day(before, "--before"), runs=runs, do=yes,
            wait=wait, progress=progress,
        )  # fmt: skip
    if as_json:
        output.line(encode.dump(found))
        return
    for step in found.steps:
        output.line(
            f"{step.what}: {step.archive_run} of {step.policy}, {step.row_count or 0} rows, {step.files} files"
        )
    for stranger in found.strangers:
        output.line(f"not in the ledger, left alone: {stranger}")
    for name in found.elsewhere:
        output.line(f"in another bucket than this environment's, left alone: {name}")
    if not found.steps:
        output.line("nothing to prune")
    elif not found.done:
        output.line("nothing was changed; repeat with --yes")


def _day(text: str | None, option: str) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise UsageError(f"{option} {text!r} is no ISO date; write it like 2026-01-31") from None
