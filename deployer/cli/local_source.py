"""`zeroshift local source`: a MariaDB on this machine for replication to read."""

from __future__ import annotations

import dataclasses
import json
import sys

import click

from deployer.cli import output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.errors import Unsafe


@click.group(context_settings=CONTEXT)
def source() -> None:
    """A MariaDB on your own machine, with the rental tables, as the source of replication.

    It needs MariaDB's server (Debian's package mariadb-server), listens on loopback and keeps its rows in the
    project's home. In zeroshift.toml it is called "local":

        [env.local.zero_etl.rental]
        source = "local"
    """


@source.command()
@environment_option
def start(here: Here) -> None:
    """Start the local source; the first time it has empty tables."""
    from deployer.operations import local as operations

    _show(operations.source_start(here.project))


@source.command()
@environment_option
def stop(here: Here) -> None:
    """Stop the local source; its rows stay."""
    from deployer.operations import local as operations

    output.line("stopped" if operations.source_stop(here.project) else "it was not running")


@source.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object: host, port, user, password, ...")
@environment_option
def status(here: Here, as_json: bool) -> None:
    """Say whether the local source runs and how to connect."""
    from deployer.operations import local as operations

    found = operations.source_status(here.project)
    if as_json:
        fields = dataclasses.asdict(found) | {"dsn": found.dsn}
        output.line(json.dumps(fields, indent=2, default=str))
    elif found.running:
        _show(found)
    else:
        output.line("the local source does not run; `zeroshift local source start` starts it")


@source.command()
@click.option("--yes", is_flag=True, help="Really delete the local source's rows.")
@environment_option
def reset(here: Here, yes: bool) -> None:
    """Stop the local source and delete its rows and its log."""
    from deployer.operations import local as operations

    if not yes:
        raise Unsafe("this deletes every row of the local source; say --yes to do it")
    operations.source_reset(here.project)
    output.line("the local source is empty")


def _show(found: object) -> None:
    """How to connect; the password on a terminal only, since other output may end in a log."""
    fields = dataclasses.asdict(found)  # type: ignore[call-overload]  # SourceStatus is of the extra `local`
    version = f" {fields['version'].split('-')[0]}" if fields["version"] else ""
    output.line(
        f"MariaDB{version} as the local source: mysql://{fields['user']}@{fields['host']}"
        f":{fields['port']}/{fields['database']}"
    )
    shown = sys.stdout.isatty()
    password = f" --password={fields['password']}" if shown else " --password"
    output.line(
        f"  mariadb --host={fields['host']} --port={fields['port']} --user={fields['user']}{password}"
        f" {fields['database']}"
    )
    if not shown:
        output.line("  zeroshift local source status --json    # has the password")
    output.line('  source = "local" in [env.local.zero_etl.<name>] of zeroshift.toml replicates it')
