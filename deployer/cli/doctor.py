"""`zeroshift doctor`: what an environment needs, what of it is missing, and what mends it."""

from __future__ import annotations

import itertools

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.operations.doctor import examine
from deployer.operations.doctor.model import MISSING, OK, UNKNOWN, Check, Diagnosis

_MARKS = {OK: "ok", MISSING: "MISSING", UNKNOWN: "cannot tell"}


@click.command(context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@environment_option
def doctor(here: Here, as_json: bool) -> int:
    """Check every prerequisite of an environment, and say how to mend what is missing.

    Nothing is started or changed. Exits 1 when something is missing; what cannot be told is shown, and no failure.
    """
    with output.progress(lasting=False) as progress:
        found = examine.examine(here.project, here.environment, progress=progress)
    if as_json:
        output.line(encode.dump(found))
    else:
        show(found)
    return 0 if found.is_well else 1


def show(found: Diagnosis) -> None:
    """Print a diagnosis for people, part by part."""
    for part, checks in itertools.groupby(found.checks, key=lambda check: check.part):
        output.heading(part)
        shown = list(checks)
        width = max(len(check.name) for check in shown)
        for check in shown:
            output.line(f"  {_MARKS[check.state]:<11}  {check.name:<{width}}  {check.found}")
            if check.mend:
                output.line(f"  {'':<11}  {'':<{width}}  -> {check.mend}")
    output.line(summary(found.checks))


def summary(checks: tuple[Check, ...]) -> str:
    """How many checks ended how."""
    counts = [(sum(check.state == state for check in checks), state) for state in (OK, MISSING, UNKNOWN)]
    return ", ".join(f"{count} {state}" for count, state in counts if count or state == OK)
