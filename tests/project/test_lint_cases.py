"""Cases beside the examples of the pages: what each rule must catch, and what it must leave alone."""

from __future__ import annotations

import pytest
from lint_examples import findings, places


def procedure(body: str, declare: str = "", head: str = "", tail: str = "", name: str = "ops.p") -> str:
    declared = f"declare\n{declare}\n" if declare else ""
    created = f"create or replace procedure {name}({head})\nas $$\n"
    return f"{created}{declared}begin\n{body}\nend;\n$$ language plpgsql{tail};"


NONATOMIC = "() nonatomic"

ORDERS = (
    "create table curated.orders (order_id bigint not null, user_id bigint, cents integer, price decimal(12, 2),"
    " ordered_at timestamp) distkey (order_id) sortkey (ordered_at);\n"
)

CAUGHT = [
    ("ZS213", "SQL = 3\nop.execute(SQL)"),
    ("ZS213", 'SQL = "create schema a"\nSQL = "create schema b"\nop.execute(SQL)'),
    ("ZS213", 'a, b = "create schema a", 2\nop.execute(a)'),
    ("ZS213", 'op.execute(format("create schema a"))'),
    ("ZS213", 'op.execute(text("create schema a", 2))'),
    ("ZS213", "op.execute()"),
    ("ZS408", 'def upgrade():\n    op.execute("drop table s.t")'),
    ("ZS501", "select (cast(a as date) - cast(b as date)) / 7 as weeks from s.t;"),
    ("ZS502", "select avg(current_date - 7 - cast(b as date)) as days from s.t;"),
    ("ZS503", "select 1 as one where 2 not in (select a from s.t where b is not null);"),
    ("ZS503", "select 1 as one where 2 not in (select a from s.t where a is null and a is not true);"),
    ("ZS503", "select 1 as one where 2 not in (select * from s.t);"),
    ("ZS503", "select 1 as one where 2 not in (select max(a) from s.t);"),
    ("ZS503", "select 1 as one where 2 not in (select null);"),
    ("ZS503", "select 1 as one where 2 not in (select a from s.t where a is not null or b = 1);"),
    (
        "ZS503",
        ORDERS
        + "select 1 as one where 2 not in (select order_id from curated.orders left join s.u on true);",
    ),
    ("ZS507", "delete from t;"),
    ("ZS507", "create temp table s (a integer); delete from s.t;"),
    ("ZS308", "-- Purpose: x\n-- Reads: s.t\n-- Writes: s.t\ncreate view s.v as select a from s.t;"),
    (
        "ZS308",
        "-- Purpose: x\n-- Reads: s.tab\ncreate view s.v as select tab.a from s.tab join s.tables on true;",
    ),
    ("ZS308", "-- Purpose: x\n-- Reads: s.a*\ncreate view s.v as select a from s.b;"),
    ("ZS311", "create materialized view s.m as select a from #t;"),
    ("ZS311", "create materialized view s.m as select a from svv_tables;"),
    ("ZS311", "create temp table t (a integer); create materialized view s.m as select a from t;"),
    (
        "ZS205",
        procedure("    commit;", name="ends")
        + "\n"
        + procedure("    for r in select a from s.t loop call ends(); end loop;", "    r record;"),
    ),
    (
        "ZS206",
        procedure(
            "    insert into ops.log (a) values (1);\n    begin\n        analyze s.t;\n"
            "    exception when others then\n        update ops.log set b = 2 where a = 1;\n    end;"
        ),
    ),
    (
        "ZS207",
        procedure(
            "    if true then raise exception 'x'; end if;\nexception when others then\n    raise notice 'y';"
        ).replace("()", NONATOMIC),
    ),
    ("ZS212", procedure("    drop view if exists x;\n    create temp table x (a integer);")),
    ("ZS302", "insert into s.t (a) select * from #staged;"),
    (
        "ZS302",
        "create view s.v as select y.* from (select a from s.u) as x join (select * from s.w) as y on x.a = y.a;",
    ),
    ("ZS307", procedure("    call second_step();")),
    ("ZS601", procedure("    execute 'select ' || cast(x as varchar(99));", head="x varchar(9)")),
    ("ZS601", procedure("    execute ops.make(n);", head="n integer")),
    (
        "ZS601",
        procedure(
            "    if n > 1 then x := 'select 1'; end if;\n    execute x;", head="n integer, inout x varchar(9)"
        ),
    ),
    (
        "ZS601",
        procedure(
            "    q := q || v;\n    execute q;", "    q varchar(999) := 'select ';", head="v varchar(9)"
        ),
    ),
    ("ZS601", procedure("    execute q;", "    q varchar(999) := 'select ' || v;", head="v varchar(9)")),
    (
        "ZS601",
        procedure("    execute case when n > 1 then 'select 1' else v end;", head="n integer, v varchar(9)"),
    ),
    ("ZS302", "select * into s.y from s.t;"),
    (
        "ZS501",
        ORDERS + "create view curated.counts (user_id, n) as with c as (select user_id, count(*) as n"
        " from curated.orders group by user_id) select user_id, n from c;\nselect n / 7 as a_day from curated.counts;",
    ),
    (
        "ZS501",
        procedure(
            "    drop table if exists x;\n    create temp table x as select a, count(*) as n from s.t group by a;\n"
            "    insert into s.u (r) select n / 2 from x;"
        ),
    ),
    ("ZS001", "select 1 from;"),
    ("ZS001", "select 'never closed"),
    ("ZS001", "select $$never closed"),
    ("ZS001", procedure("    selec 1;")),
    ("ZS101", "select distinct on (a) a from s.t;"),
    ("ZS101", "create index i on s.t (a);"),
    ("ZS101", "create temp table t (a integer check (a > 0));"),
    ("ZS101", "create temp table t (a jsonb);"),
    ("ZS101", "create temp table t (a integer) on commit drop;"),
    ("ZS101", "savepoint a;"),
    ("ZS101", "do $$ begin end $$;"),
    ("ZS101", procedure("    perform ops.f();")),
    ("ZS101", procedure("    update s.t set a = 1 where b = 2 returning a;")),
    ("ZS101", procedure("    if exists (select a[1:2] from s.t) then null; end if;")),
    ("ZS101", 'op.execute("create sequence s.q")'),
    (
        "ZS102",
        procedure(
            "    select size(a) into x from s.t;",
            "    x integer;",
        ),
    ),
    ("ZS102", f"select a as {'n' * 100} from s.t;"),
    ("ZS103", "select gen_random_uuid() as id;"),
    ("ZS103", procedure("    x := array_length(y, 1);", "    x integer;\n    y super;")),
    ("ZS103", "select n from generate_series(1, 10) as g(n);"),
    ("ZS104", "select current_timestamp as at, a from s.t;"),
    ("ZS104", "update s.t set at = now() where a = 1;"),
    ("ZS104", "select age(a) as years from svv_tables;"),
    (
        "ZS105",
        "create or replace function s.f(a integer) returns integer immutable as 'return a' language plpythonu;",
    ),
    ("ZS106", f'create temp table "{"ü" * 64}" (a integer);'),
    ("ZS107", procedure("    -- " + "x" * 100_000 + "\n    null;")),
    (
        "ZS108",
        "merge into s.t using s.u as u on t.a > u.a when matched then delete"
        " when not matched then insert (a) values (u.a);",
    ),
    (
        "ZS108",
        "merge into s.t using (select a from s.t) as u on t.a = u.a when matched then delete"
        " when not matched then insert (a) values (u.a);",
    ),
    ("ZS108", "merge into s.t using s.u as u on t.a = u.a when matched then delete;"),
    (
        "ZS108",
        "merge into s.t as x using s.u as u on x.a = u.a when matched then delete"
        " when not matched then insert (a) values (u.a);",
    ),
    (
        "ZS108",
        "with u as (select 1 as a) merge into s.t using u on t.a = u.a when matched then delete"
        " when not matched then insert (a) values (u.a);",
    ),
    ("ZS109", "alter table s.t drop column a, drop column b;"),
    ("ZS110", "alter table s.t alter column a type decimal(18, 2);"),
    ("ZS110", ORDERS + "alter table curated.orders alter column cents type varchar(20);"),
    ("ZS201", procedure("    create database d;")),
    ("ZS201", procedure("    execute 'vacuum s.t';")),
    ("ZS201", procedure("    alter table s.t alter column a type varchar(20);")),
    ("ZS202", "begin; vacuum s.t; commit;"),
    ("ZS202", 'bind = op.get_bind()\nop.execute("alter table s.t alter column a type varchar(9)")'),
    ("ZS203", procedure("    commit;", tail=" set statement_timeout to 1000")),
    (
        "ZS203",
        procedure("    truncate s.t;", name="ops.inner")
        + "\n"
        + procedure("    call ops.inner();", tail=" set a to b"),
    ),
    ("ZS203", procedure("    commit;", name="ops.q") + "\nbegin;\ncall ops.q();\ncommit;"),
    ("ZS203", procedure("    execute 'truncate s.t';", tail=" set search_path to s")),
    ("ZS204", procedure("    rollback;", name="ops.inner") + "\n" + procedure("    call ops.inner();")),
    ("ZS205", procedure("    for r in select a from s.t loop truncate s.u; end loop;", "    r record;")),
    (
        "ZS205",
        procedure("    for r in execute 'select a from s.t' loop rollback; end loop;", "    r record;"),
    ),
    (
        "ZS205",
        procedure(
            "    open c;\n    loop\n        fetch c into x;\n        exit when not found;\n        commit;\n"
            "    end loop;",
            "    c cursor for select a from s.t;\n    x integer;",
        ),
    ),
    (
        "ZS205",
        procedure("    commit;", name="ops.inner")
        + "\n"
        + procedure("    for r in select a from s.t loop call ops.inner(); end loop;", "    r record;"),
    ),
    (
        "ZS206",
        procedure(
            "    insert into ops.log (a) values (1);\nexception when others then\n"
            "    delete from ops.log where a = 1;"
        ),
    ),
    (
        "ZS206",
        procedure(
            "    analyze s.t;\nexception when others then\n    insert into ops.log (a) values (1);\n"
            "    raise exception 'failed';"
        ),
    ),
    (
        "ZS206",
        procedure("    insert into ops.log (a) values (1);", name="ops.begun")
        + "\n"
        + procedure("    update ops.log set b = 2 where a = 1;", name="ops.failed")
        + "\n"
        + procedure("    call ops.begun();\nexception when others then\n    call ops.failed();"),
    ),
    (
        "ZS207",
        procedure("    analyze s.t;\nexception when others then\n    null;", head="").replace(
            "()", NONATOMIC
        ),
    ),
    (
        "ZS208",
        procedure("    commit;", name="ops.n").replace("()", NONATOMIC)
        + "\n"
        + procedure("    call ops.n();"),
    ),
    (
        "ZS209",
        procedure("    for r in select a from s.t loop null; end loop;", "    r record;").replace(
            "()", NONATOMIC
        ),
    ),
    ("ZS210", procedure("    truncate s.t;")),
    ("ZS210", procedure("    execute 'truncate s.t';")),
    ("ZS211", 'op.execute("begin")'),
    ("ZS212", procedure("    create temp table x (a integer);\n    drop table if exists x;")),
    ("ZS212", procedure("    select a into temp x from s.t;")),
    ("ZS213", 'name = "t" + "u"\nop.execute(f"create schema {name}")'),
    ("ZS213", 'op.drop_table("t")'),
    ("ZS214", procedure("    execute 'rollback';")),
    ("ZS215", 'op.execute("create schema a")\nop.execute("truncate s.t")'),
    ("ZS216", 'op.create_check_constraint("c", "t", "a > 0")'),
    ("ZS216", 'op.alter_column("t", "a", nullable=False)'),
    ("ZS301", "create or replace view s.v as select a from t with no schema binding;"),
    ("ZS301", procedure("    insert into t (a) select b from s.u;")),
    ("ZS301", procedure("    for r in select a from t loop null; end loop;", "    r record;")),
    ("ZS301", procedure("    n := (select count(*) from t);", "    n bigint;")),
    ("ZS301", procedure("    execute 'delete from t where a = 1';")),
    ("ZS301", "with x as (select 1 as a) select a from x union all select a from y;"),
    ("ZS301", "call refresh();"),
    ("ZS301", 'op.execute("create table t (a integer) diststyle all")'),
    ("ZS302", "insert into s.t (a, b) select * from s.u;"),
    ("ZS302", "insert into s.t (a) with x as (select * from s.u) select * from x;"),
    ("ZS302", "create table s.t distkey (a) sortkey (a) as select u.* from s.u as u;"),
    ("ZS302", procedure("    insert into s.t (a) select * from (select * from s.u) as d;")),
    ("ZS303", procedure("    for r in select * from d.s.t loop null; end loop;", "    r record;")),
    ("ZS303", "create temp table x as select b.* from landing.s.bookings as b join s.u on b.id = u.id;"),
    ("ZS304", "create view s.v as select a from s.t where a in (select b from d.s.u);"),
    (
        "ZS305",
        "create view raw.v as select a from landing.s.t with no schema binding;\nselect a from wh.raw.v;",
    ),
    ("ZS306", procedure("    insert into landing.s.t (a) values (1);")),
    ("ZS306", "create table landing.s.t (a integer) diststyle all;"),
    ("ZS307", procedure("    call ops.p(1);", head="a integer, b integer")),
    (
        "ZS308",
        "-- Purpose: x\n-- Reads: s.t\n-- Writes: nothing\n"
        + procedure("    insert into s.u (a) select a from s.t;"),
    ),
    ("ZS308", "-- Purpose: x\n-- Reads: s.t, s.gone\ncreate or replace view s.v as select a from s.t;"),
    ("ZS308", "-- Purpose: x\ncreate or replace view s.v as select a from s.t;"),
    ("ZS309", "select a from d.s.t where not (_record_delete_time is not null);"),
    ("ZS310", procedure("    insert into s.t values (1, 2);")),
    (
        "ZS311",
        "create or replace view s.v as select a from s.t;\ncreate materialized view s.m as select a from s.v;",
    ),
    ("ZS311", "create materialized view s.m auto refresh yes as select a from s.t limit 5;"),
    ("ZS401", "create table s.t as select a from s.u;"),
    ("ZS402", "create table s.t (a integer) diststyle even;"),
    ("ZS403", "create table s.t (a integer, foreign key (a) references s.u (a)) diststyle all;"),
    ("ZS404", "create table s.t (a char) diststyle all;"),
    ("ZS404", "alter table s.t add column a text;"),
    ("ZS405", "create temp table t (a numeric);"),
    ("ZS405", "select a::decimal from s.t;"),
    ("ZS405", procedure("    x := convert(numeric, y);", "    x bigint;\n    y bigint;")),
    ("ZS406", "create table s.t (a date encode zstd sortkey) diststyle even;"),
    ("ZS407", "create temp table t (a integer, b integer) interleaved sortkey (a, b);"),
    ("ZS408", 'op.execute("alter table s.t drop column a")'),
    ("ZS408", 'op.execute("""drop table s.t, s.u""")'),
    ("ZS409", 'op.execute("alter table s.t rename column a to b")'),
    ("ZS410", "alter table s.t add column a bigint identity(1, 1);"),
    ("ZS410", "alter table s.t add column a bigint primary key;"),
    ("ZS411", "drop schema s cascade;"),
    ("ZS411", "alter table s.t drop column a cascade;"),
    ("ZS501", ORDERS + "select cents / 100 as euros from curated.orders;"),
    (
        "ZS501",
        ORDERS
        + "select o.n / o.m as q from (select sum(cents) as n, count(*) as m from curated.orders) as o;",
    ),
    ("ZS501", ORDERS + "select case when user_id > 0 then cents else 0 end / 2 as half from curated.orders;"),
    ("ZS501", procedure("    x := n / 2;", "    x decimal(9, 2);\n    n integer := 3;")),
    ("ZS501", procedure("    if a / b > 1 then null; end if;", head="a bigint, b smallint")),
    ("ZS501", ORDERS + "with x as (select count(*) as n from curated.orders) select n / 3 as third from x;"),
    ("ZS502", ORDERS + "select user_id, avg(cents) as mean from curated.orders group by user_id;"),
    (
        "ZS502",
        ORDERS + "select avg(o.cents * 2) over (partition by o.user_id) as mean from curated.orders as o;",
    ),
    (
        "ZS502",
        procedure(
            "    drop table if exists x;\n    create temp table x (n integer);\n"
            "    select avg(n) into m from x;",
            "    m decimal(9, 2);",
        ),
    ),
    ("ZS503", ORDERS + "select 1 as one where 2 not in (select user_id from curated.orders);"),
    ("ZS504", "select date_part(month, at) as m, count(*) as n from s.t group by m;"),
    (
        "ZS504",
        "select extract(year from at) as y, extract(week from at) as w, count(*) as n from s.t group by 1, 2;",
    ),
    ("ZS505", "insert into s.t (a) select top 5 a from s.u;"),
    ("ZS505", "create table s.t distkey (a) sortkey (a) as select a from (select a from s.u limit 3) as x;"),
    ("ZS506", "select a from (select a, row_number() over () as n from s.t) as x where n = 1;"),
    ("ZS507", "update s.t set a = 1;"),
    ("ZS507", procedure("    delete from s.t using s.u;")),
    ("ZS601", procedure("    execute 'select ' || x;", head="x varchar(9)")),
    (
        "ZS601",
        procedure(
            "    q := 'delete from s.t where a = ''' || v || '''';\n    execute q;",
            "    q varchar(999);",
            head="v varchar(9)",
        ),
    ),
    (
        "ZS601",
        procedure(
            "    for r in select name from s.names loop\n        execute 'drop table s.' || r.name;\n"
            "    end loop;",
            "    r record;",
        ),
    ),
    ("ZS601", procedure("    select text into q from s.queries;\n    execute q;", "    q varchar(999);")),
    (
        "ZS601",
        procedure(
            "    for r in execute 'select a from ' || x loop null; end loop;",
            "    r record;",
            head="x varchar(9)",
        ),
    ),
    (
        "ZS601",
        procedure("    call ops.text(q);\n    execute q;", "    q varchar(9) := '';")
        + "\n"
        + procedure("    q := 'x';", head="inout q varchar(9)", name="ops.text"),
    ),
    ("ZS602", "grant select on s.t to role analyst, maria;"),
    ("ZS602", "alter default privileges in schema s grant select on tables to maria;"),
    ("ZS602", 'grant usage on schema "raw" to "IAM:maria";'),
    ("ZS603", "grant execute on procedure ops.p() to public;"),
    ("ZS604", "create user maria password 'Abcd1234';"),
    (
        "ZS604",
        "unload ('select a from s.t') to 's3://b' credentials 'aws_access_key_id=A;aws_secret_access_key=B';",
    ),
    ("ZS604", "op.execute(\"alter user maria password 'Abcd1234'\")"),
    ("ZS701", procedure("    unload ('select a from s.t limit 1') to 's3://b' iam_role default;")),
    ("ZS702", "unload ('select a from s.t') to 's3://b' iam_role default format parquet header;"),
]

LEFT_ALONE = [
    (
        "ZS213",
        'other.drop_table("t")\nprint("x")\nself.op.drop_table("t")\nop.execute(text("create schema a"))',
    ),
    ("ZS213", "op.get_bind().execute(statement)"),
    (
        "ZS502",
        "select avg(cast(a as timestamp) - cast(b as date)) as a, avg(cast(a as date) + b) as c from s.t;",
    ),
    ("ZS405", "create temp table x (a varchar);"),
    ("ZS402", "create table s.u (like s.t);"),
    ("ZS404", "create temp table x (a decimal, b varbyte);"),
    ("ZS405", "create temp table x (a decimal(18, 0));"),
    ("ZS409", 'op.get_context()\ndef downgrade():\n    op.execute("alter table s.t rename to u")'),
    ("ZS502", ORDERS + "select cast(avg(cents) as bigint) as a, s.avg(cents) as b from curated.orders;"),
    ("ZS503", "select 1 as one where 2 not in (select 1 union all select 3);"),
    ("ZS504", "select a from s.t group by 9; select extract(month from at) as m, b from s.t group by b;"),
    ("ZS504", "select nvl('week', a) as w, count(*) as n from s.t group by 1;"),
    (
        "ZS504",
        "select date_trunc('year', at) as y, extract(week from at) as w, count(*) as n from s.t group by 1, 2;",
    ),
    (
        "ZS305",
        "create view raw.v as select a from landing.s.t with no schema binding;\nselect a from landing.raw.v;",
    ),
    ("ZS305", "create materialized view s.m as select a from d.s.t;\nselect a from wh.s.m;"),
    (
        "ZS305",
        "create view raw.v as select a from landing.s.t with no schema binding;\ndelete from wh.raw.v where a = 1;",
    ),
    (
        "ZS308",
        "-- Purpose: see docs/notes.md\n-- Reads: s.t, and docs.md\ncreate view s.v as select a from s.t;",
    ),
    ("ZS308", "-- Purpose: x\n-- Reads: svv_tables\ncreate view s.v as select a from pg_catalog.pg_class;"),
    ("ZS308", "-- Purpose: a script\ninsert into s.t (a) select a from s.u;"),
    ("ZS308", "insert into s.t (a) select a from s.u;"),
    (
        "ZS309",
        "select _record_delete_time is true as x from d.s.t where coalesce(_record_delete_time, null) is null;",
    ),
    (
        "ZS311",
        "create materialized view s.a as select a from s.t;\ncreate materialized view s.b as select a from s.a;",
    ),
    (
        "ZS205",
        procedure(
            "    start transaction;\n    for r in select a from s.t loop start transaction; end loop;\n    commit;",
            "    r record;",
        ).replace("()", NONATOMIC),
    ),
    (
        "ZS205",
        procedure(
            "    for r in select a from s.t loop\n        begin\n            analyze s.t;\n"
            "        exception when others then\n            commit;\n        end;\n    end loop;",
            "    r record;",
        ),
    ),
    (
        "ZS205",
        procedure(
            "    open c;\n    if found then\n        fetch c into x;\n        commit;\n    end if;",
            "    c cursor for select a from s.t;\n    x integer;",
        ),
    ),
    (
        "ZS206",
        procedure(
            "    drop table if exists x;\n    create temp table x (a integer);\n    insert into x (a) values (1);\n"
            "exception when others then\n    delete from x where a = 1;"
        ),
    ),
    (
        "ZS207",
        procedure("    analyze s.t;\nexception continue_handler when others then\n    null;").replace(
            "()", NONATOMIC
        ),
    ),
    ("ZS212", procedure("    create table s.x (a integer) diststyle all;")),
    ("ZS212", procedure("    select a into s.x from s.t;")),
    ("ZS201", procedure("    perform f();")),
    ("ZS202", 'op.get_context()\nop.execute("vacuum s.t")\ndef downgrade():\n    op.get_bind()'),
    ("ZS202", 'op.get_bind()\ndef downgrade():\n    op.execute("vacuum s.t")'),
    ("ZS203", procedure("    commit;").replace("()", NONATOMIC) + "\nbegin;\ncall ops.p();\ncommit;"),
    (
        "ZS203",
        procedure("    commit;") + procedure("    null;", name="ops.q") + "\nbegin;\ncall ops.q();\ncommit;",
    ),
    (
        "ZS203",
        procedure("    commit;\n    call ops.q();") + procedure("    call ops.p();", name="ops.q"),
    ),
    ("ZS204", procedure("    commit;\n    call ops.p();")),
    ("ZS211", "begin; select 1 as one; commit;"),
    ("ZS211", 'op.execute("create schema a")\ndef downgrade():\n    op.execute("commit")'),
    ("ZS214", "begin; commit;"),
    ("ZS215", "select 1 as one; vacuum s.t; truncate s.t;"),
    ("ZS216", 'op.add_column("t", a, nullable=False)\ndef downgrade():\n    op.drop_index("i")'),
    ("ZS301", "call ops.refresh();"),
    ("ZS302", "create or replace view s.v as select * from d.s.t with no schema binding;"),
    ("ZS302", "insert into s.t (a) select x.* from (select a from s.u) as x join s.w on x.a = w.a;"),
    (
        "ZS302",
        "insert into s.t (a) select x.* from (select a from s.u) as x join (select * from s.w) as y on x.a = y.a;",
    ),
    ("ZS302", "insert into s.t (a) with x as (select a from s.u) select * from x;"),
    (
        "ZS302",
        "insert into s.t (a) with recursive x as (select 1 as a union all select * from x) select * from x;",
    ),
    ("ZS303", "select * from s.t;"),
    (
        "ZS601",
        procedure(
            "    execute 'delete from s.t where a = ' || n || ' and b = ' || (n + 1);", head="n integer"
        ),
    ),
    ("ZS601", procedure("    for i in 1..3 loop execute 'drop table if exists s.t_' || i; end loop;")),
    ("ZS604", "select access_key_id, 'aws_access_key_id=' as t from s.keys;"),
    ("ZS604", "copy s.t from 's3://aws_access_key_id/' iam_role default delimiter as 'x';"),
    ("ZS701", "select 'select a from s.t limit 1' as t;"),
    (
        "ZS302",
        "create temp table x (like s.t); insert into x (a) select * from s.t; select * into temp y from s.t;",
    ),
    (
        "ZS206",
        procedure(
            "    insert into ops.log (a) values (1);\nexception when others then\n"
            "    update ops.log set b = 2 where a = 1;\n    raise;"
        ).replace("()", NONATOMIC),
    ),
    (
        "ZS501",
        "create table s.a (like s.a); create view s.v as select x from s.v;\nselect x / 2 as h from s.v, s.a;",
    ),
    (
        "ZS501",
        "create temp table x as select 1 as n; create temp table x as select 1.5 as n; select n / 2 as h from x;",
    ),
    ("ZS001", "select 'a -- b' as x, $$;$$ as y; -- ; '\n/* ' */ select 2 as two;"),
    (
        "ZS101",
        "select a from s.t qualify row_number() over (partition by b order by c) = 1;".replace(
            "s.t qualify", "s.t as t qualify"
        ),
    ),
    ("ZS101", procedure("    select a into x from s.t where b = 1;", "    x integer;")),
    (
        "ZS103",
        "select listagg(a, ',') within group (order by a) as l, getdate() as g, s.format(a) as f from s.t;",
    ),
    ("ZS104", "select current_timestamp as at;"),
    ("ZS104", "insert into s.t (at) values (now());"),
    ("ZS104", "create temp table t (at timestamp default getdate());"),
    ("ZS105", "create function s.f(integer) returns integer immutable as $$ select $1 $$ language sql;"),
    ("ZS106", f'select 1 as "{"a" * 120}";'),
    ("ZS107", procedure("    -- " + "x" * 90_000 + "\n    null;")),
    (
        "ZS108",
        "merge into s.t using s.u as u on t.a = u.a and t.b = u.b when not matched then insert (a) values (u.a)"
        " when matched then delete;",
    ),
    ("ZS108", "merge into s.t using s.u as u on t.a = u.a remove duplicates;"),
    ("ZS109", "alter table s.t alter sortkey (a), alter distkey a;"),
    ("ZS109", "alter table s.t alter column a encode zstd, alter column b encode az64;"),
    ("ZS110", "alter table s.t alter column a encode zstd;"),
    ("ZS201", procedure("    execute 'analyze s.t';\n    truncate s.t;")),
    ("ZS202", "begin; alter table s.t add column a integer; commit; vacuum s.t;"),
    ("ZS203", procedure("    commit;") + "\ncall ops.p();"),
    ("ZS203", procedure("    null;", tail=" set a to b")),
    (
        "ZS204",
        procedure("    analyze s.t;", name="ops.inner")
        + "\n"
        + procedure("    call ops.inner();\n    commit;"),
    ),
    ("ZS205", procedure("    for i in 1..3 loop commit; end loop;")),
    ("ZS205", procedure("    for r in select a from s.t loop null; end loop;\n    commit;", "    r record;")),
    (
        "ZS205",
        procedure(
            "    loop\n        open c;\n        fetch c into x;\n        close c;\n        commit;\n        exit;\n"
            "    end loop;",
            "    c cursor for select a from s.t;\n    x integer;",
        ),
    ),
    (
        "ZS206",
        procedure(
            "    insert into ops.log (a) values (1);\nexception when others then\n"
            "    insert into ops.log (a) values (2);\n    update ops.log set b = 1 where a = 2;"
        ),
    ),
    (
        "ZS206",
        procedure(
            "    insert into ops.log (a) values (1);\nexception when others then\n"
            "    insert into ops.errors (a) values (2);\n    raise notice 'failed';"
        ),
    ),
    (
        "ZS206",
        procedure(
            "    analyze s.t;\nexception when others then\n    insert into ops.log (a) values (1);\n"
            "    commit;\n    raise exception 'failed';"
        ),
    ),
    ("ZS207", procedure("    analyze s.t;\nexception when others then\n    null;")),
    (
        "ZS207",
        procedure("    analyze s.t;\nexception when others then\n    raise exception 'x';").replace(
            "()", NONATOMIC
        ),
    ),
    ("ZS208", procedure("    call ops.elsewhere();").replace("()", NONATOMIC, 1)),
    ("ZS209", procedure("    for i in 1..3 loop null; end loop;").replace("()", NONATOMIC)),
    (
        "ZS210",
        procedure("    drop table if exists x;\n    create temp table x (a integer);\n    truncate x;"),
    ),
    ("ZS211", 'op.execute("update s.t set a = 1 where b = 2")'),
    ("ZS212", procedure("    create temp table if not exists x (a integer);")),
    (
        "ZS213",
        'SQL = """create schema a"""\nop.execute(SQL)\nop.execute(sa.text("create schema b"))\nop.get_bind()',
    ),
    ("ZS213", 'def downgrade():\n    op.drop_table("t")'),
    ("ZS214", procedure("    execute 'truncate s.t';")),
    ("ZS215", 'op.execute("create schema a")\ndef downgrade():\n    op.execute("truncate s.t")'),
    ("ZS216", 'op.alter_column("t", "a", new_column_name="b")'),
    (
        "ZS301",
        procedure(
            "    drop table if exists x;\n    create temp table x (a integer);\n"
            "    insert into x (a) select 1;\n    call ops.q();",
            name="ops.caller",
        )
        + procedure("    delete from s.t using x where t.a = x.a;", name="ops.q"),
    ),
    (
        "ZS301",
        "with recursive x as (select 1 as a union all select a + 1 from x where a < 3) select a from x;",
    ),
    ("ZS301", "select nspname from pg_namespace; select * from svv_tables; select a from #staged;"),
    ("ZS301", "select i.a from s.t as t, t.items as i;"),
    ("ZS302", "create or replace view s.v as select count(*) as n from (select * from s.t) as x;"),
    (
        "ZS302",
        "create or replace view s.v as select a from (select a, b from s.t) as x where exists (select * from s.u);",
    ),
    ("ZS302", "insert into s.t (a) select * from (select a from s.u) as x;"),
    ("ZS302", "select * from s.t;"),
    ("ZS302", "create temp table x as select * from s.t;"),
    ("ZS303", "select a from s.u where exists (select * from d.s.t where t.a = u.a);"),
    ("ZS303", "select count(*) as n from d.s.t;"),
    ("ZS304", "create materialized view s.v as select a from d.s.t;"),
    ("ZS305", "create view s.v as select a from s.t;\nselect a from wh.s.v;"),
    ("ZS306", "delete from landing.s.t where not _record_is_active;"),
    ("ZS306", "create temp table x (like landing.s.t);"),
    ("ZS307", procedure("    call elsewhere.p(1);")),
    (
        "ZS307",
        procedure("    call ops.q(1, x);", "    x integer;")
        + procedure("    b := a;", head="a integer, inout b integer, out c integer", name="ops.q"),
    ),
    (
        "ZS308",
        "-- Purpose: x\n-- Reads: s.*\n-- Writes: s.u, a temporary table\n"
        + procedure("    insert into s.u (a) select a from s.t;\n    insert into s.u (a) select a from s.u;"),
    ),
    (
        "ZS308",
        "-- Purpose: x\n-- Reads: s.t,\n--   s.u\n"
        "create or replace view s.v as select t.a from s.t join s.u on t.a = u.a;",
    ),
    ("ZS309", "select _record_delete_time from d.s.t where _record_is_active is not null;"),
    ("ZS310", "insert into s.t default values;"),
    ("ZS311", "create materialized view s.m as select a, count(*) as n from s.t group by a;"),
    (
        "ZS401",
        "create table s.t (a integer distkey) sortkey auto; create table s.u (like s.t); create temp table x (a date);",
    ),
    (
        "ZS402",
        "create table s.t (a integer sortkey) diststyle even; create table s.u (a integer) diststyle all;",
    ),
    ("ZS403", "create temp table t (a integer primary key);"),
    ("ZS404", "create table s.t (a varchar(10), b char(2), c varchar(max), d date) diststyle all;"),
    ("ZS404", "select cast(a as varchar) as a from s.t;"),
    ("ZS405", 'select cast(a as decimal(18, 0)) as a, b::numeric(9) as "decimal" from s.t;'),
    ("ZS406", "create table s.t (a date, b date encode zstd) diststyle even sortkey (a, b);"),
    ("ZS408", 'op.execute("drop view s.v")\ndef downgrade():\n    op.execute("drop table s.t")'),
    ("ZS408", procedure("    drop table if exists x;")),
    ("ZS409", "alter table s.t rename to u;"),
    (
        "ZS410",
        "alter table s.t add column a integer; alter table s.t add column b integer default 0 not null encode az64;",
    ),
    ("ZS411", "drop table s.t restrict; drop view s.v;"),
    (
        "ZS501",
        ORDERS
        + "select cents / 100.0 as a, price / 2 as b, cast(cents / 100 as bigint) as c from curated.orders;",
    ),
    (
        "ZS501",
        ORDERS
        + "select (cents / 60) % 60 as a, cast(cents as decimal(12, 2)) / 100 as b from curated.orders;",
    ),
    ("ZS501", "select a / b as q from s.unknown;"),
    ("ZS501", procedure("    x := n / 2;", "    x decimal(9, 2);\n    n decimal(9, 2) := 3;")),
    (
        "ZS501",
        ORDERS
        + "select o.cents / u.n as q from curated.orders as o join s.unknown as u on o.user_id = u.user_id;",
    ),
    (
        "ZS502",
        ORDERS + "select avg(price) as a, avg(cast(cents as decimal(12, 2))) as b, avg(cents * 1.0) as c"
        " from curated.orders;",
    ),
    ("ZS502", "select avg(a) as q from s.unknown;"),
    ("ZS503", ORDERS + "select 1 as one where 2 not in (select order_id from curated.orders);"),
    ("ZS503", "select 1 as one where 2 not in (1, 2, 3) and 3 in (select a from s.t);"),
    ("ZS503", "select 1 as one where 2 not in (select a from s.t where b = 1 and not a is null);"),
    ("ZS504", "select date_trunc('week', at) as w, count(*) as n from s.t group by 1;"),
    (
        "ZS504",
        "select extract(year from at) as y, extract(month from at) as m, count(*) as n from s.t group by y, m;",
    ),
    ("ZS504", "select extract(dow from at) as d, count(*) as n from s.t group by d;"),
    ("ZS505", "select a from s.t limit 5; create temp table x as select a from s.t limit 0;"),
    ("ZS506", "select row_number() over (order by a) as n, count(*) over (partition by b) as c from s.t;"),
    (
        "ZS507",
        procedure("    drop table if exists x;\n    create temp table x (a integer);\n    delete from x;"),
    ),
    ("ZS507", 'def downgrade():\n    op.execute("delete from s.t")'),
    (
        "ZS601",
        procedure(
            "    execute 'delete from s.t where a = ' || n || ' and d < ''' || cast(d as date) || '''';",
            "    n bigint := 3;",
            head="d varchar(10)",
        ),
    ),
    (
        "ZS601",
        procedure(
            "    q := 'delete from s.';\n    q := q || quote_ident(x) || ' where a = ' || quote_literal(y);\n"
            "    execute q;",
            "    q varchar(999) := '';",
            head="x varchar(9), y varchar(9)",
        ),
    ),
    (
        "ZS601",
        procedure("    execute case when n > 1 then 'analyze s.t' else 'analyze s.u' end;", head="n integer"),
    ),
    (
        "ZS602",
        "grant role analyst to maria; revoke select on s.t from maria; grant select on s.t to group g;",
    ),
    ("ZS603", "revoke all on schema s from public;"),
    ("ZS604", "create user maria password disable; copy s.t from 's3://b' iam_role 'arn:aws:iam::1:role/r';"),
    ("ZS701", "unload ('select a from (select a from s.t limit 1) as x') to 's3://b' iam_role default;"),
    ("ZS702", "copy s.t (escape, json) from 's3://b' iam_role default format parquet serializetojson;"),
    ("ZS702", "copy s.t from 's3://b' iam_role default csv gzip maxerror 5;"),
]


@pytest.mark.parametrize(("code", "text"), CAUGHT)
def test_caught(code: str, text: str) -> None:
    assert places(text, code)


@pytest.mark.parametrize(("code", "text"), LEFT_ALONE)
def test_left_alone(code: str, text: str) -> None:
    found = findings(text)
    assert [item for item in found if item.code == code] == []
    assert not any("too deeply" in item.message for item in found)


def test_every_rule_has_a_case_on_either_side() -> None:
    from deployer.operations.lint import rules

    told = {"ZS002", "ZS003"}  # tests/project/test_lint_silence.py
    # Those about eventbridge/ have theirs in tests/project/test_eventbridge.py, those about the archive in
    # tests/project/test_archive_files.py.
    every = {rule.code for rule in rules() if not rule.code.startswith(("ZS8", "ZS9"))} - told
    assert every - {code for code, _ in CAUGHT} == set()
    # The pages' mended examples are the other side of those without a trap of their own.
    assert len({code for code, _ in LEFT_ALONE}) >= 50
