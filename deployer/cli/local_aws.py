"""`zeroshift local aws`: the AWS on your own machine."""

from __future__ import annotations

import dataclasses
import json
import shlex

import click

from deployer.cli import output
from deployer.cli.options import CONTEXT, Here, environment_option


@click.command("aws", context_settings=CONTEXT)
@click.option("--export", is_flag=True, help="Print shell commands that send boto3 and the AWS CLI there.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@environment_option
def aws(here: Here, export: bool, as_json: bool) -> None:
    """Start the local AWS and say how to reach it.

    It stands for AWS in every environment while the variables of --export are set:

        eval "$(zeroshift local aws --export)"

    Other commands start it by themselves for an environment of kind local with aws = true. `zeroshift local down`
    stops it together with the local Redshift; what it holds stays.
    """
    from deployer.operations import local as operations

    status = operations.aws(here.project)
    if as_json:
        output.line(json.dumps(dataclasses.asdict(status), indent=2))
    elif export:
        for name, value in status.variables.items():
            output.line(f"export {name}={shlex.quote(value)}")
    else:
        output.line(f"local AWS on {status.endpoint_url}")
        output.line('  eval "$(zeroshift local aws --export)"')
