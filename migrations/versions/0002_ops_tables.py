"""Create the tables that runs are kept in: lease, run log, watermarks, queue of dirty work, accounts, freshness.

All of them are small and read by every step, so they are copied to every node (DISTSTYLE ALL) and joins with them move
nothing. They have few rows a run: a sort key pays only where the log is searched by time. Encodings: RAW where a
table has so few rows that a compressed block is no smaller than a raw one (a block is 1 MB either way); the log's
texts are ZSTD and its numbers and times AZ64, AWS's choice for those types.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # One row a pipeline. A run or a deployment that holds it has written its token into it.
    op.execute(
        """
        create table ops.leases (
            pipeline varchar(64) not null encode raw,
            token varchar(64) encode raw,
            expires_at timestamp encode raw
        )
        diststyle all
        """
    )
    op.execute("""insert into ops.leases (pipeline, token, expires_at) values ('rental', null, null)""")

    # Sorted by start, since whoever reads the log wants the last runs.
    op.execute(
        """
        create table ops.runs (
            run_id varchar(64) not null encode zstd,
            pipeline varchar(64) not null encode zstd,
            as_of timestamp not null encode az64,
            mode varchar(32) not null encode zstd,
            state varchar(32) not null encode zstd,
            started_at timestamp not null encode raw,
            finished_at timestamp encode az64,
            error varchar(4096) encode zstd
        )
        diststyle all
        sortkey (started_at)
        """
    )
    op.execute(
        """
        create table ops.run_steps (
            run_id varchar(64) not null encode zstd,
            step varchar(128) not null encode zstd,
            rows_read bigint not null encode az64,
            rows_written bigint not null encode az64,
            rows_rejected bigint not null encode az64,
            started_at timestamp not null encode raw,
            finished_at timestamp not null encode az64
        )
        diststyle all
        sortkey (started_at)
        """
    )

    # Present landing rows = curated + rejected, per run; counted_in_full where a full refresh has counted all three.
    op.execute(
        """
        create table ops.run_accounts (
            run_id varchar(64) not null encode zstd,
            table_name varchar(128) not null encode zstd,
            landing_rows bigint not null encode az64,
            curated_rows bigint not null encode az64,
            rejected_rows bigint not null encode az64,
            counted_in_full boolean not null encode raw,
            recorded_at timestamp not null encode raw
        )
        diststyle all
        sortkey (recorded_at)
        """
    )
    # The same numbers as they stand now: one row a source table.
    op.execute(
        """
        create table ops.accounts (
            pipeline varchar(64) not null encode raw,
            table_name varchar(128) not null encode raw,
            landing_rows bigint not null encode raw,
            curated_rows bigint not null encode raw,
            rejected_rows bigint not null encode raw
        )
        diststyle all
        """
    )

    # read_to: the newest record time that the curated layer has taken in, with how many versions landing had then
    # that began or ended in the look-back before it: another number tells that some landed out of order.
    # published_to: the newest one in what analysts see.
    op.execute(
        """
        create table ops.watermarks (
            pipeline varchar(64) not null encode raw,
            table_name varchar(128) not null encode raw,
            read_to timestamp encode raw,
            window_created bigint encode raw,
            window_deleted bigint encode raw,
            published_to timestamp encode raw
        )
        diststyle all
        """
    )

    # Periods that a metric must compute anew, both ends included. period_from NULL: the whole metric; state NULL: every
    # location; user_id NULL: every user; apartment_id NULL: every
    # listing. 9999-12-31 is an open end.
    op.execute(
        """
        create table ops.dirty_work (
            pipeline varchar(64) not null encode raw,
            metric varchar(64) not null encode raw,
            period_from date encode raw,
            period_to date encode raw,
            state varchar(400) encode raw,
            cityname varchar(400) encode raw,
            user_id bigint encode raw,
            apartment_id bigint encode raw
        )
        diststyle all
        """
    )

    op.execute(
        """
        create table ops.freshness (
            pipeline varchar(64) not null encode raw,
            as_of timestamp not null encode raw,
            published_at timestamp not null encode raw,
            newest_change_at timestamp encode raw,
            rejected_rows bigint not null encode raw
        )
        diststyle all
        """
    )

    # 0 .. 9999, to build calendars from: Redshift cannot join generate_series with tables.
    op.execute(
        """
        create table ops.numbers (
            n integer not null encode raw
        )
        diststyle all
        sortkey (n)
        """
    )
    op.execute(
        """
        insert into ops.numbers (n)
        with digits as (
            select 0 as digit union all select 1 union all select 2 union all select 3 union all select 4
            union all select 5 union all select 6 union all select 7 union all select 8 union all select 9
        )
        select thousands.digit * 1000 + hundreds.digit * 100 + tens.digit * 10 + units.digit
        from digits as thousands
        cross join digits as hundreds
        cross join digits as tens
        cross join digits as units
        order by 1
        """
    )
