"""What Redshift does not have is refused, and the message names it."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.local.translate.translator import translate
from deployer.sql.parse.words import BARE_FUNCTIONS, RESERVED
from deployer.sql.refused import Refused
from tests.local.translate.catalog import CATALOG

REFERENCE = Path(__file__).parents[4] / "shared" / "data" / "redshift_reference"

REFUSED = [
    ("insert into listing (id) values (1) returning id", "RETURNING"),
    ("update listing set id = 1 returning id", "RETURNING"),
    ("delete from listing returning id", "RETURNING"),
    ("insert into listing (id) values (1) on conflict do nothing", "ON CONFLICT"),
    (
        "insert into listing (id) values (1), ((select max(id) from listing))",
        "subqueries in multi-row VALUES",
    ),
    ("select distinct on (id) id, city from listing", "DISTINCT ON"),
    ("select count(*) filter (where id > 1) from listing", "FILTER"),
    ("create index i on listing (id)", "CREATE INDEX"),
    ("create unique index i on listing (id)", "indexes"),
    ("create trigger t before insert on listing execute function f()", "CREATE TRIGGER"),
    ("create sequence s", "CREATE SEQUENCE"),
    ("create domain d as int", "CREATE DOMAIN"),
    ("create type mood as enum ('sad')", "CREATE TYPE"),
    ("create extension hstore", "CREATE EXTENSION"),
    ("create rule r as on insert to listing do nothing", "CREATE RULE"),
    ("create foreign table f (a int) server s", "CREATE FOREIGN"),
    ("create tablespace t location '/x'", "CREATE TABLESPACE"),
    ("create table p (a int) partition by range (a)", "PARTITION BY"),
    ("create table p (a int) inherits (listing)", "INHERITS"),
    ("create table p (a int) tablespace t", "tablespaces"),
    ("create table p (a int check (a > 0))", "CHECK"),
    ("create table p (a int, check (a > 0))", "CHECK"),
    ("create table p (a int, exclude using gist (a with =))", "EXCLUDE"),
    ("create table p (a int generated always as identity)", "GENERATED ALWAYS"),
    ("create unlogged table p (a int)", "UNLOGGED"),
    ("create temp view v as select 1 as a", "temporary views"),
    ("select array[1, 2]", "ARRAY"),
    ("select array(select id from listing)", "ARRAY"),
    ("select (array[1, 2])[1]", "ARRAY"),
    ("select id from listing where id = any ('{1}')", "ANY"),
    ("select row(1, 2)", "ROW"),
    ("select (1, 2)", "row constructors"),
    ("select * from generate_series(1, 3)", "generate_series"),
    ("values (1), (2)", "VALUES"),
    ("select * from (values (1)) as v", "VALUES"),
    ("select rank() over (order by id nulls first) from listing", "NULLS"),
    ("select * from listing for update", "FOR UPDATE"),
    ("savepoint a", "SAVEPOINT"),
    ("select * from listing l, lateral (select 1) x", "LATERAL"),
    ("select 1 where 1 is distinct from 2", "IS DISTINCT FROM"),
    ("select ctid from listing", "ctid"),
    ('select city collate "C" from listing', "COLLATE"),
    ("select id from listing start with id = 1", "START WITH needs CONNECT BY"),
    ("select id from listing connect by nocycle prior id = id", "NOCYCLE"),
    ("select * from listing tablesample bernoulli (1)", "TABLESAMPLE"),
    ("select sum(qty) over w from sales window w as (partition by id)", "window"),
    ("select sum(qty) over (order by id range unbounded preceding) from sales", "RANGE"),
    ("select string_agg(city, ',') from listing", "string_agg"),
    ("select id from sales fetch first 3 rows only", "FETCH FIRST"),
    ("with x as materialized (select 1 as a) select * from x", "MATERIALIZED"),
    ("with x as (delete from listing returning id) select * from x", "data-modifying"),
    ("select id from sales except all select id from listing", "EXCEPT ALL"),
    ("select overlay('a' placing 'b' from 1)", "OVERLAY"),
    ("explain analyze select 1", "EXPLAIN ANALYZE"),
    ("merge into listing as l using sales s on l.id = s.id when matched then delete", "alias"),
    ("merge into listing using sales s on listing.id = s.id when matched then delete", "NOT MATCHED"),
    (
        "merge into listing using sales s on listing.id = s.id when matched and s.qty > 1 then delete "
        "when not matched then insert values (1, 'a', null)",
        "AND",
    ),
    (
        "merge into listing using (select * from listing) s on listing.id = s.id when matched then delete "
        "when not matched then insert values (1, 'a', null)",
        "cannot reference target table",
    ),
    *[
        (
            f"merge into listing using sales s on {on} when matched then delete "
            "when not matched then insert (id) values (s.id)",
            "equalities of a target column and a source column",
        )
        for on in (
            "listing.id > s.id",
            "listing.id = s.id or listing.city = s.city",
            "listing.id = 1",
            "listing.id = s.id and s.qty > 1",
            "s.id = s.units",
            "listing.id = s.id + 1",
        )
    ],
    ("delete from listing l where l.id = 1", "alias"),
    ("update listing set city = s.city from sales s left join curated.bookings b on true", "equijoin"),
    ("update listing set listing.city = 'a'", "qualified"),
    ("truncate listing, sales", "one table"),
    ("truncate listing cascade", "CASCADE"),
    ("lock listing in share mode", "ACCESS EXCLUSIVE"),
    ("declare c scroll cursor for select 1", "SCROLL"),
    ("fetch backward from c", "BACKWARD"),
    ("alter table listing alter column id type int", "VARCHAR"),
    ("alter table listing add column a int, add column b int", "one action"),
    ("alter table listing add check (id > 0)", "constraint"),
    ("alter table listing alter column id set not null", "SET/DROP"),
    ("comment on role r is 'a'", "COMMENT ON ROLE"),
    ("comment on schema pg_catalog is 'a'", "system schema"),
    ("grant trigger on listing to a", "TRIGGER"),
    ("create role r login", "LOGIN"),
    ("insert into rental_landing.rental.bookings values (1, true)", "read-only"),
    ("delete from rental_landing.rental.bookings", "read-only"),
    ("create table rental_landing.rental.x (a int)", "read-only"),
    ("drop table rental_landing.rental.bookings", "read-only"),
    ("create view v as select booking_id from rental_landing.rental.bookings", "NO SCHEMA BINDING"),
    ("create view v as select id from listing with no schema binding", "qualified"),
    ("select " + "a" * 128, "127 bytes"),
    ("select 1 as " + "a" * 64, "local Redshift only 63"),
    ("select price * '2' from sales", "CAST"),
    ("select paid::varchar from sales", "boolean"),
    ("select id from sales order by 'x'", "string literals"),
    ("select sold_at + 1 from sales", "DATEADD"),
    ("create table z as select null as a", "CAST"),
    ("create table z as select 1 + 1", "alias"),
    ("select getdate from sales", "getdate"),
    ("select median(id) over (partition by city) + listagg(city) from listing limit 1, 2", "LIMIT"),
    ("select top 3 id from listing limit 2", "TOP and LIMIT"),
]


@pytest.mark.parametrize("sql, named", REFUSED)
def test_refused_by_name(sql: str, named: str) -> None:
    with pytest.raises(Refused, match=named):
        translate(sql, CATALOG)


@pytest.mark.parametrize("word", sorted(RESERVED))
def test_reserved_words_are_no_bare_names(word: str) -> None:
    for sql in (
        f"create table {word} (a int)",
        f"create table p ({word} int)" if word != "LIKE" else "create table p (LIKE)",
        f"select 1 from listing as {word}",
        f"select id {word} from listing",
    ):
        if sql.startswith("select id") and word in (
            "FROM",
            "INTO",
            "WHERE",
            "UNION",
            "EXCEPT",
            "LIMIT",
            "MINUS",
            "ISNULL",
            "NOTNULL",
        ):
            continue
        # ARRAY is the name of an element in the guide's own example (query-super), START and CONNECT are aliases behind
        # AS in another (r_CONNECT_BY_clause).
        if word in ("ARRAY", "START", "CONNECT") and " as " in sql:
            continue
        with pytest.raises(Refused) as caught:
            translate(sql, CATALOG)
        assert caught.value.sqlstate == "42601" or word in caught.value.message.upper()
    named = translate(f"select 1 as {word}", CATALOG).columns[0][0]
    assert named == word.lower()
    quoted = f'select "{word.lower()}" from (select 1 as "{word.lower()}") x'
    assert f'"{word.lower()}"' in translate(quoted, CATALOG).statements[0]


def test_reserved_words_are_the_documented_ones() -> None:
    path = REFERENCE / "reserved_words.txt"
    if not path.exists():
        pytest.skip("the reference tables are not there")
    assert set(path.read_text(encoding="utf-8").split()) == RESERVED
    assert {word.upper() for word in BARE_FUNCTIONS} <= RESERVED


@pytest.mark.parametrize(
    "sql, position",
    [
        ("select id,\n  nosuch from listing", 13),
        ("select * from nosuch", 14),
        ("select id from listing where where", 29),
        ("select nosuch(id) from listing", 7),
        ("select 'abc", 7),
        ("select (select max(nosuch) from sales) from listing", 19),
    ],
)
def test_errors_know_their_place(sql: str, position: int) -> None:
    with pytest.raises(Refused) as caught:
        translate(sql, CATALOG)
    assert caught.value.position == position


CORRELATED = [
    (
        "select id from sales where not exists (select 1 from listing where not exists "
        "(select 1 from curated.bookings where booking_id = sales.id))",
        "skips",
    ),
    (
        "select 1 from listing left join sales on listing.id = sales.id and units = "
        "(select max(booking_id) from curated.bookings where booking_id = sales.id)",
        "outer join",
    ),
    (
        "select id from sales s where qty not in (select sum(id) over () from listing l where l.id = s.id)",
        "window",
    ),
    (
        "select (select count(*) from listing where listing.id = sales.id) as n, id from sales group by n, id",
        "GROUP BY",
    ),
]


@pytest.mark.parametrize("sql, why", CORRELATED)
def test_correlated_queries_that_redshift_cannot_decorrelate(sql: str, why: str) -> None:
    with pytest.raises(Refused, match=why):
        translate(sql, CATALOG)


def test_functions_of_the_leader_node_do_not_meet_user_tables() -> None:
    assert translate("select now()", CATALOG).statements
    with pytest.raises(Refused, match="leader node"):
        translate("select now(), id from listing", CATALOG)
    with pytest.raises(Refused, match="user created tables"):
        translate("select listagg('a')", CATALOG)
