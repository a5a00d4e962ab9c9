"""`zeroshift destroy`: delete an environment's CloudFormation stacks."""

from __future__ import annotations

import dataclasses
import json

import click

from deployer.cli import output
from deployer.cli.options import CONTEXT, Here, environment_option


@click.command(context_settings=CONTEXT)
@click.option("--yes", is_flag=True, help="Really delete the stacks.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@environment_option
def destroy(here: Here, yes: bool, as_json: bool) -> None:
    """Delete the environment's CloudFormation stacks, in reverse order.

    What holds data stays in the account and is named. The warehouse and all that is in it stays as it is.
    """
    from deployer.operations import stacks

    with output.progress() as progress:
        done = stacks.destroy(here.project, here.environment, yes=yes, progress=progress)
    if as_json:
        output.line(json.dumps(dataclasses.asdict(done), indent=2))
        return
    for change in done.changes:
        output.line(f"deleted {change.name}")
    if not done.changes:
        output.line("there was no stack")
    for left in done.left:
        output.line(f"left in the account, as it holds data: {left}")
