"""ALTER TABLE: constraints, limits, combinations, APPEND (DG r_ALTER_TABLE, r_ALTER_TABLE_APPEND)."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_wire import Wire

from deployer.local.environment import Status


@pytest.fixture
def admin(fresh_database: Status) -> Iterator[Wire]:
    with Wire(fresh_database) as wire:
        wire.login().query("create schema a; set search_path to a")
        yield wire


def names(admin: Wire, table: str) -> list[str | None]:
    rows = admin.rows(
        f"select conname from pg_constraint where conrelid = (select oid from pg_class where relname = '{table}')"
        " order by conname"
    )
    return [name for (name,) in rows]


def test_constraints_are_added_and_dropped(admin: Wire) -> None:
    admin.query("create table category (catid smallint not null, catname varchar(10), catgroup varchar(10))")
    admin.query("create table event (id integer not null, catid smallint)")
    assert (
        admin.tags(
            "alter table category add primary key (catid);"
            "alter table category add constraint ux unique (catname, catgroup);"
            "alter table category add unique (catname); alter table category add unique (catname);"
            "alter table event add foreign key (catid) references category"
        )
        == ["ALTER TABLE"] * 5
    )
    assert names(admin, "category") == [
        "category_catname_key",
        "category_catname_key1",
        "category_pkey",
        "ux",
    ]
    for sql, state, words in (
        ("add primary key (catid)", "42P16", "multiple primary keys"),
        (
            "add constraint ux unique (catid)",
            "42710",
            'constraint "ux" for relation "category" already exists',
        ),
        ("add unique (nope)", "42703", 'column "nope" named in key does not exist'),
        ("add foreign key (catid) references nope", "42P01", 'relation "nope" does not exist'),
        ("add foreign key (catid) references event", "42704", "there is no primary key"),
        ("add foreign key (catid) references event (catid)", "42830", "there is no unique constraint"),
        ("add check (catid > 0)", "0A000", "CHECK constraints"),
        ("drop constraint nope", "42704", 'constraint "nope" of relation "category" does not exist'),
        ("drop constraint category_pkey", "2BP01", "other objects depend on it"),
    ):
        told = admin.error(f"alter table category {sql}")
        assert (told["C"], words in told["M"]) == (state, True), told
    assert admin.tags("alter table category drop constraint category_pkey cascade") == ["ALTER TABLE"]
    assert names(admin, "event") == []
    admin.query("alter table category drop constraint category_catname_key restrict")
    assert names(admin, "category") == ["category_catname_key1", "ux"]
    # A column takes its constraints with it.
    admin.query("alter table category drop column catname")
    assert names(admin, "category") == []
    # "You can't add a primary-key constraint to a nullable column."
    assert "nullable column" in admin.error("alter table category add primary key (catgroup)")["M"]


def test_the_page_s_limits_hold(admin: Wire) -> None:
    admin.query(
        "create table t (k integer distkey, s integer sortkey, v varchar(5) encode text255, d varchar(5) default 'x',"
        " u varchar(5) unique, n varchar(5));"
        "create table i (a integer, b integer) interleaved sortkey (a, b); create temp table tt (a integer)"
    )
    for sql, words in (
        ("t alter column v type varchar(9)", "the encoding TEXT255"),
        ("t alter column d type varchar(9)", "it has a default value"),
        ("t alter column u type varchar(9)", "it is part of a UNIQUE"),
        ("t alter column v encode text255", "it has the encoding TEXT255 already"),
        ("t drop column k", "it is the distribution key"),
        ("t drop column s", "it is part of the sort key"),
        ("t alter distkey nope", 'column "nope" named in key does not exist'),
        ("t alter v encode lzo, alter v encode zstd", 'the encoding of column "v" is altered twice'),
        ("t add column x integer, add column y integer", "takes one action"),
        ("t alter sortkey none, drop column n", "takes one action"),
        ("i alter diststyle all", "an interleaved sort key"),
        ("i alter column a encode raw", "an interleaved sort key"),
        ("tt alter diststyle even", "not supported for temporary tables"),
    ):
        assert words in admin.error(f"alter table {sql}")["M"], sql
    assert (
        admin.tags(
            "alter table t alter column v encode lzo, alter column n encode zstd;"
            "alter table t alter sortkey (k), alter distkey s; alter table t alter diststyle all, alter sortkey (k, s);"
            "alter table i alter sortkey none"
        )
        == ["ALTER TABLE"] * 4
    )
    shown = "select \"column\", trim(encoding), distkey, sortkey from pg_table_def where tablename = 't' order by 1"
    assert admin.rows(shown)[0] == ("d", "lzo", "f", "0")
    assert ("n", "zstd", "f", "0") in admin.rows(shown) and ("s", "none", "f", "2") in admin.rows(shown)
    assert admin.error("begin; alter table t alter column n type varchar(9)")["M"] == (
        "ALTER TABLE ALTER COLUMN cannot run inside a transaction block"
    )
    admin.query("rollback")


def test_append_moves_the_rows(admin: Wire) -> None:
    admin.query(
        "create table sales (a integer not null, b varchar(10), c date default '2026-01-01') distkey (a) sortkey (b);"
        "create table monthly (b varchar(10), a integer not null) distkey (a) sortkey (b);"
        "insert into monthly values ('x', 1), ('y', 2)"
    )
    assert "use FILLTARGET" in admin.error("alter table sales append from monthly")["M"]
    assert admin.tags("alter table sales append from monthly filltarget") == ["ALTER TABLE"]
    assert admin.rows("select * from sales order by a") == [
        ("1", "x", "2026-01-01"),
        ("2", "y", "2026-01-01"),
    ]
    assert admin.rows("select count(*) from monthly") == [("0",)]
    assert "use IGNOREEXTRA" in admin.error("alter table monthly append from sales")["M"]
    admin.query("alter table monthly append from sales ignoreextra")
    assert admin.rows("select b, a from monthly order by a") == [("x", "1"), ("y", "2")]
    assert admin.rows("select count(*) from sales") == [("0",)]
    told = admin.error("begin; alter table sales append from monthly filltarget")
    assert (told["C"], told["M"]) == ("25001", "ALTER TABLE APPEND cannot run inside a transaction block")
    admin.query("rollback")


def test_append_fills_identities_and_appends_default_ones(admin: Wire) -> None:
    admin.query(
        "create table numbered (k integer identity(10, 1), a integer); create table plain (a integer);"
        "create table other (k integer identity(1, 1), a integer); insert into plain values (7);"
        "create table free (k integer generated by default as identity(1, 1), a integer);"
        "create table more (k integer generated by default as identity(1, 1), a integer);"
        "insert into more values (5, 6)"
    )
    admin.query("alter table numbered append from plain filltarget")
    admin.query("alter table free append from more")
    assert admin.rows("select k, a from numbered") == [("10", "7")]
    assert admin.rows("select k, a from free") == [("5", "6")]
    assert "identity column cannot be appended" in admin.error("alter table numbered append from other")["M"]
    admin.query("alter table plain append from numbered ignoreextra")
    assert admin.rows("select a from plain") == [("7",)]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("a integer not null, b varchar(11)", "column size"),
        ("a bigint not null, b varchar(10)", "data type"),
        ("a integer, b varchar(10)", "NOT NULL"),
        ("a integer not null encode zstd, b varchar(10)", "compression encoding"),
        ("a integer not null distkey, b varchar(10)", "distribution styles differ"),
        ("a integer not null sortkey, b varchar(10)", "sort styles differ"),
        ("a integer not null, x integer", "both have columns that the other has not"),
        ("x integer", "no column in common"),
    ],
)
def test_append_refuses_tables_that_differ(admin: Wire, source: str, words: str) -> None:
    admin.query(f"create table t (a integer not null, b varchar(10)); create table s ({source})")
    assert words in admin.error("alter table t append from s")["M"]


def test_append_needs_the_rights_to_move(admin: Wire) -> None:
    admin.query(
        "create user ann password 'Ordinary-User-1'; create table t (a integer); create table s (a integer);"
        "insert into s values (1); grant usage on schema a to ann; grant insert on t to ann; grant select on s to ann"
    )
    with Wire(admin.status) as wire:
        ann = wire.login("Ordinary-User-1", user="ann")
        assert ann.error("alter table a.t append from a.s")["C"] == "42501"
        admin.query("grant delete on s to ann")
        assert ann.tags("alter table a.t append from a.s") == ["ALTER TABLE"]
    assert admin.rows("select a from t") == [("1",)]
    for sql, words in (
        ("alter table t append from nope", 'relation "nope" does not exist'),
        ("alter table t append from t", "the same table"),
        ("alter table t append from s ignoreextra filltarget", "cannot be used together"),
    ):
        assert words in admin.error(sql)["M"]
    admin.query(
        "create view v as select a from s; create materialized view m as select a from s; create temp table x (a int)"
    )
    assert "streaming ingestion" in admin.error("alter table t append from m")["M"]
    assert admin.error("alter table t append from v")["C"] == "42809"
    assert "permanent tables" in admin.error("alter table t append from x")["M"]


def test_like_inherits_what_the_page_says(admin: Wire) -> None:
    admin.query(
        "create table parent (a integer not null default 7 primary key, b varchar(5) encode zstd)"
        " distkey (a) sortkey (b) backup no; create table plain (like parent);"
        "create temp table filled (like parent including defaults);"
        "create table third (like plain, c integer)"
    )
    shown = (
        'select "column", trim(encoding), distkey, sortkey, "notnull" from pg_table_def'
        " where tablename = '{}' and \"column\" in ('a', 'b') order by 1"
    )
    for table in ("plain", "third"):
        assert admin.rows(shown.format(table)) == admin.rows(shown.format("parent")), table
        assert names(admin, table) == []
    assert "BACKUP NO" in str(admin.rows("show table plain")) and "PRIMARY KEY" not in str(
        admin.rows("show table plain")
    )
    # "The default behavior is to exclude default expressions"
    assert admin.error("insert into plain (b) values ('x')")["C"] == "23502"
    admin.query("insert into filled (b) values ('x')")
    assert admin.rows("select a, b from filled; drop table filled") == [("7", "x")]
    assert "cannot be set" in admin.error("create table no (like parent) diststyle all")["M"]
    assert "cannot be set" in admin.error("create table no (like parent) sortkey (a)")["M"]


def test_the_catalog_s_one_byte_type_is_for_the_catalog(admin: Wire) -> None:
    # As r_DROP_TABLE's view find_depend has it.
    admin.query("create table t (a int); create view v as select a from t")
    found = (
        "select distinct c.relname from pg_class c, pg_depend d where d.deptype = 'i'::\"char\""
        " and c.relkind = 'v'::\"char\""
    )
    assert admin.rows(f"{found} and c.relname = 'v'") == [("v",)]
    assert "use CHAR(1)" in admin.error('select a::"char" from t')["M"]
    assert "use CHAR(1)" in admin.error('create table no (a "char")')["M"]
