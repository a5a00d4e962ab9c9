"""`zeroshift deploy`: make the warehouse what the repository says."""

from __future__ import annotations

import click

from deployer.cli import output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.operations import deploy as operations
from deployer.operations.deploy import Deployment


@click.command(context_settings=CONTEXT)
@click.option("--prune", is_flag=True, help="Also drop what is deployed but no longer in the project.")
@environment_option
def deploy(here: Here, prune: bool) -> None:
    """Apply the migrations, then create or replace views and procedures.

    Migrations commit one by one; all views and procedures change together, in one transaction. A second
    deploy of the same files does nothing. Two deploys at once exclude each other (exit code 4).
    """
    with output.progress() as progress:
        done = operations.deploy(here.project, here.environment, prune=prune, progress=progress)
    output.line(summary(done))
    for name in done.left_over:
        output.line(f"left over: {name} is deployed, but no longer in the project (--prune drops it)")


def summary(done: Deployment) -> str:
    """A deployment in one line."""
    if done.did_nothing:
        return f"nothing to do: all {done.unchanged} objects are as the project says"
    counts = (
        (len(done.migrations), "migration applied" if len(done.migrations) == 1 else "migrations applied"),
        (len(done.created), "created"),
        (len(done.replaced), "replaced"),
        (len(done.recreated), "recreated"),
        (len(done.dropped), "dropped"),
        (done.unchanged, "unchanged"),
    )
    return "deployed: " + ", ".join(f"{count} {what}" for count, what in counts if count)
