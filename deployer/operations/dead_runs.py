"""Runs that died: closed with the error that the Data API tells.

A procedure cannot note its own end (on Redshift a handler rolls everything back first, facts of "Trapping errors"), so
a run that failed still stands as running. The next run closes it without knowing why; here it is closed with the error
of its statement, as soon as somebody asks.
"""

from __future__ import annotations

from collections.abc import Iterable

from deployer.aws.statements import DataApi
from deployer.errors import LeaseHeld, StatementFailed, ZeroshiftError
from deployer.warehouse import runlog
from deployer.warehouse.runlog import RunRecord
from deployer.warehouse.session import Session


def close(session: Session, api: DataApi, runs: Iterable[RunRecord], ops: str = runlog.OPS) -> bool:
    """Close those of `runs` whose statement has failed; returns whether any was. Never raises a ZeroshiftError.

    A statement that failed while a run was under way need not be that run's: one that was refused because of the
    lease never became a run, and is left aside. Where the Data API knows nothing, the run goes on standing as running.
    """
    closed = False
    for run in runs:
        if run.state != "running":
            continue
        try:
            verb = "backfill" if run.mode == "backfill" else "run"
            for statement in api.failed(f"call {ops}.{verb}_{run.pipeline}(", run.started_at):
                if isinstance(runlog.explained(StatementFailed(statement.error)), LeaseHeld):
                    continue
                place = f" (in {statement.within})" if statement.within else ""
                runlog.close(session, run.run_id, statement.ended_at, f"{statement.error}{place}", ops)
                closed = True
                break
        except ZeroshiftError:
            # A courtesy beside what was asked: who may not see statements or write the log still gets the rest.
            return closed
    return closed
