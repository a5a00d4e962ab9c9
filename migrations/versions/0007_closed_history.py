"""Let the curated layer and its accounts know what is closed: what the archive may take away.

curated.bookings.closed_on: the later of check-out and booking day. A booking may have been made a year before its
stay, or (late entries) after it: only when both have passed can no open period of any metric hold it, so this is what
a policy that deletes must go by. It is never NULL; Redshift adds no NOT NULL column to a table with rows.

ops.accounts.archived_before: the horizon that the account was made with. When it moves, what is before it leaves both
sides of the account.
"""

from __future__ import annotations

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("alter table curated.bookings add column closed_on date encode az64")
    op.execute(
        """
        update curated.bookings
        set closed_on = case
            when checkout_date > cast(booking_date as date) then checkout_date
            else cast(booking_date as date)
        end
        where closed_on is null
        """
    )
    op.execute("alter table ops.accounts add column archived_before date encode raw")
