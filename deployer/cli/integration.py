"""`zeroshift integration`: zero-ETL into the local warehouse from a real server, and of AWS into one in AWS."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.errors import Unavailable, UsageError
from deployer.operations import integration as operations
from deployer.project.environments import LOCAL

_NAME = click.option("--integration", "name", metavar="NAME", help="Which one, where there are several.")
_STATES = {
    "PendingDbConnectState": "it is not connected to its source yet",
    "SchemaDiscoveryState": "its first copy is being made",
}
_JSON = click.option("--json", "as_json", is_flag=True, help="One JSON object.")


@click.group(context_settings=CONTEXT)
def integration() -> None:
    """Zero-ETL integrations: their state, their tables, copying them anew, counting both sides."""


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
    found = _status(here)
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
        out = (each.failed or 0) + (each.waiting or 0)
        if not each.running or (
            _is_local(here) and each.state != "CdcRefreshState" and (each.message or not out)
        ):
            why = each.message or _STATES.get(each.state, each.state)
            if each.message and _is_local(here):
                why += "; mend that and repeat"
            raise Unavailable(f"integration {each.name} does not replicate: {why}")
        if out:
            raise Unavailable(
                f"integration {each.name} has {out} tables out of sync; `zeroshift integration tables` names them"
            )
        if not out and each.synced == 0:
            raise Unavailable(
                f"integration {each.name} replicates no table: its source has none that the data filter lets through,"
                " or none has been copied yet"
            )
        if max_lag is not None and each.lag_ms is None and not _is_local(here):
            raise Unavailable(
                f"how far integration {each.name} is behind cannot be told: this login is no superuser (admin_secret),"
                " and CloudWatch has had no value for a quarter of an hour"
            )
        if max_lag is not None and (each.lag_ms or 0) > max_lag:
            raise Unavailable(f"integration {each.name} is {each.lag_ms} ms behind, more than {max_lag}")


@integration.command()
@_JSON
@environment_option
def tables(here: Here, as_json: bool) -> None:
    """List the replicated tables with state and reason."""
    found = _tables(here)
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
        found = _operation(here, "refresh")(
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
        found = _operation(here, "reconcile")(
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
    apart = [each for each in found if each.landing_rows is None or each.apart > threshold]
    if apart:
        if any(not each.state for each in apart):
            mend = "landing has none without a state, so see whether `zeroshift integration status` is well"
        elif any(each.state != "Synced" for each in apart):
            mend = "`zeroshift integration tables` says what is wrong with those that are not Synced"
        else:
            mend = "`zeroshift integration refresh` copies anew"
        listed = ", ".join(f"{each.schema}.{each.table}" for each in apart)
        raise Unavailable(f"source and landing differ: {listed}; {mend}")


def show(found: tuple[operations.IntegrationTable, ...]) -> None:
    """Print tables."""
    output.table(
        ["landing", "table", "state", "rows", "changed_at"],
        [
            # To the second, for which a terminal has room; --json tells it whole.
            (
                each.landing,
                f"{each.schema}.{each.table}",
                each.state,
                each.rows,
                each.changed_at and each.changed_at.replace(microsecond=0),
            )
            for each in found
        ],
    )
    for each in found:
        if each.reason:
            output.line(f"{each.schema}.{each.table}: {each.reason}")


@integration.command()
@click.argument("name", metavar="NAME")
@click.option("--yes", is_flag=True, help="Do it. Without, it says what would be lost.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="How long to wait for a deployment.",
)
@environment_option
def recreate(here: Here, name: str, yes: bool, wait: float) -> None:
    """Delete the integration NAME of AWS, wait, and make it anew; its history is lost, and everything copied again.

    For what AWS cannot change: source, target, KMS key, or an integration that has failed. It may be killed and
    repeated.
    """
    if _is_local(here):
        raise UsageError(
            f"environment {here.environment.name} is local: `zeroshift integration refresh --all` copies"
            f" everything anew"
        )
    from deployer.operations import integration_recreate

    with output.progress() as progress:
        done = integration_recreate.recreate(
            here.project, here.environment, name, yes=yes, wait=wait, progress=progress
        )
    output.line(f"integration {done.name} is {done.state}; lost is {done.lost}")


def _is_local(here: Here) -> bool:
    return here.environment.kind == LOCAL


def _operation(here: Here, name: str) -> Callable[..., Any]:
    """The operation for the environment's kind."""
    if _is_local(here):
        found: Callable[..., Any] = getattr(operations, name)
        return found
    # boto3 takes longer to load than most commands to run.
    from deployer.operations import integration_aws

    found = getattr(integration_aws, name)
    return found


def _status(here: Here) -> tuple[operations.IntegrationStatus, ...]:
    found: tuple[operations.IntegrationStatus, ...] = _operation(here, "status")(
        here.project, here.environment
    )
    return found


def _tables(here: Here) -> tuple[operations.IntegrationTable, ...]:
    found: tuple[operations.IntegrationTable, ...] = _operation(here, "tables")(
        here.project, here.environment
    )
    return found
