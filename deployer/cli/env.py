"""`zeroshift env`: the environments that were derived from another one, and `zeroshift deploy` into one."""

from __future__ import annotations

from collections.abc import Sequence

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.errors import UsageError


@click.group(context_settings=CONTEXT)
def env() -> None:
    """List and drop environments that are derived from another one (a pull request's)."""


@env.command("list", context_settings=CONTEXT)
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@environment_option
def list_(here: Here, as_json: bool) -> None:
    """Show the environments that are derived from --env, and until when they live."""
    from deployer.operations import environments

    with output.progress(lasting=False) as progress:
        found = environments.listed(here.project, here.environment, progress=progress)
    if as_json:
        output.line(encode.dump(found))
    elif not found:
        output.line(f"no environment is derived from {here.environment.name}")
    else:
        output.table(
            ["name", "schemas", "owner", "deployed_at", "expires_at", "expired"],
            [
                (item.name, f"*{item.suffix}", item.owner, item.deployed_at, item.expires_at, item.expired)
                for item in found
            ],
        )


@env.command("drop", context_settings=CONTEXT)
@click.argument("name")
@environment_option
def drop(here: Here, name: str) -> None:
    """Drop NAME with everything in its schemas. What is derived from which follows from zeroshift.toml, else --env."""
    from deployer.operations import environments

    derived = here.project.derived(name)
    base = here.project.environment(derived.base) if derived is not None else here.environment
    with output.progress(lasting=False) as progress:
        environments.drop(here.project, base, name, progress=progress)
    output.line(f"dropped {name}")


@env.command("prune", context_settings=CONTEXT)
@environment_option
def prune(here: Here) -> None:
    """Drop the environments derived from --env whose time to live is over."""
    from deployer.operations import environments

    with output.progress(lasting=False) as progress:
        gone = environments.prune(here.project, here.environment, progress=progress)
    output.line(f"dropped {', '.join(item.name for item in gone)}" if gone else "nothing to drop")


def deploy(here: Here, refused: Sequence[str], *, as_json: bool) -> int:
    """`zeroshift deploy` into a derived environment. Raises UsageError for options that have no meaning there."""
    from deployer.operations import environments

    assert here.derived is not None
    if refused:
        raise UsageError(f"{refused[0]} has no meaning for a derived environment: it is made anew as a whole")
    with output.progress() as progress:
        done = environments.deploy(here.project, here.derived, progress=progress)
    if as_json:
        output.line(encode.dump(done))
        return 0
    what = "nothing to do: it is as the project says" if done.unchanged else f"made {len(done.own)} copies"
    output.line(
        f"{done.name}: {what}, {done.seen_through} views of {done.base}; it lives until {done.expires_at} UTC"
    )
    if not done.unchanged:
        for name in done.differing:
            output.line(f"differs from {done.base}: {name}")
    return 0
