"""Lineage of views: what each form of a query makes of its columns."""

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
    op.execute(
        """
        create table s.a (id bigint not null encode raw, x integer, y integer default (1 + 2), primary key (id))
        diststyle key distkey (id) sortkey (id)
        """
    )
    op.execute("""create table s.b (id bigint, z varchar(20) encode zstd, w decimal(12, 2))""")
    op.execute("""create table s.c (like s.a, extra boolean)""")
'''


@pytest.fixture
def lineage(tmp_path: Path):
    """`lineage(query)`: the answer about column v of a view with this query; other objects by name and text."""

    def ask(query: str, name: str = "s.v.v", migration: str = MIGRATION, **others: str) -> Lineage:
        (tmp_path / "zeroshift.toml").write_text('[project]\nname = "p"\n[env.local]\nkind = "local"\n')
        versions = tmp_path / "migrations" / "versions"
        versions.mkdir(parents=True, exist_ok=True)
        (versions / "0001_tables.py").write_text(migration)
        directory = tmp_path / "procedures" / "s"
        directory.mkdir(parents=True, exist_ok=True)
        for view, text in {"v": query, **others}.items():
            body = f"-- Purpose: a test.\ncreate or replace view s.{view} as\n{text};\n"
            (directory / f"{view}.sql").write_text(body)
        return operations.lineage(config.load(tmp_path), name)

    return ask


def told(found: Lineage, influence: str = "value") -> list[str]:
    assert not found.gaps, found.gaps
    return [f"{end.relation}.{end.column}" for end in found.ends if end.influence == influence]


@pytest.mark.parametrize(
    ("query", "value", "condition", "filters"),
    [
        ("select x as v from s.a", "a.x", "", ""),
        ("select a.x + s.a.y as v from s.a", "a.x a.y", "", ""),
        ("select x as v from s.a where y > 1", "a.x", "", "a.y"),
        # An unqualified column belongs to the table that has it.
        ("select x || z as v from s.a join s.b on a.id = b.id", "a.x b.z", "", "a.id b.id"),
        ("select x as v from s.a join s.b using (id)", "a.x", "", "a.id b.id"),
        ("select id as v from s.a join s.b using (id)", "a.id b.id", "", ""),
        ("select x as v from s.a natural join s.b", "a.x", "", "a.id b.id"),
        # What an outer join looks up is chosen by its ON, and decides no rows.
        ("select z as v from s.a left join s.b on a.id = b.id", "b.z", "a.id b.id", ""),
        ("select x as v from s.a left join s.b on a.id = b.id", "a.x", "", ""),
        ("select x as v from s.a left join s.b on a.id = b.id where b.id is null", "a.x", "", "a.id b.id"),
        ("select x as v from s.a right join s.b on a.id = b.id", "a.x", "a.id b.id", ""),
        ("select x as v from s.a full join s.b on a.id = b.id", "a.x", "a.id b.id", ""),
        ("select x as v from s.a, s.b", "a.x", "", "b.*"),
        # CASE: between constants it is computed from its conditions.
        ("select case when x > 1 then y else 0 end as v from s.a", "a.y", "a.x", ""),
        ("select case x when 1 then 'a' else 'b' end as v from s.a", "a.x", "", ""),
        ("select decode(x, 1, y, 2, id) as v from s.a", "a.id a.y", "a.x", ""),
        ("select nvl2(x, y, id) as v from s.a", "a.id a.y", "a.x", ""),
        ("select nullif(x, y) as v from s.a", "a.x", "a.y", ""),
        ("select coalesce(x, y) as v from s.a", "a.x a.y", "", ""),
        ("select x between y and id as v from s.a", "a.id a.x a.y", "", ""),
        ("select z like 'a%' as v from s.b", "b.z", "", ""),
        ("select x in (1, y) as v from s.a", "a.x a.y", "", ""),
        ("select cast(w as integer) as v from s.b", "b.w", "", ""),
        ("select dateadd(day, x, date '2024-01-01') as v from s.a", "a.x", "", ""),
        ("select extract(year from cast(z as date)) as v from s.b", "b.z", "", ""),
        # Aggregates, groups.
        ("select count(*) as v from s.a where x > 1", "a.*", "", "a.x"),
        ("select count(*) as v from s.a join s.b on a.id = b.id", "a.*", "", "a.id b.id"),
        ("select count(x) as v from s.a", "a.x", "", ""),
        ("select sum(x) as v from s.a group by y having max(id) > 1", "a.x", "", "a.id a.y"),
        ("select y as k, sum(x) as v from s.a group by 1", "a.x", "", "a.y"),
        ("select y as k, sum(x) as v from s.a group by k", "a.x", "", "a.y"),
        ("select sum(x) as v from s.a group by rollup (y, id)", "a.x", "", "a.id a.y"),
        ("select listagg(z, ',') within group (order by w) as v from s.b", "b.z", "b.w", ""),
        # Windows.
        ("select sum(x) over (partition by y order by id rows unbounded preceding) as v from s.a",
         "a.x", "a.id a.y", ""),
        ("select rank() over (partition by y order by x) as v from s.a", "a.x", "a.y", ""),
        ("select x as v from s.a as t qualify row_number() over (partition by y order by id) = 1",
         "a.x", "", "a.id a.y"),
        ("select lag(x) over (partition by y order by id) as v from s.a", "a.x", "a.id a.y", ""),
        # Sub-queries.
        ("select v from (select x + 1 as v, y from s.a where id > 0) as t where y = 2", "a.x", "", "a.id a.y"),
        ("select t.v from (select x from s.a) as t (v)", "a.x", "", ""),
        ("select (select max(w) from s.b where b.id = a.id) as v from s.a", "b.w", "a.id b.id", ""),
        ("select x as v from s.a where exists (select 1 from s.b where b.id = a.id)", "a.x", "", "a.id b.id"),
        ("select x as v from s.a where id in (select id from s.b where z = 'q')", "a.x", "", "a.id b.id b.z"),
        ("select x as v from s.a where y > all (select w from s.b)", "a.x", "", "a.y b.w"),
        ("with t as (select x from s.a), u as (select x as q from t) select q as v from u", "a.x", "", ""),
        ("with t as (select x from s.a), u (q) as (select * from t) select t.x + u.q as v from t cross join u",
         "a.x", "", ""),
        ("with t (v) as (select x from s.a) select v from t", "a.x", "", ""),
        ("with recursive t (v, n) as (select x, 1 from s.a union all select v + y, n + 1 from t join s.a on id = n)"
         " select v from t", "a.x a.y", "", "a.id"),
        # Set operations. Behind EXCEPT the rows of the right side decide.
        ("select x as v from s.a union all select id from s.b where z = 'q'", "a.x b.id", "", "b.z"),
        ("select x as v from s.a except select id from s.b where z = 'q'", "a.x", "", "b.z"),
        ("select x as v from s.a intersect select id from s.b", "a.x", "", "b.*"),
        ("(select x as v from s.a order by y limit 1)", "a.x", "", ""),
        # Stars, aliases.
        ("select * from (select x as v, y from s.a) as t", "a.x", "", ""),
        ("select t.* from (select x as v from s.a) as t cross join s.b", "a.x", "", "b.*"),
        ("select x + 1 as q, q * 2 as v from s.a", "a.x", "", ""),
        ("select y as x, x as v from s.a", "a.x", "", ""),
        ("select extra as v from s.c", "c.extra", "", ""),
        ("select y as v from s.c", "c.y", "", ""),
        ("select getdate() as v from s.a", "getdate().", "", ""),
        ("select 1 as v from s.a", "", "", ""),
        # A table that no file creates has whatever columns are read of it.
        ("select q as v from db.s.t where r = 1", "db.s.t.q", "", "db.s.t.r"),
        ("select * from db.s.t", "db.s.t.v", "", ""),
        ("select t.*, x from db.s.t as t join s.a on t.id = a.id", "db.s.t.v", "", "db.s.t.id a.id"),
        ("select v from (select * from db.s.t where r = 1) as q", "db.s.t.v", "", "db.s.t.r"),
        ("select q as v from spectrum.t", "spectrum.t.q", "", ""),
        # SUPER.
        ("select t.doc.price as v from db.s.t as t", "db.s.t.doc", "", ""),
        ("select i.price as v from db.s.t as t, t.items as i", "db.s.t.items", "", ""),
        ("select t.items[0].price as v from db.s.t as t", "db.s.t.items", "", ""),
    ],
)  # fmt: skip
def test_a_query(lineage, query: str, value: str, condition: str, filters: str) -> None:
    found = lineage(query)
    assert [told(found, kind) for kind in ("value", "condition", "filter")] == [
        [name if name.count(".") > 1 or "(" in name else f"s.{name}" for name in names.split()]
        for names in (value, condition, filters)
    ]


def test_a_view_over_views_leads_to_the_table(lineage) -> None:
    found = lineage(
        "select q as v from s.one", one="select x as q from s.two", two="select x from s.a where y = 1"
    )
    assert told(found) == ["s.a.x"]
    assert told(found, "filter") == ["s.a.y"]
    assert [(hop.relation, hop.path, hop.line) for hop in found.ends[0].way] == [
        ("s.a", "", 0),
        ("s.two", "procedures/s/two.sql", 2),
        ("s.one", "procedures/s/one.sql", 2),
        ("s.v", "procedures/s/v.sql", 2),
    ]


def test_a_whole_view_has_the_tables_of_all_its_columns(lineage) -> None:
    found = lineage("select x as v, z from s.a join s.b on a.id = b.id", name="s.v")
    assert [(end.relation, end.column, end.influence) for end in found.ends] == [
        ("s.a", "", "value"),
        ("s.b", "", "value"),
    ]


def test_pivot_and_the_elements_of_super_are_followed(lineage) -> None:
    assert told(
        lineage("select p.n as v from (select x, y from s.a) pivot (sum(x) as n for y in (1)) as p")
    ) == [
        "s.a.x",
        "s.a.y",
    ]


def test_connect_by_is_followed(lineage) -> None:
    found = lineage("select level + x as v from s.a start with x = 1 connect by prior id = y")
    assert told(found) == ["s.a.x"]
    assert not found.gaps


def test_later_migrations_change_columns(lineage) -> None:
    later = MIGRATION + (
        '    op.execute("alter table s.a add column late integer")\n'
        '    op.execute("alter table s.a rename column y to why")\n'
        '    op.execute("alter table s.b drop column z; alter table s.b rename to bee")\n'
    )
    query = "select late + why as v from s.a join s.bee on a.id = bee.id"
    assert told(lineage(query, migration=later)) == ["s.a.late", "s.a.why"]


@pytest.mark.parametrize(
    ("query", "reason"),
    [
        ("select nowhere as v from s.a", "column nowhere is in none of the relations that are read"),
        ("select x as v from s.a tablesample (5)", "not read: TABLESAMPLE is not supported"),
        ("select x as v from loose", "loose is no temporary table here, and has no schema"),
    ],
)
def test_what_cannot_be_followed_is_told_with_its_place(lineage, query: str, reason: str) -> None:
    found = lineage(query)
    assert [(gap.path, gap.line) for gap in found.gaps][:1] == [("procedures/s/v.sql", 3)]
    assert reason in found.gaps[0].reason


def test_a_view_that_cannot_be_read_comes_from_somewhere_unknown(lineage) -> None:
    found = lineage("select x as v from s.a tablesample (5)", name="s.v")
    assert [(end.relation, end.kind) for end in found.ends] == [
        ("s.a", "table"),
        ("unknown (procedures/s/v.sql:3)", "unknown"),
    ]
    assert found.gaps[0].target == "s.v"


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (
            'op.execute(f"create table s.d (id bigint)")',
            "op.execute() of something else than a literal is not read",
        ),
        ('op.add_column("a", None)', "op.add_column() is not read; write op.execute() with the SQL"),
        ('op.execute("create table s.d (id bigint")', "not read: syntax error at end of input"),
    ],
)
def test_what_a_migration_hides_is_told(lineage, line: str, reason: str) -> None:
    found = lineage("select x as v from s.a", migration=f"{MIGRATION}    {line}\n")
    assert [(gap.path, gap.line, gap.reason) for gap in found.gaps] == [
        ("migrations/versions/0001_tables.py", 18, reason)
    ]


def test_a_seed_table_is_a_source(lineage) -> None:
    seeded = MIGRATION + '    op.execute("insert into s.a (id, x) select 1, 2 union all select 2, 3")\n'
    assert told(lineage("select x as v from s.a", migration=seeded)) == ["s.a.x"]
