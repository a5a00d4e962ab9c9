"""Reading the run log that pipelines keep in schema ops, and what they published."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime

from deployer.errors import LeaseHeld, StatementFailed, ZeroshiftError
from deployer.warehouse.session import Session

OPS = "ops"
"""The schema of the log; a derived environment has one of its own."""
_ERROR_BYTES = 4096
"""The width of ops.runs.error."""
_LEASE = re.compile(r"\blease (held|lost)\b")
"""What ops.start_run and ops.renew_lease say."""


@dataclass(frozen=True)
class Step:
    """One step of a run."""

    step: str
    rows_read: int
    rows_written: int
    rows_rejected: int
    seconds: float | None


@dataclass(frozen=True)
class RunRecord:
    """One run, as ops.runs and ops.run_steps tell it; times are UTC. `error` is the sentence of a failed
    one, and the reason of one that was skipped or is a duplicate.
    """

    run_id: str
    pipeline: str
    mode: str
    as_of: datetime
    state: str
    started_at: datetime
    finished_at: datetime | None
    seconds: float | None
    error: str | None
    steps: tuple[Step, ...]

    @property
    def rows_written(self) -> int:
        """By all steps but a backfill's slices, which only add up those before them."""
        return sum(step.rows_written for step in self.steps if not step.step.startswith("backfill "))

    @property
    def rows_rejected(self) -> int:
        return sum(step.rows_rejected for step in self.steps)


@dataclass(frozen=True)
class Logged:
    """Of a run, what schedules are held against."""

    pipeline: str
    as_of: datetime
    started_at: datetime
    state: str


@dataclass(frozen=True)
class Backfill:
    """A backfill that has not ended: the same call goes on behind `done_to`, None before its first slice."""

    pipeline: str
    first_date: date
    last_date: date
    done_to: date | None
    started_at: datetime


@dataclass(frozen=True)
class Gap:
    """Periods that a metric must have rows for and has none: how many, the first and the last."""

    metric: str
    periods: int
    first: date
    last: date


@dataclass(frozen=True)
class Freshness:
    """A row of presentation.freshness: what analysts see is as of `as_of`."""

    pipeline: str
    as_of: datetime
    published_at: datetime
    newest_change_at: datetime | None
    rejected_rows: int


def newest_id(session: Session, pipeline: str, ops: str = OPS) -> str | None:
    """The id of the pipeline's last run, None before the first. `ops` is the log's schema, as SQL writes it."""
    found = session.execute(
        f"select run_id from {ops}.runs where pipeline = %s order by started_at desc, run_id desc limit 1",
        (pipeline,),
    )
    return str(found.rows[0][0]) if found.rows else None


def newest(session: Session, pipeline: str, ops: str = OPS) -> RunRecord | None:
    """The pipeline's last run with its steps, None before the first."""
    run_id = newest_id(session, pipeline, ops)
    if run_id is None:
        return None
    (record,) = _records(session, "where run_id = %s", (run_id,), ops)
    return _with_steps(session, record, ops)


def _with_steps(session: Session, record: RunRecord, ops: str = OPS) -> RunRecord:
    found = session.execute(
        f"select step, rows_read, rows_written, rows_rejected, started_at, finished_at from {ops}.run_steps"
        " where run_id = %s order by finished_at, started_at, step",
        (record.run_id,),
    )
    steps = tuple(
        Step(step, rows_read, rows_written, rows_rejected, _seconds(started_at, finished_at))
        for step, rows_read, rows_written, rows_rejected, started_at, finished_at in found.rows
    )
    return replace(record, steps=steps)


def finished(
    session: Session,
    pipeline: str,
    *,
    before: str | None,
    mode: str,
    as_of: datetime | None,
    ended_at: datetime,
    ops: str = OPS,
) -> RunRecord | None:
    """The record of a call that has ended at `ended_at`; `before` was the pipeline's last run when it was sent.

    The call's own run ends with the call. Another one that was asked for the same ends at another time: runs that are
    at work exclude each other, and a skipped one ends as it begins. So it is the one that ended nearest to
    `ended_at`, which is another machine's clock.
    """
    conditions = (
        "where pipeline = %s and mode = %s and state in ('succeeded', 'superseded', 'duplicate', 'skipped')"
        " and run_id > %s"
    )
    values: list[object] = [pipeline, mode, before or ""]
    if as_of is not None:
        conditions += " and as_of = %s"
        values.append(as_of)
    found = _records(
        session, f"{conditions} order by started_at desc, run_id desc limit 20", tuple(values), ops
    )
    ended = [(abs(each.finished_at - ended_at), each) for each in found if each.finished_at is not None]
    return _with_steps(session, min(ended, key=lambda pair: pair[0])[1], ops) if ended else None


def close(session: Session, run_id: str, ended_at: datetime, error: str, ops: str = OPS) -> None:
    """Record that a run which still stands as running has failed at `ended_at`, UTC, with `error`."""
    session.execute(
        f"update {ops}.runs set state = 'failed', finished_at = %s, error = %s"
        " where run_id = %s and state = 'running'",
        (ended_at, error.encode()[:_ERROR_BYTES].decode(errors="ignore"), run_id),
    )


def latest(session: Session, count: int, ops: str = OPS) -> tuple[RunRecord, ...]:
    """The last runs of all pipelines without their steps, newest first."""
    return _records(session, f"order by started_at desc, run_id desc limit {count:d}", (), ops)


def with_steps(session: Session, records: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
    """The same records with their steps."""
    return tuple(_with_steps(session, record) for record in records)


def logged(session: Session, since: datetime) -> tuple[Logged, ...]:
    """The runs since `since`, UTC, by as_of or by start, and the first one of each pipeline; the oldest first."""
    found = session.execute(
        "select pipeline, as_of, started_at, state from ops.runs where as_of >= %s or started_at >= %s"
        " union select r.pipeline, r.as_of, r.started_at, r.state from ops.runs as r join"
        " (select pipeline, min(started_at) as started_at from ops.runs group by pipeline) as f"
        " on r.pipeline = f.pipeline and r.started_at = f.started_at order by 3",
        (since, since),
    )
    return tuple(Logged(*row) for row in found.rows)


def backfills(session: Session) -> tuple[Backfill, ...]:
    """The backfills that have not ended."""
    found = session.execute(
        "select pipeline, first_date, last_date, done_to, started_at from ops.backfills where finished_at is null"
        " order by started_at"
    )
    return tuple(Backfill(*row) for row in found.rows)


def gaps(session: Session) -> tuple[Gap, ...]:
    """The metrics' gaps, as of what is published."""
    found = session.execute(
        "select metric, count(*), min(period_start), max(period_start) from ops.metric_gaps group by metric"
        " order by metric"
    )
    return tuple(Gap(*row) for row in found.rows)


def freshness(session: Session) -> tuple[Freshness, ...]:
    """What analysts see, and as of when."""
    found = session.execute(
        "select pipeline, as_of, published_at, newest_change_at, rejected_rows from presentation.freshness"
        " order by pipeline"
    )
    return tuple(Freshness(*row) for row in found.rows)


def explained(error: StatementFailed) -> ZeroshiftError:
    """The error of a failed call; LeaseHeld when the procedure refused because another run is at work."""
    text = str(error).lower()
    if _LEASE.search(text) or "conflict with concurrent transaction" in text:
        return LeaseHeld(f"another run or deployment is at work ({error}); wait for it and repeat")
    return error


def _records(
    session: Session, clause: str, parameters: tuple[object, ...], ops: str = OPS
) -> tuple[RunRecord, ...]:
    found = session.execute(
        f"select run_id, pipeline, mode, as_of, state, started_at, finished_at, error from {ops}.runs {clause}",
        parameters or None,
    )
    return tuple(
        RunRecord(
            run_id,
            pipeline,
            mode,
            as_of,
            state,
            started_at,
            finished_at,
            _seconds(started_at, finished_at),
            error,
            (),
        )
        for run_id, pipeline, mode, as_of, state, started_at, finished_at, error in found.rows
    )


def _seconds(started_at: datetime, finished_at: datetime | None) -> float | None:
    # A run that died is closed at GETDATE(), without fractions of a second: it may seem to end before it began.
    return None if finished_at is None else max(round((finished_at - started_at).total_seconds(), 3), 0.0)
