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
    if found.landing:
        output.heading("Landing")
        output.table(
            ["table", "state", "rows", "changed_at", "reason"],
            [
                (
                    f"{item.database}.{item.schema}.{item.table}",
                    item.state,
                    item.rows,
                    item.changed_at,
                    item.reason,
                )
                for item in found.landing
            ],
        )
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
            ["run", "pipeline", "mode", "as_of", "state", "started_at", "seconds"],
            [
                (run.run_id, run.pipeline, run.mode, run.as_of, run.state, run.started_at, run.seconds)
                for run in found.runs
            ],
        )
        output.line()
    if found.rejected:
        output.heading("Rejected rows")
        output.table(
            ["table", "reason", "rows"], [(item.table, item.reason, item.rows) for item in found.rejected]
        )
