"""Lineage through procedures: tables, temporary tables, variables, calls, dynamic SQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.operations import lineage as operations
from deployer.operations.lineage import Lineage
from deployer.project import config

MIGRATION = '''
"""Create the tables."""
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.execute("create table s.a (id bigint, x integer, y integer, kind varchar(20))")
    op.execute("create table s.b (id bigint, x integer, y integer, kind varchar(20))")
    op.execute("create table s.t (id bigint, x integer, y integer, kind varchar(20))")
    op.execute("create table s.queue (what varchar(20), at integer)")
'''


@pytest.fixture
def lineage(tmp_path: Path):
    """`lineage(body)`: the answer about s.t.x after s.go() with this body; other procedures by name."""

    def ask(
        body: str, name: str = "s.t.x", arguments: str = "", everything: bool = False, **others: str
    ) -> Lineage:
        (tmp_path / "zeroshift.toml").write_text('[project]\nname = "p"\n[env.local]\nkind = "local"\n')
        versions = tmp_path / "migrations" / "versions"
        versions.mkdir(parents=True, exist_ok=True)
        (versions / "0001_tables.py").write_text(MIGRATION)
        directory = tmp_path / "procedures" / "s"
        directory.mkdir(parents=True, exist_ok=True)
        for procedure, text in {f"go({arguments})": body, **others}.items():
            if "(" not in procedure:
                procedure, _, text = text.partition("\n")
            declared, begin, rest = text.partition("begin")
            text = f"{declared}{begin}{rest}" if begin else f"begin\n{text}\n"
            (directory / f"{procedure.partition('(')[0]}.sql").write_text(
                f"-- Purpose: a test.\ncreate or replace procedure s.{procedure}\nas $$\n{text}end;\n"
                "$$ language plpgsql;\n"
            )
        return operations.lineage(config.load(tmp_path), name, everything=everything)

    return ask


def told(found: Lineage, influence: str = "value") -> list[str]:
    assert not found.gaps, found.gaps
    return [
        f"{end.relation}.{end.column}".removeprefix("s.").rstrip(".")
        for end in found.ends
        if end.influence == influence
    ]


def test_insert_by_position_and_by_name(lineage) -> None:
    assert told(lineage("insert into s.t select id, y, x, kind from s.a;")) == ["a.y"]
    assert told(lineage("insert into s.t (x, id) select id, x from s.a where kind = 'q';")) == ["a.id"]
    assert told(lineage("insert into s.t (x) values (1), (2);")) == []


def test_update_sets_its_columns_only(lineage) -> None:
    body = "update s.t set x = a.y from s.a where a.id = t.id and a.kind = 'q';"
    assert told(lineage(body)) == ["a.y"]
    assert told(lineage(body), "filter") == ["a.id", "a.kind"]
    assert told(lineage(body, "s.t.y")) == []


def test_delete_decides_about_the_rows_of_all_columns(lineage) -> None:
    found = lineage("delete from s.t using s.a where a.id = t.id;")
    assert (told(found), told(found, "filter")) == ([], ["a.id"])


def test_merge_updates_and_inserts(lineage) -> None:
    body = """
merge into s.t using (select id, x, y from s.a where kind = 'q') as fresh on t.id = fresh.id
when matched then update set x = fresh.y when not matched then insert (id, x) values (fresh.id, fresh.x);
"""
    found = lineage(body)
    assert told(found) == ["a.x", "a.y"]
    assert told(found, "filter") == ["a.id", "a.kind"]
    assert told(lineage(body, "s.t.id")) == ["a.id"]
    assert told(lineage(body, "s.t.y")) == []


def test_merge_remove_duplicates_and_delete(lineage) -> None:
    assert told(lineage("merge into s.t using s.a on t.id = a.id remove duplicates;")) == ["a.x"]
    deleting = """
merge into s.t using s.a on t.id = a.id
when matched then delete when not matched then insert values (a.id, a.y, a.x, a.kind);
"""
    assert told(lineage(deleting)) == ["a.y"]


@pytest.mark.parametrize(
    "create",
    [
        "create temp table w (q integer, k bigint); insert into w (k, q) select id, x from s.a;",
        "create temporary table w as select x as q, id as k from s.a;",
        "create table #w (k, q) as select id, x from s.a;",
        "select x as q, id as k into temp table w from s.a;",
        "create temp table w (like s.t); alter table w add column q integer; insert into w (q) select x from s.a;",
        "create temp table w (like s.t); alter table w rename column x to q; insert into w (q) select x from s.a;",
    ],
)
def test_temporary_tables(lineage, create: str) -> None:
    name = "#w" if "#w" in create else "w"
    found = lineage(f"{create}\ninsert into s.t (x) select q from {name} where q > 1;")
    assert told(found) == ["a.x"]
    assert found.ends[0].way[1].kind == "temp"
    assert found.ends[0].way[1].procedure == "s.go"


def test_a_temporary_table_made_anew_is_another_one(lineage) -> None:
    body = """
create temp table w as select x from s.a;
insert into s.b (x) select x from w;
drop table w;
create temp table w as select y as x from s.a;
insert into s.t (x) select x from w;
"""
    assert told(lineage(body)) == ["a.y"]
    assert told(lineage(body, "s.b.x")) == ["a.x"]


def test_temporary_tables_pass_between_procedures(lineage) -> None:
    found = lineage(
        "call s.stage(); call s.finish();",
        one="stage()\ncreate temp table w (x integer); insert into w (x) select y from s.a;",
        two="finish()\ninsert into s.t (x) select x from w;",
    )
    assert told(found) == ["a.y"]
    assert [(hop.path, hop.line) for hop in found.ends[0].way[1:]] == [
        ("procedures/s/stage.sql", 5),
        ("procedures/s/finish.sql", 5),
    ]


SHARED = "shared()\ndrop table if exists made; create temp table made as select q from given;"


def test_a_procedure_that_many_call_mixes_nothing(lineage) -> None:
    body = """
create temp table given as select x as q from s.a;
call s.shared();
insert into s.b (x) select q from made;
drop table given;
create temp table given as select y as q from s.a;
call s.shared();
insert into s.t (x) select q from made;
"""
    assert told(lineage(body, one=SHARED)) == ["a.y"]
    assert told(lineage(body, "s.b.x", one=SHARED)) == ["a.x"]


def test_branches_join(lineage) -> None:
    body = """
declare
    n bigint;
begin
    select count(*) into n from s.b where kind = 'q';
    if n > 0 then
        create temp table w as select x from s.a;
    else
        create temp table w as select y as x from s.a;
    end if;
    insert into s.t (x) select x from w;
"""
    assert told(lineage(body)) == ["a.x", "a.y"]
    assert told(lineage(body, everything=True), "control") == ["b.kind"]


def test_variables_from_into_to_insert(lineage) -> None:
    body = """
declare
    low integer;
    high integer := 0;
begin
    select min(x), max(y) into low, high from s.a where kind = 'q';
    high := high + 1;
    insert into s.t (x, y) select high, low from s.b where id > low;
"""
    found = lineage(body)
    assert told(found) == ["a.y"]
    assert told(found, "condition") == ["a.kind"]
    assert told(found, "filter") == ["a.x", "b.id"]
    assert [(hop.relation, hop.kind, hop.line) for hop in found.ends[0].way[1:]] == [
        ("high", "variable", 9),
        ("high", "variable", 10),
        ("s.t", "table", 11),
    ]
    assert told(lineage(body, "s.t.y")) == ["a.x"]


def test_what_a_variable_had_before_does_not_count(lineage) -> None:
    body = """
declare
    v integer;
begin
    select max(x) into v from s.a;
    select max(y) into v from s.a;
    insert into s.t (x) values (v);
"""
    assert told(lineage(body)) == ["a.y"]


def test_an_assignment_in_an_if_is_chosen_by_its_condition(lineage) -> None:
    body = """
declare
    v integer := 0;
    n integer;
begin
    select max(x) into n from s.a;
    if n > 5 then
        select max(y) into v from s.b;
    end if;
    insert into s.t (x) values (v);
"""
    found = lineage(body)
    assert (told(found), told(found, "condition")) == (["b.y"], ["a.x"])


def test_what_returns_early_decides_about_the_rest(lineage) -> None:
    body = """
declare
    n bigint;
begin
    select count(*) into n from s.b;
    if n = 0 then
        return;
    end if;
    insert into s.t (x) select x from s.a;
"""
    assert told(lineage(body, everything=True), "control") == ["b.*"]
    failing = body.replace("return;", "raise exception 'nothing';")
    assert told(lineage(failing, everything=True), "control") == []


def test_arguments_go_in_and_come_back(lineage) -> None:
    body = """
declare
    v integer;
    w integer := 0;
begin
    select max(x) into v from s.a;
    call s.double(v, w);
    insert into s.t (x) values (w);
"""
    double = "double(given integer, inout back integer)\nback := given * 2;"
    assert told(lineage(body, one=double)) == ["a.x"]
    assert [hop.procedure for hop in lineage(body, one=double).ends[0].way] == [
        "", "s.go", "s.double", "s.double", "s.go", "",
    ]  # fmt: skip


def test_an_argument_from_outside_is_a_source(lineage) -> None:
    found = lineage("insert into s.t (x, y) values (given, $2);", arguments="given integer, integer")
    assert told(found) == ["argument given of s.go"]


def test_loops_go_round(lineage) -> None:
    """x comes from z by the third turn."""
    body = """
declare
    x1 integer := 0;
    y1 integer := 0;
    z1 integer := 0;
begin
    for i in 1..3 loop
        x1 := y1;
        y1 := z1;
        select max(y) into z1 from s.a;
        exit when z1 > 10;
    end loop;
    insert into s.t (x) values (x1);
"""
    assert told(lineage(body)) == ["a.y"]


def test_for_over_a_query_and_records(lineage) -> None:
    body = """
declare
    rec record;
begin
    for rec in select x as one, y as two from s.a where kind = 'q' loop
        insert into s.t (x) values (rec.two);
    end loop;
"""
    found = lineage(body)
    assert told(found) == ["a.y"]
    assert "a.kind" in told(found, "condition")


def test_cursors(lineage) -> None:
    body = """
declare
    c cursor for select y from s.a;
    r refcursor;
    v integer;
    w integer;
begin
    open c;
    fetch c into v;
    close c;
    open r for select x from s.b;
    fetch r into w;
    insert into s.t (x, y) values (v, w);
"""
    assert told(lineage(body)) == ["a.y"]
    assert told(lineage(body, "s.t.y")) == ["b.x"]


def test_row_counts(lineage) -> None:
    body = """
declare
    n bigint;
begin
    update s.b set x = 1 where kind = 'q';
    get diagnostics n := row_count;
    insert into s.t (x) values (n);
"""
    assert told(lineage(body)) == ["b.kind"]


def test_a_queue_is_read_by_its_constant(lineage) -> None:
    body = """
insert into s.queue (what, at) select 'one', x from s.a;
insert into s.queue (what, at) select 'two', y from s.a union all select 'three', id from s.a;
insert into s.queue (what, at) select names.name, b.x from s.b
    cross join (select 'two' as name union all select 'four' as name) as names;
create temp table later (name varchar(20), at integer);
insert into later (name, at) select 'one', b.id from s.b;
insert into later (name, at) select 'two', b.y from s.b;
insert into s.queue (what, at) select name, at from later;
call s.consume('two');
"""
    consume = "consume(wanted varchar(20))\ninsert into s.t (x) select at from s.queue where what = wanted;"
    assert told(lineage(body, one=consume)) == ["a.y", "b.x", "b.y"]
    # Once an UPDATE sets the constant's column, the text of the INSERT says nothing any more.
    changed = body.replace("call", "update s.queue set what = 'two' where at > 5;\ncall")
    assert told(lineage(changed, one=consume)) == ["a.id", "a.x", "a.y", "b.id", "b.x", "b.y"]


def test_an_update_touches_the_rows_that_its_condition_names(lineage) -> None:
    body = """
insert into s.queue (what, at) values ('one', 0), ('two', 0);
update s.queue set at = (select max(x) from s.a) where what = 'one';
update s.queue set at = (select max(y) from s.a) where what = 'two';
insert into s.t (x) select at from s.queue where what = 'two';
"""
    assert told(lineage(body)) == ["a.y"]


def test_dynamic_sql_that_is_written_is_followed(lineage) -> None:
    body = """
declare
    command varchar(1000) := 'insert into s.t (x) ';
    tab varchar(20);
begin
    if random() < 0.5 then
        tab := 'a';
    else
        tab := 'b';
    end if;
    command := command || 'select y from s.' || quote_ident(tab);
    execute command || ' where kind = ' || quote_literal('q');
"""
    assert told(lineage(body)) == ["a.y", "b.y"]
    assert [name for name in told(lineage(body), "filter") if "kind" in name] == ["a.kind", "b.kind"]


def test_a_quoted_value_is_a_literal_whatever_it_is(lineage) -> None:
    body = """
declare
    v varchar(20);
begin
    select max(kind) into v from s.b;
    execute 'insert into s.t (x) select x from s.a where kind = ' || quote_literal(v);
"""
    found = lineage(body, everything=True)
    assert told(found) == ["a.x"]
    assert "b.kind" in told(found, "control")


def test_dynamic_sql_that_is_not_known_is_told(lineage) -> None:
    body = """
declare
    tab varchar(20);
begin
    select max(kind) into tab from s.b;
    execute 'insert into s.t (x) select x from s.a join ' || tab || ' using (id)';
"""
    found = lineage(body)
    assert [(gap.path, gap.line, gap.target) for gap in found.gaps] == [("procedures/s/go.sql", 9, "s.t")]
    assert found.gaps[0].reason == (
        "dynamic SQL is known in part only: insert into s.t (x) select x from s.a join ... using (id)"
    )
    ends = [(end.relation, end.column) for end in found.ends if end.influence == "value"]
    assert ends == [("s.a", "*"), ("s.b", "kind"), ("unknown (procedures/s/go.sql:9)", "*")]


def test_a_text_that_a_loop_makes_longer_is_not_known(lineage) -> None:
    body = """
declare
    command varchar(1000) := 'insert into s.t (x) select 0';
begin
    for i in 1..3 loop
        command := command || ' + x';
    end loop;
    execute command || ' from s.a';
"""
    assert "dynamic SQL is known in part only" in lineage(body).gaps[0].reason


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("call elsewhere.go();", "CALL of elsewhere.go, which is not in the repository"),
        ("call s.go();", "CALL of s.go from within itself is followed once only"),
        ("insert into s.t (x) select x from w;", "w is no temporary table here"),
        (
            "insert into s.unknown select x from s.a;",
            "the columns of s.unknown are not known; they go by name",
        ),
        (
            "insert into s.t select * from db.s.q;",
            "* of a relation whose columns are not known; they go by name",
        ),
    ],
)
def test_what_cannot_be_followed_is_told(lineage, statement: str, reason: str) -> None:
    found = lineage(statement)
    assert [(gap.path, gap.line) for gap in found.gaps][:1] == [("procedures/s/go.sql", 5)]
    assert found.gaps[0].reason.startswith(reason)


def test_copy_and_unload(lineage) -> None:
    copy = "copy s.t from 's3://bucket/x' iam_role default format as csv;"
    unload = "unload ('select x as q from s.a where kind = \\'z\\'') to 's3://bucket/y' iam_role default;"
    assert told(lineage(copy)) == ["COPY (procedures/s/go.sql:5).x"]
    found = lineage(unload, "UNLOAD (procedures/s/go.sql:5).q")
    assert (told(found), told(found, "filter")) == (["a.x"], ["a.kind"])


def test_a_handler_starts_where_its_block_did(lineage) -> None:
    body = """
create temp table w as select x from s.a;
begin
    drop table w;
    create temp table w as select y as x from s.a;
exception when others then
    insert into s.b (x) select x from w;
end;
insert into s.t (x) select x from w;
"""
    assert told(lineage(f"begin\n{body}", "s.b.x")) == ["a.x", "a.y"]
    assert told(lineage(f"begin\n{body}")) == ["a.x", "a.y"]


def test_procedures_in_a_circle_are_reached(lineage) -> None:
    found = lineage(
        "insert into s.b (x) select x from s.a;",
        one="left_one()\ninsert into s.t (x) select y from s.a; call s.right_one();",
        two="right_one()\ncall s.left_one();",
    )
    assert [f"{end.relation}.{end.column}" for end in found.ends] == ["s.a.y"]
    assert "from within itself" in found.gaps[0].reason


def test_what_brings_no_values_is_no_source(lineage) -> None:
    body = """
truncate s.t;
lock s.t;
alter table s.t add column late integer;
insert into s.t (x, late) select x, y from s.a;
drop table s.queue;
insert into s.queue (at) select x from s.b;
"""
    assert told(lineage(body)) == ["a.x"]
    assert told(lineage(body, "s.t.late")) == ["a.y"]
    assert told(lineage(body, "s.queue.at")) == ["b.x"]
