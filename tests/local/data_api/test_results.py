"""GetStatementResult and GetStatementResultV2."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from data_api_client import refused

from deployer.local.data_api import limits
from deployer.local.data_api.encoding import csv_line, csv_row, field

Run = Callable[..., dict[str, Any]]

TEN = " union all ".join(f"select {n} as n" for n in range(10))
NO_RESULT = "Query does not have result. Please check query status with DescribeStatement."


@pytest.mark.parametrize(
    ("sql", "value", "kind", "precision", "scale"),
    [
        ("1::smallint", {"longValue": 1}, "int2", 5, 0),
        ("1::bigint", {"longValue": 1}, "int8", 19, 0),
        ("1.5::real", {"doubleValue": 1.5}, "float4", 8, 8),
        ("2.25::double precision", {"doubleValue": 2.25}, "float8", 17, 17),
        ("12.30::decimal(10, 2)", {"stringValue": "12.30"}, "numeric", 10, 2),
        ("false", {"booleanValue": False}, "bool", 1, 0),
        ("null::int", {"isNull": True}, "int4", 10, 0),
        ("'x'::varchar(12)", {"stringValue": "x"}, "varchar", 12, 0),
        ("''::varchar(12)", {"stringValue": ""}, "varchar", 12, 0),
        ("'ab'::char(5)", {"stringValue": "ab"}, "bpchar", 5, 0),
        ("date '2022-02-22'", {"stringValue": "2022-02-22"}, "date", 13, 0),
        ("timestamp '2022-02-22 10:00:01.5'", {"stringValue": "2022-02-22 10:00:01.5"}, "timestamp", 29, 6),
        ("timestamp '2022-02-22'", {"stringValue": "2022-02-22 00:00:00.0"}, "timestamp", 29, 6),
        ("timestamptz '2022-02-22 10:00:01+00'", {"stringValue": "2022-02-22 10:00:01+00"}, "timestamptz", 35, 6),
        ("time '10:00:01'", {"stringValue": "10:00:01"}, "time", 15, 6),
        ("json_parse('{\"a\": [1, null]}')", {"stringValue": '{"a":[1,null]}'}, "super", 2147483647, 0),
        ("'abc'::varbyte", {"blobValue": b"abc"}, "varbyte", 2147483647, 0),
    ],
)  # fmt: skip
def test_each_type(
    run: Run, client: Any, sql: str, value: dict[str, Any], kind: str, precision: int, scale: int
) -> None:
    found = run(f"select {sql} as v")
    assert found["Status"] == "FINISHED", found["Error"]
    result = client.get_statement_result(Id=found["Id"])
    column = result["ColumnMetadata"][0]
    assert (column["typeName"], column["precision"], column["scale"]) == (kind, precision, scale)
    assert result["Records"] == [[value]]


def test_numbers_that_json_does_not_have() -> None:
    assert field(701, b"NaN") == {"doubleValue": "NaN"}
    assert field(701, b"-Infinity") == {"doubleValue": "-Infinity"}
    assert math.isclose(float(field(700, b"0.1")["doubleValue"]), 0.1)


def test_a_result_of_several_pages(run: Run, client: Any) -> None:
    found = run(
        f"with d as ({TEN}) select a.n * 1000 + b.n * 100 + c.n * 10 + e.n as number, repeat('é', 300) as text"
        " from d a, d b, d c, d e order by 1"
    )
    assert found["ResultRows"] == 10_000, found
    first = client.get_statement_result(Id=found["Id"])
    assert 1 < len(first["Records"]) < 10_000 and first["TotalNumRows"] == 10_000
    pages = client.get_paginator("get_statement_result").paginate(Id=found["Id"])
    numbers = [row[0]["longValue"] for page in pages for row in page["Records"]]
    assert numbers == list(range(10_000))
    other = run("select 1")
    assert refused(lambda: client.get_statement_result(Id=other["Id"], NextToken=first["NextToken"])) == (
        "ValidationException",
        "nextToken is not valid for this request",
    )
    code, _ = refused(lambda: client.get_statement_result(Id=found["Id"], NextToken="%%%"))
    assert code == "ValidationException"


def test_csv(run: Run, client: Any) -> None:
    found = run(
        "select 1 as col1, 'a, \"b\"' as col2, null::int as col3, '' as col4, true as col5 union all"
        " select 2, 'line\nbreak', 3, 'x', false order by 1",
        ResultFormat="CSV",
    )
    assert found["ResultFormat"] == "CSV"
    result = client.get_statement_result_v2(Id=found["Id"])
    assert result["Records"] == [
        {"CSVRecords": 'col1,col2,col3,col4,col5\r\n1,"a, ""b""",,"",true\r\n2,"line\nbreak",3,x,false\r\n'}
    ]
    assert result["TotalNumRows"] == 2 and result["ResultFormat"] == "CSV"
    code, message = refused(lambda: client.get_statement_result(Id=found["Id"]))
    assert code == "ValidationException" and "GetStatementResultV2" in message
    as_json = run("select 1")
    code, message = refused(lambda: client.get_statement_result_v2(Id=as_json["Id"]))
    assert code == "ValidationException" and message.endswith("use GetStatementResult")


def test_csv_of_several_pages(run: Run, client: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "PAGE_BYTES", 100)
    monkeypatch.setattr(limits, "CSV_PIECES", 3)
    found = run(
        f"with d as ({TEN}) select a.n * 10 + b.n as number from d a, d b order by 1", ResultFormat="CSV"
    )
    pages = list(client.get_paginator("get_statement_result_v2").paginate(Id=found["Id"]))
    assert len(pages) > 1 and all(len(page["Records"]) <= 3 for page in pages)
    text = "".join(record["CSVRecords"] for page in pages for record in page["Records"])
    assert text == "number\r\n" + "".join(f"{n}\r\n" for n in range(100))


def test_an_empty_result_is_a_result(run: Run, client: Any) -> None:
    found = run("select 1 as n where false")
    assert (found["HasResultSet"], found["ResultRows"]) == (True, 0)
    result = client.get_statement_result(Id=found["Id"])
    assert (
        result["Records"] == [] and result["TotalNumRows"] == 0 and result["ColumnMetadata"][0]["name"] == "n"
    )
    found = run("select 1 as n where false", ResultFormat="CSV")
    assert client.get_statement_result_v2(Id=found["Id"])["Records"] == [{"CSVRecords": "n\r\n"}]


def test_no_result(run: Run, client: Any, fresh_database: Any) -> None:
    for sql in ("create table t (n int)", "select 1/0"):
        identifier = run(sql)["Id"]
        assert refused(lambda: client.get_statement_result(Id=identifier)) == (  # noqa: B023
            "ResourceNotFoundException",
            NO_RESULT,
        )
    unknown = "d9b6c0c9-0747-4bf4-b142-e8883122f766"
    assert refused(lambda: client.get_statement_result(Id=unknown)) == (
        "ResourceNotFoundException",
        "Query does not exist.",
    )


def test_a_row_and_a_result_that_are_too_large(
    run: Run, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = run("select repeat('x', 60000) as a, repeat('y', 6000) as b")
    assert found["Status"] == "FAILED" and "Packet for query is too large" in found["Error"]
    assert run("select repeat('x', 60000) as a, repeat('y', 5000) as b")["Status"] == "FINISHED"
    monkeypatch.setattr(limits, "RESULT_BYTES", 1000)
    monkeypatch.setattr(limits, "PAGE_BYTES", 10_000)
    long = f"with d as ({TEN}) select a.n, b.n, c.n, md5(a.n || b.n || c.n) from d a, d b, d c"
    found = run(long)
    assert found["Status"] == "FAILED" and "Database response exceeded size limit" in found["Error"]
    assert refused(lambda: client.get_statement_result(Id=found["Id"]))[1] == NO_RESULT


def test_lines_of_csv() -> None:
    assert csv_line(["a", None, "", 'q"', "c,d", " "]) == 'a,,"","q""","c,d", \r\n'
    assert csv_row([23, 1114], [b"1", b"2022-02-22 00:00:00"]) == "1,2022-02-22 00:00:00.0\r\n"
