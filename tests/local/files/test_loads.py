"""COPY that goes on behind errors, its other formats, and what COPY and UNLOAD leave behind."""

from __future__ import annotations

import datetime
import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import orc
from redshift_connector import ProgrammingError

Sql = Callable[[str], Any]


def put(lake: Any, key: str, data: bytes) -> None:
    lake.put_object(Bucket="lake", Key=key, Body=data)


def test_a_load_goes_on_up_to_maxerror(sql: Sql, lake: Any) -> None:
    sql("create table x (id integer not null, name varchar(3), day date)")
    put(
        lake,
        "in/1",
        b"head\n1|a|2024-01-01\nx2|b|\n3|long|\n4|d\n|e|\n6|f|01/02/2024\n7|g|2024-02-31\n\xff|h|\n9|i|\n",
    )
    put(lake, "in/2", b"head\n99999999999|j|\n11|k|\n")
    sql("copy x from 's3://lake/in/' iam_role default ignoreheader 1 maxerror 9")
    assert sql("select * from x order by id") == [
        (1, "a", datetime.date(2024, 1, 1)),
        (9, "i", None),
        (11, "k", None),
    ]
    assert sql("select pg_last_copy_count()") == [(3,)]
    errors = sql("select trim(filename), line_number, trim(colname), trim(type), trim(raw_field_value), err_code,"
                 " trim(err_reason) from stl_load_errors where query = pg_last_copy_id() order by 1, 2")  # fmt: skip
    one, two = "s3://lake/in/1", "s3://lake/in/2"
    assert errors == [
        (one, 3, "id", "int4", "x2", 1207, "Invalid digit, Value 'x', Pos 0, Type: Integer"),
        (one, 4, "name", "varchar", "long", 1204, "String length exceeds DDL length"),
        (one, 5, "day", "date", "", 1214, "Delimiter not found"),
        (one, 6, "id", "int4", "", 1213, "Missing data for not-null field"),
        (one, 7, "day", "date", "01/02/2024", 1205, "Invalid date format: '01/02/2024'"),
        (one, 8, "day", "date", "2024-02-31", 1205, "Invalid Date Format - length must be 10 or more"),
        (one, 9, "", "", "", 1220, "String contains invalid or unsupported UTF8 codepoints"),
        (two, 2, "id", "int4", "99999999999", 1222, "Overflow, Value '99999999999', Type: Integer"),
    ]
    assert sql("select count(*) from sys_load_error_detail where query_id = pg_last_copy_id()") == [(8,)]
    assert sql("select status, table_name, data_source, file_format, loaded_rows, source_file_count, error_count"
               " from sys_load_history where query_id = pg_last_copy_id()") == [
        ("completed", "x", "s3://lake/in/", "txt", 3, 2, 8)
    ]  # fmt: skip
    with pytest.raises(ProgrammingError, match="Load into table 'x' failed"):
        sql("copy x from 's3://lake/in/' iam_role default ignoreheader 1 maxerror 8")
    assert sql("select count(*) from x") == [(3,)]
    assert sql(
        "select pg_last_copy_count(), count(*) from stl_load_errors where query = pg_last_copy_id()"
    ) == [(0, 8)]
    assert sql("select status from sys_load_history where query_id = pg_last_copy_id()") == [("aborted",)]
    sql("copy x from 's3://lake/in/' iam_role default ignoreheader 1 ignoreallerrors")
    assert sql("select pg_last_copy_count()") == [(3,)]


def test_the_first_error_is_noted_without_maxerror(sql: Sql, lake: Any, connect: Callable[..., Any]) -> None:
    assert sql(
        "select pg_last_copy_id(), pg_last_copy_count(), pg_last_unload_id(), pg_last_unload_count()"
    ) == [(-1, 0, -1, 0)]
    sql("create table x (id integer)")
    put(lake, "in", b"1\nx\n")
    with pytest.raises(ProgrammingError):
        sql("copy x from 's3://lake/in' iam_role default")
    assert sql(
        "select line_number, trim(colname), err_code from stl_load_errors where query = pg_last_copy_id()"
    ) == [(2, "id", 1207)]
    before = sql("select pg_last_copy_id()")
    with pytest.raises(ProgrammingError):
        sql("copy nosuch from 's3://lake/in' iam_role default")
    assert sql("select pg_last_copy_id()") == before, "it did not begin to load"
    sql("create user other password 'Abcdefg1'")
    cursor = connect(user="other", password="Abcdefg1").cursor()
    cursor.execute("select count(*) from stl_load_errors")
    assert cursor.fetchall() == ([0],), "only one's own"


@pytest.mark.parametrize(
    ("options", "written", "read"),
    [
        ("dateformat 'MM/DD/YYYY' timeformat 'MON DD YYYY HH12:MI:SSAM'", b"01/02/2024|March 3 2024 12:05:06.7am",
         (datetime.date(2024, 1, 2), datetime.datetime(2024, 3, 3, 0, 5, 6, 700000))),
        ("dateformat 'DD.MM.YY' timeformat 'epochsecs'", b"01.02.69|-1.5",
         (datetime.date(2069, 2, 1), datetime.datetime(1969, 12, 31, 23, 59, 58, 500000))),
        ("dateformat 'auto' timeformat 'epochmillisecs'", b"Jan-08-1999|1700000000123",
         (datetime.date(1999, 1, 8), datetime.datetime(2023, 11, 14, 22, 13, 20, 123000))),
        ("dateformat 'YYYY-MM-DD' acceptanydate", b"00/00/00|2024-01-01", (None, datetime.datetime(2024, 1, 1))),
    ],
)  # fmt: skip
def test_dates_in_the_statement_s_format(
    sql: Sql, lake: Any, options: str, written: bytes, read: Any
) -> None:
    sql("create table x (day date, at timestamp)")
    put(lake, "in", written)
    sql(f"copy x from 's3://lake/in' iam_role default {options}")
    assert sql("select * from x") == [read]


def test_json_paths(sql: Sql, lake: Any) -> None:
    sql("create table x (id integer, city varchar(10), doc super)")
    data = b'{"ID":1,"place":{"city":["Wien","Graz"]},"doc":"a"}\n{"ID":2,"place":{"city":["Linz"]}}'
    put(lake, "in", data + b'{"ID":3,"place":{"city":["a","b"]},"doc":{"x":[1]}}')
    for paths in (["$['ID']", "$['place']['city'][1]", "$['doc']"], ["$.ID", "$.place.city[1]", "$.doc"]):
        put(lake, "paths", json.dumps({"jsonpaths": paths}).encode())
        sql("truncate x")
        sql("copy x from 's3://lake/in' iam_role default json 's3://lake/paths' maxerror 2")
        assert sql("select id, city, json_serialize(doc) from x order by 1") == [
            (1, "Graz", '"a"'),
            (3, "b", '{"x":[1]}'),
        ]
        assert sql(
            "select line_number, trim(err_reason) from stl_load_errors where query = pg_last_copy_id()"
        ) == [(2, "Invalid JSONPath format: Not an array or index out of range.")]
    put(lake, "paths", b'{"jsonpaths": ["$.ID"]}')
    with pytest.raises(
        ProgrammingError, match="JSONPath size: 1, Number of columns in table or column list: 3"
    ):
        sql("copy x from 's3://lake/in' iam_role default json 's3://lake/paths'")
    put(lake, "paths", b'{"jsonpaths": ["$..ID", "$.a", "$.b"]}')
    with pytest.raises(ProgrammingError, match="Invalid JSONPath format"):
        sql("copy x from 's3://lake/in' iam_role default json 's3://lake/paths'")


def test_orc_files_and_missing_columns(sql: Sql, lake: Any) -> None:
    sql("create table x (id integer, amount decimal(10,2), at timestamp, name varchar(5))")
    at = datetime.datetime(2024, 1, 2, 3, 4, 5, 678000)
    amounts = pa.array([Decimal("1.50"), None], pa.decimal128(10, 2))
    table = pa.table({"a": pa.array([1, None], pa.int32()), "b": amounts,
                      "c": pa.array([at, None], pa.timestamp("us"))})  # fmt: skip
    buffer = io.BytesIO()
    orc.write_table(table, buffer)
    put(lake, "in", buffer.getvalue())
    with pytest.raises(ProgrammingError, match="Unmatched number of columns"):
        sql("copy x from 's3://lake/in' iam_role default orc")
    sql("copy x from 's3://lake/in' iam_role default orc fillrecord")
    assert sql("select * from x order by id") == [(1, Decimal("1.50"), at, None), (None, None, None, None)]


def test_unload_leaves_its_files_in_the_log(sql: Sql, lake: Any) -> None:
    sql("create table x as select 1 as id union all select 2")
    sql("unload ('select id from x') to 's3://lake/out/' iam_role default csv gzip parallel off")
    assert sql("select pg_last_unload_count()") == [(2,)]
    assert sql("select status, file_format, compression_type, unloaded_location, unloaded_rows, unloaded_files_count"
               " from sys_unload_history where query_id = pg_last_unload_id()") == [
        ("completed", "CSV", "GZIP", "s3://lake/out/", 2, 1)
    ]  # fmt: skip
    assert sql("select trim(path), line_count, transfer_size > 0, trim(file_format) from stl_unload_log"
               " where query = pg_last_unload_id()") == [("s3://lake/out/000.gz", 2, True, "CSV")]  # fmt: skip
