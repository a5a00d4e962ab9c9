"""ZS2, second half: cursors, handlers and temporary tables inside of procedures."""

from __future__ import annotations

from deployer.project.lint.bodies import in_handler
from deployer.project.lint.catalog import Catalog
from deployer.project.lint.ddl import CreateTable, Drop, Truncate
from deployer.project.lint.findings import ERROR, WARNING, Rule
from deployer.project.lint.registry import Found, on_procedures
from deployer.project.lint.units import Procedure, Step
from deployer.project.lint.walk import selects
from deployer.sql.parse.nodes import Query
from deployer.sql.plpgsql_ast import (
    Block,
    Call,
    Cursor,
    ForInteger,
    ForQuery,
    Handler,
    Loop,
    Raise,
    Transaction,
)

TRAPPING = "stored-procedure-trapping-errors"
TRANSACTIONS = "stored-procedure-transaction-management"


def _ends(step: Step, catalog: Catalog) -> str:
    """How a step ends the transaction, empty when it does not."""
    if isinstance(step.node, Transaction) and step.node.verb != "start":
        return step.node.verb.upper()
    if any(isinstance(unit.tree, Truncate) for unit in step.units):
        return "TRUNCATE"
    if isinstance(step.node, Call):
        name = f"{step.node.schema}.{step.node.name}" if step.node.schema else step.node.name
        how = catalog.commits(name)
        return f"CALL {name} ({how})" if how else ""
    return ""


@on_procedures(
    Rule(
        code="ZS205",
        name="commit-in-cursor-loop",
        severity=ERROR,
        problem="The transaction ends inside of a loop over a query's rows. That closes the loop's cursor, and the"
        ' next round fails with `cursor "..." does not exist`.',
        redshift="Any open cursor, explicit or implicit, is closed when COMMIT, ROLLBACK or TRUNCATE is processed; a"
        " FOR loop over a query is an implicit cursor.",
        source=TRANSACTIONS,
        mend="Collect what is to be done in a temporary table and commit after the loop; or count with an integer FOR"
        " loop and read one row each round.",
        bad="create or replace procedure ops.each_day()\nas $$\ndeclare\n    day_row record;\nbegin\n"
        "    for day_row in select day from ops.days loop\n"
        "        insert into ops.done (day) values (day_row.day);\n        commit;\n    end loop;\nend;\n"
        "$$ language plpgsql;",
        good="create or replace procedure ops.each_day()\nas $$\ndeclare\n    day_row record;\nbegin\n"
        "    for day_row in select day from ops.days loop\n"
        "        insert into ops.done (day) values (day_row.day);\n    end loop;\n    commit;\nend;\n"
        "$$ language plpgsql;",
    )
)
def commit_in_cursor_loop(procedure: Procedure, catalog: Catalog) -> Found:
    fetching = _fetching_loops(procedure)
    for step in procedure.steps:
        loops = [node for node in step.around if isinstance(node, ForQuery) or id(node) in fetching]
        if loops and not in_handler(step):
            how = _ends(step, catalog)
            if how:
                yield step.node.at, f"{how} closes the cursor of the loop around it"


def _fetching_loops(procedure: Procedure) -> set[int]:
    """Loops that FETCH from a cursor which they do not open themselves."""
    opened = {
        step.node.name: step.around
        for step in procedure.steps
        if isinstance(step.node, Cursor) and step.node.verb == "open"
    }
    found: set[int] = set()
    for step in procedure.steps:
        if isinstance(step.node, Cursor) and step.node.verb == "fetch":
            outside = opened.get(step.node.name, ())
            found |= {
                id(node)
                for node in step.around
                if isinstance(node, Loop | ForInteger) and not any(node is other for other in outside)
            }
    return found


@on_procedures(
    Rule(
        code="ZS209",
        name="nonatomic-cursor",
        severity=ERROR,
        problem="A NONATOMIC procedure loops over a query without a transaction around the loop: the first statement"
        " inside commits by itself, and the cursor is gone.",
        redshift="In a NONATOMIC procedure each statement commits automatically; a cursor needs an explicit"
        " transaction, opened by START TRANSACTION.",
        source=TRANSACTIONS,
        mend="Write START TRANSACTION before the loop and COMMIT behind it.",
        bad="create or replace procedure ops.each_day() nonatomic\nas $$\ndeclare\n    day_row record;\nbegin\n"
        "    for day_row in select day from ops.days loop\n"
        "        insert into ops.done (day) values (day_row.day);\n    end loop;\nend;\n$$ language plpgsql;",
        good="create or replace procedure ops.each_day() nonatomic\nas $$\ndeclare\n    day_row record;\nbegin\n"
        "    start transaction;\n    for day_row in select day from ops.days loop\n"
        "        insert into ops.done (day) values (day_row.day);\n    end loop;\n    commit;\nend;\n"
        "$$ language plpgsql;",
    )
)
def nonatomic_cursor(procedure: Procedure, catalog: Catalog) -> Found:
    if not procedure.created.nonatomic:
        return
    started = False
    for step in procedure.steps:
        if isinstance(step.node, Transaction):
            started = step.node.verb == "start"
        elif isinstance(step.node, ForQuery) and not started:
            yield (
                step.node.at,
                "a loop over a query needs START TRANSACTION before it in a NONATOMIC procedure",
            )


@on_procedures(
    Rule(
        code="ZS206",
        name="handler-loses-log",
        severity=ERROR,
        problem="The log of a failure is lost: the handler changes a row that the body wrote, which entering the"
        " handler has rolled back; or it writes its log and then raises an error itself, which rolls the log back.",
        redshift="When entering the exception-handling block, the whole current transaction is rolled back and a new"
        " one runs the handler; if that ends without error it is committed and the exception is thrown again.",
        source=TRAPPING,
        mend="Commit the log row before the work, or insert a new one in the handler; end the handler without RAISE,"
        " the error is thrown again by itself.",
        bad="create or replace procedure ops.run(this_run varchar(64))\nas $$\nbegin\n"
        "    insert into ops.runs (run_id, state) values (this_run, 'running');\n    analyze ops.runs;\n"
        "exception\n    when others then\n"
        "        update ops.runs set state = 'failed' where run_id = this_run;\nend;\n$$ language plpgsql;",
        good="create or replace procedure ops.run(this_run varchar(64))\nas $$\nbegin\n"
        "    insert into ops.runs (run_id, state) values (this_run, 'running');\n    commit;\n"
        "    analyze ops.runs;\nexception\n    when others then\n"
        "        update ops.runs set state = 'failed' where run_id = this_run;\nend;\n$$ language plpgsql;",
    )
)
def handler_loses_log(procedure: Procedure, catalog: Catalog) -> Found:
    if procedure.created.nonatomic:
        # Each statement has committed by itself before the handler is entered.
        return
    for block in (step.node for step in procedure.steps if isinstance(step.node, Block)):
        if block.handler is None:
            continue
        # The whole transaction is rolled back: what stands before the block is, too.
        body = [step for step in procedure.steps if step.node.at < block.handler.at and not in_handler(step)]
        inside = [step for step in procedure.steps if any(node is block.handler for node in step.around)]
        yield from _rolled_back_rows(body, inside, catalog)
        yield from _raised_after_writing(inside, catalog)


def _written(step: Step, catalog: Catalog, *verbs: str) -> set[str]:
    """Permanent tables whose rows a step changes in one of these ways, by itself or through what it calls."""
    found = {
        ".".join(touched.parts) for unit in step.units for touched in unit.touched if touched.verb in verbs
    }
    if isinstance(step.node, Call):
        name = f"{step.node.schema}.{step.node.name}" if step.node.schema else step.node.name
        found |= {relation for relation, _, verb in catalog.touched(name) if verb in verbs}
    return {name for name in found if not catalog.is_temporary(name)}


def _rolled_back_rows(body: list[Step], inside: list[Step], catalog: Catalog) -> Found:
    written: set[str] = set()
    for step in body:
        if _ends(step, catalog):
            written.clear()
        else:
            written |= _written(step, catalog, "insert")
    for step in inside:
        # What the handler inserts anew is there.
        written -= _written(step, catalog, "insert", "merge")
        for name in sorted(written & _written(step, catalog, "update", "delete")):
            yield step.node.at, f"entering the handler has rolled back what was inserted into {name}"


def _raised_after_writing(inside: list[Step], catalog: Catalog) -> Found:
    written: set[str] = set()
    for step in inside:
        if _ends(step, catalog):
            written.clear()
        else:
            written |= _written(step, catalog, "insert", "update", "delete", "merge")
        if isinstance(step.node, Raise) and step.node.level == "exception" and written:
            names = ", ".join(sorted(written))
            yield step.node.at, f"this error rolls back what the handler wrote into {names}: leave RAISE out"


@on_procedures(
    Rule(
        code="ZS207",
        name="handler-swallows-error",
        severity=WARNING,
        problem="The NONATOMIC procedure handles the error and goes on: the CALL succeeds, the statement is FINISHED,"
        " and no scheduler or alarm hears of the failure.",
        redshift="When an error occurs inside a NONATOMIC procedure it is not thrown again if an exception block"
        " handles it; a bare RAISE throws it again.",
        source=TRAPPING,
        mend="End the handler with RAISE; or RAISE EXCEPTION with a message of your own.",
        bad="create or replace procedure ops.run() nonatomic\nas $$\nbegin\n    analyze ops.runs;\n"
        "exception\n    when others then\n        insert into ops.errors (message) values (sqlerrm);\nend;\n"
        "$$ language plpgsql;",
        good="create or replace procedure ops.run() nonatomic\nas $$\nbegin\n    analyze ops.runs;\n"
        "exception\n    when others then\n        insert into ops.errors (message) values (sqlerrm);\n"
        "        raise;\nend;\n$$ language plpgsql;",
    )
)
def handler_swallows_error(procedure: Procedure, catalog: Catalog) -> Found:
    if not procedure.created.nonatomic:
        return
    for step in procedure.steps:
        handler = step.node.handler if isinstance(step.node, Block) else None
        if handler is None or handler.resume:
            continue
        if not any(_throws(other, handler) for other in procedure.steps):
            yield handler.at, "the handler swallows the error: the caller is told that all went well"


def _throws(step: Step, handler: Handler) -> bool:
    return (
        isinstance(step.node, Raise)
        and step.node.level in ("", "exception")
        and any(node is handler for node in step.around)
    )


@on_procedures(
    Rule(
        code="ZS212",
        name="temp-table-not-dropped-first",
        severity=WARNING,
        problem="The procedure creates a temporary table that may still be there from its last call in the same"
        " session: the second call fails with `Relation ... already exists`.",
        redshift="A temporary table is dropped at the end of the session, not of the transaction; there is no ON"
        " COMMIT DROP.",
        source="r_CREATE_TABLE_NEW",
        mend="Write DROP TABLE IF EXISTS before it.",
        bad="create or replace procedure ops.stage()\nas $$\nbegin\n    create temp table staged (id bigint);\nend;\n"
        "$$ language plpgsql;",
        good="create or replace procedure ops.stage()\nas $$\nbegin\n    drop table if exists staged;\n"
        "    create temp table staged (id bigint);\nend;\n$$ language plpgsql;",
    )
)
def temp_table_not_dropped_first(procedure: Procedure, catalog: Catalog) -> Found:
    dropped: set[tuple[str, ...]] = set()
    for step in procedure.steps:
        for unit in step.units:
            tree = unit.tree
            if isinstance(tree, Drop) and tree.kind == "table":
                dropped |= set(tree.names)
                continue
            created: list[tuple[str, ...]] = []
            if isinstance(tree, CreateTable) and tree.temporary and not tree.quietly:
                created.append(tree.parts)
            elif isinstance(tree, Query):
                into = [select.into for select in selects(tree) if select.into is not None]
                created += [parts for parts, temporary in into if temporary or parts[-1].startswith("#")]
            for parts in created:
                if parts not in dropped:
                    name = ".".join(parts)
                    yield step.node.at, f"write DROP TABLE IF EXISTS {name} first: it may still be there"
                dropped.discard(parts)
