"""External schemas and tables: what a query sees of files in S3, and what it reads for it."""

from __future__ import annotations

import datetime
import gzip
import io
import json
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet
from redshift_connector import ProgrammingError

Rows = list[tuple[Any, ...]]
Sql = Callable[[str], Any]


@pytest.fixture
def spectrum(sql: Sql, lake: Any) -> Sql:
    sql("create external schema spectrum from data catalog database 'lake' iam_role default"
        " create external database if not exists")  # fmt: skip
    return sql


def put_parquet(lake: Any, key: str, table: pa.Table, **options: Any) -> None:
    buffer = io.BytesIO()
    parquet.write_table(table, buffer, **options)
    lake.put_object(Bucket="lake", Key=key, Body=buffer.getvalue())


def refused(sql: Sql, text: str) -> tuple[str, str]:
    with pytest.raises(ProgrammingError) as caught:
        sql(text)
    told = caught.value.args[0]
    return told["C"], told["M"]


def detail(sql: Sql) -> tuple[Any, ...]:
    """Partitions there are, partitions read, files, rows: of the last query on S3."""
    found: Rows = sql(
        "select total_partitions, qualified_partitions, scanned_files, returned_rows from sys_external_query_detail"
        " where query_id = pg_last_query_id()"
    )
    return found[0] if len(found) == 1 else tuple(found)


def archived(sql: Sql) -> None:
    """Bookings of three periods, the last without one: in the warehouse, unloaded, and as an external table."""
    sql("create table bookings (id bigint, guest varchar(20), amount decimal(38,4), at timestamp, day date,"
        " ok boolean, share real, n smallint, period varchar(7))")  # fmt: skip
    sql("insert into bookings values"
        " (1, 'Zoë', 12345678901234567890123456789012.3456, '1677-09-21 00:00:00.000001', '0001-01-01', true, 1.5, 7,"
        " '2024-01'), (2, '', null, '9999-12-31 23:59:59.999999', '9999-12-31', false, null, -7, '2024-02'),"
        " (3, null, -0.0001, null, null, null, 0, null, null)")  # fmt: skip
    sql(
        "unload ('select * from bookings') to 's3://lake/b/' iam_role default parquet partition by (period) manifest"
    )
    sql("create external table spectrum.bookings (id bigint, guest varchar(20), amount decimal(38,4), at timestamp,"
        " day date, ok boolean, share real, n smallint) partitioned by (period varchar(7)) stored as parquet"
        " location 's3://lake/b/' table properties ('numRows'='3')")  # fmt: skip
    parts = " ".join(
        f"partition (period='{value}') location 's3://lake/b/period={value}/'"
        for value in ("2024-01", "2024-02", "__HIVE_DEFAULT_PARTITION__")
    )
    sql(f"alter table spectrum.bookings add {parts}")


def test_unloaded_rows_come_back_equal_and_only_what_is_asked_for_is_read(spectrum: Sql) -> None:
    archived(spectrum)
    whole = spectrum("select * from bookings order by id")
    assert spectrum("select * from spectrum.bookings order by id") == whole
    assert detail(spectrum) == (3, 3, 3, 3)
    assert spectrum("select id, \"$path\" from spectrum.bookings where period = '2024-01'") == [
        (1, "s3://lake/b/period=2024-01/0000_part_00.parquet")
    ]
    assert detail(spectrum) == (3, 1, 1, 1)
    # Through a union view, an alias and a join, with a condition that only the plan brings to the scan.
    spectrum("create view all_bookings as select 'w' as place, * from public.bookings union all"
             " select 's', b.* from spectrum.bookings b with no schema binding")  # fmt: skip
    assert spectrum("select place, id from all_bookings where period >= '2024-02' order by 1") == [
        ("s", 2),
        ("w", 2),
    ]
    assert detail(spectrum) == (3, 1, 1, 1)
    spectrum("create table wanted as select '2024-01'::varchar(7) as period")
    assert spectrum("select count(*) from spectrum.bookings b join wanted w on b.period = w.period"
                    " where w.period = '2024-01'") == [(1,)]  # fmt: skip
    assert detail(spectrum) == (3, 1, 1, 1)
    assert spectrum("select count(*), count(period) from spectrum.bookings where period is null") == [(1, 0)]
    assert detail(spectrum) == (3, 1, 1, 1)
    # Nothing at all: the condition can never hold.
    assert spectrum("select id from spectrum.bookings where period = 'x' and period = 'y'") == []
    assert detail(spectrum)[2:] == (0, 0)
    # Two scans of one table with conditions of their own.
    assert spectrum("select a.id, b.id from spectrum.bookings a, spectrum.bookings b"
                    " where a.period = '2024-01' and b.period = '2024-02'") == [(1, 2)]  # fmt: skip
    assert detail(spectrum) == (3, 2, 2, 2)


def test_a_query_may_stand_anywhere(spectrum: Sql, connect: Callable[..., Any]) -> None:
    archived(spectrum)
    spectrum("create table copied as select id, period from spectrum.bookings where period is not null")
    spectrum("insert into copied select id, 'again' from spectrum.bookings where id = 3")
    spectrum("delete from copied using spectrum.bookings b where copied.id = b.id and b.period = '2024-01'")
    spectrum(
        "update copied set period = b.guest from spectrum.bookings b where copied.id = b.id and b.id = 2"
    )
    assert spectrum("select * from copied order by id") == [(2, ""), (3, "again")]
    spectrum("create procedure total(n inout bigint) as $$ declare r record; begin for r in select id from"
             " spectrum.bookings loop n := n + r.id; end loop; end; $$ language plpgsql")  # fmt: skip
    assert spectrum("call total(10)") == [(16,)]
    spectrum(
        "unload ('select id from spectrum.bookings order by 1') to 's3://lake/ids' iam_role default parallel off"
    )
    cursor = connect().cursor()
    cursor.execute("select id from spectrum.bookings where period = %s", ("2024-02",))
    assert cursor.fetchall() == ([2],)
    cursor.execute("declare c cursor for select id from spectrum.bookings order by id")
    cursor.execute("fetch 1 from c")
    assert cursor.fetchall() == ([1],)
    cursor.execute("select count(*) from spectrum.bookings")
    cursor.execute("fetch all from c")
    assert cursor.fetchall() == ([2], [3])
    cursor.execute("select count(*) from svv_tables where table_type = 'LOCAL TEMPORARY'")
    assert cursor.fetchall() == ([1],), "only the cursor's own is left"


def test_files_are_read_as_the_table_says(spectrum: Sql, lake: Any) -> None:
    early = datetime.datetime(2020, 1, 2, 3, 4, 5, 678901)
    old = pa.table({"ID": pa.array([1, 2], pa.int32()), "name": ["ab€", None], "at": pa.array([early, None])})
    put_parquet(lake, "t/1.parquet", old, use_deprecated_int96_timestamps=True)
    new = pa.table({"more": ["x"], "blob": [b"\x00\xff"], "id": pa.array([3], pa.int32()),
                    "at": pa.array([early], pa.timestamp("ns", tz="Europe/Vienna"))})  # fmt: skip
    put_parquet(lake, "t/deep/2.parquet", new)
    put_parquet(lake, "t/_temporary/3.parquet", new)
    put_parquet(lake, "t/.4.parquet", new)
    spectrum("create external table spectrum.t (id int, name varchar(3), at timestamp, blob varbyte(8)) stored as"
             " parquet location 's3://lake/t'")  # fmt: skip
    assert spectrum("select id, name, at, to_hex(blob) from spectrum.t order by id") == [
        (1, "ab", early, None), (2, None, None, None), (3, None, early, "00ff"),
    ]  # fmt: skip
    assert spectrum('select count(*), max("$size") > 0 from spectrum.t') == [(3, True)]
    put_parquet(lake, "t/5.parquet", pa.table({"id": pa.array([1], pa.int64())}))
    assert refused(spectrum, "select id from spectrum.t") == (
        "XX000",
        "Spectrum Scan Error: File 's3://lake/t/5.parquet' has an incompatible Parquet schema for column 'id'. Column"
        " type: INTEGER, Parquet schema: optional int64 id [i:0 d:1 r:0]",
    )
    assert spectrum("select count(name) from spectrum.t") == [(1,)], "id is not looked at"


def test_a_manifest_lists_the_files(spectrum: Sql, lake: Any) -> None:
    spectrum("unload ('select 1 as one') to 's3://lake/m/' iam_role default parquet manifest")
    spectrum("create external table spectrum.m (one int) stored as parquet location 's3://lake/m/manifest'")
    assert spectrum("select * from spectrum.m") == [(1,)]
    manifest = json.loads(lake.get_object(Bucket="lake", Key="m/manifest")["Body"].read())
    manifest["entries"] *= 2
    lake.put_object(Bucket="lake", Key="m/manifest", Body=json.dumps(manifest))
    assert spectrum("select * from spectrum.m") == [(1,), (1,)], "listed twice, read twice"
    manifest["entries"][0]["url"] = "s3://lake/m/gone"
    manifest["entries"][0]["mandatory"] = True
    lake.put_object(Bucket="lake", Key="m/manifest", Body=json.dumps(manifest))
    assert (
        "mandatory file s3://lake/m/gone does not exist" in refused(spectrum, "select * from spectrum.m")[1]
    )


def test_text_files(spectrum: Sql, lake: Any) -> None:
    lake.put_object(Bucket="lake", Key="x/a", Body=b"head\n1|one|05-01-2017|1.5\n2|\\N|2017-jun-02|\n")
    lake.put_object(Bucket="lake", Key="x/b.gz", Body=gzip.compress(b"head\n3||5-1-17|1.239"))
    spectrum("create external table spectrum.x (id int, name varchar(2), day date, amount decimal(5,2)) row format"
             " delimited fields terminated by '|' stored as textfile location 's3://lake/x/'"
             " table properties ('skip.header.line.count'='1')")  # fmt: skip
    first = datetime.date(2017, 5, 1)
    assert spectrum("select * from spectrum.x order by id") == [
        (1, "on", first, Decimal("1.50")), (2, None, datetime.date(2017, 6, 2), None), (3, "", first, Decimal("1.23")),
    ]  # fmt: skip
    lake.put_object(Bucket="lake", Key="x/c", Body=b"head\nx|one|05-01-2017|1\n")
    assert refused(spectrum, "select id from spectrum.x")[1] == (
        "Spectrum Scan Error: File 's3://lake/x/c' cannot be read for column 'id': invalid input syntax for type"
        ' integer: "x"'
    )
    lake.put_object(Bucket="lake", Key="x/c", Body=b"head\n1|one\n")
    assert refused(spectrum, "select id from spectrum.x")[1].endswith(
        "at line 2: 2 fields where the table has 4 columns"
    )


def test_the_catalog_shows_them(spectrum: Sql) -> None:
    archived(spectrum)
    assert spectrum("select eskind, schemaname, databasename, esoptions from svv_external_schemas") == [
        (1, "spectrum", "lake", '{"IAM_ROLE": "default"}')
    ]
    assert spectrum("select databasename from svv_external_databases") == [("lake",)]
    assert spectrum("select columnname, external_type, columnnum, part_key from svv_external_columns"
                    " where columnnum in (1, 3, 9)") == [("id", "bigint", 1, 0), ("amount", "decimal(38,4)", 3, 0),
                                                          ("period", "varchar(7)", 9, 1)]  # fmt: skip
    assert spectrum("select schemaname, tablename, location, parameters from svv_external_tables") == [
        ("spectrum", "bookings", "s3://lake/b/", '{"numRows": "3"}')
    ]
    assert spectrum("select values, location from svv_external_partitions order by 1")[0] == (
        '["2024-01"]', "s3://lake/b/period=2024-01/",
    )  # fmt: skip
    assert spectrum("select table_type from svv_tables where table_schema = 'spectrum'") == [
        ("EXTERNAL TABLE",)
    ]
    assert spectrum("select table_name, table_type from svv_all_tables where schema_name = 'spectrum'") == [
        ("bookings", "EXTERNAL TABLE")
    ]


def test_partitions_and_columns_change(spectrum: Sql) -> None:
    archived(spectrum)
    add = "partition (period='2024-01') location 's3://lake/b/period=2024-02/'"
    assert refused(spectrum, f"alter table spectrum.bookings add {add}")[0] == "42710"
    spectrum(f"alter table spectrum.bookings add if not exists {add}")
    assert spectrum("select id from spectrum.bookings where period = '2024-01'") == [(1,)], "it was there"
    spectrum(
        "alter table spectrum.bookings partition (period='2024-01') set location 's3://lake/b/period=2024-02/'"
    )
    assert spectrum("select id, period from spectrum.bookings where period = '2024-01'") == [(2, "2024-01")]
    spectrum("alter table spectrum.bookings drop partition (period='2024-01')")
    assert refused(spectrum, "alter table spectrum.bookings drop partition (period='2024-01')")[0] == "42704"
    assert refused(spectrum, "alter table spectrum.bookings add partition (day='1') location 's3://lake/'") == (
        "42601", 'the partition of "bookings" needs a value for its key "period"',
    )  # fmt: skip
    spectrum("alter table spectrum.bookings drop column guest")
    spectrum("alter table spectrum.bookings add column extra int")
    spectrum("alter table spectrum.bookings rename column n to extra2")
    assert spectrum("select id, extra, extra2 from spectrum.bookings order by 1") == [
        (2, None, None),
        (3, None, None),
    ]
    spectrum(
        "create external table spectrum.days (id int) partitioned by (n int) stored as parquet location 's3://lake/'"
    )
    spectrum("alter table spectrum.days add partition (n='01') location 's3://lake/'")
    assert spectrum("select values from svv_external_partitions where tablename = 'days'") == [('["1"]',)]
    assert (
        refused(spectrum, "alter table spectrum.days add partition (n='x') location 's3://lake/'")[0]
        == "22023"
    )


REFUSALS = [
    ("update spectrum.bookings set id = 1", "42809", "its files in S3 are read only"),
    ("delete from spectrum.bookings", "42809", "its files in S3 are read only"),
    ("merge into spectrum.bookings using public.bookings as b on spectrum.bookings.id = b.id when matched then delete"
     " when not matched then insert values (1)", "42809", "its files in S3 are read only"),
    ("truncate spectrum.bookings", "42809", "its files in S3 are read only"),
    ("copy spectrum.bookings from 's3://lake/b/' iam_role default parquet", "42809", "its files in S3 are read only"),
    ("insert into spectrum.bookings values (1)", "0A000", "INSERT into an external table"),
    ("create view v as select * from spectrum.bookings", "0A000", "External tables are not supported in views"),
    ("grant select on spectrum.bookings to public", "0A000", "privileges cannot be granted"),
    ("analyze spectrum.bookings", "0A000", "external tables cannot be analyzed"),
    ("create table spectrum.t (a int)", "0A000", "spectrum is an external schema"),
    ("create table t (like spectrum.bookings)", "0A000", "LIKE of the external table"),
    ("lock spectrum.bookings", "42809", "is not a table"),
    ("select * from bookings2", "42P01", "does not exist"),
    ("create external table t (a int) stored as parquet location 's3://lake/'", "42601", "must be qualified"),
    ("create external table spectrum.bookings (a int) stored as parquet location 's3://lake/'", "42P07", "exists"),
    ("create external table spectrum.t stored as parquet location 's3://lake/t/' as select 1 as one", "0A000",
     "CREATE EXTERNAL TABLE AS is not supported"),
    *((f"create external table spectrum.t (a {kind}) stored as parquet location 's3://lake/'", "0A000",
       f"nested data ({kind.split('<')[0].upper()})")
      for kind in ("struct<b: int>", "array<int>", "map<varchar(9), int>")),
    ("create external table spectrum.t (a int) row format serde 'org.openx.data.jsonserde.JsonSerDe'"
     " stored as textfile location 's3://lake/'", "0A000", "ROW FORMAT SERDE is not supported"),
    *((f"create external table spectrum.t (a int) stored as {kind} location 's3://lake/'", "0A000",
       f"STORED AS {kind.upper()}") for kind in ("avro", "rcfile", "sequencefile")),
    ("create external table spectrum.t (a super) stored as parquet location 's3://lake/'", "0A000", "type SUPER"),
    ("create external table spectrum.t (a int) partitioned by (a int) stored as parquet location 's3://lake/'",
     "42701", 'column "a" is a partition key too'),
    ("create external table spectrum.t (a int) stored as orc location 's3://lake/'", "0A000", "STORED AS ORC"),
    ("create external table spectrum.t (a int) stored as parquet location '/lake/'", "42601", "no place in Amazon S3"),
    ("create external table spectrum.t (a int) stored as parquet location 's3://lake/' table properties"
     " ('surplus_char_handling'='FAIL')", "0A000", "'surplus_char_handling' is not supported"),
    ("create external schema x from hive metastore database 'a' uri 'b' iam_role default", "0A000", "FROM HIVE"),
    ("create external schema x from data catalog database 'none' iam_role default", "3D000", '"none" does not exist'),
    ("drop schema spectrum drop external database", "2BP01", "other objects depend on it"),
]  # fmt: skip


def test_what_external_tables_do_not_do(spectrum: Sql) -> None:
    archived(spectrum)
    for text, code, words in REFUSALS:
        told = refused(spectrum, text)
        assert words in told[1] and code in ("", told[0]), (text, told)


def test_definitions_stand_alone(spectrum: Sql, connect: Callable[..., Any]) -> None:
    archived(spectrum)
    for text, what in (
        (
            "create external table spectrum.t (a int) stored as parquet location 's3://lake/'",
            "CREATE EXTERNAL TABLE",
        ),
        ("alter table spectrum.bookings drop partition (period='2024-01')", "ALTER EXTERNAL TABLE"),
        ("alter table spectrum.bookings add column extra int", "ALTER EXTERNAL TABLE"),
        ("drop table spectrum.bookings", "DROP EXTERNAL TABLE"),
    ):
        cursor = connect().cursor()
        assert refused(cursor.execute, text) == ("25001", f"{what} cannot run inside a transaction block")
    assert refused(spectrum, "create procedure p() as $$ begin alter table spectrum.bookings add partition (period='x')"
                   " location 's3://lake/'; end; $$ language plpgsql")[0] == "0A000"  # fmt: skip
    spectrum(
        "create procedure p() as $$ begin execute 'drop table spectrum.bookings'; end; $$ language plpgsql"
    )
    assert refused(spectrum, "call p()")[0] == "25001"


def test_the_schema_s_privileges_decide(spectrum: Sql, connect: Callable[..., Any]) -> None:
    archived(spectrum)
    spectrum("create user reader password 'Abcdefg1'")
    user = connect(user="reader", password="Abcdefg1", autocommit=True).cursor().execute
    assert refused(user, "select * from spectrum.bookings") == (
        "42501",
        "permission denied for schema spectrum",
    )
    spectrum("grant usage on schema spectrum to reader")
    user("select * from spectrum.bookings")
    assert refused(user, "drop table spectrum.bookings")[0] == "42501"
    assert refused(user, "alter table spectrum.bookings set location 's3://lake/'")[0] == "42501"
    assert (
        refused(user, "create external table spectrum.t (a int) stored as parquet location 's3://lake/'")[0]
        == "42501"
    )


def test_the_catalog_outlives_the_schema(spectrum: Sql) -> None:
    archived(spectrum)
    spectrum("drop schema spectrum")
    assert refused(spectrum, "select * from spectrum.bookings")[0] == "42P01"
    spectrum("create external schema other from data catalog database 'lake' iam_role default")
    assert spectrum("select count(*) from other.bookings") == [(3,)]
    spectrum("create external schema if not exists other from data catalog database 'more' iam_role default"
             " create external database if not exists")  # fmt: skip
    assert spectrum("select count(*) from other.bookings") == [(3,)], "it was there"
    spectrum("drop schema other drop external database cascade")
    assert spectrum("select * from svv_external_databases") == []
