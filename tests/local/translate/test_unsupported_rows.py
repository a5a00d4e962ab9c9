"""Every row of "Unsupported PostgreSQL features, data types and functions" is refused, and the message names it.

A heading stands for what the guide's page puts under it: its test are statements with members of that chapter. The
table ROWS and the reference file must name the same rows.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path

import pytest

from deployer.local.gateway.settings import setting
from deployer.local.gateway.statements import _transaction
from deployer.local.translate.translator import translate
from deployer.sql.classify import classify
from deployer.sql.functions import CATALOG_QUERIES, OF_COMMENTS
from deployer.sql.refused import Refused
from tests.local.translate.catalog import CATALOG

ROOT = Path(__file__).parents[3]
REFERENCE = ROOT.parent / "shared" / "data" / "redshift_reference" / "unsupported_postgresql.tsv"

Cases = list[tuple[str, str]]


def calls(*expressions: str) -> Cases:
    """SELECT of each expression, which names the function that it begins with."""
    return [(f"select {text}", re.split(r"\W", text)[0]) for text in expressions]


def types(*names: str) -> Cases:
    """Each type as a column's, as a cast's and as a literal's."""
    return [
        case
        for name in names
        for case in (
            (f"create table p (a {name})", name),
            (f"select city::{name} from listing", name),
            (f"select {name.split(' ')[0]} '1'", name.split(" ")[0]),
        )
    ]


def casts(*names: str) -> Cases:
    return [
        case
        for name in names
        for case in ((f"create table p (a {name})", name), (f"select city::{name} from listing", name))
    ]


ROWS: dict[str, Cases] = {
    # functions
    "Access privilege inquiry functions": calls(
        "has_column_privilege('t', 'c', 'select')", "has_any_column_privilege('t', 'select')",
        "has_function_privilege('f()', 'execute')", "has_language_privilege('plpgsql', 'usage')",
        "has_sequence_privilege('s', 'usage')", "has_server_privilege('s', 'usage')",
        "has_tablespace_privilege('s', 'create')", "has_foreign_data_wrapper_privilege('s', 'usage')",
        "has_type_privilege('s', 'usage')", "pg_has_role('r', 'usage')", "row_security_active('t')",
    ),
    "Advisory lock functions": calls(
        "pg_advisory_lock(1)", "pg_try_advisory_lock(1)", "pg_advisory_xact_lock(1)", "pg_advisory_unlock_all()"
    ),
    "Aggregate functions": calls("json_agg(id) from listing", "bit_xor(id) from listing", "xmlagg(id) from listing"),
    "STRING_AGG()": calls("string_agg(city, ',') from listing"),
    "ARRAY_AGG()": calls("array_agg(city) from listing"),
    "EVERY()": calls("every(id > 1) from listing"),
    "XML_AGG()": calls("xml_agg(city) from listing"),
    "CORR()": calls("corr(id, id) from listing"),
    "COVAR_POP()": calls("covar_pop(id, id) from listing"),
    "COVAR_SAMP()": calls("covar_samp(id, id) from listing"),
    "REGR_AVGX(), REGR_AVGY()": calls("regr_avgx(1, 2)", "regr_avgy(1, 2)"),
    "REGR_COUNT()": calls("regr_count(1, 2)"),
    "REGR_INTERCEPT()": calls("regr_intercept(1, 2)"),
    "REGR_R2()": calls("regr_r2(1, 2)"),
    "REGR_SLOPE()": calls("regr_slope(1, 2)"),
    "REGR_SXX(), REGR_SXY(), REGR_SYY()": calls("regr_sxx(1, 2)", "regr_sxy(1, 2)", "regr_syy(1, 2)"),
    "Array functions and operators": [
        *calls("array_append(1, 2)", "array_upper(1, 1)", "string_to_array('a', 'b')", "unnest(array[1])"),
        ("select city @> 'a' from listing", "@>"),
        ("select city && 'a' from listing", "&&"),
        ("select id from listing where id = any (array[1])", "ANY"),
    ],
    "Backup control functions": calls(
        "pg_start_backup('a')", "pg_stop_backup()", "pg_create_restore_point('a')", "pg_switch_wal()"
    ),
    "Comment information functions": calls(
        "obj_description(id, 'pg_class') from listing", "col_description(id, 2) from listing",
        "shobj_description(1, 'pg_database')",
    ),
    "Database object location functions": calls("pg_relation_filenode('t')", "pg_relation_filepath('t')"),
    "Database object size functions": calls(
        "pg_column_size(1)", "pg_database_size('dev')", "pg_relation_size('t')", "pg_size_pretty(1)",
        "pg_table_size('t')", "pg_total_relation_size('t')", "pg_indexes_size('t')", "pg_tablespace_size('t')",
    ),
    "Date/Time functions and operators": calls("make_date(1, 2, 3)", "statement_timestamp()", "date_bin(1, 2, 3)"),
    "CLOCK_TIMESTAMP()": calls("clock_timestamp()"),
    "JUSTIFY_DAYS(), JUSTIFY_HOURS(), JUSTIFY_INTERVAL()": calls(
        "justify_days(interval '1 day')", "justify_hours(1)", "justify_interval(1)"
    ),
    "PG_SLEEP()": calls("pg_sleep(1)"),
    "TRANSACTION_TIMESTAMP()": calls("transaction_timestamp()"),
    "ENUM support functions": calls("enum_first(1)", "enum_last(1)", "enum_range(1)"),
    "Geometric functions and operators": [
        *calls("area('(1,1)')", "center('a')", "diameter('a')", "npoints('a')", "box('(1,1)')", "circle('a')"),
        ("select box '(1,1),(2,2)'", "BOX"),
    ],
    "Generic file access functions": calls("pg_ls_dir('.')", "pg_read_file('a')", "pg_stat_file('a')"),
    "IS DISTINCT FROM": [
        ("select 1 where 1 is distinct from 2", "IS DISTINCT FROM"),
        ("select 1 where 1 is not distinct from 2", "IS DISTINCT FROM"),
    ],
    "Network address functions and operators": [
        *calls("abbrev('a')", "broadcast('a')", "family('a')", "host('a')", "masklen('a')", "network('a')"),
        ("select inet '10.0.0.1'", "INET"),
        ("select cidr '10.0.0.0/8'", "CIDR"),
    ],
    "Mathematical functions": calls("gcd(4, 6)", "lcm(4, 6)", "log10(10)"),
    "DIV()": calls("div(7, 2)"),
    "SETSEED()": calls("setseed(0.5)"),
    "WIDTH_BUCKET()": calls("width_bucket(1, 2, 3, 4)"),
    "Set returning functions": [
        ("select * from generate_series(1, 3)", "generate_series"),
        ("select * from generate_subscripts('a', 1)", "generate_subscripts"),
    ],
    "GENERATE_SERIES()": [*calls("generate_series(1, 3)"), ("select * from generate_series(1, 3)", "generate_series")],
    "GENERATE_SUBSCRIPTS()": calls("generate_subscripts('a', 1)"),
    "Range functions and operators": calls("lower_inc('a')", "upper_inf('a')", "isempty('a')", "int4range(1, 2)"),
    "Recovery control functions": calls("pg_wal_replay_pause()", "pg_wal_replay_resume()", "pg_promote()"),
    "Recovery information functions": calls("pg_is_in_recovery()", "pg_last_xact_replay_timestamp()"),
    "ROLLBACK TO SAVEPOINT function": [
        ("rollback to savepoint a", "ROLLBACK TO SAVEPOINT"),
        ("savepoint a", "SAVEPOINT"),
        ("release savepoint a", "SAVEPOINT"),
    ],
    "Schema visibility inquiry functions": calls(
        "pg_table_is_visible(1)", "pg_function_is_visible(1)", "pg_type_is_visible(1)", "pg_collation_is_visible(1)",
        "pg_conversion_is_visible(1)", "pg_operator_is_visible(1)", "pg_opclass_is_visible(1)",
    ),
    "Server signaling functions": calls("pg_reload_conf()", "pg_rotate_logfile()"),
    "Snapshot synchronization functions": calls("pg_export_snapshot()"),
    "Sequence manipulation functions": calls("nextval('s')", "currval('s')", "setval('s', 1)", "lastval()"),
    "String functions": calls("concat_ws(',', 'a')", "starts_with('a', 'b')", "parse_ident('a')", "to_ascii('a')"),
    "BIT_LENGTH()": calls("bit_length('a')"),
    "OVERLAY()": [("select overlay('abc' placing 'x' from 2)", "OVERLAY")],
    "CONVERT(), CONVERT_FROM(), CONVERT_TO()": [
        ("select convert('a', 'UTF8', 'LATIN1')", "CONVERT"),
        *calls("convert_from('a', 'UTF8')", "convert_to('a', 'UTF8')"),
    ],
    "ENCODE()": calls("encode('a', 'hex')"),
    "FORMAT()": calls("format('%s', 'a')"),
    "QUOTE_NULLABLE()": calls("quote_nullable('a')"),
    "REGEXP_MATCHES()": calls("regexp_matches('a', 'b')"),
    "REGEXP_SPLIT_TO_ARRAY()": calls("regexp_split_to_array('a', 'b')"),
    "REGEXP_SPLIT_TO_TABLE()": calls("regexp_split_to_table('a', 'b')"),
    "System catalog information functions": calls(
        "format_type(23, -1)", "pg_get_viewdef('v')", "pg_get_indexdef(1)", "pg_get_userbyid(1)", "pg_get_expr('a', 1)",
        "pg_get_constraintdef(1)", "pg_get_functiondef(1)", "pg_get_ruledef(1)", "pg_get_triggerdef(1)",
        "pg_get_serial_sequence('t', 'c')", "pg_typeof(1)", "pg_get_keywords()",
    ),
    "System information functions": calls("pg_jit_available()", "pg_blocking_pids(1)", "current_role()"),
    "CURRENT_CATALOG CURRENT_QUERY()": [("select current_catalog", "current_catalog"), *calls("current_query()")],
    "INET_CLIENT_ADDR()": calls("inet_client_addr()"),
    "INET_CLIENT_PORT()": calls("inet_client_port()"),
    "INET_SERVER_ADDR() INET_SERVER_PORT()": calls("inet_server_addr()", "inet_server_port()"),
    "PG_CONF_LOAD_TIME()": calls("pg_conf_load_time()"),
    "PG_IS_OTHER_TEMP_SCHEMA()": calls("pg_is_other_temp_schema(1)"),
    "PG_LISTENING_CHANNELS()": calls("pg_listening_channels()"),
    "PG_MY_TEMP_SCHEMA()": calls("pg_my_temp_schema()"),
    "PG_POSTMASTER_START_TIME()": calls("pg_postmaster_start_time()"),
    "PG_TRIGGER_DEPTH()": calls("pg_trigger_depth()"),
    "SHOW VERSION()": [("show version", "SHOW VERSION"), ("show version()", "SHOW VERSION")],
    "Text search functions and operators": [
        *calls("to_tsvector('a')", "to_tsquery('a')", "ts_rank('a', 'b')", "ts_headline('a', 'b')"),
        ("select city @@ 'a' from listing", "@@"),
    ],
    "Transaction IDs and snapshots functions": calls("txid_current()", "pg_current_snapshot()", "pg_xact_status(1)"),
    "Trigger functions": calls("suppress_redundant_updates_trigger()"),
    "XML functions": calls(
        "xmlparse(document '<a/>')", "xmlelement(name a)", "xmlconcat('a')", "xpath('a', 'b')", "xmlforest(city as a)"
    ),
    # types
    "Arrays": [("create table p (a int[])", "array types"), ("select city::int[] from listing", "array types")],
    "BIT, BIT VARYING": [
        *types("bit"), ("create table p (a bit varying)", "BIT VARYING"), ("select B'101'", "bit strings")
    ],
    "BYTEA": types("bytea"),
    "Composite Types": [
        ("create type pair as (a int, b int)", "user-defined types"),
        ("select (city).a from listing", "composite types|SUPER"),
    ],
    "Date/Time Types": [("create table p (a interval)", "INTERVAL"), ("create table p (a abstime)", "ABSTIME")],
    "INTERVAL": [("create table p (a interval)", "INTERVAL")],
    "Enumerated Types": [("create type mood as enum ('sad')", "user-defined types")],
    "Geometric Types": types("point", "line", "lseg", "box", "path", "polygon", "circle"),
    "HSTORE": types("hstore"),
    "JSON": types("json", "jsonb"),
    "Network Address Types": types("inet", "cidr", "macaddr"),
    "Numeric Types": types("serial", "money"),
    "SERIAL, BIGSERIAL, SMALLSERIAL": types("serial", "bigserial", "smallserial"),
    "MONEY": types("money"),
    "Object Identifier Types": casts("oid", "regclass", "regproc", "regtype", "regprocedure", "regnamespace"),
    "Pseudo-Types": types("anyelement", "record", "void", "internal", "trigger"),
    "Range Types": types("int4range", "tsrange", "daterange"),
    "Special Character Types": [("create table p (a name)", "name"), ('create table p (a "char")', '"char"')],
    '"char" – A single-byte internal type (where the data type named char is enclosed in quotation marks).': [
        ('create table p (a "char")', '"char"'), ('select city::"char" from listing', '"char"')
    ],
    "name – An internal type for object names.": casts("name"),
    "Text Search Types": types("tsvector", "tsquery"),
    "TXID_SNAPSHOT": types("txid_snapshot"),
    "UUID": types("uuid"),
    "XML": types("xml"),
    # features
    "Table partitioning (range and list partitioning)": [
        ("create table p (a int) partition by list (a)", "PARTITION BY"),
        ("create table p (a int) partition by range (a)", "PARTITION BY"),
        ("create table p partition of listing for values in (1)", "PARTITION OF"),
    ],
    "Tablespaces": [
        ("create tablespace t location '/x'", "TABLESPACE"), ("create table p (a int) tablespace t", "tablespaces")
    ],
    "Check constraints": [
        ("create table p (a int check (a > 0))", "CHECK"), ("create table p (a int, check (a > 0))", "CHECK")
    ],
    "Exclusion constraints": [("create table p (a int, exclude (a with =))", "EXCLUDE")],
    "Database roles": [("create role r login", "LOGIN"), ("create role r createrole", "CREATEROLE")],
    "Inheritance": [
        ("create table p (a int) inherits (listing)", "INHERITS"), ("select * from only listing", "inheritance")
    ],
    "Postgres system columns": [
        ("select xmin from listing", "xmin"), ("select tableoid from listing", "tableoid"),
        ("select ctid from listing", "ctid"), ("select l.cmax from listing l", "cmax"),
    ],
    "Indexes": [
        ("create index i on listing (id)", "indexes"), ("drop index i", "indexes"),
        ("alter index i rename to j", "indexes"), ("reindex table listing", "REINDEX"),
    ],
    "NULLS clause in Window functions": [
        ("select rank() over (order by id nulls last) from listing", "NULLS"),
        ("select rank() over (order by id nulls first) from listing", "NULLS"),
    ],
    "Collations": [
        ('create collation c from "C"', "collations"), ('select city collate "C" from listing', "COLLATE")
    ],
    "Subscripted expressions": [("select city[1] from listing", "subscripted")],
    "Array constructors": [("select array[1, 2]", "ARRAY"), ("select array(select id from listing)", "ARRAY")],
    "Row constructors": [
        ("select row(1, 2)", "ROW"), ("select id from listing where (id, city) = (1, 'a')", "row constructors")
    ],
    "Triggers": [
        ("create trigger t after insert on listing execute procedure f()", "triggers"),
        ("drop trigger t on listing", "triggers"),
    ],
    "Management of External Data (SQL/MED)": [
        ("create server s foreign data wrapper w", "SQL/MED"), ("create foreign table f (a int) server s", "SQL/MED"),
        ("import foreign schema s from server t into u", "IMPORT FOREIGN SCHEMA"),
    ],
    "Table functions": [("select * from upper('a')", "table functions")],
    "VALUES list used as constant tables": [
        ("values (1)", "VALUES"), ("select * from (values (1)) as v", "VALUES")
    ],
    "Sequences": [
        ("create sequence s", "sequences"), ("drop sequence s", "sequences"), ("alter sequence s restart", "sequences")
    ],
    "Full text search": [
        ("create text search configuration c (copy = simple)", "full text search"), ("select 'a'::tsvector", "TSVECTOR")
    ],
}  # fmt: skip
"""Row -> statements that use what it is about, with what the refusal must name."""

CONTAINERS = {
    "Constraints": ("Check constraints", "Exclusion constraints"),
    "Value expressions": ("Subscripted expressions", "Array constructors", "Row constructors"),
}
"""Headings of features: what stands under them is refused."""

INFORMATIONAL = {
    "Unique": "create table p (a int unique)",
    "Foreign key": "create table p (a int references listing (id))",
    "Primary key": "create table p (a int primary key)",
}
"""The page lists them, and CREATE TABLE's page has them as information that nothing enforces: they are accepted."""

PSQL = "The query tool *psql* is unsupported."
"""A program and no SQL: the local Redshift serves it knowingly, and docs/clients.md says what to use against AWS."""


def reference() -> list[str]:
    if not REFERENCE.exists():
        return []
    with REFERENCE.open(encoding="utf-8") as file:
        return [row["what"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)]


@pytest.mark.skipif(not REFERENCE.exists(), reason="the reference tables are not there")
def test_every_row_has_its_statements() -> None:
    rows = reference()
    assert len(rows) == 122
    ours = set(ROWS) | set(CONTAINERS) | set(INFORMATIONAL)
    assert {row for row in rows if not row.startswith(PSQL)} == ours
    assert sum(row.startswith(PSQL) for row in rows) == 1
    assert all(ROWS.values())
    assert all(child in ROWS for children in CONTAINERS.values() for child in children)


CASES = [(row, sql, named) for row, cases in ROWS.items() for sql, named in cases]


def run(sql: str) -> None:
    """What the gateway does first with a statement of its own, or the translator with any other."""
    kind = classify(sql)
    if kind.name == "show":
        setting(sql)
    elif kind.transaction_control:
        _transaction(sql, kind)
    else:
        translate(sql, CATALOG)


@pytest.mark.parametrize("row, sql, named", CASES, ids=[f"{row[:30]}: {sql[:50]}" for row, sql, _ in CASES])
def test_refused_by_name(row: str, sql: str, named: str) -> None:
    with pytest.raises(Refused) as caught:
        run(sql)
    message = caught.value.message
    assert re.search(named if "|" in named else re.escape(named), message, re.IGNORECASE), message
    assert not message.startswith("syntax error"), message
    assert re.search(r"on Redshift|of Redshift|Redshift's|Redshift has", message), message


@pytest.mark.parametrize("sql", INFORMATIONAL.values())
def test_keys_are_accepted_as_information(sql: str) -> None:
    assert translate(sql, CATALOG).statements


def test_the_page_on_clients_says_what_to_use_instead_of_psql() -> None:
    assert "RSQL" in (ROOT / "docs" / "clients.md").read_text("utf-8")


ARGUMENTS = {"has_column_privilege": "oid, 1, 'select'", "oidvectortypes": "oid"} | dict.fromkeys(
    """array_to_string col_description format_type has_any_column_privilege has_function_privilege
    has_language_privilege obj_description pg_get_expr shobj_description""".split(), "oid, 'a'",
) | dict.fromkeys(["array_lower", "array_upper", "isnull"], "oid, 1")  # fmt: skip


@pytest.mark.parametrize("name", CATALOG_QUERIES)
def test_what_drivers_ask_the_catalog_with(name: str) -> None:
    """Accepted over system tables, and behind pg_catalog. without any table; refused everywhere else."""
    call = f"{name}({ARGUMENTS.get(name, 'oid')})"
    bare, ours = re.sub(r"\boid\b", "1", call), re.sub(r"\boid\b", "id", call)
    assert translate(f"select {call} from pg_class", CATALOG).statements
    assert translate(f"select pg_catalog.{bare}", CATALOG).statements
    if name in OF_COMMENTS:
        assert translate(f"select {bare}", CATALOG).statements  # as r_COMMENT does
    for refused in (f"select {bare}", f"select {ours} from listing")[name in OF_COMMENTS :]:
        with pytest.raises(Refused, match=rf"{name}\(\) is not supported on Redshift, but in queries"):
            translate(refused, CATALOG)
    with pytest.raises(Refused, match="leader node only"):
        translate(f"select pg_catalog.{ours} from listing", CATALOG)


@pytest.mark.parametrize("name", ["oid", "name", "regclass"])
def test_casts_that_drivers_write(name: str) -> None:
    assert translate(f"select relname from pg_class where 'pg_class'::{name} is not null", CATALOG).statements
    assert translate(f"select 'pg_class'::pg_catalog.{name}", CATALOG).statements
    assert translate(f"select 'pg_class'::{name}", CATALOG).statements  # sqlalchemy-redshift asks like this
    for refused in (f"select id::{name} from listing", f"select id::pg_catalog.{name} from listing"):
        with pytest.raises(
            Refused, match=f"type {name.upper()} is not supported on Redshift, but in queries"
        ):
            translate(refused, CATALOG)


@pytest.mark.parametrize(
    "literal", ["decimal '1.5'", "numeric(5,2) '1'", "int '5'", "varchar(3) 'a'", "boolean 'true'"]
)
def test_typed_literals_other_than_moments_are_refused(literal: str) -> None:
    with pytest.raises(Refused, match=r"is not documented for Redshift.*CAST\('\.\.\.' AS "):
        translate(f"select {literal}", CATALOG)


@pytest.mark.parametrize(
    "kind", ["date", "time", "timestamp", "timestamptz", "timetz", "timestamp with time zone"]
)
def test_typed_literals_of_moments(kind: str) -> None:
    assert translate(f"select {kind} '2026-01-02 03:04:05'", CATALOG).statements
