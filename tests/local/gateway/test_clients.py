"""Real clients against the gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from deployer.local.environment import Status


def test_redshift_connector_runs_a_query(connect: Callable[..., Any]) -> None:
    with connect() as connection, connection.cursor() as cursor:
        cursor.execute("select 1 as one, 'x' as letter")
        assert [column[0] for column in cursor.description] == ["one", "letter"]
        assert cursor.fetchall() == ([1, "x"],)


def test_redshift_connector_with_the_oldest_and_newest_protocol(connect: Callable[..., Any]) -> None:
    for version in (0, 1, 2):
        cursor = connect(client_protocol_version=version).cursor()
        cursor.execute("select 1.50::decimal(5,2)")
        assert str(cursor.fetchone()[0]) == "1.50"


def test_psql_runs_a_query(psql: Callable[..., Any]) -> None:
    done = psql("select 1 as one; select 2 as two", "-At")
    assert (done.returncode, done.stdout) == (0, "1\n2\n")


def test_psycopg_runs_a_query(status: Status) -> None:
    psycopg = pytest.importorskip("psycopg")
    with psycopg.connect(
        host=status.host, port=status.port, user=status.user, password=status.password, dbname="dev"
    ) as connection:
        assert connection.execute("select 1 as one").fetchall() == [(1,)]


def test_sqlalchemy_redshift_connects(status: Status) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("sqlalchemy_redshift")
    url = sqlalchemy.URL.create(
        "redshift+redshift_connector", status.user, status.password, status.host, status.port, "dev"
    )
    engine = sqlalchemy.create_engine(url, connect_args={"ssl": False})
    with engine.connect() as connection:
        assert connection.execute(sqlalchemy.text("select 1")).scalar() == 1
