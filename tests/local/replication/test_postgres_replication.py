"""Replication from a real PostgreSQL, in its main lines: first copy, changes, definitions, states."""

from __future__ import annotations

from decimal import Decimal

import psycopg
from postgres import Postgres
from replica import Replica

from deployer.local.environment import Status
from deployer.local.replication.postgres.definition import PostgresTable
from deployer.local.replication.settings import Settings
from deployer.local.replication.state import FAILED, INITIATED, SYNCED, Replicated, State

BOOKINGS = (
    "create table bookings (id bigint primary key, note varchar(20), price numeric(10,2),"
    " changed timestamp(3) default '2024-01-02 03:04:05.678')"
)


def test_copy_changes_and_definitions(postgres_replica: Replica, postgres_source: Postgres) -> None:
    """One story, since each start costs: what was there, what is done then, how history tells it."""
    replica, server = postgres_replica, postgres_source
    server.execute(
        BOOKINGS,
        "insert into bookings (id, note, price) values (1, e'ä\\t\\n\\\\', 1.5), (2, null, null)",
    )
    replica.start()
    replica.until_state("bookings", "Synced")
    assert [row[:3] for row in replica.present("bookings")] == [
        (1, "ä\t\n\\", Decimal("1.50")),
        (2, None, None),
    ]

    with server.connect() as connection:
        connection.execute("update bookings set note = 'x' where id = 1")
        with connection.transaction():
            # Of one transaction only the outcome is seen: 3 was never there, 2 is gone, 4 is.
            connection.execute("insert into bookings (id, note) values (3, 'c')")
            connection.execute("update bookings set id = 4 where id = 3")
            connection.execute("delete from bookings where id = 2")
        with connection.transaction(force_rollback=True):
            connection.execute("delete from bookings")
        connection.execute("alter table bookings add column guests int not null default 2")
        connection.execute("update bookings set guests = 3 where id = 4")
        times = connection.execute(
            "select (now() at time zone 'UTC') - interval '1 minute', (now() at time zone 'UTC') + interval '1 minute'"
        ).fetchone()
    replica.catch_up()
    versions = [(row[0], row[1], row[4], row[5]) for row in replica.versions("bookings")]
    assert sorted(versions, key=repr) == sorted(
        [
            (1, "ä\t\n\\", None, False), (1, "x", 2, True), (2, None, None, False), (4, "c", 2, False),
            (4, "c", 3, True),
        ],
        key=repr,
    )  # fmt: skip
    begins = {(row[0], row[1], row[4]): (row[6], row[7]) for row in replica.versions("bookings")}
    assert begins[1, "ä\t\n\\", None][1] == begins[1, "x", 2][0]
    assert begins[4, "c", 2][1] == begins[4, "c", 3][0]
    # Both of one transaction, at one instant: its commit's.
    assert begins[2, None, None][1] == begins[4, "c", 2][0]
    assert times is not None and times[0] < begins[4, "c", 2][0] < times[1]

    server.execute(
        "alter table bookings rename column note to remark", "alter table bookings drop column price",
        "truncate bookings", "insert into bookings (id, remark) values (1, 'again')",
        "create table extra (a int, b varchar(5), primary key (b, a))", "insert into extra values (1, 'k'), (1, 'l')",
        "update extra set a = 2 where b = 'k'",
    )  # fmt: skip
    replica.catch_up()
    replica.until_state("extra", "Synced")
    assert replica.columns("bookings") == ["id", "remark", "changed", "guests"]
    assert [row[:2] for row in replica.present("bookings")] == [(1, "again")]
    assert sum(row[4] is False for row in replica.versions("bookings")) == 5
    assert replica.present("extra") == [(1, "l"), (2, "k")]
    found = replica.engine.execute(
        "select trim(source), current_lag, trim(last_replicated_checkpoint) from redshift_catalog.svv_integration"
    ).fetchone()
    assert found is not None and found[0] == "PostgreSQL" and found[2].startswith('{"txn_seq":')


def test_a_refresh_that_is_asked_for_meanwhile_is_not_forgotten(
    engine_dsn: str, fresh_database: Status
) -> None:
    """A definition that is written, a reason, or a failure leaves the state that somebody has set."""
    settings = Settings(
        "rental", "", 0, "", "", "rental", "rental_landing", "include: rental.*.*", is_postgres=True
    )
    state = State(settings)
    table = Replicated(("public", "t"), SYNCED, "", PostgresTable("public", "t", (), (), oid=1))
    with psycopg.connect(engine_dsn, autocommit=True) as connection:
        state.announce(connection)
        state.save_table(connection, table, None)
        connection.execute("update zeroshift.integration_tables set table_state = 'ResyncInitiated'")
        state.save_definition(connection, table, None)
        table.reason = "said too late"
        state.save_reason(connection, table)
        found = connection.execute("select table_state, reason from zeroshift.integration_tables").fetchone()
        assert found == (INITIATED, "")
        table.state, table.reason = FAILED, "so is this"
        state.save_failure(connection, table, None)
        assert state.initiated(connection) == {("public", "t")}
