"""Definitions: the exact PostgreSQL text, and what a session then sees through the gateway."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from deployer.local.translate.translator import translate, translate_expression
from deployer.sql.types import INTEGER, RedshiftType, decimal
from tests.local.translate.catalog import CATALOG

TEXTS = [
    ("create schema if not exists raw authorization bob", 'CREATE SCHEMA IF NOT EXISTS "raw" AUTHORIZATION "bob"'),
    ("create schema s quota 5 gb", 'CREATE SCHEMA "s"'),
    ("drop schema s cascade", 'DROP SCHEMA "s" CASCADE'),
    ("drop table listing", 'DROP TABLE "public"."listing"'),
    ("drop table if exists nosuch, curated.bookings", 'DROP TABLE IF EXISTS "nosuch", "curated"."bookings"'),
    ("drop procedure p(a int, timestamp, b varchar(20), double precision)",
     'DROP PROCEDURE "p"(integer, timestamp, character varying, double precision)'),
    ("grant select, insert on listing to bob, group g, role r, public",
     'GRANT SELECT, INSERT ON TABLE "public"."listing" TO "bob", "g", "r", PUBLIC'),
    ("grant select (id, city) on listing to bob", 'GRANT SELECT ("id", "city") ON TABLE "public"."listing" TO "bob"'),
    ("grant usage on schema raw, curated to role r", 'GRANT USAGE ON SCHEMA "raw", "curated" TO "r"'),
    ("grant select on all tables in schema curated to bob with grant option",
     'GRANT SELECT ON ALL TABLES IN SCHEMA "curated" TO "bob" WITH GRANT OPTION'),
    ("grant execute on procedure ops.run(timestamp, varchar) to role runner",
     'GRANT EXECUTE ON PROCEDURE "ops"."run"(timestamp, character varying) TO "runner"'),
    ("grant role a, b to bob with admin option", 'GRANT "a", "b" TO "bob" WITH ADMIN OPTION'),
    ("grant role a to role b", 'GRANT "a" TO "b"'),
    ("revoke all privileges on listing from bob", 'REVOKE ALL ON TABLE "public"."listing" FROM "bob"'),
    ("revoke role a from bob", 'REVOKE "a" FROM "bob"'),
    ("alter default privileges for user bob in schema s grant select on tables to group g",
     'ALTER DEFAULT PRIVILEGES FOR ROLE "bob" IN SCHEMA "s" GRANT SELECT ON TABLES TO "g"'),
    ("create role analyst", 'CREATE ROLE "analyst" NOLOGIN'),
    ("create group g with user a, b", 'CREATE ROLE "g" NOLOGIN ROLE "a", "b"'),
    ("create user bob password 'Secret123' createdb in group g connection limit 5",
     'CREATE ROLE "bob" LOGIN PASSWORD \'Secret123\' CREATEDB CONNECTION LIMIT 5 IN ROLE "g"'),
    ("create user root password disable createuser",
     'CREATE ROLE "root" LOGIN PASSWORD NULL CREATEROLE IN ROLE zeroshift_superusers'),
    ("alter group g add user bob", 'GRANT "g" TO "bob"'),
    ("drop user if exists bob", 'DROP ROLE IF EXISTS "bob"'),
    ("comment on table listing is 'it''s'", "COMMENT ON TABLE \"public\".\"listing\" IS 'it''s'"),
    ("comment on schema public is 'a'", "COMMENT ON SCHEMA \"public\" IS 'a'"),
    ("comment on column curated.bookings.user_id is null",
     'COMMENT ON COLUMN "curated"."bookings"."user_id" IS NULL'),
    ("alter table listing owner to bob", 'ALTER TABLE "public"."listing" OWNER TO "bob"'),
    ("alter table listing rename to l2", 'ALTER TABLE "public"."listing" RENAME TO "l2"'),
    ("alter table listing drop column city restrict", 'ALTER TABLE "public"."listing" DROP COLUMN "city" RESTRICT'),
    ("alter table listing add column n varchar(5) default 'x' not null",
     'ALTER TABLE "public"."listing" ADD COLUMN "n" character varying(5) DEFAULT \'x\' NOT NULL, '
     'ADD CONSTRAINT "zs_bytes_5_n" CHECK (octet_length("n") <= 5)'),
    ("alter table listing alter column city type varchar(200)",
     'ALTER TABLE "public"."listing" DROP CONSTRAINT IF EXISTS "zs_bytes_100_city", ALTER COLUMN "city" TYPE '
     'character varying(200), ADD CONSTRAINT "zs_bytes_200_city" CHECK (octet_length("city") <= 200)'),
    ("truncate table listing", 'TRUNCATE TABLE "public"."listing"'),
    ("lock listing, sales", 'LOCK TABLE "public"."listing", "public"."sales" IN ACCESS EXCLUSIVE MODE'),
    ("analyze verbose listing (city) all columns", 'ANALYZE "public"."listing" ("city")'),
    ("vacuum delete only listing to 75 percent boost", 'VACUUM "public"."listing"'),
    ("declare c cursor for select 1", 'DECLARE "c" NO SCROLL CURSOR FOR SELECT 1 AS "?column?"'),
    ("fetch forward 10 from c", 'FETCH FORWARD 10 FROM "c"'),
    ("prepare p (int, decimal(5,2)) as select $1 + $2", 'PREPARE "p" (integer, numeric(5,2)) AS '
     'SELECT ($1 + $2)::numeric(13,2) AS "?column?"'),
    ("execute p (1, 2.5)", 'EXECUTE "p" (1, (2.5)::numeric(2,1))'),
    ("select dev.public.listing.id from dev.public.listing",
     'SELECT "listing"."id" AS "id" FROM "public"."listing" AS "listing"'),
    ("select b.booking_id from rental_landing.rental.bookings b",
     'SELECT "b"."booking_id" AS "booking_id" FROM "rental_landing.rental"."bookings" AS "b"'),
]  # fmt: skip


@pytest.mark.parametrize("sql, expected", TEXTS)
def test_text(sql: str, expected: str) -> None:
    found = translate(sql, CATALOG)
    assert found.statements[found.main] == expected


def test_a_table_with_everything() -> None:
    found = translate(
        """
        create table if not exists curated.new_table (
            id bigint identity(5, 2) primary key,
            name varchar not null encode zstd,
            note text, wide varchar(max), code char, amount numeric,
            ref bigint references listing (id),
            made timestamp default getdate() encode az64,
            unique (name)
        )
        backup no diststyle key distkey (id) compound sortkey (made, name)
        """,
        CATALOG,
    )
    table, index, record = found.statements
    assert table == (
        'CREATE TABLE "curated"."new_table" ("id" bigint GENERATED ALWAYS AS IDENTITY (START WITH 5 '
        'INCREMENT BY 2 MINVALUE 1 MAXVALUE 9223372036854775807) NOT NULL, "name" character varying(256) NOT NULL, '
        '"note" character varying(256), "wide" character varying(65535), "code" character(1), "amount" '
        'numeric(18,0), "ref" bigint, "made" timestamp DEFAULT (redshift.getdate()), '
        'CONSTRAINT "zs_bytes_256_name" CHECK (octet_length("name") <= 256), '
        'CONSTRAINT "zs_bytes_256_note" CHECK (octet_length("note") <= 256), '
        'CONSTRAINT "zs_bytes_65535_wide" CHECK (octet_length("wide") <= 65535), '
        'CONSTRAINT "zs_bytes_1_code" CHECK (octet_length("code") <= 1))'
    )
    assert index == (
        'CREATE INDEX ON "curated"."new_table" USING brin ("made", (("name")::bpchar)) WITH (pages_per_range = 16)'
    )
    match = re.fullmatch(
        r"SELECT zeroshift.record_table_attributes\('curated', 'new_table', '(.*)'::jsonb\)", record
    )
    assert match is not None
    assert json.loads(match.group(1)) == {
        "diststyle": "KEY",
        "distkey": "id",
        "sortstyle": "COMPOUND",
        "sortkeys": ["made", "name"],
        "encodings": {"name": "zstd", "made": "az64"},
        "constraints": [
            {"name": None, "type": "p", "columns": ["id"]},
            {"name": None, "type": "f", "columns": ["ref"], "references": "listing", "referenced": ["id"]},
            {"name": None, "type": "u", "columns": ["name"]},
        ],
        "backup": False,
    }
    assert found.main == 0


def test_no_statement_is_ever_given_a_cascade() -> None:
    for sql, _ in TEXTS:
        if "cascade" not in sql:
            assert all("CASCADE" not in text for text in translate(sql, CATALOG).statements)


def test_a_late_binding_view_is_put_in_place() -> None:
    found = translate("select v.booking_id from raw.bookings v where v._record_is_active", CATALOG)
    assert found.statements[0].count('"raw"."bookings" AS "stub"') == 1
    assert '"rental_landing.rental"."bookings"' in found.statements[0]
    assert found.columns == (("booking_id", RedshiftType("bigint")),)
    assert {str(relation.name) for relation in found.reads} == {
        "raw.bookings",
        "rental_landing.rental.bookings",
    }


def test_variables_become_parameters() -> None:
    found = translate(
        "select id, v_limit as n from listing where id > v_limit and city = rec.city",
        CATALOG,
        {"v_limit": INTEGER, "rec.city": RedshiftType("varchar", length=10)},
    )
    assert found.parameters == ("v_limit", "rec.city")
    assert found.statements[0] == (
        'SELECT "listing"."id" AS "id", $1::integer AS "n" FROM "public"."listing" AS "listing" WHERE '
        '(("listing"."id" > $1::integer) AND (("listing"."city")::bpchar = ($2::character varying(10))::bpchar))'
    )


def test_a_variable_that_is_a_column_too_is_ambiguous() -> None:
    with pytest.raises(Exception, match="ambiguous") as caught:
        translate("select city from listing where id = 1", CATALOG, {"city": INTEGER})
    assert caught.value.sqlstate == "42702"
    assert translate("insert into listing (id) values (city)", CATALOG, {"city": INTEGER}).parameters == (
        "city",
    )


def test_expressions_have_types_and_places() -> None:
    found = translate_expression("a / 3", CATALOG, {"a": decimal(10, 2)})
    assert found.columns[0][1] == decimal(21, 13)
    with pytest.raises(Exception, match="nosuch") as caught:
        translate_expression("1 + nosuch", CATALOG)
    assert caught.value.position == 4


def test_client_parameters_survive() -> None:
    text = translate("select id from listing where city = $1 and id = $2", CATALOG).statements[0]
    assert text.endswith('WHERE ((("listing"."city")::bpchar = $1) AND ("listing"."id" = $2))')


def test_through_the_gateway(fresh_database: Any, connect: Callable[..., Any], engine: Any) -> None:
    session = connect(autocommit=True)
    cursor = session.cursor()
    for sql in (
        "create schema s",
        "create table s.t (a int, b varchar(5) encode lzo, c decimal(12,2)) distkey (a) sortkey (a)",
        "insert into s.t values (1, 'x', 1.005), (2, 'y', null)",
        "alter table s.t alter sortkey (b, a)",
        "alter table s.t alter diststyle all",
        "alter table s.t alter column c encode az64",
        "alter table s.t alter column b type varchar(9)",
        "alter table s.t rename column b to bb",
        "insert into s.t values (3, 'nine long', 2)",
        "create view s.v as select a, avg(c) as average from s.t group by a",
        "create or replace view s.v as select a, avg(c) as average from s.t group by 1",
        "create view s.late as select a, nosuch from s.nosuch with no schema binding",
        "create table #mine as select * from s.t",
        "alter table s.t add column d date",
    ):
        cursor.execute(sql)
    with pytest.raises(Exception, match="number of columns"):
        cursor.execute(
            "create or replace view s.v as select a, avg(c) as average, 1 as more from s.t group by 1"
        )
    with pytest.raises(Exception, match="name of view column"):
        cursor.execute("create or replace view s.v as select a, avg(c) as mean from s.t group by 1")
    with pytest.raises(Exception, match="data type of view column"):
        cursor.execute("create or replace view s.v as select a, avg(a) as average from s.t group by 1")
    cursor.execute("select count(*) from #mine")
    assert [list(row) for row in cursor.fetchall()] == [[3]]
    recorded = engine.execute(
        "select diststyle, distkey, sortstyle, sortkeys, encodings from zeroshift.table_attributes "
        "where oid = 's.t'::regclass"
    ).fetchone()
    assert recorded == ("ALL", None, "COMPOUND", ["bb", "a"], {"bb": "lzo", "c": "az64"})
    indexes = engine.execute("select indexdef from pg_indexes where schemaname = 's'").fetchall()
    assert [row[0].split("USING ")[1] for row in indexes] == [
        "brin (((bb)::bpchar), a) WITH (pages_per_range='16')"
    ]
    with pytest.raises(Exception, match="too long for type character varying"):
        cursor.execute("insert into s.t values (4, 'größer als', 2)")
    with pytest.raises(Exception, match="nosuch"):
        cursor.execute("select * from s.late")
    cursor.execute("drop view s.late")
    (oid,) = engine.execute("select 's.t'::regclass::oid").fetchone()
    cursor.execute("drop table s.t cascade")
    # Of this table: what is kept of others is none of its business.
    attributes = "select count(*) from zeroshift.table_attributes where oid = %s"
    assert engine.execute(attributes, [oid]).fetchone() == (0,)


def test_a_table_that_another_session_makes_meanwhile_keeps_its_attributes() -> None:
    plain = translate("create table if not exists curated.new_table (a date)", CATALOG).statements
    assert plain == ('CREATE TABLE IF NOT EXISTS "curated"."new_table" ("a" date)',)
    for attribute in ("sortkey (a)", "diststyle all"):
        created, *after = translate(
            f"create table if not exists curated.new_table (a date) {attribute}", CATALOG
        ).statements
        assert created == 'CREATE TABLE "curated"."new_table" ("a" date)' and after
