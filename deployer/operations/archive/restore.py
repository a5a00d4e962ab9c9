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
from deployer.operations.archive.run import Work, opened, transaction
from deployer.operations.archive.selection import rows_of
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
    if into and swap:
        raise UsageError(
            "--into makes a table of its own, --swap replaces rows of the policy's: leave one of them out"
        )
    if first and last and first > last:
        raise UsageError(f"--from {first} is after --to {last}")
    where = place(project, environment, progress)
    with opened(project, environment, where, wait, progress) as work:
        runs = _chosen(work.session, name, first, last)
        policy = next((item for item in files.load(project.root) if item.name == runs[0].policy), None)
        if into:
            # Of several days of a snapshot each row tells its day, as in the union view.
            days = policy is not None and policy.is_snapshot and len(runs) > 1
            return _into(work, into, runs, first, last, days)
        if policy is None or policy.is_snapshot or policy.table != runs[0].table_name:
            raise UsageError(
                f"{runs[0].policy} is a snapshot, or no policy of procedures/archive any more: bring it back into"
                " another table with --into schema.table"
            )
        if name == policy.name:
            runs = _newest(runs) if swap else _away(runs)
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
        raise _nothing(name)
    return tuple(runs)


def _nothing(name: str) -> UsageError:
    return UsageError(
        f"S3 holds nothing of {name} for these days; `zeroshift archive list --periods` shows what there is"
    )


def _away(runs: tuple[ArchiveRun, ...]) -> tuple[ArchiveRun, ...]:
    """The runs whose rows the warehouse has no more; all, where there are none: then the first of them is refused.

    Others are there, too, when the policy kept its rows once, or when a restore was killed between two runs.
    """
    return tuple(run for run in runs if run.is_visible) or runs


def _newest(runs: tuple[ArchiveRun, ...]) -> tuple[ArchiveRun, ...]:
    """The runs without those whose whole range a later one has again. Raises Unsafe for two that overlap in part."""
    kept = tuple(
        run
        for number, run in enumerate(runs)
        if not any(
            later.period_from <= run.period_from and run.period_to <= later.period_to
            for later in runs[number + 1 :]
        )
    )
    for number, run in enumerate(kept):
        for other in kept[number + 1 :]:
            if _overlap(run, other):
                raise Unsafe(
                    f"{run.archive_run} and {other.archive_run} both have rows of {run.table_name} from"
                    f" {max(run.period_from, other.period_from)} on: restore them by their names, the newer one last"
                )
    return kept


def _overlap(one: ArchiveRun, other: ArchiveRun) -> bool:
    return one.period_from < other.period_to and other.period_from < one.period_to


def _into(
    work: Work, table: str, runs: Sequence[ArchiveRun], first: date | None, last: date | None, days: bool
) -> Restored:
    """Make a table of the runs' columns, and fill it, in one transaction. A period that several runs have comes from
    the newest. With `days` the table has the archive's own column, too."""
    session = work.session
    if table.count(".") != 1 or not all(table.split(".")):
        raise UsageError(f"--into {table!r} must be schema.table")
    schema, name = table.split(".")
    if not session.execute("select 1 from svv_all_schemas where schema_name = %s", (schema,)).rows:
        raise UsageError(f"--into {table}: there is no schema {schema}; create it, or name another one")
    if session.execute(
        "select 1 from svv_tables where table_schema = %s and table_name = %s", (schema, name)
    ).rows:
        raise UsageError(f"{table} is there already: drop it, or name another table")
    made = columns.united(
        [(run.archive_run, checks.columns_of(ledger.checks(session, run.archive_run))) for run in runs]
    )
    wanted = [
        (run, _periods(session, run, runs[number + 1 :], first, last)) for number, run in enumerate(runs)
    ]
    if (first or last) and not any(periods for _, periods in wanted):
        raise _nothing(runs[0].policy)
    rows = 0
    used = []
    with transaction(work):
        listed = [*made, columns.OWN] if days else made
        definition = ", ".join(f"{quote_ident(column.name)} {column.type}" for column in listed)
        session.execute(f"create table {columns.table_name(table)} ({definition})")
        for run, periods in wanted:
            if not periods:
                continue
            work.progress(f"{run.policy}: reading {run.row_count} rows of {run.archive_run}")
            listed_days = ", ".join(f"date '{day}'" for day in periods)
            condition = f"{PERIOD_COLUMN} in ({listed_days})"
            rows += _insert(session, work, run, table, made, {}, condition, days=days)
            used.append(run.archive_run)
    return Restored(table, rows, tuple(used) or tuple(run.archive_run for run in runs))


def _periods(
    session: Session,
    run: ArchiveRun,
    later: Sequence[ArchiveRun],
    first: date | None,
    last: date | None,
) -> list[date]:
    """The run's periods that have rows from `first` to `last`, and that no later run has."""
    return [
        part.archive_period
        for part in ledger.partitions(session, run.policy)
        if part.archive_run == run.archive_run
        and (last is None or part.period_min is None or part.period_min.date() <= last)
        and (first is None or part.period_max is None or part.period_max.date() >= first)
        and not any(other.period_from <= part.archive_period < other.period_to for other in later)
    ]


def _back(work: Work, policy: Policy, run: ArchiveRun, swap: bool) -> int:
    """Bring a whole run back into its own table; what the union view shows changes in the same transaction."""
    session, table = work.session, columns.table_name(run.table_name)
    if not run.is_visible and not swap:
        raise Unsafe(
            f"{run.table_name} still has the rows of {run.archive_run}, or has them again: --swap replaces its rows"
            f" from {run.period_from} to {run.period_to}, --into brings them into another table"
        )
    if not run.is_visible:
        for other in ledger.runs(session, run.policy):
            if other.is_visible and other.table_name == run.table_name and _overlap(run, other):
                # Its rows would stand here and in the other's files.
                raise Unsafe(
                    f"S3 alone has rows of {run.table_name} from {other.period_from} to {other.period_to}, in"
                    f" {other.archive_run}: restore that one first (`zeroshift archive restore {other.archive_run}`)"
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
    for column, _, default in found.rows:
        if columns.is_identity(default):
            raise Unsafe(
                f"{table}.{column} is an IDENTITY column, which INSERT cannot give its values: restore into another"
                " table with --into"
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
    *,
    days: bool = False,
) -> int:
    """The run's rows by way of the stage, which is compared with what was unloaded; returns their number."""
    _, archived = read_back(session, work.place, run)
    names, values = columns.mapped(archived, present, required, table)
    if days:
        names, values = [*names, PERIOD_COLUMN], [*values, PERIOD_COLUMN]
    where = f" where {condition}" if condition else ""
    target = f"{columns.table_name(table)} ({', '.join(names)})"
    done = session.execute(
        f"insert into {target} select {', '.join(values)} from {checks.stage_name(run)}{where}"
    )
    return done.row_count
