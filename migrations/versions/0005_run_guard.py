"""Let runs see whether the holder of a lease is alive, and keep the progress of backfills.

A run that finds the lease taken has to tell one that is at work from one that died, and nobody could note a death
(a handler would have rolled everything back first). touched_at: when the holder last committed; session_id and
started_by: its session, which SYS_SESSION_HISTORY shows for as long as it lives.

ops.backfills has one row a backfill; it is small and read by whoever asks for progress, so it is on every node.
"""

from __future__ import annotations

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Redshift adds one column a statement.
    op.execute("alter table ops.leases add column touched_at timestamp encode raw")
    op.execute("alter table ops.leases add column session_id integer encode raw")
    op.execute("alter table ops.leases add column started_by varchar(128) encode raw")

    # done_to: the last day of the slices that are published; NULL before the first. finished_at NULL: to be resumed.
    op.execute(
        """
        create table ops.backfills (
            backfill_id varchar(64) not null encode raw,
            pipeline varchar(64) not null encode raw,
            first_date date not null encode raw,
            last_date date not null encode raw,
            as_of timestamp not null encode raw,
            done_to date encode raw,
            started_at timestamp not null encode raw,
            finished_at timestamp encode raw
        )
        diststyle all
        sortkey (started_at)
        """
    )
