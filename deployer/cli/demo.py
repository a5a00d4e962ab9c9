"""`zeroshift demo`: from source rows to metrics in one go."""

from __future__ import annotations

import time
from pathlib import Path

import click

from deployer.cli import output
from deployer.cli.deploy import summary
from deployer.cli.local import connecting, public
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.operations import demo as operations
from deployer.operations.demo import Demo
from deployer.operations.demo_source import FILES, SOURCES


@click.command(context_settings=CONTEXT)
@click.option(
    "--listings",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Real listings (CSV in the columns of UCI's apartments data set) instead of invented ones.",
)
@click.option("--seed", type=int, metavar="N", help="Another seed invents another marketplace.")
@click.option(
    "--keep", is_flag=True, help="Keep the generated CSV snapshots in the local environment's home."
)
@click.option(
    "--source",
    type=click.Choice(SOURCES),
    default=FILES,
    show_default=True,
    help="mariadb: a MariaDB of the demo's own is written to and replicated.",
)
@environment_option
def demo(here: Here, listings: Path | None, seed: int | None, keep: bool, source: str) -> None:
    """Run the whole rental pipeline on a fresh local Redshift and print its metrics.

    Invents two years of a marketplace, replicates it into the landing database, deploys the repository's
    SQL, runs the pipeline and asks for all eight metrics. The warehouse keeps running afterwards. One that
    holds other data than a demo's is never swept away.

    With --source mariadb the marketplace's history is written to a MariaDB (`zeroshift local source`), which is
    replicated; after the run a booking is made there and taken back, and the metrics follow. It needs MariaDB's
    server (Debian's package mariadb-server). A MariaDB whose rows are not an earlier demo's is never swept away either.
    """
    started = time.monotonic()
    with output.progress() as progress:
        done = operations.demo(
            here.project,
            here.environment,
            listings=listings,
            seed=seed,
            keep=keep,
            source=source,
            progress=progress,
        )
    show(done)
    output.line(f"That took {time.monotonic() - started:.0f} seconds.")


def show(done: Demo) -> None:
    """Print what the demo saw."""
    for notice in done.notices:
        output.line(f"note: {notice}")
    for table in done.metrics:
        output.line()
        output.heading(table.title)
        if table.rows:
            output.rows(table.columns, table.rows, "table")
        else:
            output.line("(no rows)")
    if done.live:
        _show_live(done)
    output.line()
    output.heading("Quarantine: rejected rows by reason")
    output.table(
        ["table", "reason", "rows"], [(item.table, item.reason, item.rows) for item in done.rejected]
    )
    output.line()
    output.heading("Done")
    output.line(summary(done.deployment))
    seconds = f" in {done.run.seconds} s" if done.run.seconds is not None else ""
    output.line(f"run {done.run.run_id} {done.run.state} as of {done.as_of.isoformat(sep=' ')} UTC{seconds}")
    if done.snapshots is not None:
        output.line(f"the source's snapshots are in {done.snapshots}")
    output.line()
    output.heading("Connect")
    for text in connecting(public(done.warehouse)):
        output.line(text)
    if done.warehouse.note:
        output.line(f"note: {done.warehouse.note}")
    output.line("`zeroshift local down` stops it; the data stays.")


def _show_live(done: Demo) -> None:
    output.line()
    output.heading("Live: a change in MariaDB reaches a metric (top performing listings of the last week)")
    output.table(
        ["change", "landed", "shown", "rank", "bookings", "revenue_usd"],
        [
            (
                each.what,
                f"{each.landed:.2f} s",
                f"{each.shown:.2f} s",
                each.rank,
                each.bookings,
                each.revenue_usd,
            )
            for each in done.live
        ],
    )
    output.line("All eight metrics are again as above.")
