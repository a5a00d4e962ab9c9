"""A resync, as zero-ETL does one: a landing table is copied anew, and the versions in between are lost."""

from __future__ import annotations

from datetime import UTC, datetime

from psycopg import sql

from deployer.errors import UsageError
from deployer.local.landing import integration
from deployer.local.landing.tables import TABLES, table_named


def resync(engine_dsn: str, table: str, at: datetime) -> int:
    """Copy the source's table into landing anew at instant `at`; returns its rows.

    Afterwards landing has one version of every present row, created at `at`, and knows of nothing before
    (Redshift Management Guide, "History mode"). Raises UsageError for an unknown table or an `at` before the
    last load.
    """
    try:
        source = table_named(table)
    except KeyError:
        known = ", ".join(each.name for each in TABLES)
        raise UsageError(f"there is no source table {table!r}; there are: {known}") from None
    started = datetime.now(UTC).replace(tzinfo=None)
    names = sql.SQL(", ").join(sql.Identifier(name) for name in source.names)
    with integration.writing(engine_dsn) as connection:
        integration.ensure(connection, created=integration.utc(at))
        checkpoint = integration.begin_commit(connection, at)
        # DELETE, since a reader with an older snapshot would find a truncated table empty.
        copied = connection.execute(
            sql.SQL(
                "with gone as (delete from {target} returning {names}, _record_is_active)"
                " insert into {target} ({names}, _record_is_active, _record_create_time, _record_delete_time)"
                " select {names}, true, {at}, null from gone where _record_is_active"
            ).format(target=integration.landing_table(source), names=names, at=sql.Literal(checkpoint.at))
        ).rowcount
        integration.record_activity(
            connection,
            source,
            checkpoint,
            snapshot=True,
            inserted=copied,
            updated=0,
            deleted=0,
            started=started,
        )
        integration.refresh_statistics(connection, source, analyze=True)
        integration.end_commit(connection, checkpoint)
    return copied
