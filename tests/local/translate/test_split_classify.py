from __future__ import annotations

import pytest

from deployer.sql.classify import Kind, classify
from deployer.sql.split import Statement, split


def test_statements_know_their_offset_and_line() -> None:
    text = "-- head\nselect ';' ; ;\n\ncreate procedure p() as $$ begin; end; $$ language plpgsql;\nselect 2"
    assert split(text) == [
        Statement("select ';'", 8, 2),
        Statement("create procedure p() as $$ begin; end; $$ language plpgsql", 24, 4),
        Statement("select 2", 84, 5),
    ]


@pytest.mark.parametrize("text", ["", " ; ;", "-- only a comment", "/* ; */"])
def test_nothing_is_no_statement(text: str) -> None:
    assert split(text) == []


@pytest.mark.parametrize(
    "text, kind",
    [
        ("", Kind("empty")),
        ("(select 1)", Kind("select")),
        ("with a as (select 1) select * from a", Kind("select")),
        ("with a as (select 1) delete from t using a", Kind("delete")),
        ("select 1 into #t from x", Kind("create_table_as", "table")),
        ("select 'into'", Kind("select")),
        ("create temp table a as select 1", Kind("create_table_as", "table")),
        (
            "create table a distkey(x) as (with b as (select 1) select * from b)",
            Kind("create_table_as", "table"),
        ),
        ("create table a (b int default 1)", Kind("ddl", "table")),
        ("create or replace procedure p() as 'x'", Kind("create_procedure", "procedure")),
        ("create or replace view v as select 1", Kind("ddl", "view")),
        ("start transaction", Kind("begin")),
        ("end", Kind("commit")),
        ("abort", Kind("rollback")),
        ("truncate t", Kind("truncate", "table", commits=True)),
        ("vacuum full t", Kind("vacuum", alone=True)),
        ("create database d", Kind("ddl", "database", alone=True)),
        ("alter table t alter column c type varchar(9)", Kind("ddl", "table", alone=True)),
        ("alter table t append from s", Kind("ddl", "table", alone=True, commits=True)),
        ("alter table t add column c int", Kind("ddl", "table")),
        ("drop materialized view v", Kind("ddl", "materialized view")),
        ("call p(1)", Kind("call")),
        ("frobnicate", Kind("unknown")),
    ],
)
def test_kind(text: str, kind: Kind) -> None:
    assert classify(text) == kind
