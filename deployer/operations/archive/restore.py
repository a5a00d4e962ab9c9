"""`zeroshift archive restore`: rows come back from S3, into their table or into another one for a look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from deployer.errors import Unsafe, UsageError
from deployer.operations.archive import checks, columns
from deployer.operations.archive.columns import Column
from deployer.operations.archive.look import held_runs, read_back
from deployer.operations.archive.place import place
from deployer.operations.archive.run import Work, opened, rows_of, transaction
from deployer.operations.progress import Progress, silent
from deployer.project.archive import files
from deployer.project.archive.model import PERIOD_COLUMN, Policy
from deployer.project.config import Environment, Project
from deployer.sql.names import quote_ident
from deployer.warehouse import archive_ledger as ledger
from deployer.warehouse.archive_ledger import ArchiveRun
from deployer.warehouse.retry import retrying
from deployer.warehouse.session import Session


@dataclass(frozen=True)
class Restored:
    """Rows that came back into `table`. `runs` are the archive runs that they came from."""

    table: str
    rows: int
    runs: tuple[str, ...]


def restore(
    project: Project,
    environment: Environment,
    name: str,
    *,
    into: str = "",
    swap: bool = False,
    first: date | None = None,
    last: date | None = None,
    wait: float = 0.0,
    progress: Progress = silent,
) -> Restored:
    """Bring back what the policy or the run of that name has archived: the runs that touch [first, last].

    Into the table itself rows that were deleted there are appended; with `swap` those of the runs' periods are
    replaced. `into` is another table, schema.name, which is made: then only the periods asked for come. Raises Unsafe
    where rows would be doubled or lost, or where the table's columns are no longer those of the files.
    """
    where = place(project, environment, progress)
    with opened(project, environment, where, wait, progress) as work:
        runs = _chosen(work.session, name, first, last)
        if into:
            return _into(work, into, runs, first, last)
        policy = next((item for item in files.load(project.root) if item.name == runs[0].policy), None)
        if policy is None or policy.is_snapshot or policy.table != runs[0].table_name:
            raise UsageError(
                f"{runs[0].policy} is a snapshot, or no policy of procedures/archive any more: bring it back into"
                " another table with --into schema.table"
            )
        rows = sum(_back(work, policy, run, swap) for run in runs)
        return Restored(policy.table, rows, tuple(run.archive_run for run in runs))


def _chosen(session: Session, name: str, first: date | None, last: date | None) -> tuple[ArchiveRun, ...]:
    runs = [
        run
        for run in held_runs(session, [name])
        if run.state in ledger.HELD
        and (last is None or run.period_from <= last)
        and (first is None or run.period_to > first)
    ]
    if not runs:
        raise UsageError(
            f"S3 holds nothing of {name} for these days; `zeroshift archive list` shows what there is"
        )
    return tuple(runs)


def _into(
    work: Work, table: str, runs: Sequence[ArchiveRun], first: date | None, last: date | None
) -> Restored:
    """Make a table of the newest run's columns, and fill it from all runs, in one transaction."""
    session = work.session
    if table.count(".") != 1 or not all(table.split(".")):
        raise UsageError(f"--into {table!r} must be schema.table")
    schema, name = table.split(".")
    if session.execute(
        "select 1 from svv_tables where table_schema = %s and table_name = %s", (schema, name)
    ).rows:
        raise UsageError(f"{table} is there already: drop it, or name another table")
    listed = [column for column in checks.columns_of(ledger.checks(session, runs[-1].archive_run))]
    made = [column for column in listed if not column.is_own]
    limits = [f"{PERIOD_COLUMN} >= date '{first}'"] if first else []
    limits += [f"{PERIOD_COLUMN} <= date '{last}'"] if last else []
    rows = 0
    with transaction(work):
        definition = ", ".join(f"{quote_ident(column.name)} {column.type}" for column in made)
        session.execute(f"create table {columns.table_name(table)} ({definition})")
        for run in runs:
            work.progress(f"{run.policy}: reading {run.row_count} rows of {run.archive_run}")
            rows += _insert(session, work, run, table, made, {}, " and ".join(limits))
    return Restored(table, rows, tuple(run.archive_run for run in runs))


def _back(work: Work, policy: Policy, run: ArchiveRun, swap: bool) -> int:
    """Bring a whole run back into its own table; what the union view shows changes in the same transaction."""
    session, table = work.session, columns.table_name(run.table_name)
    if not run.is_visible and not swap:
        raise Unsafe(
            f"{run.table_name} still has the rows of {run.archive_run}, or has them again: --swap replaces its rows"
            f" from {run.period_from} to {run.period_to}, --into brings them into another table"
        )
    work.progress(f"{run.policy}: bringing {run.row_count} rows of {run.archive_run} back")

    def once() -> int:
        with transaction(work):
            session.execute(f"lock table {table}")
            present, required = _present(session, run.table_name)
            if swap:
                session.execute(f"delete from {table}{rows_of(policy, run)}")
            rows = _insert(session, work, run, run.table_name, present, required, "")
            if rows != run.row_count:
                raise Unsafe(
                    f"{rows} rows came back of {run.archive_run}, which has {run.row_count}; nothing changed"
                )
            if run.is_visible:
                ledger.set_state(session, run.archive_run, ledger.RESTORED, visible=False)
                ledger.lower_horizon(session, run)
        return rows

    # A pipeline's run that committed while we waited for the table's lock is a conflict; then we begin again.
    return retrying(once)


def _present(session: Session, table: str) -> tuple[tuple[Column, ...], dict[str, bool]]:
    schema, name = table.split(".")
    found = session.execute(
        "select column_name, is_nullable, column_default from svv_columns where table_schema = %s and table_name = %s",
        (schema, name),
    )
    required = {str(column): nullable == "NO" and default is None for column, nullable, default in found.rows}
    return columns.of_relation(session, table), required


def _insert(
    session: Session,
    work: Work,
    run: ArchiveRun,
    table: str,
    present: Sequence[Column],
    required: dict[str, bool],
    condition: str,
) -> int:
    """The run's rows by way of the stage, which is compared with what was unloaded; returns their number."""
    _, archived = read_back(session, work.place, run)
    names, values = columns.mapped(archived, present, required, table)
    where = f" where {condition}" if condition else ""
    target = f"{columns.table_name(table)} ({', '.join(names)})"
    done = session.execute(
        f"insert into {target} select {', '.join(values)} from {checks.stage_name(run)}{where}"
    )
    return done.row_count
