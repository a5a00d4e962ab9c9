"""`zeroshift rollback`: views and procedures back to an earlier deployment."""

from __future__ import annotations

from collections.abc import Sequence

import click

from deployer.cli import encode, output
from deployer.cli.deploy import summary
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.operations import rollback as operations
from deployer.operations.rollback import Candidate, Rollback


@click.command(context_settings=CONTEXT)
@click.argument("deployment", type=int, required=False)
@click.option("--prune", is_flag=True, help="Also drop the objects that did not exist then.")
@click.option(
    "--allow-destructive",
    "allow",
    multiple=True,
    metavar="NAME",
    help="Let this object be lost; can be repeated.",
)
@click.option("--wait", default=0.0, metavar="SECONDS", help="Wait so long for a deployment that is at work.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@environment_option
def rollback(
    here: Here, deployment: int | None, prune: bool, allow: tuple[str, ...], wait: float, as_json: bool
) -> None:
    """Bring views and procedures back to their definitions after DEPLOYMENT; without it, list the deployments.

    A rollback is a deployment of the older files, with the same checks. What was changed by hand is overwritten. Tables
    and data do not go back: when a migration was applied since, it is refused (exit code 3).
    """
    if deployment is None:
        with output.progress(lasting=False) as progress:
            found = operations.candidates(here.project, here.environment, progress)
        if as_json:
            output.line(encode.dump(found))
        else:
            show_candidates(found)
        return
    with output.progress() as progress:
        done = operations.rollback(
            here.project,
            here.environment,
            deployment,
            prune=prune,
            allow=allow,
            wait=wait,
            progress=progress,
        )
    if as_json:
        output.line(encode.dump(done))
    else:
        show(done)


def show_candidates(found: Sequence[Candidate]) -> None:
    """Print the deployments for people."""
    if not found:
        output.line("nothing is deployed yet; `zeroshift deploy` does it")
        return
    output.table(
        ["deployment", "finished", "by", "commit", "status", "objects", "migrations", "rollback"],
        [
            (
                item.deployment.id,
                item.deployment.finished_at,
                item.deployment.deployed_by,
                (item.deployment.git_commit or "")[:12],
                item.deployment.status,
                item.deployment.objects,
                item.deployment.migrations,
                f"no: migration {', '.join(item.migrations_since)} since" if item.migrations_since else "yes",
            )
            for item in found
        ],
    )


def show(done: Rollback) -> None:
    """Print a rollback for people."""
    for name in done.restored:
        output.line(f"overwritten: {name} had been changed by hand")
    output.line(f"back at deployment {done.to}; {summary(done.deployment)}")
    for name in done.deployment.left_over:
        output.line(f"left over: {name} did not exist then (--prune drops it)")
    if not done.deployment.did_nothing:
        output.line(
            "the files in this checkout have not changed: revert them too, or the next deployment undoes this"
        )
