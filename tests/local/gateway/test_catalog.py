"""The catalog: what the translator is told, and what the system views show."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from gateway_wire import Wire
from hypothesis import given
from hypothesis import strategies as st

from deployer.local.environment import Status
from deployer.local.gateway.catalog import LiveCatalog, _array, pack_array
from deployer.local.gateway.types import from_format
from deployer.sql.names import Name
from deployer.sql.types import (
    BIGINT,
    DATE,
    SUPER,
    TIMESTAMP,
    TIMESTAMPTZ,
    UNKNOWN,
    VARCHAR,
    RedshiftType,
    decimal,
)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0"))))
def test_arrays_come_back(values: list[str]) -> None:
    assert _array(pack_array(values).decode()) == values


@pytest.mark.parametrize(
    "written, kind",
    [
        ("bigint", BIGINT),
        ("numeric(12,2)", decimal(12, 2)),
        ("numeric(38,0)", decimal(38, 0)),
        ("numeric", RedshiftType("decimal")),
        ("character varying(20)", RedshiftType("varchar", length=20)),
        ("character varying", VARCHAR),
        ("text", VARCHAR),
        ("character(3)", RedshiftType("char", length=3)),
        ("timestamp without time zone", TIMESTAMP),
        ("timestamp(3) without time zone", TIMESTAMP),
        ("timestamp with time zone", TIMESTAMPTZ),
        ("date", DATE),
        ("redshift.super", SUPER),
        ("point", UNKNOWN),
        ("integer[]", UNKNOWN),
    ],
)
def test_types_of_the_catalog(written: str, kind: RedshiftType) -> None:
    assert from_format(written) == kind


class Fetches:
    """Answers like zeroshift.guarded_relations(), and counts how often it is asked."""

    def __init__(self, *rows: tuple[str, ...]) -> None:
        self.rows = rows
        self.asked: list[set[str]] = []

    def __call__(self, names: Sequence[str]) -> list[tuple[bytes | None, ...]]:
        self.asked.append(set(names))
        return [tuple(None if v is None else v.encode() for v in row) for row in self.rows if row[1] in names]


def table(schema: str, name: str, *, temporary: str = "f", definition: str | None = None) -> Any:
    kind = "late_binding_view" if definition else "table"
    return (schema, name, kind, temporary, "{a}", "{bigint}", definition, None)


def test_one_fetch_for_a_whole_statement() -> None:
    fetch = Fetches(table("public", "t"), table("s", "u"))
    catalog = LiveCatalog("select * from t join s.u on true where x = 'y'", "dev", ["admin", "public"], fetch)
    assert catalog.relation(Name("t")) is not None
    assert catalog.relation(Name("u", "s")) is not None
    assert catalog.relation(Name("x")) is None
    assert len(fetch.asked) == 1


def test_a_late_binding_views_relations_come_with_one_more_fetch() -> None:
    fetch = Fetches(
        table("public", "v", definition="select a from raw.b, raw.c"), table("raw", "b"), table("raw", "c")
    )
    catalog = LiveCatalog("select * from v", "dev", ["public"], fetch)
    assert catalog.relation(Name("v")) is not None
    assert catalog.relation(Name("b", "raw")) is not None
    assert catalog.relation(Name("c", "raw")) is not None
    assert len(fetch.asked) == 2


def test_the_order_of_search() -> None:
    fetch = Fetches(table("second", "t"), table("first", "t"), table("redshift_catalog", "svv_tables"))
    catalog = LiveCatalog("", "dev", ["first", "second"], fetch)
    assert catalog.relation(Name("t")).physical == ("first", "t")  # type: ignore[union-attr]  # it is there
    assert catalog.relation(Name("t", "second")).physical == ("second", "t")  # type: ignore[union-attr]
    assert catalog.relation(Name("svv_tables")) == catalog.relation(Name("svv_tables")), (
        "asked twice, same answer"
    )
    assert catalog.relation(Name("svv_tables", "pg_catalog")) is not None
    hidden = LiveCatalog(
        "", "dev", ["first"], Fetches(table("first", "t"), table("pg_temp_3", "t", temporary="t"))
    )
    assert hidden.relation(Name("t")).physical == ("pg_temp", "t")  # type: ignore[union-attr]


def test_another_databases_schema_has_a_joined_name() -> None:
    catalog = LiveCatalog("", "dev", ["public"], Fetches(table("shop_landing.shop", "orders")))
    assert catalog.relation(Name("orders", "shop", "shop_landing")) is not None
    assert catalog.relation(Name("orders", "shop", "dev")) is None


@pytest.mark.parametrize("name", ["pg_authid", "pg_shadow", "pg_stat_activity", "pg_statistic", "pg_proc"])
def test_postgresqls_own_tables_are_not_found(name: str) -> None:
    catalog = LiveCatalog("", "dev", ["public"], Fetches(table("pg_catalog", name)))
    assert catalog.relation(Name(name)) is None
    assert catalog.relation(Name(name, "pg_catalog")) is None


def test_a_changed_table_is_noticed() -> None:
    fetch = Fetches(table("public", "t"))
    first = LiveCatalog("select * from t", "dev", ["public"], fetch)
    first.relation(Name("t"))
    assert LiveCatalog("", "dev", ["public"], fetch).holds(first.asked)
    fetch.rows = (("public", "t", "table", "f", "{a,b}", "{bigint,bigint}", None, None),)  # type: ignore[assignment]
    assert not LiveCatalog("", "dev", ["public"], fetch).holds(first.asked)


# -- the views --------------------------------------------------------------------------------------------------------


@pytest.fixture
def wire(fresh_database: Status) -> Iterator[Wire]:
    with Wire(fresh_database) as connection:
        yield connection.login()


def test_columns_of_a_table_in_every_view(wire: Wire) -> None:
    wire.query(
        "create table t (id bigint not null encode az64, name varchar(20) default 'x', price decimal(12,2), doc super)"
        " diststyle key distkey (id) compound sortkey (name, id)"
    )
    assert wire.rows(
        'select "column", type, trim(encoding), distkey, sortkey, "notnull" from pg_table_def'
        " where tablename = 't' and schemaname = 'public'"
    ) == [
        ("id", "bigint", "az64", "t", "2", "t"),
        ("name", "character varying(20)", "none", "f", "1", "f"),
        ("price", "numeric(12,2)", "az64", "f", "0", "f"),
        ("doc", "super", "none", "f", "0", "f"),
    ]
    assert wire.rows(
        "select column_name, ordinal_position, data_type, character_maximum_length, numeric_precision, numeric_scale,"
        " is_nullable from svv_columns where table_name = 't' order by 2"
    ) == [
        ("id", "1", "bigint", None, "64", "0", "NO"),
        ("name", "2", "character varying", "20", None, None, "YES"),
        ("price", "3", "numeric", None, "12", "2", "YES"),
        ("doc", "4", "super", None, None, None, "YES"),
    ]
    assert wire.rows("select count(*) from svv_redshift_columns where table_name = 't' and distkey") == [
        ("1",)
    ]
    assert wire.rows("select count(*) from information_schema.columns where table_name = 't'") == [("4",)]


def test_pg_table_def_shows_the_search_path_only(wire: Wire) -> None:
    wire.query("create schema s; create table s.t (a int)")
    listed = "select count(*) from pg_table_def where tablename = 't'"
    assert wire.rows(listed) == [("0",)]
    wire.query("set search_path to s")
    assert wire.rows(listed) == [("1",)]


def test_table_info_has_keys_sizes_and_rows(wire: Wire) -> None:
    wire.query(
        "create table t (a int, b varchar(77)) diststyle even sortkey (a); create table nothing (a int)"
    )
    wire.query("insert into t values (1, 'x'), (2, 'y'); analyze t; analyze nothing")
    assert wire.rows(
        'select schema, "table", diststyle, sortkey1, sortkey_num, max_varchar, tbl_rows, encoded'
        " from svv_table_info where schema = 'public'"
    ) == [("public", "t", "EVEN", "a", "1", "77", "2", "Y, AUTO(ENCODE)")]


def test_views_show_their_redshift_text(wire: Wire) -> None:
    wire.query("create table t (a int)")
    wire.query(
        "create view bound as select a from t; create view late as select a from public.t with no schema binding"
    )
    shown = dict(wire.rows("select viewname, definition from pg_views where schemaname = 'public'"))
    assert shown["bound"] is not None and "select a from t" in shown["bound"].lower()
    assert shown["late"] is not None and shown["late"].lower().endswith("with no schema binding")


def test_what_is_dropped_is_forgotten(wire: Wire, engine: Any) -> None:
    wire.query("create table t (a int) sortkey (a); create view v as select 1 as x with no schema binding")
    wire.query("create procedure p() as $$ begin null; end; $$ language plpgsql")
    wire.query("drop view v; drop table t; drop procedure p()")
    for name in ("table_attributes", "late_binding_views", "view_texts", "procedures"):
        assert engine.execute(f"select count(*) from zeroshift.{name}").fetchone() == (0,), name


def test_only_owners_record(wire: Wire, engine: Any) -> None:
    wire.query("create user ann password 'Password1'; create table t (a int)")
    psycopg = pytest.importorskip("psycopg")
    engine.execute("set session authorization ann")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        engine.execute("select zeroshift.record_table_attributes('public', 't', '{\"diststyle\": \"ALL\"}')")


@pytest.mark.parametrize(
    "view, columns",
    [
        ("svv_integration", "integration_id target_database source state current_lag last_replicated_checkpoint"
         " total_tables_replicated total_tables_failed creation_time refresh_interval source_database is_history_mode"
         " latest_detected_change_time latest_applied_change_time auto_remediation latest_shipped_source_commit_time"),
        ("svv_integration_table_state", "integration_id target_database schema_name table_name table_state"
         " table_last_replicated_checkpoint reason last_updated_timestamp table_rows table_size is_history_mode"),
        ("svv_tables", "table_catalog table_schema table_name table_type remarks"),
        ("svv_all_tables", "database_name schema_name table_name table_acl table_type remarks"),
        ("pg_table_def", "schemaname tablename column type encoding distkey sortkey notnull"),
        ("stv_sessions", "starttime process user_name db_name timeout_sec"),
    ],
)  # fmt: skip
def test_columns_of_the_views_are_the_documented_ones(
    wire: Wire, engine: Any, view: str, columns: str
) -> None:
    found = engine.execute(
        "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0 order by attnum",
        [f"redshift_catalog.{view}"],
    ).fetchall()
    assert [name for (name,) in found] == columns.split()
    assert wire.query(f"select * from {view}")[-2][0] == b"C"
