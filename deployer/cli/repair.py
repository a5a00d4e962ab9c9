"""`zeroshift repair`: make the ledger agree with the migrations' files again."""

from __future__ import annotations

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.operations import repair as operations


@click.command(context_settings=CONTEXT)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object; needs --yes.")
@environment_option
def repair(here: Here, yes: bool, as_json: bool) -> int:
    """Mend what `zeroshift plan` found wrong with migrations, after asking.

    Accepts the checksum of a migration that was edited, writes a missing file as it was applied, and leaves one head.
    The warehouse's own tables are not touched. Exits 1 when something is left that only people can mend.
    """
    found = operations.look(here.project, here.environment)
    if not as_json:
        for problem in found.problems:
            where = f"{problem.path}:{problem.line}: " if problem.path else ""
            output.line(f"{where}{problem.message}")
            output.line(f"    repair would {problem.repair}" if problem.repair else "    this needs people")
    if not any(problem.repair for problem in found.problems):
        output.line(encode.dump(found) if as_json else _nothing(bool(found.problems)))
        return 1 if found.problems else 0
    if not yes:
        click.confirm("Do it?", abort=True, err=True)
    done = operations.repair(here.project, here.environment)
    if as_json:
        output.line(encode.dump(done))
    else:
        output.line(f"repaired {len(done.repaired)} of {len(done.problems)}")
    return 0 if len(done.repaired) == len(done.problems) else 1


def _nothing(problems: bool) -> str:
    return "nothing that repair could mend" if problems else "nothing to repair"
