"""`zeroshift run`: call a pipeline's procedure through the Data API, as schedules do, and follow it in its run log."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime

from deployer.aws.statements import DataApi
from deployer.errors import LeaseHeld, StatementFailed, Unavailable, UsageError, ZeroshiftError
from deployer.operations import dead_runs
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import data_api, target
from deployer.project import pipelines
from deployer.project.config import Environment, Project
from deployer.project.derived.names import Derived
from deployer.project.environments import Cost
from deployer.sql.names import quote_ident, quote_literal
from deployer.warehouse import environment_ledger, ledger, runlog
from deployer.warehouse.runlog import RunRecord
from deployer.warehouse.session import Session, Target

PIPELINES = ("rental",)
BACKFILL = "backfill"
"""The mode in which the run log has a backfill."""

_POLL_SECONDS = 0.5
_LAST_STEPS_SECONDS, _IN_VAIN_SECONDS = 60.0, 5.0
"""How long the steps of a run that has ended may take to be read; after an error nobody waits for them for long."""


def mode_of(*, full_refresh: bool, rewind: bool, accept_reseed: bool) -> str:
    """The one mode that the procedure takes. Raises UsageError for two at once."""
    chosen = [
        mode
        for mode, wanted in (("full", full_refresh), ("rewind", rewind), ("accept_reseed", accept_reseed))
        if wanted
    ]
    if len(chosen) > 1:
        raise UsageError("--full-refresh, --rewind and --accept-reseed exclude each other: run once for each")
    return chosen[0] if chosen else "incremental"


def run(
    project: Project,
    environment: Environment,
    pipeline: str,
    *,
    as_of: datetime | None = None,
    mode: str = "incremental",
    derived: Derived | None = None,
    progress: Progress = silent,
) -> RunRecord:
    """Call `ops.run_<pipeline>(as_of, mode)` and return its record; `as_of` in UTC, None for now.

    With `derived`, which `environment` is the base of, its own copy of the pipeline.

    Raises LeaseHeld while another run is at work, StatementFailed with the procedure's message when it
    fails. It is not repeated by itself: a lost connection does not tell whether the run goes on. Ctrl-C cancels
    the run; a client that is killed leaves it to the Data API, where it goes on.
    """
    where = target(project, environment, progress)
    with Session(where) as session:
        api = data_api(project, environment)
        cost = environment.remote.cost if environment.remote is not None else Cost()
        settings = pipelines.settings(project.pipeline(pipeline), cost)
        return call(
            session, where, api, pipeline,
            as_of=as_of, mode=mode, settings=settings, derived=derived, progress=progress,
        )  # fmt: skip


def call(
    session: Session,
    where: Target,
    api: DataApi,
    pipeline: str,
    *,
    as_of: datetime | None = None,
    mode: str = "incremental",
    settings: Sequence[str] = (),
    derived: Derived | None = None,
    progress: Progress = silent,
) -> RunRecord:
    """`run`, with a session that is open and the Data API of the same warehouse."""
    progress(f"run {pipeline}, {mode}, as of {as_of.isoformat(sep=' ') if as_of else 'now'}")
    # Literals, as the schedules write them: the statement in the log is the one to repeat.
    instant = "null" if as_of is None else f"timestamp {quote_literal(as_of.isoformat(sep=' '))}"
    return _call(
        session, where, api, pipeline, f"run_{pipeline}", f"{instant}, {quote_literal(mode)}",
        as_of=as_of, mode=mode, settings=settings, derived=derived, progress=progress,
    )  # fmt: skip


def backfill(
    project: Project,
    environment: Environment,
    pipeline: str,
    first: date,
    last: date,
    *,
    derived: Derived | None = None,
    progress: Progress = silent,
) -> RunRecord:
    """Call `ops.backfill_<pipeline>(first, last)`, which computes the periods of those days anew as of what is
    published, and return its record. What was stopped before goes on behind its last slice.

    Raises what `run` does, and UsageError when `last` is before `first`.
    """
    if last < first:
        raise UsageError(f"the last day, {last}, is before the first one, {first}")
    where = target(project, environment, progress)
    with Session(where) as session:
        cost = environment.remote.cost if environment.remote is not None else Cost()
        progress(f"backfill {pipeline} from {first} to {last}")
        days = ", ".join(f"date {quote_literal(day.isoformat())}" for day in (first, last))
        return _call(
            session, where, data_api(project, environment), pipeline, f"backfill_{pipeline}", days,
            as_of=None, mode=BACKFILL, settings=pipelines.settings(project.pipeline(pipeline), cost),
            derived=derived, progress=progress,
        )  # fmt: skip


def _call(
    session: Session,
    where: Target,
    api: DataApi,
    pipeline: str,
    procedure: str,
    arguments: str,
    *,
    as_of: datetime | None,
    mode: str,
    settings: Sequence[str],
    derived: Derived | None,
    progress: Progress,
) -> RunRecord:
    if not ledger.exists(session) or f"procedure ops.{procedure}" not in ledger.read(session):
        raise Unavailable(f"the pipeline {pipeline} is not deployed; `zeroshift deploy` does it")
    ops = runlog.OPS
    if derived is not None:
        _refuse_without_copy(session, derived, pipeline, procedure)
        ops = quote_ident(ops + derived.suffix)
    before = runlog.newest_id(session, pipeline, ops)
    with _following(where, pipeline, ops, before, progress):
        try:
            done = api.execute(
                f"call {ops}.{procedure}({arguments})",
                f"zeroshift run {pipeline}",
                lambda statement: progress(f"statement {statement} of the Data API"),
                settings=settings,
            )
        except StatementFailed as error:
            explained = runlog.explained(error)
            if isinstance(explained, StatementFailed):
                _close(session, api, ops)
            raise explained from error
    record = runlog.finished(
        session, pipeline, before=before, mode=mode, as_of=as_of, ended_at=done.ended_at, ops=ops
    )
    if record is None:
        raise Unavailable(f"{ops}.{procedure} returned without leaving a record in {ops}.runs")
    if record.state == "skipped":
        raise LeaseHeld(f"run {record.run_id} was skipped: {record.error}; wait for it and repeat")
    return record


def _refuse_without_copy(session: Session, derived: Derived, pipeline: str, procedure: str) -> None:
    """Raise UsageError unless the environment has the pipeline for itself: else the base's would run."""
    schema = runlog.OPS + derived.suffix
    parts = environment_ledger.parts(session, derived.name) if environment_ledger.read(session) else ()
    if not any((part.kind, part.schema, part.name) == ("procedure", schema, procedure) for part in parts):
        raise UsageError(
            f"{derived.name} has no copy of the pipeline {pipeline}: nothing that it runs differs from"
            f" {derived.base}, or it is not deployed; `zeroshift plan --env {derived.name}` tells"
        )


def _close(session: Session, api: DataApi, ops: str) -> None:
    try:
        dead_runs.close(session, api, runlog.latest(session, 1, ops), ops)
    except ZeroshiftError:
        # The warehouse is gone, and that is being reported; `zeroshift status` closes the run later.
        return


@contextmanager
def _following(
    where: Target, pipeline: str, ops: str, before: str | None, progress: Progress
) -> Iterator[None]:
    """Report the run's steps as they are committed, over a second connection, while the body waits for its
    end.
    """
    done = threading.Event()

    def watch() -> None:
        # A step may come in several slices of a backfill.
        shown = 0
        try:
            with Session(where) as session:
                while True:
                    finished = done.wait(_POLL_SECONDS)
                    record = runlog.newest(session, pipeline, ops)
                    if record is not None and record.run_id != before:
                        for step in record.steps[shown:]:
                            progress(f"{step.step}: {step.rows_written:,} rows written")
                        shown = len(record.steps)
                    if finished:
                        return
        except ZeroshiftError:
            # Following is a courtesy: the run itself reports what goes wrong.
            return

    thread = threading.Thread(target=watch, name="zeroshift-follow", daemon=True)
    thread.start()
    patience = _IN_VAIN_SECONDS
    try:
        yield
        patience = _LAST_STEPS_SECONDS
    finally:
        done.set()
        thread.join(timeout=patience)
