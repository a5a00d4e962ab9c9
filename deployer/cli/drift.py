"""`zeroshift drift`: what somebody changed by hand."""

from __future__ import annotations

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.operations import drift as operations
from deployer.operations.drift import Drift

DRIFTED = 2
"""The exit code when something differs, as of `plan --check`."""


@click.command(context_settings=CONTEXT)
@click.option("--wait", default=0.0, metavar="SECONDS", help="Wait so long for a deployment that is at work.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@environment_option
def drift(here: Here, wait: float, as_json: bool) -> int:
    """Show what was changed by hand since the last deployment; exits 2 when something was.

    Compares views and procedures with their definitions as read back after the deployment. Files that are not
    deployed yet do not count. Reads under the deployment lease (exit code 4 when it is taken).
    """
    with output.progress(lasting=False) as progress:
        found = operations.drift(here.project, here.environment, wait=wait, progress=progress)
    if as_json:
        output.line(encode.dump(found))
    else:
        show(found)
    return DRIFTED if found.items else 0


def show(found: Drift) -> None:
    """Print a drift for people."""
    for item in found.items:
        source = f" ({item.path})" if item.path else ""
        output.line(f"{item.change} by hand: {item.kind} {item.name}{source}")
        for line in item.diff.splitlines():
            output.line(f"    {line}")
    for name in found.unrecorded:
        output.line(
            f"cannot tell: {name} was deployed before definitions were read back; deploy it once more"
        )
    if not found.items:
        output.line(f"no drift: {found.compared} objects are as they were deployed")
        return
    count = len(found.items)
    what = f"{count} {'object differs' if count == 1 else 'objects differ'} from the last deployment"
    if all(item.kind.startswith("AWS::") for item in found.items):
        # CloudFormation compares templates, not resources: the same template again would change nothing.
        output.line(f"{what}; take the change back by hand, or write it into zeroshift.toml and deploy")
        return
    output.line(
        f"{what}; `zeroshift baseline --force` takes them into the files; `zeroshift rollback`, with the last"
        " deployment's number, brings back what it had made"
    )
