"""`zeroshift template`: the CloudFormation templates, for those who deploy them elsewhere or read them first."""

from __future__ import annotations

import json

import click

from deployer.cli import output
from deployer.cli.options import CONTEXT, Here, environment_option


@click.command(context_settings=CONTEXT)
@click.option(
    "--base", "part", flag_value="base", default="base", help="What the SQL stands on; the default."
)
@click.option("--run", "part", flag_value="run", help="What calls the warehouse's procedures.")
@click.option(
    "--bootstrap",
    "part",
    flag_value="bootstrap",
    help="What an administrator creates once: the deployer's role.",
)
@environment_option
def template(here: Here, part: str) -> None:
    """Print a CloudFormation template of the environment, as JSON.

    They are generated from zeroshift.toml and hold no account id, region or secret. `zeroshift deploy` creates
    the stacks base and run itself; bootstrap is for an administrator, before the first deployment.
    """
    # Not at the top: `zeroshift --help` should not wait for it.
    from deployer.operations import stacks

    found = stacks.template(here.project, here.environment, part)
    if found is None:
        # Not on standard output, where a template is expected.
        click.echo(f"nothing belongs into the stack {part} yet: it is not created", err=True)
        return
    output.line(json.dumps(found, indent=2))
