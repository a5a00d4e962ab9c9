"""`zeroshift plan`: what a deployment would do."""

from __future__ import annotations

from pathlib import Path

import click

from deployer.cli import encode, github, output, plan_text
from deployer.cli.options import CONTEXT, Here, derivable_environment_option
from deployer.errors import UsageError
from deployer.operations import plan as operations
from deployer.operations.plan import Plan

CHANGES = 2
REFUSED = 3


@click.command(context_settings=CONTEXT)
@click.option(
    "--prune", is_flag=True, help="Also plan to drop what is deployed but no longer in the project."
)
@click.option("--check", is_flag=True, help="Exit with code 2 when there is anything to do.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--markdown", is_flag=True, help="For a comment on a pull request.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Also write a plan file, for `zeroshift deploy --plan FILE`.",
)
@click.option("--offline", is_flag=True, help="Plan in a scratch local warehouse; needs --base.")
@click.option(
    "--base", metavar="GITREF", help="With --offline: the commit that the warehouse is supposed to be at."
)
@derivable_environment_option
def plan(
    here: Here,
    prune: bool,
    check: bool,
    as_json: bool,
    markdown: bool,
    out: Path | None,
    offline: bool,
    base: str | None,
) -> int:
    """Show everything that a deployment would do, without doing it.

    Migrations come with their SQL, views and procedures with a diff, views that must be dropped and created anew with
    all that is built on them and their grants. Parts that lose data or objects are marked: deploy refuses them unless
    they are allowed by name. In a GitHub workflow each part is also shown beside its file.

    Exits 3 when a deployment would refuse to begin. Of an environment that is derived from another one (a pull
    request's) it shows the copies that would be made.
    """  # fmt: skip
    made = _made(here, prune, offline, base)
    if out is not None:
        if offline:
            raise UsageError("a plan made --offline cannot be deployed: it is not about the warehouse itself")
        if here.derived is not None:
            raise UsageError(
                "a derived environment is deployed without a plan file: it is made anew as a whole"
            )
        operations.write(made, out)
    if as_json:
        output.line(encode.dump(made))
    elif markdown:
        output.write(plan_text.markdown(made))
    else:
        output.write(plan_text.lines(made, colours=output.has_colours()))
    if github.wanted() and not as_json:
        # Beside a page for a comment they go to standard error, where GitHub reads them as well.
        for line in plan_text.github_lines(made):
            click.echo(line, nl=False, err=markdown)
    if made.problems:
        return REFUSED
    return CHANGES if check and made.changes else 0


def _made(here: Here, prune: bool, offline: bool, base: str | None) -> Plan:
    if here.derived is not None and (prune or offline or base is not None):
        raise UsageError(
            "--prune, --offline and --base have no meaning for a derived environment: it is made anew as a whole"
        )
    if offline != (base is not None):
        raise UsageError("--offline and --base GITREF belong together")
    with output.progress(lasting=False) as progress:
        if here.derived is not None:
            # Only here: the lineage brings the parsers along.
            from deployer.operations import environments

            return environments.plan(here.project, here.derived, progress=progress)
        if base is None:
            return operations.plan(here.project, here.environment, prune=prune, progress=progress)
        # Only here, since it starts a warehouse.
        from deployer.operations import plan_offline

        return plan_offline.plan(here.project, here.environment, base, prune=prune, progress=progress)
