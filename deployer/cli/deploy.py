"""`zeroshift deploy`: make the warehouse what the repository says."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, derivable_environment_option
from deployer.errors import UsageError
from deployer.operations import deploy as operations
from deployer.operations.deploy import STATEMENT_SECONDS, Deployment


@click.command(context_settings=CONTEXT)
@click.option("--prune", is_flag=True, help="Also drop what is deployed but no longer in the project.")
@click.option(
    "--plan",
    "plan_file",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Apply exactly this plan, from `zeroshift plan --out FILE`.",
)
@click.option(
    "--allow-destructive",
    "allow",
    multiple=True,
    metavar="NAME",
    help="Let the part called NAME destroy what the plan says. Repeatable.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    default=0.0,
    metavar="SECONDS",
    help="Wait so long for another deployment to end.",
)
@click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0, min_open=True),
    default=STATEMENT_SECONDS,
    show_default=True,
    metavar="SECONDS",
    help="How long a view may be waited for while somebody holds it.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@derivable_environment_option
def deploy(
    here: Here,
    prune: bool,
    plan_file: Path | None,
    allow: tuple[str, ...],
    wait: float,
    lock_timeout: float,
    as_json: bool,
) -> int:
    """Apply the migrations, then create or replace views and procedures.

    An environment that a pattern of zeroshift.toml derives from another one gets schemas of its own beside it, for what
    differs and all that follows from it, and views of the rest.

    Migrations commit one by one; all views and procedures change together, in one transaction. A second
    deploy of the same files does nothing. Two deploys at once exclude each other (exit code 4). What would destroy
    data or objects is refused (exit code 3) unless it is allowed by name; `zeroshift plan` shows it.
    """  # fmt: skip
    if here.derived is not None:
        # Only here: most deployments are not of a derived environment, and the lineage brings the parsers along.
        from deployer.cli import env

        given = {"--prune": prune, "--plan": plan_file, "--allow-destructive": allow, "--wait": wait}
        return env.deploy(here, [option for option, value in given.items() if value], as_json=as_json)
    if plan_file is not None and prune:
        raise UsageError("--prune belongs to the plan: `zeroshift plan --prune --out FILE`")
    with output.progress() as progress:
        done = operations.deploy(
            here.project,
            here.environment,
            prune=prune,
            plan_file=plan_file,
            allow=allow,
            wait=wait,
            statement_seconds=lock_timeout,
            progress=progress,
        )
    if as_json:
        output.line(encode.dump(done))
    else:
        show(done)
    return 0 if done.works else 1


def show(done: Deployment) -> None:
    """Print a deployment for people."""
    output.line(summary(done))
    for warning in done.warnings:
        output.line(f"WARNING: {warning}")
    for name in done.left_over:
        output.line(f"left over: {name} is deployed, but no longer in the project (--prune drops it)")
    for finding in done.findings:
        where = f"{finding.path}:{finding.line}: " if finding.path else ""
        output.line(f"{finding.severity}: {where}{finding.message}")


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
        (len(done.other), "other change" if len(done.other) == 1 else "other changes"),
        (done.unchanged, "unchanged"),
    )
    return "deployed: " + ", ".join(f"{count} {what}" for count, what in counts if count)
