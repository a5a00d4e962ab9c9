"""Create what archiving to S3 is recorded in: runs, the checks of their columns, what S3 holds, horizons.

All of them are small and read by whoever archives or looks for old rows, so they are on every node. The union views
read archive.runs for every file's rows, by run: a table of a few hundred rows that is joined where it lies. Encodings
as in 0002: RAW where there are few rows, ZSTD for the texts and AZ64 for the numbers of those that grow.
"""

from __future__ import annotations

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("""create schema archive""")

    # One row an archive run. period_from and period_to: half-open, in days. state: unloading, unloaded, verified,
    # archived, and then restored, expired or pruned; abandoned: it was killed while it unloaded. is_visible: the union
    # view shows its rows, because the warehouse no longer has them: one transaction changes both.
    op.execute(
        """
        create table archive.runs (
            archive_run varchar(64) not null encode raw,
            policy varchar(64) not null encode zstd,
            table_name varchar(255) not null encode zstd,
            period_from date not null encode az64,
            period_to date not null encode az64,
            after varchar(16) not null encode zstd,
            location varchar(1024) not null encode zstd,
            kms_key varchar(128) not null encode zstd,
            state varchar(16) not null encode raw,
            is_visible boolean not null encode raw,
            row_count bigint encode az64,
            file_bytes bigint encode az64,
            file_count integer encode az64,
            started_at timestamp not null encode raw,
            unloaded_at timestamp encode az64,
            finished_at timestamp encode az64,
            seconds decimal(18, 3) encode az64,
            rows_per_second decimal(18, 1) encode az64,
            bytes_per_second decimal(18, 1) encode az64
        )
        diststyle all
        sortkey (started_at)
        """
    )

    # The columns as the files have them, in their order, and what they held when they were unloaded. warehouse_type is
    # NULL for a column that only the files have.
    op.execute(
        """
        create table archive.run_columns (
            archive_run varchar(64) not null encode raw,
            ordinal integer not null encode az64,
            column_name varchar(128) not null encode zstd,
            warehouse_type varchar(128) encode zstd,
            file_type varchar(128) not null encode zstd,
            filled_rows bigint not null encode az64,
            checksum varchar(64) encode zstd
        )
        diststyle all
        compound sortkey (archive_run, ordinal)
        """
    )

    # What S3 holds, by period. period_min and period_max are of the policy's own column.
    op.execute(
        """
        create table archive.partitions (
            archive_run varchar(64) not null encode raw,
            policy varchar(64) not null encode zstd,
            table_name varchar(255) not null encode zstd,
            archive_period date not null encode az64,
            location varchar(1024) not null encode zstd,
            row_count bigint not null encode az64,
            file_bytes bigint not null encode az64,
            file_count integer not null encode az64,
            period_min timestamp encode az64,
            period_max timestamp encode az64
        )
        diststyle all
        compound sortkey (archive_run, archive_period)
        """
    )

    # Rows of table_name before the horizon may have been deleted: whatever writes the table must leave them alone.
    op.execute(
        """
        create table archive.horizons (
            table_name varchar(255) not null encode raw,
            policy varchar(64) not null encode raw,
            period_column varchar(128) not null encode raw,
            horizon date not null encode raw,
            changed_at timestamp not null encode raw
        )
        diststyle all
        """
    )
