"""What findings say, where a rule has more than one sentence, and on which line of a header."""

from __future__ import annotations

import pytest
from lint_examples import findings, places
from test_lint_cases import NONATOMIC, procedure

SAID = [
    ("ZS201", procedure("    vacuum s.t;"), "VACUUM cannot be used in a procedure on Redshift"),
    ("ZS201", procedure("    execute 'vacuum s.t';"),
     "VACUUM cannot be used in a procedure on Redshift, through EXECUTE neither"),
    ("ZS202", "begin; create database d; end;", "CREATE DATABASE cannot run between BEGIN and COMMIT"),
    ("ZS202", 'op.get_bind()\nop.execute("drop database d")',
     "DROP DATABASE cannot run in the transaction of a migration that reads"),
    ("ZS203", procedure("    truncate s.t;", tail=" set a to b"), "TRUNCATE fails here: ops.p is created with SET a"),
    ("ZS203", procedure("    commit;") + "\nbegin;\ncall ops.p();",
     "COMMIT fails here: example.sql:8 calls ops.p in a transaction"),
    ("ZS203", procedure("    rollback;") + "\n" + procedure("    call ops.p();", name="ops.q", tail=" set a to b"),
     "ROLLBACK fails here: ops.q is created with SET a"),
    ("ZS204", procedure("    commit;") + "\n" + procedure("    call ops.p();", name="ops.q") + "\n"
     + procedure("    call ops.q();", name="ops.r"), "ops.p ends the transaction of this procedure: COMMIT in ops.p"),
    ("ZS208", procedure("    null;") + procedure("    call ops.p();", name="ops.q").replace("()", NONATOMIC, 1),
     "a NONATOMIC procedure cannot call the atomic ops.p"),
    ("ZS208", procedure("    null;").replace("()", NONATOMIC, 1) + procedure("    call ops.p();", name="ops.q"),
     "an atomic procedure cannot call the NONATOMIC ops.p"),
    ("ZS213", 'op.execute(f"create schema {name}")',
     "the text of op.execute is no literal: write the statement as one literal text"),
    ("ZS213", 'op.rename_table("t", "u")', "op.rename_table: write the statement as one literal text"),
    ("ZS216", 'op.alter_column("t", "a", server_default="0")',
     "op.alter_column: Redshift cannot change a column's server default"),
    ("ZS307", procedure("    call ops.q();"), "no file of the project creates the procedure ops.q"),
    ("ZS307", procedure("    call ops.p(1);"), "ops.p takes 0 arguments, not 1"),
    ("ZS308", "-- Purpose: x\n-- Writes: nothing\ncreate or replace view s.v as select a from s.t;",
     "the body reads s.t, but in the header there is no Reads"),
    ("ZS308", "-- Purpose: x\n-- Reads: s.u\ncreate or replace view s.v as select a from s.t join s.u on true;",
     "the body reads s.t, but in the header Reads does not list it"),
    ("ZS308", "-- Purpose: x\n-- Reads: s.t\n-- Writes: s.u\ncreate or replace view s.v as select a from s.t;",
     "the header lists s.u under Writes, but nothing here writes it"),
    ("ZS410", "alter table s.t add column a bigint primary key;", "ADD COLUMN takes no PRIMARY KEY"),
    ("ZS404", "create temp table x (a char);", "a holds 1 byte: write the length"),
    ("ZS404", "create temp table x (a text);", "a holds 256 bytes: write the length"),
    ("ZS504", "select extract(week from at) as w from s.t group by 1;",
     "the weeks of different years fall together: use DATE_TRUNC"),
    ("ZS507", "update s.t set a = 1;", "UPDATE without WHERE takes every row of s.t"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "text", "sentence"), SAID)
def test_what_is_said(code: str, text: str, sentence: str) -> None:
    assert sentence in [found.message for found in findings(text) if found.code == code]


def test_a_header_is_found_fault_with_at_its_own_line() -> None:
    text = (
        "-- Purpose: Count.\n--   It Reads: s.x\n-- Grain: one row\n-- Reads: s.t\n-- Writes: s.old\n"
        + procedure("    insert into s.fresh (a) select a from s.u;")
        + "\n-- Reads: nothing of a header\ninsert into s.old2 (a) select a from s.t;"
    )
    said = [(found.line, found.message) for found in findings(text) if found.code == "ZS308"]
    assert said == [
        (4, "the body reads s.u, but in the header Reads does not list it"),
        (5, "the body writes s.fresh, s.old2, but in the header Writes does not list it"),
        (5, "the header lists s.old under Writes, but nothing here writes it"),
    ]


def test_one_star_over_two_relations_is_one_finding() -> None:
    assert places("insert into s.t (a) select * from s.u, s.v;", "ZS302") == [(1, 28)]
    assert places("select * from d.s.u, d.s.v;", "ZS303") == [(1, 8)]
