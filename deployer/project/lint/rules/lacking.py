"""ZS1, second half: functions, names and limits of Redshift that the parser does not check."""

from __future__ import annotations

from deployer.project.lint.catalog import Catalog
from deployer.project.lint.ddl import AlterTable, CreateFunction
from deployer.project.lint.findings import ERROR, Rule
from deployer.project.lint.registry import Found, on_units
from deployer.project.lint.units import PROCEDURE, Unit
from deployer.project.lint.walk import nodes
from deployer.sql.functions import LEADER_NODE_ONLY, POSTGRESQL_ONLY
from deployer.sql.names import MAX_IDENTIFIER_BYTES
from deployer.sql.parse.nodes import Binary, FunctionCall, Merge, TableRef

LACKING_FUNCTION = "() does not exist on Redshift: "
"""In the parser's words for a function that only PostgreSQL has: it has a rule of its own, ZS103."""

MAX_STATEMENT_BYTES = 100_000
"""The Data API's limit: facts differ between 100 KB and 200 KB, the smaller one holds everywhere."""


@on_units(
    Rule(
        code="ZS103",
        name="postgresql-function",
        severity=ERROR,
        problem="The function exists in PostgreSQL and not on Redshift: the statement fails with `function ... does"
        " not exist`, in a procedure or a late-binding view only when it runs.",
        redshift="The page lists PostgreSQL's functions that Redshift does not support.",
        source="c_unsupported-postgresql-functions",
        mend="Use the Redshift function that the message names.",
        bad="select string_agg(cityname, ', ') as cities from curated.cities;",
        good="select listagg(cityname, ', ') within group (order by cityname) as cities from curated.cities;",
    )
)
def postgresql_function(unit: Unit, catalog: Catalog) -> Found:
    if unit.refused is not None and LACKING_FUNCTION in unit.refused.message:
        yield unit.refused.position or 0, unit.refused.message.removeprefix("function ")
    for call in calls(unit):
        if not call.schema and call.name in POSTGRESQL_ONLY:
            yield call.pos, f"{call.name}() does not exist on Redshift: {POSTGRESQL_ONLY[call.name]}"


@on_units(
    Rule(
        code="ZS104",
        name="leader-node-function",
        severity=ERROR,
        problem="The function runs on the leader node only and the query reads a table, so it fails with `Specified"
        " types or functions not supported on Redshift tables`.",
        redshift="A query that uses a leader-node function must run exclusively on the leader node; NOW,"
        " CURRENT_TIMESTAMP, AGE and others are deprecated besides.",
        source="c_SQL_functions_leader_node_only",
        mend="Use GETDATE() (start of the statement), SYSDATE (start of the transaction), DATEDIFF; or read the value"
        " into a variable by a statement of its own.",
        bad="select booking_id from curated.bookings where booking_date < now();",
        good="select booking_id from curated.bookings where booking_date < getdate();",
    )
)
def leader_node_function(unit: Unit, catalog: Catalog) -> Found:
    if unit.tree is None or not any(
        # An INSERT's target is no part of its query.
        (touched.how == "read" or touched.verb in ("update", "delete", "merge"))
        and not touched.parts[-1].startswith("pg_")
        and touched.parts[0] != "pg_catalog"
        for touched in unit.touched
    ):
        return
    for call in calls(unit):
        if not call.schema and call.name in LEADER_NODE_ONLY:
            yield call.pos, f"{call.name.upper()} runs on the leader node only, and this query reads tables"


@on_units(
    Rule(
        code="ZS105",
        name="python-udf",
        severity=ERROR,
        problem="The function is written in Python. Redshift no longer runs such functions.",
        redshift="No new Python UDFs since patch 198 (2025-11-01), and no use of them after 2026-06-30.",
        source="user-defined-functions",
        mend="Write it as an SQL function or an AWS Lambda function (CREATE EXTERNAL FUNCTION), or into the query.",
        bad="create function curated.twice(n integer) returns integer stable as $$ return n * 2 $$"
        " language plpythonu;",
        good="create function curated.twice(integer) returns integer stable as $$ select $1 * 2 $$ language sql;",
    )
)
def python_udf(unit: Unit, catalog: Catalog) -> Found:
    if isinstance(unit.tree, CreateFunction) and unit.tree.language.startswith("plpython"):
        yield (
            unit.tree.language_pos,
            "Python functions ended on 2026-06-30: use LANGUAGE sql or a Lambda function",
        )


@on_units(
    Rule(
        code="ZS106",
        name="long-identifier",
        severity=ERROR,
        problem="The name is longer than Redshift keeps: it is cut off, and two names may become one.",
        redshift="Identifiers are 1 to 127 bytes long; longer names of tables and columns are truncated.",
        source="r_names",
        mend="Choose a shorter name; mind that letters outside of ASCII take two to four bytes.",
        bad=f"select booking_id as {'very_' * 26}long from curated.bookings;",
        good="select booking_id as very_long from curated.bookings;",
    )
)
def long_identifier(unit: Unit, catalog: Catalog) -> Found:
    for token in unit.tokens:
        if token.kind in ("word", "quoted") and token.end - token.start > MAX_IDENTIFIER_BYTES // 4:
            size = len(token.value.encode(errors="replace"))
            if size > MAX_IDENTIFIER_BYTES:
                message = f'"{token.value[:30]}..." has {size} bytes, Redshift keeps {MAX_IDENTIFIER_BYTES}'
                yield token.start, message


@on_units(
    Rule(
        code="ZS107",
        name="statement-too-long",
        severity=ERROR,
        problem="The statement is longer than the Redshift Data API takes, so no scheduler, Lambda or deployment"
        " that uses it can send it. CREATE PROCEDURE counts with its whole body.",
        redshift="The statement size is limited to 100 KB (100,000 characters in an EventBridge rule; a newer copy of"
        " the page says 200 KB).",
        source="https://docs.aws.amazon.com/redshift/latest/mgmt/data-api.html",
        mend="Cut the procedure into several, or load the values from a file instead of listing them.",
        bad="insert into ops.numbers (n) values "
        + ", ".join(f"({n})" for n in range(100_000, 111_200))
        + ";",
        good="insert into ops.numbers (n) values (1), (2), (3);",
    )
)
def statement_too_long(unit: Unit, catalog: Catalog) -> Found:
    if unit.where != PROCEDURE and len(unit.text) > MAX_STATEMENT_BYTES // 4:
        size = len(unit.text.encode(errors="replace"))
        if size > MAX_STATEMENT_BYTES:
            yield 0, f"the statement has {size:,} bytes, the Data API takes {MAX_STATEMENT_BYTES:,}"


@on_units(
    Rule(
        code="ZS108",
        name="merge-limits",
        severity=ERROR,
        problem="The MERGE goes beyond what Redshift's MERGE does: a condition in WHEN, a clause missing or written"
        " twice, NOT MATCHED BY SOURCE, an alias of the target, WITH, a join that is no equality, or a source that"
        " reads the target.",
        redshift="Exactly one WHEN MATCHED (UPDATE or DELETE) and one WHEN NOT MATCHED (INSERT), or REMOVE DUPLICATES;"
        " equality predicates in ON; the source cannot be or read the target.",
        source="r_MERGE",
        mend="Put conditions into the source query, and stage what is to be compared with the target in a temporary"
        " table; what MERGE cannot do is DELETE and INSERT in one transaction.",
        bad="merge into curated.users using ops.staged as staged on users.user_id = staged.user_id\n"
        "when matched and staged.is_deleted then delete\n"
        "when not matched then insert (user_id) values (staged.user_id);",
        good="merge into curated.users using ops.staged as staged on users.user_id = staged.user_id\n"
        "when matched then update set name = staged.name\n"
        "when not matched then insert (user_id, name) values (staged.user_id, staged.name);",
    )
)
def merge_limits(unit: Unit, catalog: Catalog) -> Found:
    refused = unit.refused
    if unit.kind.name == "merge" and refused is not None and not refused.message.startswith("syntax error"):
        yield refused.position or 0, refused.message
    tree = unit.tree
    if not isinstance(tree, Merge):
        return
    for table in nodes(tree.source):
        if isinstance(table, TableRef) and table.parts == tree.target.parts:
            yield table.pos, f"the source of MERGE reads its target {'.'.join(table.parts)}: stage it first"
    stack = [tree.on]
    while stack:
        part = stack.pop()
        if isinstance(part, Binary) and part.op == "and":
            stack += [part.left, part.right]
        elif not (isinstance(part, Binary) and part.op == "="):
            yield part.pos, "the join condition of MERGE takes equality predicates only"


@on_units(
    Rule(
        code="ZS109",
        name="several-alterations",
        severity=ERROR,
        problem="One ALTER TABLE makes several changes that Redshift does not combine: it is refused.",
        redshift="One column can be added in each ALTER TABLE; only SORTKEY with DISTKEY or DISTSTYLE ALL, and several"
        " ENCODE changes, can stand in one statement.",
        source="r_ALTER_TABLE",
        mend="Write one ALTER TABLE for each change.",
        bad="alter table curated.bookings add column a integer, add column b integer;",
        good="alter table curated.bookings add column a integer;\nalter table curated.bookings add column b integer;",
    )
)
def several_alterations(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if isinstance(tree, AlterTable) and len(tree.actions) > 1:
        verbs = {action.verb for action in tree.actions}
        if verbs <= {"alter encode"} or verbs <= {"alter"}:
            return
        yield tree.actions[1].pos, "Redshift takes one such change in each ALTER TABLE"


@on_units(
    Rule(
        code="ZS110",
        name="type-change",
        severity=ERROR,
        problem="The column's type cannot be changed in place: Redshift widens VARCHAR and nothing else.",
        redshift="ALTER COLUMN TYPE changes the size of a VARCHAR column only, outside of a transaction, and not with"
        " a default, a key, or the encodings BYTEDICT, RUNLENGTH, TEXT255, TEXT32K.",
        source="r_ALTER_TABLE",
        mend="Add a column of the new type, copy the values by UPDATE, drop the old column, rename the new one.",
        bad="alter table curated.bookings alter column num_guests type bigint;",
        good="alter table curated.bookings alter column currency type varchar(24);",
    )
)
def type_change(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if not isinstance(tree, AlterTable):
        return
    table = catalog.table(tree.parts)
    for action in tree.actions:
        if action.verb == "alter type" and action.type is not None:
            before = table.columns.get(action.name) if table else None
            if action.type.name != "varchar" or (before is not None and before.name != "varchar"):
                yield action.pos, f"only a VARCHAR can be widened in place; {action.name} needs a new column"


def calls(unit: Unit) -> list[FunctionCall]:
    """Every function call of a unit."""
    if unit.tree is None:
        return []
    return [node for node in unit.nodes if isinstance(node, FunctionCall)]
