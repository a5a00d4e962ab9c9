"""`zeroshift baseline`: adopt what a warehouse has already."""

from __future__ import annotations

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.operations import baseline as operations
from deployer.operations.baseline import Baseline, Table


@click.command(context_settings=CONTEXT)
@click.option(
    "--schema",
    "schemas",
    multiple=True,
    metavar="NAME",
    help="Adopt this schema only; can be repeated. Default: all but public and the system's.",
)
@click.option(
    "--stamp", is_flag=True, help="Record the project's migrations as applied, without running them."
)
@click.option("--force", is_flag=True, help="Overwrite files that say something else than the warehouse.")
@click.option("--wait", default=0.0, metavar="SECONDS", help="Wait so long for a deployment that is at work.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@environment_option
def baseline(
    here: Here, schemas: tuple[str, ...], stamp: bool, force: bool, wait: float, as_json: bool
) -> None:
    """Adopt an existing warehouse: its views and procedures become files, and the next plan is empty.

    Also takes over what was changed by hand since a deployment (--force). Files that say something else than the
    warehouse are never overwritten without --force (exit code 3). In a project without migrations, the tables become
    the first one.
    """
    with output.progress(lasting=False) as progress:
        done = operations.baseline(
            here.project,
            here.environment,
            schemas=schemas,
            stamp=stamp,
            force=force,
            wait=wait,
            progress=progress,
        )
    if as_json:
        output.line(encode.dump(done))
    else:
        show(done)


def show(done: Baseline) -> None:
    """Print a baseline for people."""
    for path in done.imported:
        output.line(f"imported {path}")
    for path in done.overwritten:
        output.line(f"overwrote {path}")
    if done.migration:
        count = len(done.tables_imported)
        output.line(f"imported {done.migration}: {count} {'table' if count == 1 else 'tables'}")
    for item in done.left_out:
        output.line(f"left out: {item.name}: {item.reason}")
    if done.tables:
        output.line("tables that no migration describes (SHOW TABLE prints their DDL on Redshift):")
        for table in done.tables:
            output.line(f"    {describe(table)}")
    if done.stamped:
        output.line(f"stamped: the warehouse stands at migration {done.stamped}")
    elif done.pending:
        count = len(done.pending)
        output.line(
            f"{count} {'migration is' if count == 1 else 'migrations are'} pending: if the warehouse has what they"
            " make, `zeroshift baseline --stamp` records them as applied"
        )
    adopted = len(done.imported) + len(done.overwritten) + len(done.matching)
    output.line(f"adopted: {adopted} objects; {done.known} were known, {len(done.left_out)} left out")


def describe(table: Table) -> str:
    """A table in one line."""
    dist = f"distkey ({table.distkey})" if table.distkey else "no distkey"
    sort = f"sortkey ({', '.join(table.sortkey)})" if table.sortkey else "no sortkey"
    return f"{table.name}: {table.columns} columns, {dist}, {sort}"
