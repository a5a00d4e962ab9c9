"""Which rows of its table an archive run is about, and what is unloaded of them."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.operations.archive import columns
from deployer.operations.archive.columns import Column
from deployer.project.archive.model import PERIOD_COLUMN, Policy
from deployer.sql.names import quote_ident
from deployer.warehouse.archive_ledger import ArchiveRun


def rows_of(policy: Policy, run: ArchiveRun) -> str:
    """The condition that the run's rows of the table meet; empty for a snapshot."""
    if policy.is_snapshot:
        return ""
    column = quote_ident(policy.period)
    return f" where {column} >= date '{run.period_from}' and {column} < date '{run.period_to}'"


def query(policy: Policy, run: ArchiveRun, found: Sequence[Column]) -> str:
    """What is unloaded: the columns as files have them, and the period last."""
    if policy.is_snapshot:
        period = f"cast('{run.period_from}' as date)"
    else:
        period = f"cast(date_trunc('{policy.unit}', {quote_ident(policy.period)}) as date)"
    listed = ", ".join(column.unloaded for column in found)
    return f"select {listed}, {period} as {PERIOD_COLUMN} from {columns.table_name(policy.table)}{rows_of(policy, run)}"
