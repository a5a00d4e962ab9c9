"""`zeroshift integration`: zero-ETL into the local warehouse, from a real MySQL or MariaDB."""

from __future__ import annotations

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.errors import Unavailable
from deployer.operations import integration as operations

_NAME = click.option("--integration", "name", metavar="NAME", help="Which one, where there are several.")
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.group(context_settings=CONTEXT)
def integration() -> None:
    """Zero-ETL into the local warehouse: its state, its tables, copying them anew, counting both sides."""


@integration.command()
@click.option(
    "--max-lag",
    type=click.IntRange(min=0),
    metavar="MS",
    help="Fail when landing is further behind than that.",
)
@_JSON
@environment_option
def status(here: Here, max_lag: int | None, as_json: bool) -> None:
    """Show every integration; exits 1 when one does not replicate, or a table of it is out of sync."""
    found = operations.status(here.project, here.environment)
    if as_json:
        output.line(encode.dump(found))
    else:
        output.table(
            ["integration", "source", "landing", "state", "lag_ms", "synced", "failed", "waiting"],
            [
                (
                    each.name,
                    each.source,
                    each.landing,
                    each.state,
                    each.lag_ms,
                    each.synced,
                    each.failed,
                    each.waiting,
                )
                for each in found
            ],
        )
        for each in found:
            if each.message:
                output.line(f"{each.name}: {each.message}")
    for each in found:
        if not each.running or each.state != "CdcRefreshState":
            raise Unavailable(f"integration {each.name} does not replicate: {each.message or each.state}")
        if each.failed or each.waiting:
            raise Unavailable(
                f"integration {each.name} has {each.failed + each.waiting} tables out of sync;"
                " `zeroshift integration tables` names them"
            )
        if max_lag is not None and (each.lag_ms or 0) > max_lag:
            raise Unavailable(f"integration {each.name} is {each.lag_ms} ms behind, more than {max_lag}")


@integration.command()
@_JSON
@environment_option
def tables(here: Here, as_json: bool) -> None:
    """List the replicated tables with state and reason."""
    found = operations.tables(here.project, here.environment)
    if as_json:
        output.line(encode.dump(found))
    else:
        show(found)


@integration.command()
@click.argument("names", metavar="[TABLE]...", nargs=-1)
@click.option("--all", "everything", is_flag=True, help="Every table.")
@click.option("--failed", is_flag=True, help="The tables that are Failed or ResyncRequired.")
@_NAME
@environment_option
def refresh(here: Here, names: tuple[str, ...], everything: bool, failed: bool, name: str | None) -> None:
    """Copy each TABLE (schema.table) anew from the source, and wait until that is done.

    Landing then holds one version of each present row, and nothing from before: the next run stops until it is told
    --accept-reseed.
    """
    with output.progress(lasting=False) as progress:
        found = operations.refresh(
            here.project, here.environment, names, everything=everything, failed=failed, integration=name,
            progress=progress,
        )  # fmt: skip
    show(found)
    out = [f"{table.schema}.{table.table}" for table in found if table.state != "Synced"]
    if out:
        raise Unavailable(
            f"still out of sync: {', '.join(out)}; mend the source as the reason says, then repeat"
        )


@integration.command()
@click.option(
    "--threshold", type=click.IntRange(min=0), default=0, metavar="ROWS", help="Rows that may be apart."
)
@_NAME
@_JSON
@environment_option
def reconcile(here: Here, threshold: int, name: str | None, as_json: bool) -> None:
    """Count the present rows of every table in the source and in landing; exits 1 when they differ."""
    with output.progress(lasting=False) as progress:
        found = operations.reconcile(
            here.project, here.environment, integration=name, threshold=threshold, progress=progress
        )
    if as_json:
        output.line(encode.dump(found))
    else:
        output.table(
            ["table", "state", "source_rows", "landing_rows"],
            [
                (f"{each.schema}.{each.table}", each.state, each.source_rows, each.landing_rows)
                for each in found
            ],
        )
    apart = [
        f"{each.schema}.{each.table}" for each in found if each.landing_rows is None or each.apart > threshold
    ]
    if apart:
        raise Unavailable(
            f"source and landing differ: {', '.join(apart)}; `zeroshift integration refresh` copies anew"
        )


def show(found: tuple[operations.IntegrationTable, ...]) -> None:
    """Print tables."""
    output.table(
        ["landing", "table", "state", "rows", "changed_at"],
        [
            (each.landing, f"{each.schema}.{each.table}", each.state, each.rows, each.changed_at)
            for each in found
        ],
    )
    for each in found:
        if each.reason:
            output.line(f"{each.schema}.{each.table}: {each.reason}")
