"""COPY: what becomes of files, and what of files that do not fit."""

from __future__ import annotations

import datetime
import gzip
import io
import json
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from redshift_connector import ProgrammingError


def put(lake: Any, key: str, data: bytes) -> None:
    lake.put_object(Bucket="lake", Key=key, Body=data)


LOADS: list[tuple[str, str, bytes, list[tuple[Any, ...]]]] = [
    ("pipes", "", b"1|x|1.239\n2||\n", [(1, "x", Decimal("1.23")), (2, "", None)]),
    ("a null", "", b"1|\\N|\\N\n", [(1, None, None)]),
    ("NULL AS", "null as 'NULL'", b"1|NULL|NULL\n", [(1, None, None)]),
    ("EMPTYASNULL", "emptyasnull", b"1||\n", [(1, None, None)]),
    ("BLANKSASNULL", "blanksasnull", b"1|   | \n", [(1, None, None)]),
    ("TRIMBLANKS", "trimblanks", b"1| a  |1\n", [(1, " a", Decimal(1))]),
    ("TRUNCATECOLUMNS", "truncatecolumns", "1|äöüß12|1\n".encode(), [(1, "äöü", Decimal(1))]),
    ("ROUNDEC", "roundec", b"1|a|1.235\n", [(1, "a", Decimal("1.24"))]),
    ("decimals are cut", "", b"1|a|-1.239\n", [(1, "a", Decimal("-1.23"))]),
    ("FILLRECORD", "fillrecord", b"1\n", [(1, "", None)]),
    ("IGNOREHEADER", "ignoreheader 1", b"id|name|amount\n1|a|1\n", [(1, "a", Decimal(1))]),
    ("IGNOREBLANKLINES", "ignoreblanklines", b"1|a|1\n\n2|b|2\n", [(1, "a", Decimal(1)), (2, "b", Decimal(2))]),
    ("ESCAPE", "escape", b"1|a\\|b\\\nc|1\n", [(1, "a|b\nc", Decimal(1))]),
    ("REMOVEQUOTES", "removequotes", b"1|\"a|b\"|'1'\n", [(1, "a|b", Decimal(1))]),
    ("CSV", "csv", b'1,"a,""b""\nc",1\n2,"",\n', [(1, 'a,"b"\nc', Decimal(1)), (2, "", None)]),
    ("CSV QUOTE", "csv quote as '%'", b"1,%a,b%,1\n", [(1, "a,b", Decimal(1))]),
    ("Windows lines", "", b"1|a|1\r\n2|b|2\r\n", [(1, "a", Decimal(1)), (2, "b", Decimal(2))]),
    ("no line end", "", b"1|a|1", [(1, "a", Decimal(1))]),
    ("GZIP", "gzip", gzip.compress(b"1|a|1\n"), [(1, "a", Decimal(1))]),
    ("ACCEPTINVCHARS", "acceptinvchars as '^'", b"1|a\xff\xfe|1\n", [(1, "a^^", Decimal(1))]),
    ("FIXEDWIDTH", "fixedwidth 'id:2,1:6,x:4'", "1 ä     1.50\n2 Columb.5".encode(),
     [(1, "ä     ", Decimal("1.50")), (2, "Columb", Decimal("0.5"))]),
    ("JSON", "json 'auto'", b'{"name":"a","id":1,"more":2}\n{"id":2,"amount":1.10}',
     [(1, "a", None), (2, None, Decimal("1.1"))]),
    ("JSON over lines", "format json 'auto'", b'{"id":\n1}{"id":2}', [(1, None, None), (2, None, None)]),
    ("JSON arrays", "json 'auto'", b'[1,"a",2]\n', [(1, "a", Decimal(2))]),
    ("JSON ignorecase", "json 'auto ignorecase'", b'{"ID":1,"Name":"a"}', [(1, "a", None)]),
    ("JSON nested", "json 'auto'", b'{"id":1,"name":{"a":1}}', [(1, '{"a":1}', None)]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("options", "data", "rows"), [load[1:] for load in LOADS], ids=[load[0] for load in LOADS]
)
def test_files_become_rows(
    sql: Any, lake: Any, options: str, data: bytes, rows: list[tuple[Any, ...]]
) -> None:
    sql("create table x (id integer, name varchar(7), amount decimal(8,2))")
    put(lake, "in/file", data)
    sql(f"copy x from 's3://lake/in/' iam_role default {options}")
    assert sql("select * from x order by id") == rows


FAILS = [
    ("too few", "", b"1|a|1\n2|b\n", "line 2, column amount: Delimiter not found"),
    ("too many", "", b"1|a|1|9\n", r"line 1: Extra column\(s\) found"),
    ("too long", "", b"1|12345678|1\n", "line 1, column name: String length exceeds DDL length"),
    ("no number", "", b"1|a|1\nx|a|1\n", "line 2, column id: invalid input syntax"),
    ("not UTF-8", "", b"1|a\xff|1\n", "line 1: String contains invalid or unsupported UTF8 codepoints"),
    ("open quote", "removequotes", b'1|"a|1\n', "line 1: Missing closing quotation mark"),
    ("a date", "", b"1|a|1\n", None),
    ("JSON", "json 'auto'", b'{"id":1}\n{"id":', "line 2: Invalid JSON"),
]


@pytest.mark.parametrize(
    ("options", "data", "reason"), [fail[1:] for fail in FAILS], ids=[fail[0] for fail in FAILS]
)
def test_a_record_that_does_not_fit_loads_nothing(
    sql: Any, lake: Any, options: str, data: bytes, reason: str | None
) -> None:
    if reason is None:
        sql("create table x (id integer, name varchar(7), amount date)")
        data, reason = b"1|a|01/02/2024\n", "line 1, column amount: Invalid date format"
    else:
        sql("create table x (id integer, name varchar(7), amount decimal(8,2))")
    put(lake, "in/1", b'{"id":9}' if "json" in options else b"9|ok|\n")
    put(lake, "in/2", data)
    with pytest.raises(ProgrammingError, match="Load into table 'x' failed") as caught:
        sql(f"copy x from 's3://lake/in/' iam_role default {options}")
    import re

    assert re.search("s3://lake/in/2, " + reason, caught.value.args[0]["D"])
    assert sql("select count(*) from x") == [(0,)]


REFUSED = [
    ("copy x from 's3://lake/none/' iam_role default", "prefix 'none/' does not exist"),
    ("copy nosuch from 's3://lake/in' iam_role default", 'relation "nosuch" does not exist'),
    ("copy x(id, no) from 's3://lake/in' iam_role default", 'column "no" of relation "x" does not exist'),
    ("copy x from 's3://lake/in' iam_role default csv escape", "CSV cannot be used with ESCAPE"),
    (
        "copy x from 's3://lake/in' iam_role default parquet ignoreheader 1",
        "PARQUET cannot be used with IGNOREHEADER",
    ),
    (
        "copy x from 's3://lake/in' iam_role default parquet region 'us-east-1'",
        "REGION argument is not supported for PARQUET based COPY",
    ),
    ("copy x from 's3://lake/in' iam_role default format orc", "s3://lake/in is not an ORC file"),
    (
        "copy x from 's3://lake/in' iam_role default format avro 'auto'",
        "AVRO is not supported by the local Redshift yet",
    ),
    ("copy x from 's3://lake/in' iam_role default lzop", "LZOP is not supported by the local Redshift yet"),
    ("copy x from 's3://lake/in' iam_role default maxerror 100001", "MAXERROR must be between 0 and 100000"),
    (
        "copy x from 's3://lake/in' iam_role default maxerror 5 ignoreallerrors",
        "cannot be used with MAXERROR",
    ),
    (
        "copy x from 's3://lake/in' iam_role default fixedwidth 'a:1' delimiter ','",
        "cannot be used with DELIMITER",
    ),
    (
        "copy x from 's3://lake/in' iam_role default dateformat 'YYYY-DDD'",
        "is none of Redshift's parts of a date",
    ),
    ("copy x from 's3://lake/in' iam_role default json 's3://lake/none'", "s3://lake/none does not exist"),
    ("copy x from 's3://lake/in' credentials 'aws_access_key_id=x'", "use IAM_ROLE"),
    ("copy x from 's3://lake/in' iam_role default parquet", "is not a Parquet file"),
    ("copy x from 's3://lake/in' iam_role default manifest", "is not JSON"),
    ("copy v from 's3://lake/in' iam_role default", 'cannot COPY into the view "v"'),
]


@pytest.mark.parametrize(("command", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_what_is_refused(sql: Any, lake: Any, command: str, message: str) -> None:
    sql("create table x (id integer, name varchar(7), amount decimal(8,2))")
    sql("create view v as select id from x")
    put(lake, "in", b"1|a|1\n")
    with pytest.raises(ProgrammingError, match=message):
        sql(command)
    assert sql("select count(*) from x") == [(0,)]


def test_a_manifest_names_the_files(sql: Any, lake: Any) -> None:
    sql("create table x (id integer)")
    put(lake, "a", b"1\n")
    put(lake, "b", b"2\n")
    entries: list[dict[str, Any]] = [{"url": "s3://lake/b", "mandatory": True}, {"url": "s3://lake/gone"}]
    put(lake, "m", json.dumps({"entries": entries}).encode())
    sql("copy x from 's3://lake/m' iam_role default manifest")
    assert sql("select id from x") == [(2,)]
    entries[1]["mandatory"] = True
    put(lake, "m", json.dumps({"entries": entries}).encode())
    with pytest.raises(ProgrammingError, match="mandatory file s3://lake/gone does not exist"):
        sql("copy x from 's3://lake/m' iam_role default manifest")
    with pytest.raises(ProgrammingError, match="no meta.content_length"):
        sql("copy x from 's3://lake/m' iam_role default manifest parquet")


def test_identities_are_made_or_given(sql: Any, lake: Any) -> None:
    sql("create table x (id bigint identity(1,1), name varchar(5))")
    put(lake, "names", b"a\n")
    put(lake, "both", b"70|b\n")
    sql("copy x from 's3://lake/names' iam_role default")
    sql("copy x from 's3://lake/both' iam_role default explicit_ids")
    assert sql("select name from x order by id") == [("a",), ("b",)]
    assert sql("select id from x where name = 'b'") == [(70,)]


def test_parquet_goes_by_position_and_type(sql: Any, lake: Any) -> None:
    sql("create table x (id integer, name varchar(5))")

    def put_table(**columns: Any) -> None:
        buffer = io.BytesIO()
        parquet.write_table(pa.table(columns), buffer)
        put(lake, "t.parquet", buffer.getvalue())

    command = "copy x from 's3://lake/t.parquet' iam_role default format as parquet"
    put_table(other=pa.array([1], pa.int32()), names=pa.array(["a"]))
    sql(command)
    assert sql("select * from x") == [(1, "a")]
    put_table(id=pa.array([1], pa.int32()))
    with pytest.raises(ProgrammingError, match="Unmatched number of columns between table and file"):
        sql(command)
    put_table(id=pa.array(["1"]), name=pa.array(["a"]))
    with pytest.raises(ProgrammingError, match="incompatible Parquet schema for column 'id'"):
        sql(command)
    put_table(id=pa.array([1], pa.int32()), name=pa.array(["too long"]))
    with pytest.raises(ProgrammingError, match="Load into table 'x' failed"):
        sql(command)


COLUMNS = {
    "i": ("integer", st.integers(-(2**31), 2**31 - 1)),
    "b": ("bigint", st.integers(-(2**63), 2**63 - 1)),
    "d": ("decimal(38,10)", st.integers(-(10**38) + 1, 10**38 - 1).map(lambda n: Decimal(f"{n}E-10"))),
    "f": ("double precision", st.integers(-(10**6), 10**6).map(lambda n: n / 64)),
    "o": ("boolean", st.booleans()),
    "v": ("varchar(400)", st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=60)),
    "day": ("date", st.dates()),
    "at": ("timestamp", st.datetimes()),
    "doc": ("super", st.recursive(st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=5),
                                  lambda inner: st.lists(inner, max_size=3), max_leaves=5)),
}  # fmt: skip
WAYS = [
    ("parquet manifest", "parquet serializetojson manifest"),
    ("csv null as 'NULL!' manifest", "csv null as 'NULL!' manifest"),
    ("json manifest", "json 'auto' manifest"),
    ("delimiter '~' escape addquotes null as '@NULL@' gzip manifest",
     "delimiter '~' escape removequotes null as '@NULL@' gzip manifest"),
]  # fmt: skip


def test_parquet_keeps_every_digit_of_a_double(sql: Any, lake: Any) -> None:
    sql("create table x (f double precision, r real)")
    sql("insert into x values (1000000000000001.5, 1.17549435e-38), (1.7976931348623157e308, 16777215)")
    sql("create table y (like x)")
    sql("unload ('select * from x') to 's3://lake/f/' iam_role default parquet manifest")
    sql("copy y from 's3://lake/f/manifest' iam_role default parquet manifest")
    assert sql("select count(*) from (select * from x minus select * from y) as d") == [(0,)]
    # Text is written with fewer digits, as the UNLOAD page warns; the session's setting is as before.
    assert sql("select '1000000000000001.5'::double precision::varchar") == [("1e+15",)]


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[tuple[Any, ...]]]:
    names = draw(st.lists(st.sampled_from(sorted(COLUMNS)), min_size=1, max_size=5, unique=True))
    row = st.tuples(*[st.none() | COLUMNS[name][1] for name in names])
    return names, draw(st.lists(row, min_size=1, max_size=8))


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tables(), st.sampled_from(WAYS))
def test_what_was_unloaded_comes_back(
    connect: Any,
    fresh_database: Any,
    lake: Any,
    made: tuple[list[str], list[tuple[Any, ...]]],
    way: tuple[str, str],
) -> None:
    names, rows = made
    connection = connect(autocommit=True)
    cursor = connection.cursor()
    for table in ("here", "back"):
        cursor.execute(f"drop table if exists {table}")
        cursor.execute(f"create table {table} ({', '.join(f'{name} {COLUMNS[name][0]}' for name in names)})")
    for row in rows:
        literals = [
            "null" if value is None else literal(name, value) for name, value in zip(names, row, strict=True)
        ]
        cursor.execute(f"insert into here values ({', '.join(literals)})")
    cursor.execute(
        f"unload ('select * from here') to 's3://lake/way/' iam_role default {way[0]} allowoverwrite"
    )
    cursor.execute(f"copy back from 's3://lake/way/manifest' iam_role default {way[1]}")
    texts = ", ".join(f"json_serialize({name})" if name == "doc" else name for name in names)

    def content(table: str) -> list[str]:
        cursor.execute(f"select {texts} from {table}")
        return sorted(repr(list(row)) for row in cursor.fetchall())

    expected = content("here")
    # Text and JSON have one null, for SUPER's own and for SQL's.
    assert [text.replace("'null'", "None") for text in content("back")] == [
        text.replace("'null'", "None") for text in expected
    ]
    connection.close()


def literal(name: str, value: Any) -> str:
    if name == "doc":
        return f"json_parse({quoted(json.dumps(value, ensure_ascii=False))})"
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, (str, datetime.date)):
        # isoformat() leaves no room for years before 1000 in strftime.
        return quoted(value if isinstance(value, str) else value.isoformat(*([" "] if name == "at" else [])))
    if isinstance(value, float):
        return f"{quoted(repr(value))}::double precision"
    return quoted(str(value)) + ("::" + COLUMNS[name][0])


def quoted(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "''") + "'"
