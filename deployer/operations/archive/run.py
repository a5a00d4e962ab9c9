"""`zeroshift archive run`: unload what is closed, prove it, and only then let the warehouse forget it.

The steps of a run, each committed: registered (unloading), UNLOAD with the counts of the same snapshot (unloaded),
files checked and read back (verified), partitions added, and one transaction that deletes and switches what the view
shows (archived). A run that dies is found by the next one: an unloading one is given up and its files are deleted, any
other is finished. The deployment lease keeps other runs and deployments out meanwhile.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

from deployer.errors import LeaseHeld, StatementFailed, Unsafe, UsageError, ZeroshiftError
from deployer.mask import mask
from deployer.operations.archive import checks, columns, due, external, selection
from deployer.operations.archive.columns import OWN, Column
from deployer.operations.archive.place import Place, location, place
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project.archive import files, safety
from deployer.project.archive.model import DELETE, PERIOD_COLUMN, Policy
from deployer.project.config import Environment, Project
from deployer.sql.names import quote_literal
from deployer.warehouse import archive_ledger as ledger
from deployer.warehouse import lease as leases
from deployer.warehouse import runlog
from deployer.warehouse.archive_ledger import ArchiveRun
from deployer.warehouse.lease import Lease
from deployer.warehouse.retry import is_transient, retrying
from deployer.warehouse.session import Session

NOTHING, REFUSED, FAILED, HELD = "nothing to do", "refused", "failed", "held"
_POLL_SECONDS = 2.0
CHECK, CHECK_FILE = "archive.check_horizon", "procedures/archive/check_horizon.sql"


@dataclass(frozen=True)
class Outcome:
    """What became of one policy. `run` is None when nothing was due; `resumed`: an earlier, killed run was finished.

    `run`'s location is masked. `problem` is why a policy was REFUSED, has FAILED, or was HELD by a pipeline's run.
    """

    policy: str
    state: str
    run: ArchiveRun | None = None
    resumed: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Archived:
    """A call of `archive run`. `given_up` are runs that had been killed while they unloaded."""

    outcomes: tuple[Outcome, ...]
    given_up: tuple[str, ...]


@dataclass(frozen=True)
class Work:
    """What every step needs."""

    session: Session
    lease: Lease
    place: Place
    progress: Progress
    has_check: bool
    """Whether the project has a procedure CHECK."""
    deadline: float = 0.0
    """By time.monotonic(): how long a pipeline's run is waited for, before rows go."""


class PipelineRuns(LeaseHeld):
    """A pipeline is at work on the rows that a policy would delete: this policy has to wait, and no other one."""


def chosen(project: Project, names: Sequence[str]) -> tuple[Policy, ...]:
    """The policies of those names, all for none. Raises UsageError for a name that there is not."""
    known = {policy.name: policy for policy in files.load(project.root)}
    unknown = [name for name in names if name not in known]
    if unknown:
        there = ", ".join(sorted(known)) or "none: write one in procedures/archive"
        raise UsageError(f"there is no archive policy {', '.join(unknown)}; there is: {there}")
    return tuple(known[name] for name in (names or sorted(known)))


def run(
    project: Project,
    environment: Environment,
    names: Sequence[str] = (),
    *,
    as_of: date | None = None,
    restored: bool = False,
    wait: float = 0.0,
    progress: Progress = silent,
) -> Archived:
    """Carry out the policies of those names, by default all, as of a day, by default the warehouse's today; with
    `restored` what was brought back into their tables leaves again, too.

    One that fails does not keep the others from their turn. Raises its error when it is the only one: Unsafe for a
    policy that may not delete, or files that do not hold what was unloaded; LeaseHeld for one that deletes while a
    pipeline runs. Raises LeaseHeld while a deployment or another archive run is at work. All of them are waited for
    `wait` seconds.
    """
    policies = chosen(project, names)
    known = {policy.name: policy for policy in files.load(project.root)}
    where = place(project, environment, progress)
    outcomes: list[Outcome] = []
    given_up: list[str] = []
    errors: dict[str, ZeroshiftError] = {}
    with opened(project, environment, where, wait, progress) as work:
        for found in ledger.runs(work.session):
            with _noted(errors, found.policy):
                done = recover(work, known, found)
                if done is None:
                    continue
                if done.state == ledger.ARCHIVED:
                    outcomes.append(Outcome(done.policy, done.state, ledger.masked(done), True))
                else:
                    given_up.append(done.archive_run)
        for policy in policies:
            if policy.name not in errors:
                with _noted(errors, policy.name):
                    for problem in safety.problems(policy, project.root):
                        raise Unsafe(f"{policy.place.path}:{policy.place.line('after')}: {problem}")
                    outcomes.extend(_carry_out(work, policy, as_of, restored))
    if errors and len({policy.name for policy in policies} | set(errors)) == 1:
        raise next(iter(errors.values()))
    for name, error in errors.items():
        state = next(
            (known for kind, known in ((Unsafe, REFUSED), (LeaseHeld, HELD)) if isinstance(error, kind)),
            FAILED,
        )
        outcomes.append(Outcome(name, state, problem=mask(str(error))))
    return Archived(tuple(outcomes), tuple(given_up))


@contextmanager
def _noted(errors: dict[str, ZeroshiftError], policy: str) -> Iterator[None]:
    """Keep what is wrong with one policy; what stops all of them goes on its way."""
    try:
        yield
    except (Unsafe, UsageError, StatementFailed, PipelineRuns) as error:
        errors.setdefault(policy, error)


@contextmanager
def opened(
    project: Project, environment: Environment, where: Place, wait: float, progress: Progress
) -> Iterator[Work]:
    """A session that holds the lease. Raises LeaseHeld, Unavailable."""
    deadline = time.monotonic() + wait
    with Session(target(project, environment, progress)) as session:
        ledger.runs(session)
        lease = leases.acquire(session, wait=wait, on_wait=lambda holder: progress(f"waiting for {holder}"))
        try:
            yield Work(session, lease, where, progress, (project.root / CHECK_FILE).is_file(), deadline)
        finally:
            leases.give_back(session, lease)


@contextmanager
def transaction(work: Work) -> Iterator[None]:
    """A transaction that holds the lease from its first statement to its last. Raises LeaseHeld when it was lost."""
    with work.session.transaction():
        leases.renew(work.session, work.lease)
        yield
        leases.renew(work.session, work.lease)


def recover(work: Work, policies: dict[str, Policy], found: ArchiveRun) -> ArchiveRun | None:
    """Finish or give up a run that was killed; the run as it is then, None when it was not killed."""
    policy = policies.get(found.policy)
    is_ours = policy is not None and policy.table == found.table_name and policy.after == found.after
    if found.state in (ledger.UNLOADED, ledger.VERIFIED) and policy is not None and is_ours:
        work.progress(f"{found.policy}: finishing {found.archive_run}, which was interrupted")
        try:
            return _finish(work, policy, found)
        except (Unsafe, StatementFailed) as error:
            said = str(error).partition("\n")[0].partition(f"; {_up(found)}")[0]
            raise Unsafe(f"{found.archive_run} cannot be finished: {said}; {_up(found)}") from None
    if found.state in (*ledger.UNFINISHED, ledger.ABANDONED):
        work.progress(f"{found.policy}: giving up {found.archive_run}, which was interrupted")
        give_up(work, found)
        return _again(work, found)
    return None


def give_up(work: Work, found: ArchiveRun) -> None:
    """Fence a run off, delete its files, and say so; its rows are all in the warehouse."""
    # First: an UNLOAD of it that is still at work will find the state changed, and fail.
    with transaction(work):
        ledger.set_state(work.session, found.archive_run, ledger.ABANDONED, visible=False)
        ledger.forget_partitions(work.session, found.archive_run)
        if found.after == DELETE:
            ledger.lower_horizon(work.session, found)
    if work.place.spectrum:
        external.hide(work.session, found)
    work.place.bucket.delete(
        [item.key for item in work.place.bucket.list(work.place.bucket.key(found.location))]
    )
    with transaction(work):
        ledger.set_state(work.session, found.archive_run, ledger.PRUNED)


def _carry_out(work: Work, policy: Policy, as_of: date | None, restored: bool) -> Iterator[Outcome]:
    # First: a wrong name would be found on the day that something is due, or never.
    found = due.columns_of(work.session, policy)
    today = due.day(work.session, as_of)
    ranges = due.restored(work.session, policy, today) if restored else []
    days = due.due(work.session, policy, today)
    if days is not None:
        ranges.append(days)
    if not ranges:
        if work.place.spectrum:
            external.show(work.session, work.place, policy)
        yield Outcome(policy.name, NOTHING)
        return
    if work.place.spectrum:
        external.check(work.session, policy, found)
    for days in ranges:
        yield _archive(work, policy, days, found)


def _archive(work: Work, policy: Policy, days: tuple[date, date], found: Sequence[Column]) -> Outcome:
    name = f"{datetime.now(UTC):%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}"
    registered = ArchiveRun(
        name, policy.name, policy.table, *days, policy.after,
        location(work.place, policy.name, name), policy.kms_key, ledger.UNLOADING,
    )  # fmt: skip
    _register(work, policy, registered)
    work.progress(f"{policy.name}: unloading {policy.table} from {days[0]} to {days[1]}")
    _unload(work, policy, registered, found)
    done = _finish(work, policy, _again(work, registered))
    return Outcome(policy.name, ledger.ARCHIVED, ledger.masked(done))


def _register(work: Work, policy: Policy, run: ArchiveRun) -> None:
    """Write the run, and with it the horizon of a policy that deletes. Raises Unsafe, PipelineRuns."""

    def once() -> None:
        with transaction(work):
            ledger.register(work.session, run)
            if policy.after == DELETE:
                # What is archived again lies below what later runs have closed.
                gone = [one.period_to for one in ledger.runs(work.session, policy.name) if one.is_visible]
                horizon = max([run.period_to, *gone])
                _check_horizon(work, policy, horizon)
                # Before anything is unloaded: from now on nobody changes what is about to go.
                ledger.set_horizon(work.session, policy.table, policy.name, policy.period, horizon)

    told = False
    while True:
        try:
            # A pipeline's run that committed meanwhile is a conflict; then we look again.
            return retrying(once)
        except PipelineRuns as held:
            if time.monotonic() >= work.deadline:
                raise
            if not told:
                work.progress(f"{policy.name}: waiting: {held}")
                told = True
        # The refused transaction's own renewal was rolled back with it.
        leases.renew(work.session, work.lease)
        # As for the lease: there is nothing to wait on for another session's commit.
        time.sleep(_POLL_SECONDS)


def _check_horizon(work: Work, policy: Policy, horizon: date) -> None:
    """Raise Unsafe when the project's own procedure refuses the horizon: it knows what its refreshes can honour.

    Raises PipelineRuns when it refuses because of a run, and what `retrying` knows as it is.
    """
    if not work.has_check:
        return
    try:
        work.session.execute(
            f"call {CHECK}({quote_literal(policy.table)}, {quote_literal(policy.period)}, date '{horizon}')"
        )
    except StatementFailed as error:
        said = f"{policy.place.path}:{policy.place.line('after')}: " + str(error).partition("\n")[0]
        if is_transient(error):
            raise
        if isinstance(runlog.explained(error), LeaseHeld):
            raise PipelineRuns(f"{said}; wait for it (--wait SECONDS), or repeat when it has ended") from None
        raise Unsafe(said) from None


def _unload(work: Work, policy: Policy, run: ArchiveRun, found: Sequence[Column]) -> None:
    """UNLOAD, and what the columns held in the same snapshot, in one transaction."""
    session = work.session
    query = selection.query(policy, run, found)
    divided = ",".join((PERIOD_COLUMN, *policy.partition))
    with transaction(work):
        session.execute(
            f"call archive.run_policy({quote_literal(run.archive_run)}, {quote_literal(query)},"
            f" {quote_literal(divided)}, {quote_literal(work.place.role)})"
        )
        work.progress(f"{policy.name}: counting what was unloaded")
        rows, made = checks.counted(session, (*found, OWN), f"({query}) as unloaded")
        ledger.record_columns(session, run.archive_run, made, rows)


def _finish(work: Work, policy: Policy, run: ArchiveRun) -> ArchiveRun:
    """From unloaded, or verified, to archived."""
    if run.state == ledger.UNLOADED:
        _verify(work, policy, run)
        run = _again(work, run)
    if work.place.spectrum:
        external.show(work.session, work.place, policy, run)
    seconds = work.session.execute(
        "select datediff(millisecond, started_at, sysdate) from archive.runs where archive_run = %s",
        (run.archive_run,),
    ).rows[0][0]

    def once() -> None:
        with transaction(work):
            if run.after == DELETE:
                _delete(work, policy, run)
            ledger.finish(work.session, run, visible=run.after == DELETE, seconds=int(seconds) / 1000)

    # A pipeline's run that committed while we waited for the table's lock is a conflict; then we look again.
    retrying(once)
    return _again(work, run)


def _verify(work: Work, policy: Policy, run: ArchiveRun) -> None:
    work.progress(f"{run.policy}: reading {run.row_count} rows back")
    wanted = ledger.checks(work.session, run.archive_run)
    stored = checks.held(work.place, run)
    listed = checks.columns_of(wanted)
    with leases.kept(work.session, work.lease):
        checks.stage(work.session, work.place, run, listed)
        rows, found = checks.counted(work.session, listed, checks.stage_name(run))
        checks.compare(run, wanted, rows, found)
        made = checks.partitions(work.session, run, stored, policy.period)
        work.session.execute(f"drop table {checks.stage_name(run)}")
    work.place.bucket.put(
        work.place.bucket.key(run.location) + checks.NOTES,
        checks.notes(replace(run, file_bytes=stored.size), wanted),
    )
    with transaction(work):
        ledger.record_partitions(work.session, run.archive_run, made, stored.size, stored.files)


def _delete(work: Work, policy: Policy, run: ArchiveRun) -> None:
    """Delete exactly the rows that the files hold. Raises Unsafe when they are others by now."""
    session, table = work.session, columns.table_name(policy.table)
    session.execute(f"lock table {table}")
    wanted = ledger.checks(session, run.archive_run)
    listed = checks.columns_of(wanted)
    present = columns.of_relation(session, policy.table)
    if tuple(present) != tuple(column for column in listed if not column.is_own):
        raise Unsafe(_changed(run, "its columns are others"))
    rows, found = checks.counted(session, listed, f"({selection.query(policy, run, present)}) as present")
    if rows != run.row_count or found != wanted:
        raise Unsafe(_changed(run, f"it has {rows} rows there now, or other values"))
    deleted = session.execute(f"delete from {table}{selection.rows_of(policy, run)}").row_count
    if deleted != rows:
        raise Unsafe(_changed(run, f"{deleted} rows were deleted instead of {rows}, and brought back"))


def _changed(run: ArchiveRun, what: str) -> str:
    return (
        f"{run.table_name} has changed from {run.period_from} to {run.period_to} since it was unloaded: {what}; nothing"
        f" was deleted; {_up(run)}"
    )


def _up(run: ArchiveRun) -> str:
    return (
        f"`zeroshift archive prune --run {run.archive_run} --yes` gives the run up, then run the policy again"
    )


def _again(work: Work, run: ArchiveRun) -> ArchiveRun:
    return next(
        found for found in ledger.runs(work.session, run.policy) if found.archive_run == run.archive_run
    )
