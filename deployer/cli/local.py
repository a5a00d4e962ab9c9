"""`zeroshift local`: start, stop, empty and feed the warehouse on this machine."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import sys
import time
from pathlib import Path

import click

from deployer.cli import local_aws, local_source, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.errors import Unsafe
from deployer.operations import local as operations


@click.group(context_settings=CONTEXT)
def local() -> None:
    """The Redshift on your own machine, the source behind it, and the AWS beside it."""


local.add_command(local_aws.aws)
local.add_command(local_source.source)


@local.command()
@click.option("--detach", is_flag=True, help="Return once it listens, instead of running until Ctrl-C.")
@environment_option
def up(here: Here, detach: bool) -> None:
    """Start the local Redshift.

    Without --detach the command stays until Ctrl-C and then stops what it started. Other commands start the
    local Redshift by themselves when they need it.
    """
    was_running = operations.status(here.project).running
    status = operations.up(here.project, here.environment)
    if detach or was_running:
        _connection(status)
        return
    try:
        _connection(status)
        output.line("Ctrl-C stops it.")
        while operations.status(here.project).running:
            time.sleep(1)
    finally:
        operations.down(here.project)


@local.command()
@environment_option
def down(here: Here) -> None:
    """Stop the local Redshift; its data stays."""
    output.line("stopped" if operations.down(here.project) else "it was not running")


@local.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object: host, port, user, password, ...")
@environment_option
def status(here: Here, as_json: bool) -> None:
    """Say whether the local Redshift runs and how to connect."""
    found = operations.status(here.project)
    if as_json:
        output.line(json.dumps(public(found), indent=2, default=str))
    elif found.running:
        _connection(found)
    else:
        output.line("the local Redshift does not run; `zeroshift local up` starts it")


@local.command()
@click.option("--yes", is_flag=True, help="Really delete everything that the local warehouse holds.")
@environment_option
def reset(here: Here, yes: bool) -> None:
    """Stop the local Redshift and delete all its data."""
    if not yes:
        raise Unsafe("this deletes everything that the local warehouse holds; say --yes to do it")
    operations.reset(here.project)
    output.line("the local warehouse is empty")


@local.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option(
    "--at", required=True, metavar="T", help="The instant that the files speak for: ISO, UTC without a zone."
)
@click.option(
    "--date-format", metavar="FORMAT", help="How the files write dates, in strftime's terms; default ISO."
)
@environment_option
def load(here: Here, directory: Path, at: str, date_format: str | None) -> None:
    """Make the local source tables equal to DIRECTORY's CSV files, as of instant T.

    Files are named as the source tables (bookings.csv, ...). New rows are inserted, changed ones updated,
    missing ones deleted, in one commit, which the landing database shows in history mode as zero-ETL would.
    A bad file is refused whole.
    """
    instant = operations.parse_instant(at, "--at")
    with output.progress() as progress:
        loaded = operations.load(here.project, directory, instant, date_format=date_format, progress=progress)
    for notice in loaded.notices:
        output.line(f"note: {notice}")
    loads(loaded)


def loads(loaded: operations.Loaded) -> None:
    """Print what a load did."""
    output.line(f"source as of {loaded.at.isoformat(sep=' ')} UTC")
    output.table(
        ["table", "inserted", "updated", "deleted", "unchanged"],
        [(item.table, item.inserted, item.updated, item.deleted, item.unchanged) for item in loaded.tables],
    )


def public(status: object) -> dict[str, object]:
    """All fields of a Status, and those that integrations are promised even where there is nothing yet."""
    fields = dataclasses.asdict(status)  # type: ignore[call-overload]  # Status is a dataclass of the extra `local`
    # The way around the gateway is for this program's own tools.
    fields.pop("engine_dsn", None)
    return dict(fields)


def _connection(status: object) -> None:
    fields = public(status)
    output.line(
        f"local Redshift on {fields['host']}:{fields['port']}, database {fields['database']},"
        f" user {fields['user']}"
    )
    for text in connecting(fields):
        output.line(f"  {text}")
    if fields.get("data_api_url"):
        output.line(f"Data API on {fields['data_api_url']}, for any AWS client with any credentials")
        output.line(f"  export AWS_ENDPOINT_URL_REDSHIFT_DATA={fields['data_api_url']}")
    if fields.get("note"):
        output.line(f"note: {fields['note']}")


def connecting(fields: dict[str, object]) -> list[str]:
    """How to connect, for people to copy. The password is shown on a terminal only: elsewhere the text may end
    in a log, so it says where to find it.
    """
    home = os.environ.get("ZEROSHIFT_HOME")
    where = f"ZEROSHIFT_HOME={shlex.quote(home)} " if home else ""
    target = f"host={fields['host']} port={fields['port']} dbname={fields['database']} user={fields['user']}"
    shown = sys.stdout.isatty()
    lines = [f"psql '{target} password={fields['password']}'" if shown else f"psql '{target}'"]
    if not shown:
        lines.append(f"{where}zeroshift local status --json    # has the password")
    lines.append(f"{where}zeroshift query 'select * from presentation.freshness'")
    return lines
