"""Real clients against the gateway: redshift_connector, psql, psycopg, SQLAlchemy."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from deployer.local.environment import Status

# -- redshift_connector -----------------------------------------------------------------------------------------------

VALUES = [
    ("smallint", "32767", 32767),
    ("integer", "-2147483648", -2147483648),
    ("bigint", "9223372036854775807", 9223372036854775807),
    ("decimal(12,2)", "1234567890.55", Decimal("1234567890.55")),
    ("decimal(38,0)", "99999999999999999999999999999999999999", Decimal("9" * 38)),
    ("real", "1.5", 1.5),
    ("double precision", "0.1", 0.1),
    ("boolean", "true", True),
    ("varchar(20)", "'Žluťoučký €'", "Žluťoučký €"),
    ("char(5)", "'ab'", "ab   "),
    ("date", "'2024-02-29'", dt.date(2024, 2, 29)),
    ("timestamp", "'2024-02-29 12:34:56.789012'", dt.datetime(2024, 2, 29, 12, 34, 56, 789012)),
    ("timestamptz", "'2024-02-29 12:00:00+02'", dt.datetime(2024, 2, 29, 10, tzinfo=dt.UTC)),
    ("time", "'12:34:56'", dt.time(12, 34, 56)),
]


@pytest.mark.parametrize("kind, literal, value", VALUES)
@pytest.mark.parametrize("protocol", [0, 1, 2])
def test_redshift_connector_reads_every_type(
    fresh_database: Status, connect: Callable[..., Any], kind: str, literal: str, value: Any, protocol: int
) -> None:
    cursor = connect(autocommit=True, client_protocol_version=protocol).cursor()
    cursor.execute(f"create table t (a {kind}, b {kind})")
    cursor.execute(f"insert into t values ({literal}, null)")
    cursor.execute("select a, b from t")
    assert cursor.fetchall() == ([value, None],)


def test_redshift_connector_reads_super_as_json(fresh_database: Status, connect: Callable[..., Any]) -> None:
    cursor = connect(autocommit=True).cursor()
    cursor.execute("""select json_parse('{"b": [1, null, 2.50], "a": "x"}') as doc""")
    assert cursor.description[0][1] == 4000
    assert json.loads(cursor.fetchone()[0]) == {"b": [1, None, 2.5], "a": "x"}


def test_redshift_connector_binds_parameters(fresh_database: Status, connect: Callable[..., Any]) -> None:
    cursor = connect(autocommit=True).cursor()
    cursor.execute(
        "create table t (i bigint, s varchar(50), d decimal(12,2), day date, ts timestamp, b boolean)"
    )
    row = [
        2**40,
        'it\'s 100% \\ "ü"',
        Decimal("12.34"),
        dt.date(2024, 1, 2),
        dt.datetime(2024, 1, 2, 3, 4, 5),
        True,
    ]
    cursor.execute("insert into t values (%s, %s, %s, %s, %s, %s)", row)
    cursor.execute("insert into t values (%s, %s, %s, %s, %s, %s)", [None] * 6)
    cursor.executemany("insert into t (i, s) values (%s, %s)", [[n, str(n)] for n in range(5)])
    cursor.execute("select * from t where s = %s", [row[1]])
    assert cursor.fetchall() == (row,)
    cursor.execute("select count(*), count(i) from t where i is null or i < %s", [10])
    assert cursor.fetchall() == ([6, 5],)


def test_redshift_connector_transactions(fresh_database: Status, connect: Callable[..., Any]) -> None:
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("create table t (a int)")
    connection.commit()
    cursor.execute("insert into t values (1)")
    connection.rollback()
    cursor.execute("select count(*) from t")
    assert cursor.fetchone() == [0]
    with pytest.raises(Exception) as caught:
        cursor.execute("select a frm t")
    assert caught.value.args[0]["C"] == "42601"
    with pytest.raises(Exception, match="current transaction is aborted"):
        cursor.execute("select 1")
    connection.rollback()
    cursor.execute("select 1")
    assert cursor.fetchone() == [1]


def test_redshift_connector_sees_row_counts(fresh_database: Status, connect: Callable[..., Any]) -> None:
    cursor = connect(autocommit=True).cursor()
    cursor.execute("create table t (a int)")
    cursor.execute("insert into t values (1), (2), (3)")
    assert cursor.rowcount == 3
    cursor.execute("update t set a = a + 1 where a > 1")
    assert cursor.rowcount == 2
    cursor.execute("delete from t")
    assert cursor.rowcount == 3


def test_redshift_connector_with_a_wrong_password(connect: Callable[..., Any]) -> None:
    with pytest.raises(Exception, match="password authentication failed"):
        connect(password="wrong")


# -- psql -------------------------------------------------------------------------------------------------------------


def test_psql_runs_queries(psql: Callable[..., Any]) -> None:
    done = psql("select 1 as one; select 2 as two", "-At")
    assert (done.returncode, done.stdout) == (0, "1\n2\n")


def test_psql_points_at_the_error(psql: Callable[..., Any]) -> None:
    done = psql("select 'ü' as a,\n  wrong_column\nfrom (select 1 as x) q")
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0].startswith("ERROR:  42703")
    assert lines[1] == "LINE 2:   wrong_column"
    assert lines[2] == "          ^"


def test_psql_shows_notices(psql: Callable[..., Any], fresh_database: Status) -> None:
    done = psql("drop table if exists nothing_here")
    assert done.returncode == 0
    assert 'able "nothing_here" does not exist and will be skipped' in done.stderr


def test_psql_reads_a_script(psql: Callable[..., Any], fresh_database: Status, tmp_path: Any) -> None:
    script = tmp_path / "script.sql"
    script.write_text(
        "create table t (a int);\n"
        "create procedure fill(n int) as $$ begin insert into t values (n); insert into t values (n); end; $$"
        " language plpgsql;\ncall fill(4);\nselect sum(a) from t;\n"
    )
    done = psql("", "-At", "-v", "ON_ERROR_STOP=1", "-f", str(script))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "8")


# -- psycopg and SQLAlchemy -------------------------------------------------------------------------------------------


@pytest.fixture
def psycopg_connection(fresh_database: Status) -> Any:
    psycopg = pytest.importorskip("psycopg")
    status = fresh_database
    with psycopg.connect(
        host=status.host, port=status.port, user=status.user, password=status.password, dbname="dev"
    ) as connection:
        yield connection


def test_psycopg_runs_queries(psycopg_connection: Any) -> None:
    assert psycopg_connection.info.server_version == 80002
    psycopg_connection.execute("create table t (a int, b varchar(10), c timestamp)")
    psycopg_connection.execute("insert into t values (%s, %s, %s)", [1, "x", dt.datetime(2024, 1, 1)])
    assert psycopg_connection.execute("select * from t").fetchall() == [(1, "x", dt.datetime(2024, 1, 1))]
    psycopg_connection.rollback()
    with pytest.raises(Exception, match="does not exist"):
        psycopg_connection.execute("select * from t")


def test_psycopg_prepares_and_pipelines(psycopg_connection: Any) -> None:
    psycopg_connection.execute("create table t (a int)")
    for value in range(8):
        psycopg_connection.execute("insert into t values (%s)", [value], prepare=True)
    with psycopg_connection.cursor() as cursor:
        cursor.executemany("insert into t values (%s)", [[n] for n in range(20)])
    assert psycopg_connection.execute("select count(*), sum(a) from t").fetchone() == (28, 28 + 190)


def test_psycopg_streams(psycopg_connection: Any) -> None:
    with psycopg_connection.cursor() as cursor:
        rows = list(cursor.stream("select column_name from svv_all_columns"))
    assert len(rows) > 100


def test_psycopg_refuses_binary_decimals_loudly(psycopg_connection: Any) -> None:
    with pytest.raises(Exception, match="cannot be sent in binary"):
        psycopg_connection.execute("select 1.5::decimal(5,2)", binary=True)
    psycopg_connection.rollback()
    assert psycopg_connection.execute("select 1::bigint", binary=True).fetchone() == (1,)


def test_sqlalchemy_redshift(fresh_database: Status) -> None:
    sqlalchemy = pytest.importorskip("sqlalchemy")
    pytest.importorskip("sqlalchemy_redshift")
    status = fresh_database
    url = sqlalchemy.URL.create(
        "redshift+redshift_connector", status.user, status.password, status.host, status.port, "dev"
    )
    engine = sqlalchemy.create_engine(url, connect_args={"ssl": False})
    meta = sqlalchemy.MetaData()
    table = sqlalchemy.Table(
        "made",
        meta,
        sqlalchemy.Column("a", sqlalchemy.BigInteger),
        sqlalchemy.Column("b", sqlalchemy.String(10)),
    )
    with engine.begin() as connection:
        connection.execute(sqlalchemy.schema.CreateTable(table))
        connection.execute(table.insert(), [{"a": 1, "b": "x"}, {"a": 2, "b": None}])
        assert connection.execute(table.select().where(table.c.a > 1)).fetchall() == [(2, None)]
    engine.dispose()
