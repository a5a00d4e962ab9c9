"""`zeroshift verify`: whether what is deployed works."""

from __future__ import annotations

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.operations import verify as operations
from deployer.operations.verify import Verification


@click.command(context_settings=CONTEXT)
@click.option(
    "--write-contracts",
    is_flag=True,
    help="Write a contract beside every presentation view that has none, from its columns as deployed.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@environment_option
def verify(here: Here, write_contracts: bool, as_json: bool) -> int:
    """Check that every deployed view can be selected, keeps its contract, and that every CALL finds its procedure.

    Runs nothing: views are selected with WHERE FALSE, procedures' bodies are parsed. Exits 1 when something fails.
    """
    with output.progress(lasting=False) as progress:
        found = operations.verify(
            here.project, here.environment, write_contracts=write_contracts, progress=progress
        )
    if as_json:
        output.line(encode.dump(found))
    else:
        show(found)
    return 0 if found.passed else 1


def show(found: Verification) -> None:
    """Print a verification for people: what was written, what was found, and what was looked at."""
    for path in found.written:
        output.line(f"wrote {path}")
    for finding in found.findings:
        where = f"{finding.path}:{finding.line}: " if finding.path else ""
        output.line(f"{finding.severity}: {where}{finding.message}")
    output.line(
        f"{'verified' if found.passed else 'failed'}: {found.views} views selected,"
        f" {found.contracts} contracts compared, {found.calls} calls followed"
    )
