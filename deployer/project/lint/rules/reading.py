"""ZS0: what lint cannot read, and the comments that keep it quiet. ZS1, first half: what the parser refuses."""

from __future__ import annotations

from deployer.project.lint.catalog import Catalog
from deployer.project.lint.findings import ERROR, WARNING, Rule
from deployer.project.lint.registry import Found, describe, on_units
from deployer.project.lint.rules.lacking import LACKING_FUNCTION, calls
from deployer.project.lint.units import Unit
from deployer.sql.functions import NOT_YET

UNREADABLE = Rule(
    code="ZS001",
    name="unreadable",
    severity=ERROR,
    problem="The text is not SQL that Redshift's grammar knows: a word is missing, a quote or a comment is never"
    " closed, or a reserved word stands for a name. Nothing else can be said about the statement. The grammar is"
    " that of the local Redshift: what it does not know it cannot run either.",
    redshift="A reserved word is a name only in double quotes; strings, delimited identifiers, comments and dollar"
    " quotes have to be closed.",
    source="r_pg_keywords",
    mend="Mend the statement at the place that is shown; write a reserved word as a name in double quotes.",
    bad="select user_id, from curated.bookings;",
    good="select user_id from curated.bookings;",
)

FAULT = describe(
    Rule(
        code="ZS002",
        name="silencer-without-reason",
        severity=ERROR,
        problem="A comment that is to keep a finding quiet is not written as lint reads it, names no reason or names a"
        " rule that does not exist, so it does nothing.",
        redshift="Redshift reads comments over; this rule is lint's own.",
        source="",
        mend="Write `-- lint: ignore ZS301 because the caller makes the table`: the code, `because`, and the reason"
        " that the next reader needs.",
        bad="-- lint: ignore ZS301\nselect 1 as one;",
        good="select 1 as one;",
    )
)

UNUSED = describe(
    Rule(
        code="ZS003",
        name="silencer-unused",
        severity=WARNING,
        problem="A comment keeps a rule quiet that finds nothing there. Left in place it would hide the next fault.",
        redshift="Redshift reads comments over; this rule is lint's own.",
        source="",
        mend="Remove the comment.",
        bad="-- lint: ignore ZS301 because the caller makes the table\nselect 1 as one;",
        good="select 1 as one;",
    )
)

LACKING = Rule(
    code="ZS101",
    name="not-on-redshift",
    severity=ERROR,
    problem="The statement uses what PostgreSQL has and Redshift has not (RETURNING, ON CONFLICT, indexes, arrays,"
    " DISTINCT ON, LATERAL, CHECK, PERFORM ...). It works on PostgreSQL and fails on the warehouse.",
    redshift="Redshift descends from PostgreSQL 8.0 and leaves out or changes much of it; the pages list what is"
    " unsupported.",
    source="c_unsupported-postgresql-features",
    mend="Use the Redshift way, which the message names.",
    bad="insert into curated.bookings (booking_id) values (1) on conflict do nothing;",
    good="insert into curated.bookings (booking_id)\n"
    "select 1 where not exists (select 1 from curated.bookings where booking_id = 1);",
)

LOCAL = Rule(
    code="ZS102",
    name="not-on-the-local-redshift",
    severity=WARNING,
    problem="Redshift has it, but the local Redshift does not run it, so no test of the project can.",
    redshift="Documented: see the page of the command or function.",
    source="c_SQL_commands",
    mend="Use the way that the message names, or keep the statement out of what is tested locally.",
    bad="select hll(customer_id) from curated.sales;",
    good="select count(distinct customer_id) from curated.sales;",
)


def kind(unit: Unit) -> str:
    """Which rule a refused statement breaks: unreadable, local, or lacking; empty for those with rules of their own."""
    refused = unit.refused
    if refused is None:
        return ""
    message = refused.message
    if LACKING_FUNCTION in message:
        return ""
    if refused.sqlstate == "42622":
        # ZS106 tells names that are too long for Redshift itself.
        return "local" if "the local Redshift" in message else ""
    if "cannot be used in a procedure" in message or unit.kind.name == "merge":
        return "" if not message.startswith("syntax error") else "unreadable"
    if "local Redshift" in message:
        return "local"
    if "on Redshift" in message or "Redshift's" in message or "Redshift " in message:
        return "lacking"
    return "unreadable" if refused.sqlstate.startswith("42") else "lacking"


def _found(unit: Unit, wanted: str) -> Found:
    if kind(unit) == wanted and unit.refused is not None:
        hint = f" ({unit.refused.hint})" if unit.refused.hint else ""
        yield unit.refused.position or 0, unit.refused.message + hint


@on_units(UNREADABLE)
def unreadable(unit: Unit, catalog: Catalog) -> Found:
    yield from _found(unit, "unreadable")


@on_units(LACKING)
def lacking(unit: Unit, catalog: Catalog) -> Found:
    yield from _found(unit, "lacking")


@on_units(LOCAL)
def local(unit: Unit, catalog: Catalog) -> Found:
    yield from _found(unit, "local")
    for call in calls(unit):
        if not call.schema and call.name in NOT_YET:
            yield call.pos, f"the local Redshift does not run {call.name.upper()} yet{NOT_YET[call.name]}"
