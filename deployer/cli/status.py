"""`zeroshift status`: runs, freshness, schedules, landing, quarantine, and what is wrong."""

from __future__ import annotations

import sys
import time

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.operations import status as operations
from deployer.operations.status import WarehouseStatus

WATCH_SECONDS = 5.0


@click.command(context_settings=CONTEXT)
@click.option("--watch", is_flag=True, help="Show it again every five seconds, until Ctrl-C.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; with --watch one a line.")
@environment_option
def status(here: Here, watch: bool, as_json: bool) -> None:
    """Show how the warehouse is doing: runs, freshness, schedules, landing, gaps, rejected rows.

    Ends with what is wrong, if anything is, and exits 1 then: the last run failed, a scheduled run is missing, a
    landing table is not replicated, a metric lacks periods, a backfill has not ended.
    """
    while True:
        found = operations.status(here.project, here.environment)
        if as_json:
            output.line(encode.dump(found))
        else:
            if watch and sys.stdout.isatty():
                click.clear()
            show(found)
        if not watch:
            break
        time.sleep(WATCH_SECONDS)
    if found.problems:
        click.get_current_context().exit(1)


def show(found: WarehouseStatus) -> None:
    """Print a status for people."""
    _show_landing(found)
    if not found.deployed:
        output.line("nothing is deployed yet; `zeroshift deploy` does it")
        return
    output.line(f"deployed: migration {found.migration or 'none'}, {found.objects} objects")
    output.line()
    output.heading("Freshness")
    if found.freshness:
        output.table(
            ["pipeline", "as_of", "published_at", "newest_change_at", "rejected_rows"],
            [
                (item.pipeline, item.as_of, item.published_at, item.newest_change_at, item.rejected_rows)
                for item in found.freshness
            ],
        )
    else:
        output.line("nothing is published yet; `zeroshift run rental` does it")
    output.line()
    _show_runs(found)
    _show_schedules(found)
    if found.rejected:
        output.heading("Rejected rows")
        output.table(
            ["table", "reason", "rows"], [(item.table, item.reason, item.rows) for item in found.rejected]
        )
        output.line()
    output.heading("Health")
    for problem in found.problems:
        output.line(f"- {problem}")
    if not found.problems:
        output.line("nothing is wrong")


def _show_landing(found: WarehouseStatus) -> None:
    if found.landing_note:
        output.line(found.landing_note)
        output.line()
    for database in sorted({item.database for item in found.landing}):
        tables = [item for item in found.landing if item.database == database]
        output.heading(f"Landing database {database}")
        output.table(
            ["table", "state", "rows", "changed_at"],
            [(f"{item.schema}.{item.table}", item.state, item.rows, item.changed_at) for item in tables],
        )
        for item in tables:
            if item.reason:
                output.line(f"{item.schema}.{item.table}: {item.reason}")
        for one in found.integrations:
            if one.database == database:
                lag = "not known" if one.lag_ms is None else f"{one.lag_ms / 1000:g} s"
                output.line(f"integration: {one.state}, lag {lag}")
        output.line()
    for each in found.replication:
        state = "runs" if each.running else "does not run"
        told = f": {each.message}" if each.message else ""
        output.line(f"replication of {each.name} from {each.source} into {each.landing} {state}{told}")
    if found.replication:
        output.line()


def _show_runs(found: WarehouseStatus) -> None:
    if not found.runs:
        return
    for pipeline in sorted({run.pipeline for run in found.runs}):
        output.heading(f"Last runs of {pipeline}")
        # Narrow enough for a terminal of 80, so that a run is a line and all of it a screen; --json has it in full.
        output.table(
            ["mode", "as_of", "state", "start", "secs", "rows", "rejected"],
            [
                (
                    run.mode,
                    f"{run.as_of:%Y-%m-%d %H:%M}",
                    run.state,
                    f"{run.started_at:%m-%d %H:%M}",
                    run.seconds if run.seconds is None else round(run.seconds, 1),
                    run.rows_written,
                    run.rows_rejected,
                )
                for run in found.runs
                if run.pipeline == pipeline
            ],
        )
    for run in found.runs:
        if run.error:
            output.line(f"run {run.run_id}: {run.error}")
    output.line()


def _show_schedules(found: WarehouseStatus) -> None:
    if not found.schedules:
        return
    output.heading("Schedules")
    output.table(
        ["schedule", "next (UTC)", "late", "missing"],
        [
            (one.name, one.next if one.enabled else "disabled", len(one.late), len(one.missing))
            for one in found.schedules
        ],
    )
    if found.schedules_note:
        output.line(found.schedules_note)
    if not found.firing:
        output.line("nobody fires them here; `zeroshift schedule start` does")
    output.line()
