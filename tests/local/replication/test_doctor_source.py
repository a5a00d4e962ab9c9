"""`zeroshift doctor` over the connection of a source: real servers with what zero-ETL does not take."""

from __future__ import annotations

import os
from pathlib import Path

import mariadb
import postgres
import pytest
from mariadb import MariaDb
from postgres import Postgres

from deployer.errors import Unavailable
from deployer.operations import source_database
from deployer.operations.doctor import zero_etl_source
from deployer.operations.doctor.model import MISSING, OK, UNKNOWN, Check
from deployer.project.config import Project
from deployer.project.zero_etl_aws import AURORA_POSTGRESQL, AwsZeroEtl, SourceConnection

PROJECT = Project(Path("."), "shop", {})


@pytest.fixture
def password(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_PASSWORD", mariadb.PASSWORD)
    monkeypatch.setenv("POSTGRES_PASSWORD", postgres.PASSWORD)


def mysql(server: MariaDb, filter_text: str = "include: rental.*", **more: str) -> AwsZeroEtl:
    where = SourceConnection(
        "127.0.0.1", server.port, mariadb.USER, **({"password_env": "SOURCE_PASSWORD"} | more)
    )
    return AwsZeroEtl("rental", "c", "rental_landing", filter=filter_text, connection=where)


def found(one: AwsZeroEtl) -> dict[str, Check]:
    return {check.name.removeprefix("rental: "): check for check in zero_etl_source.checks(PROJECT, one)}


def test_a_mysql_source_that_is_fit(source_server: MariaDb, password: None) -> None:
    source_server.execute(
        "create table listings (id int primary key, title varchar(20), at timestamp, more json)"
    )
    checks = found(mysql(source_server))
    assert {name: check.state for name, check in checks.items()} == dict.fromkeys(
        ("tables", "engines", "primary keys", "column types", "foreign keys", "XA"), OK
    )
    assert checks["tables"].found == "1 are looked at"


def test_what_zero_etl_does_not_take_of_mysql_is_named_with_what_mends_it(
    source_server: MariaDb, password: None
) -> None:
    source_server.execute(
        "create table listings (id int primary key, photo blob, at point)",
        "create table bookings (id int, listing int, foreign key (listing) references listings (id) on delete cascade)",
        "create table notes (id int primary key) engine = MyISAM",
        "create table secrets (id int, b blob)",
    )
    connection = source_server.connect()
    with connection.cursor() as cursor:
        cursor.execute("xa start 'one'")
        cursor.execute("insert into listings (id) values (1)")
        cursor.execute("xa end 'one'")
        cursor.execute("xa prepare 'one'")
    try:
        checks = found(mysql(source_server, "include: rental.*, exclude: rental.secrets"))
    finally:
        with connection.cursor() as cursor:
            cursor.execute("xa rollback 'one'")
        connection.close()
    assert {name for name, check in checks.items() if check.state == MISSING} == {
        "engines", "primary keys", "column types", "foreign keys", "XA",
    }  # fmt: skip
    assert checks["tables"].found == "3 are looked at"
    assert checks["engines"].found.startswith("rental.notes (MyISAM): ")
    assert checks["primary keys"].found.startswith("rental.bookings: ")
    assert checks["primary keys"].mend == "alter table SCHEMA.TABLE add primary key (COLUMN)"
    assert checks["column types"].found.startswith(
        "rental.listings.photo (blob), rental.listings.at (point): "
    )
    assert (
        "rental.bookings (" in checks["foreign keys"].found
        and "ON DELETE CASCADE" in checks["foreign keys"].found
    )
    assert checks["XA"].found.startswith("1 XA transactions are prepared")


def test_a_source_that_cannot_be_asked_is_no_failure(source_server: MariaDb, password: None) -> None:
    for one, said in (
        (AwsZeroEtl("rental", "c", "rental_landing"), "are asked of the source itself"),
        (mysql(source_server, password_env="UNSET_PASSWORD"), "variable UNSET_PASSWORD"),
        (mysql(source_server, password_env="HOME"), "cannot connect to"),
    ):
        (check,) = zero_etl_source.checks(PROJECT, one)
        assert check.state == UNKNOWN
        assert said in check.found
        assert os.environ["HOME"] not in check.found


def test_a_source_is_only_read(source_server: MariaDb, postgres_source: Postgres, password: None) -> None:
    with source_database.opened(PROJECT, mysql(source_server)) as source:
        assert source.rows("select @@session.tx_read_only, '%'") == [(1, "%")]
    with source_database.opened(PROJECT, postgresql(postgres_source)) as source:
        with pytest.raises(Unavailable, match="refuses a query: .* in a read-only transaction"):
            source.rows("create table public.mine (id int)")
        assert source.rows("select 1 where '%%' like %s", ["%"]) == [(1,)]


def postgresql(server: Postgres, filter_text: str = "") -> AwsZeroEtl:
    where = SourceConnection("127.0.0.1", server.port, postgres.USER, "POSTGRES_PASSWORD")
    return AwsZeroEtl(
        "rental", "c", "rental_landing", AURORA_POSTGRESQL, "rental", filter_text, connection=where
    )


def test_a_postgresql_source(postgres_source: Postgres, password: None) -> None:
    postgres_source.execute(
        "create type mood as enum ('glad')",
        "create table listings (id int primary key, price numeric(10, 2), tags text[], at timestamptz, more jsonb)",
    )
    assert {check.state for check in found(postgresql(postgres_source)).values()} == {OK}
    postgres_source.execute(
        "create table bookings (id int, price numeric, mood mood, stay interval, span int4range)",
        "create unlogged table notes (id int primary key)",
    )
    checks = found(postgresql(postgres_source))
    assert {name for name, check in checks.items() if check.state == MISSING} == {
        "primary keys", "logged", "column types",
    }  # fmt: skip
    assert checks["column types"].found.startswith(
        "public.bookings.price (numeric without precision), public.bookings.mood (mood),"
        " public.bookings.stay (interval without fields), public.bookings.span (int4range): "
    )
    assert checks["logged"].found.startswith("public.notes: ")
    # What is not replicated need not be fit.
    fit = found(
        postgresql(
            postgres_source,
            "include: rental.*.*, exclude: rental.public.bookings, exclude: rental.public./no.+/",
        )
    )
    assert {check.state for check in fit.values()} == {OK}
    assert fit["tables"].found == "1 are looked at"
