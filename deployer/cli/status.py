"""`zeroshift status`: runs, freshness, landing tables, quarantine."""

from __future__ import annotations

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.operations import status as operations
from deployer.operations.status import WarehouseStatus


@click.command(context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@environment_option
def status(here: Here, as_json: bool) -> None:
    """Show the last runs, how fresh the presentation is, the landing tables' states and the rejected rows."""
    found = operations.status(here.project, here.environment)
    if as_json:
        output.line(encode.dump(found))
    else:
        show(found)


def show(found: WarehouseStatus) -> None:
    """Print a status for people."""
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
        output.line()
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
    if found.runs:
        output.heading("Last runs")
        output.table(
            ["pipeline", "mode", "as_of", "state", "started", "seconds"],
            [
                (
                    run.pipeline,
                    run.mode,
                    run.as_of,
                    run.state,
                    f"{run.started_at:%Y-%m-%d %H:%M}",
                    run.seconds,
                )
                for run in found.runs
            ],
        )
        for run in found.runs:
            if run.error:
                output.line(f"run {run.run_id}: {run.error}")
        output.line()
    if found.rejected:
        output.heading("Rejected rows")
        output.table(
            ["table", "reason", "rows"], [(item.table, item.reason, item.rows) for item in found.rejected]
        )
