"""`zeroshift unlock`: take the lease from a deployment that died."""

from __future__ import annotations

import click

from deployer.cli import output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.operations import unlock as operations

_ALIVE = {True: "it is alive", False: "it is dead", None: "whether it is alive cannot be told from here"}


@click.command(context_settings=CONTEXT)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--force", is_flag=True, help="Also take it from a deployment that is alive.")
@environment_option
def unlock(here: Here, yes: bool, force: bool) -> None:
    """Take the deployment lease away from a deployment that died.

    Nobody needs this after a crash on the same machine, or fifteen minutes after one elsewhere: the next deployment
    takes such a lease over by itself.
    """
    with output.progress(lasting=False) as progress:
        found = operations.look(here.project, here.environment, progress)
    if found.holder is None:
        output.line("nobody holds the lease")
        return
    state = "it has expired" if found.holder.expired else _ALIVE[found.holder.alive]
    output.line(f"the lease is held by {found.holder}; {state}")
    if not yes:
        click.confirm("Take it away?", abort=True, err=True)
    done = operations.unlock(here.project, here.environment, of=found.holder, force=force)
    output.line(f"taken from {found.holder}" if done.taken else "it was given back meanwhile")
