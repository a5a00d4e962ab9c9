"""UNLOAD: what others read in its files, their names, what is refused."""

from __future__ import annotations

import io
import json
import socket
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import duckdb
import pytest
from pyarrow import parquet
from redshift_connector import ProgrammingError


def test_an_object_may_be_sent_at_once(s3: Any) -> None:
    """boto3 asks by Expect: 100-continue, and waits a second when nobody says so."""
    url = urlsplit(s3.meta.endpoint_url)
    request = (
        f"PUT /lake/x HTTP/1.1\r\nHost: {url.netloc}\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n"
    )
    with socket.create_connection((url.hostname, url.port), timeout=30) as client:
        client.sendall(request.encode())
        assert client.recv(100).startswith(b"HTTP/1.1 100 Continue")


TABLE = """create table t (
    id integer, small smallint, big bigint, amount decimal(38,10), ratio double precision, part real, yes boolean,
    code char(3), name varchar(100), day date, at timestamp, at_zone timestamptz, doc super)"""
ROWS = """insert into t values
    (1, 2, 3, 1234567890123456789012345678.1234567891, 2.25, 1.5, true, 'ab', 'é|"x"\\n', '2024-02-29',
     '2024-01-01 10:11:12.123456', '2024-01-01 10:00:00+02', json_parse('{"a":[1,2.50]}')),
    (2, null, null, null, null, null, null, null, null, null, null, null, null),
    (3, -2, -3, 0, 0.1, 0, false, '', '', '9999-12-31', '0001-01-01', '1970-01-01 00:00:00+00', json_parse('[]'))"""


def body(lake: Any, key: str) -> bytes:
    data: bytes = lake.get_object(Bucket="lake", Key=key)["Body"].read()
    return data


def test_parquet_is_what_others_read(sql: Any, lake: Any, keys: Any, tmp_path: Any) -> None:
    sql(TABLE)
    sql(ROWS)
    sql("unload ('select * from t order by id') to 's3://lake/t/' iam_role default format as parquet")
    assert keys() == ["t/0000_part_00.parquet"]
    data = body(lake, "t/0000_part_00.parquet")
    table = parquet.read_table(io.BytesIO(data))
    assert [str(field.type) for field in table.schema] == [
        "int32", "int16", "int64", "decimal128(38, 10)", "double", "float", "bool", "string", "string", "date32[day]",
        "timestamp[us]", "timestamp[us]", "string",
    ]  # fmt: skip
    metadata = parquet.ParquetFile(io.BytesIO(data)).metadata
    assert metadata.format_version == "1.0"
    assert metadata.row_group(0).column(0).compression == "SNAPPY"
    path = tmp_path / "t.parquet"
    path.write_bytes(data)
    seen = duckdb.sql(f"select * from read_parquet('{path}')").fetchall()
    expected = sql("select * from t order by id")
    assert len(seen) == 3
    for row, mine in zip(seen, expected, strict=True):
        # The zone is not unloaded: the instant in UTC is.
        wanted = [*mine[:11], mine[11].replace(tzinfo=None) if mine[11] else None, mine[12]]
        assert list(row) == wanted
    assert seen[0][12] == '{"a":[1,2.50]}'


def test_partitions_are_folders(sql: Any, lake: Any, keys: Any) -> None:
    sql("create table p (id integer, city varchar(20), day date)")
    sql(
        "insert into p values (1, 'a/b', '2024-01-01'), (2, 'a/b', '2024-01-01'), (3, null, null),"
        " (4, '', '2024-01-02')"
    )
    sql(
        "unload ('select * from p') to 's3://lake/p' iam_role default parquet partition by (city, day)"
        " manifest verbose"
    )
    assert keys() == [
        "p/city=__HIVE_DEFAULT_PARTITION__/day=2024-01-02/0000_part_00.parquet",
        "p/city=__HIVE_DEFAULT_PARTITION__/day=__HIVE_DEFAULT_PARTITION__/0000_part_00.parquet",
        "p/city=a%2Fb/day=2024-01-01/0000_part_00.parquet",
        "p/manifest",
    ]
    table = parquet.read_table(io.BytesIO(body(lake, keys()[2])))
    assert table.to_pylist() == [{"id": 1}, {"id": 2}]
    manifest = json.loads(body(lake, "p/manifest"))
    assert manifest["meta"]["record_count"] == 4
    assert manifest["schema"]["elements"] == [{"name": "id", "type": {"base": "integer"}}]
    assert sum(entry["meta"]["record_count"] for entry in manifest["entries"]) == 4
    sizes = {item["Key"]: item["Size"] for item in lake.list_objects_v2(Bucket="lake")["Contents"]}
    assert {e["url"]: e["meta"]["content_length"] for e in manifest["entries"]} == {
        f"s3://lake/{key}": size for key, size in sizes.items() if key != "p/manifest"
    }


def test_partition_columns_stay_with_include(sql: Any, lake: Any, keys: Any) -> None:
    sql("create table p (id integer, city varchar(20))")
    sql("insert into p values (1, 'a')")
    sql("unload ('select * from p') to 's3://lake/p/' iam_role default parquet partition by (city) include")
    table = parquet.read_table(io.BytesIO(body(lake, "p/city=a/0000_part_00.parquet")))
    assert table.to_pylist() == [{"id": 1, "city": "a"}]


@pytest.mark.parametrize(
    ("options", "key", "expected"),
    [
        ("", "x/0000_part_00", b"1|t|a|b\n2||\n"),
        ("delimiter ',' null as 'N'", "x/0000_part_00", b"1,t,a|b\n2,N,N\n"),
        ("escape", "x/0000_part_00", b"1|t|a\\|b\n2||\n"),
        ("addquotes", "x/0000_part_00", b'"1"|"t"|"a|b"\n"2"||\n'),
        ("csv header", "x/0000_part_00", b"id,yes,name\n1,t,a|b\n2,,\n"),
        ("csv delimiter '|'", "x/0000_part_00", b'1|t|"a|b"\n2||\n'),
        ("json", "x/0000_part_00", b'{"id":1,"yes":"t","name":"a|b"}\n{"id":2,"yes":null,"name":null}\n'),
        ("parallel off", "x/000", b"1|t|a|b\n2||\n"),
        ("csv extension 'csv'", "x/0000_part_00.csv", b"1,t,a|b\n2,,\n"),
    ],
)  # fmt: skip
def test_text_formats(sql: Any, lake: Any, keys: Any, options: str, key: str, expected: bytes) -> None:
    sql("create table x (id integer, yes boolean, name varchar(10))")
    sql("insert into x values (1, true, 'a|b'), (2, null, null)")
    sql(f"unload ('select * from x order by id') to 's3://lake/x/' iam_role default {options}")
    assert keys() == [key]
    assert body(lake, key) == expected


def fill(sql: Any, rows: int) -> None:
    """Rows of a thousand bytes each into x."""
    sql(
        "insert into x with recursive n(i) as (select 1 union all select i + 1 from n where i < "
        f"{rows}) select repeat('x', 1000) from n"
    )


def test_files_end_at_their_size(sql: Any, lake: Any, keys: Any) -> None:
    sql("create table x (name varchar(1000))")
    fill(sql, 12000)
    sql("unload ('select * from x') to 's3://lake/x/' iam_role default parallel off maxfilesize 5 mb")
    assert keys() == ["x/000", "x/001", "x/002"]
    assert sum(body(lake, key).count(b"\n") for key in keys()) == 12000
    assert all(len(body(lake, key)) <= 5 << 20 for key in keys())


def test_nothing_is_overwritten_unless_that_is_said(sql: Any, lake: Any, keys: Any) -> None:
    command = "unload ('select 1 as a') to 's3://lake/x/' iam_role default"
    sql(command)
    with pytest.raises(ProgrammingError, match="unload destination on S3 is not empty"):
        sql(command)
    sql(f"{command} allowoverwrite")
    lake.put_object(Bucket="lake", Key="x/old", Body=b"old")
    sql(f"{command} csv cleanpath")
    assert keys() == ["x/0000_part_00"]


REFUSED = [
    ("unload ('select 1 a limit 1') to 's3://lake/x/' iam_role default", "Limit clause is not supported"),
    ("unload ('select 1 a') to 's3://lake/x/'", "needs an authorization"),
    ("unload ('select 1 a') to 'lake/x/' iam_role default", "is no place in Amazon S3"),
    ("unload ('select 1 a') to 's3://lake/x/' access_key_id 'a' secret_access_key 'b'", "use IAM_ROLE"),
    ("unload ('select 1 a') to 's3://lake/x/' iam_role 'me'", "the ARN of a role"),
    ("unload ('select 1 a') to 's3://lake/x/' iam_role 'SESSION'", "there is no federated identity"),
    ("unload ('select 1 a') to 's3://lake/x/' iam_role default parquet gzip", "PARQUET cannot be used with GZIP"),
    ("unload ('select 1 a') to 's3://lake/x/' iam_role default parquet header", "PARQUET cannot be used with HEADER"),
    ("unload ('select 1 a') to 's3://lake/x/' iam_role default json null as 'x'", "JSON cannot be used with NULL"),
    ("unload ('select 1 a') to 's3://lake/x/' iam_role default cleanpath allowoverwrite", "CLEANPATH cannot be used"),
    ("unload ('select 1 a') to 's3://lake/x/' iam_role default maxfilesize 1 mb", "MAXFILESIZE must be between"),
    ("unload ('select 1 a') to 's3://lake/x/_a' iam_role default parquet", "hidden from Redshift Spectrum"),
    ("unload ('select 1 a') to 's3://lake/x/' iam_role default parquet partition by (b)", "is not in the query"),
    ("unload ('select 1 a') to 's3://lake/x/' iam_role default parquet partition by (a)", "at least one column"),
    ("unload ('select 1 a, 2 a') to 's3://lake/x/' iam_role default parquet", "is there twice"),
    ("unload ('select ''1''::varbyte a') to 's3://lake/x/' iam_role default parquet", "use TO_HEX"),
    ("unload ('select 1 a') to 's3://lake/x/' iam_role default nonsense", "syntax error"),
    ("unload ('delete from x') to 's3://lake/x/' iam_role default", "takes a SELECT"),
    ("unload ('select * from nosuch') to 's3://lake/x/' iam_role default", 'relation "nosuch" does not exist'),
    ("unload ('select 1/0 as a') to 's3://lake/x/' iam_role default", "division by zero"),
    ("unload ('select 1 a') to 's3://nosuch/x/' iam_role default", "The specified bucket does not exist"),
]  # fmt: skip


@pytest.mark.parametrize(("command", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_refused(sql: Any, lake: Any, keys: Any, command: str, message: str) -> None:
    with pytest.raises(ProgrammingError, match=message):
        sql(command)
    assert keys() == []
    assert sql("select 1") == [(1,)]


def test_a_session_goes_on_after_files_that_could_not_be_written(sql: Any, lake: Any) -> None:
    sql("create table x (name varchar(1000))")
    fill(sql, 20000)
    with pytest.raises(ProgrammingError, match="bucket does not exist"):
        # Nothing is looked at first with ALLOWOVERWRITE: it fails with most rows still to come.
        sql("unload ('select * from x') to 's3://nosuch/x/' iam_role default allowoverwrite maxfilesize 5 mb")
    assert sql("select count(*) from x") == [(20000,)]


def test_it_sees_what_its_transaction_sees(
    connect: Callable[..., Any], fresh_database: Any, lake: Any
) -> None:
    connection = connect()
    cursor = connection.cursor()
    cursor.execute("create temp table mine (a integer)")
    cursor.execute("insert into mine values (7)")
    cursor.execute("unload ('select * from mine') to 's3://lake/x/' iam_role default")
    connection.rollback()
    # The objects are no part of the transaction.
    assert body(lake, "x/0000_part_00") == b"7\n"


def test_rights_are_those_of_the_session(sql: Any, connect: Callable[..., Any], lake: Any) -> None:
    sql("create table secret (a integer)")
    sql("create user reader password 'Reader123'")
    cursor = connect(user="reader", password="Reader123", autocommit=True).cursor()
    with pytest.raises(ProgrammingError, match="permission denied"):
        cursor.execute("unload ('select * from secret') to 's3://lake/x/' iam_role default")
    with pytest.raises(ProgrammingError, match="permission denied"):
        lake.put_object(Bucket="lake", Key="in", Body=b"1\n")
        cursor.execute("copy secret from 's3://lake/in' iam_role default")


def test_a_procedure_unloads_and_copies(sql: Any, lake: Any) -> None:
    sql("create table a (i integer)")
    sql("create table b (i integer)")
    sql("insert into a values (1), (2)")
    sql(
        """create procedure there_and_back(prefix varchar(100)) as $$
        begin
            execute 'unload (''select i from a'') to ' || quote_literal('s3://lake/' || prefix) ||
                ' iam_role default parquet manifest';
            execute 'copy b from ' || quote_literal('s3://lake/' || prefix || 'manifest') ||
                ' iam_role default parquet manifest';
        end;
        $$ language plpgsql"""
    )
    sql("call there_and_back('run-1/')")
    assert sql("select i from b order by i") == [(1,), (2,)]
