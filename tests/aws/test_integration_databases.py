"""CREATE DATABASE ... FROM INTEGRATION and its like: what the local AWS has, the local Redshift connects to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import redshift_connector
from zero_etl_cloud import ZeroEtlCloud

from deployer import aurora
from deployer.errors import UsageError
from deployer.local.environment import LocalEnvironment
from deployer.local.landing.load import load


@pytest.fixture
def sql(environment: LocalEnvironment, zero_etl: ZeroEtlCloud) -> Iterator[Any]:
    """Runs a statement as admin, outside of transactions; its rows."""
    status = environment.ensure_up()
    connection = redshift_connector.connect(
        host=status.host,
        port=status.port,
        user=status.user,
        password=status.password,
        database="dev",
        ssl=False,
    )
    connection.autocommit = True

    def run(text: str) -> list[list[Any]]:
        cursor = connection.cursor()
        cursor.execute(text)
        rows = cursor.fetchall() if cursor.description else []
        return [[one.strip() if isinstance(one, str) else one for one in row] for row in rows]

    yield run
    zero_etl.clear()
    for (name,) in run("select database_name from svv_redshift_databases where database_name like 'made_%'"):
        run(f'drop database "{name}"')
    connection.close()


def refused(run: Any, text: str, message: str) -> None:
    with pytest.raises(redshift_connector.ProgrammingError, match=message):
        run(text)


def make(cloud: ZeroEtlCloud, source: str, target: str, **more: Any) -> str:
    """The id of an active integration."""
    made = cloud.rds.create_integration(SourceArn=source, TargetArn=target, IntegrationName="rental", **more)
    arn = str(made["IntegrationArn"])
    cloud.until(lambda: cloud.status(arn) == "active")
    return arn.rpartition(":")[2]


INTEGRATION = (
    "select state, target_database, source, source_database, refresh_interval, is_history_mode"
    " from svv_integration"
)


def test_a_database_is_made_from_an_integration(zero_etl: ZeroEtlCloud, sql: Any) -> None:
    source, target = zero_etl.ready()
    zero_etl.behaviour.hold("rental", "creating")
    made = zero_etl.rds.create_integration(SourceArn=source, TargetArn=target, IntegrationName="rental")
    identifier = made["IntegrationArn"].rpartition(":")[2]
    create = f"create database made_rental from integration '{identifier}'"
    refused(sql, create, "is not active: its status is creating")
    zero_etl.behaviour.release()
    zero_etl.until(lambda: zero_etl.status(made["IntegrationArn"]) == "active")
    of_it = f"{INTEGRATION} where integration_id = '{identifier}'"
    zero_etl.until(lambda: sql(of_it) == [["PendingDbConnectState", "", "MySQL", "", 0, False]])

    refused(sql, f"{create} database 'rental'", "DATABASE is for sources of PostgreSQL")
    refused(sql, "create database made_x from integration 'none'", 'integration "none" does not exist')
    refused(sql, f"{create} set refresh_interval 432001", "between 0 and 432000 seconds")
    refused(sql, f"{create} set history_mode perhaps", "syntax error at or near .*perhaps")
    refused(sql, f"{create} set history_mode true history_mode true", "syntax error")
    refused(sql, create.replace("made_rental", "dev"), "already exists")
    sql("begin")
    refused(sql, create, "cannot run inside a transaction block")
    sql("rollback")
    sql(f"{create} set history_mode = true refresh_interval 120 truncatecolumns true acceptinvchars = false")
    assert sql(of_it) == [["CdcRefreshState", "made_rental", "MySQL", "", 120, True]]
    assert sql("select 1 from svv_redshift_databases where database_name = 'made_rental'") == [[1]]
    refused(sql, create, "already exists")
    refused(
        sql, create.replace("made_rental", "made_two"), "has the destination database .*made_rental.* already"
    )

    sql("alter database made_rental integration set refresh_interval 60 query_all_states true")
    sql("alter database made_rental integration set history_mode = false for all tables")
    for end in ("all tables in schema s", "table s.t"):
        refused(
            sql,
            f"alter database made_rental integration set history_mode true for {end}",
            "FOR some of the tables",
        )
    assert sql(of_it)[0][4:] == [60, False]
    refused(sql, "alter database made_rental integration set", "syntax error at end of input")
    refused(
        sql,
        "alter database dev integration set refresh_interval 1",
        "is not created from a zero-ETL integration",
    )

    refused(sql, "drop database made_rental", "must be deleted first")
    zero_etl.behaviour.become("rental", "failed", "Internal", "x")
    zero_etl.until(lambda: sql(of_it)[0][0] == "ErrorState")
    zero_etl.rds.delete_integration(IntegrationIdentifier=made["IntegrationArn"])
    zero_etl.until(lambda: sql(of_it) == [])
    assert sql("select 1 from svv_redshift_databases where database_name = 'made_rental'") == [[1]], (
        "the data stay"
    )
    sql("drop database made_rental")
    assert sql("select 1 from svv_redshift_databases where database_name = 'made_rental'") == []


def test_a_source_of_postgresql_names_its_database(zero_etl: ZeroEtlCloud, sql: Any) -> None:
    source = zero_etl.cluster("pg", engine=aurora.POSTGRESQL, version="16.8")
    target = zero_etl.namespace()
    zero_etl.authorize(target, source)
    identifier = make(zero_etl, source, target, DataFilter="include: rental.public.*")
    create = f"create database made_pg from integration '{identifier}'"
    refused(sql, create, "the clause DATABASE is missing")
    sql(f'{create} database "rental" history_mode true')
    assert sql(f"{INTEGRATION} where target_database = 'made_pg'") == [
        ["CdcRefreshState", "made_pg", "PostgreSQL", "rental", 0, True]
    ]


def test_only_a_superuser_may(zero_etl: ZeroEtlCloud, sql: Any, environment: LocalEnvironment) -> None:
    identifier = make(zero_etl, *zero_etl.ready())
    sql("drop user if exists made_nobody")
    sql("create user made_nobody password 'Passw0rd'")
    status = environment.ensure_up()
    connection = redshift_connector.connect(
        host=status.host, port=status.port, user="made_nobody", password="Passw0rd", database="dev", ssl=False
    )
    connection.autocommit = True
    for text in (
        f"create database made_a from integration '{identifier}'",
        "alter database made_a integration set refresh_interval 1",
        "drop database made_a",
    ):
        with pytest.raises(redshift_connector.ProgrammingError, match="must be superuser"):
            connection.cursor().execute(text)
    connection.close()
    sql("drop user made_nobody")


def turn_history(sql: Any, engine: Any) -> None:
    """Off: the versions stay in a table of another name, the plain one has the present rows. On: it gets columns."""
    rates = "rental_landing.rental.exchange_rates"
    turn = "alter database rental_landing integration set history_mode"
    engine.execute(
        "update zeroshift.integration_tables set table_state = 'ResyncRequired' where table_name = 'exchange_rates'"
    )
    refused(
        sql, f"{turn} false", "only for tables in the state Synced.*rental.exchange_rates is ResyncRequired"
    )
    engine.execute("update zeroshift.integration_tables set table_state = 'Synced'")
    sql(f"{turn} false")
    assert sql(f"select * from {rates}") == [["EUR", date(2025, 1, 1), Decimal("1.1")]]
    sql("alter database rental_landing integration refresh table rental.exchange_rates")
    assert sql(f"select currency from {rates}") == [["EUR"]]
    (aside,) = sql(
        "select table_name from svv_all_tables where database_name = 'rental_landing'"
        " and table_name like 'exchange_rates_historical_2%'"
    )[0]
    assert sql(f"select currency, _record_is_active from rental_landing.rental.{aside}") == [["EUR", True]]
    state = "select is_history_mode, table_rows from svv_integration_table_state where table_name = 'exchange_rates'"
    assert sql(state) == [[False, 1]]
    sql(f"{turn} true")
    assert sql(f"select currency, _record_is_active, _record_delete_time from {rates}") == [
        ["EUR", True, None]
    ]
    assert sql(state) == [[True, 1]]


def test_local_rows_land_in_it(
    zero_etl: ZeroEtlCloud,
    sql: Any,
    engine_dsn: str,
    make_empty: Callable[[], None],
    engine: Any,
    tmp_path: Path,
) -> None:
    make_empty()
    identifier = make(zero_etl, *zero_etl.ready())
    sql(f"create database rental_landing from integration '{identifier}'")
    (tmp_path / "exchange_rates.csv").write_text("currency,rate_date,usd_per_unit\nEUR,2025-01-01,1.1\n")
    with pytest.raises(UsageError, match="INTEGRATION SET HISTORY_MODE TRUE"):
        load(engine_dsn, tmp_path, datetime(2025, 1, 2))
    sql("alter database rental_landing integration set history_mode true")
    load(engine_dsn, tmp_path, datetime(2025, 1, 2))
    assert sql("select currency, _record_is_active from rental_landing.rental.exchange_rates") == [
        ["EUR", True]
    ]
    assert sql("select integration_id from svv_integration") == [[identifier]]
    assert sql(
        "select target_database, table_state from svv_integration_table_state"
        f" where integration_id = '{identifier}' and table_name = 'exchange_rates'"
    ) == [["rental_landing", "Synced"]]
    assert sql("select checkpoint_type, modified_tables from sys_integration_activity") == [["snapshot", 1]]
    turn_history(sql, engine)
    # Only Synced tables can be read, unless QUERY_ALL_STATES says otherwise.
    engine.execute("update zeroshift.integration_tables set table_state = 'Failed'")
    readable = "select zeroshift.require_readable('rental_landing', 'rental', 'exchange_rates')"
    with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="its state is Failed"):
        engine.execute(readable)
    sql("alter database rental_landing integration set query_all_states true")
    assert engine.execute(readable).fetchone() == (True,)

    (tmp_path / "exchange_rates.csv").write_text("currency,rate_date,usd_per_unit\nEUR,2025-01-01,1.2\n")
    load(engine_dsn, tmp_path, datetime(2025, 1, 3))
    engine.execute(
        "update zeroshift.integration_tables set table_state = 'Failed' where table_name = 'exchange_rates'"
    )
    refused(
        sql,
        "alter database rental_landing integration refresh table rental.none",
        "not part of the integration of database .*: rental.none",
    )
    sql("alter database rental_landing integration refresh inerror tables")
    assert sql(
        "select usd_per_unit, _record_is_active, _record_create_time from rental_landing.rental.exchange_rates"
    ) == [[Decimal("1.2"), True, datetime(2025, 1, 3)]], "a resync forgets what was before"
    assert sql("select count(*) from svv_integration_table_state where table_state = 'Synced'") == [[5]]
    zero_etl.clear()
    zero_etl.until(lambda: sql("select 1 from svv_integration") == [])
    sql("drop database rental_landing")
    make_empty()
