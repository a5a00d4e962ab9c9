"""ZS2: what stands in a transaction, a procedure or a migration where Redshift cannot run it, or where it ends one."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.project.lint.alembic_files import MigrationContent
from deployer.project.lint.catalog import Catalog, transaction_ends
from deployer.project.lint.ddl import CallNode, Truncate
from deployer.project.lint.findings import ERROR, WARNING, Rule
from deployer.project.lint.registry import Found, on_files, on_procedures, on_units
from deployer.project.lint.units import DYNAMIC, MIGRATION, Content, Procedure, Unit
from deployer.sql.classify import classify_tokens
from deployer.sql.plpgsql_sql import forbidden

TRANSACTIONS = "stored-procedure-transaction-management"


@on_units(
    Rule(
        code="ZS201",
        name="forbidden-in-procedure",
        severity=ERROR,
        problem="The statement needs a transaction of its own, and a procedure's statements run in one: VACUUM, CREATE"
        " or DROP DATABASE, ALTER TABLE APPEND, a column's new type, external tables.",
        redshift="SQL commands that require their own transaction context are not supported inside a procedure; nor"
        " are PREPARE and SET LOCAL.",
        source="stored-procedure-constraints",
        mend="Run it from outside, as a statement of its own.",
        bad="create or replace procedure ops.clean()\nas $$\nbegin\n    vacuum curated.bookings;\nend;\n"
        "$$ language plpgsql;",
        good="create or replace procedure ops.clean()\nas $$\nbegin\n    analyze curated.bookings;\nend;\n"
        "$$ language plpgsql;",
    )
)
def forbidden_in_procedure(unit: Unit, catalog: Catalog) -> Found:
    refused = unit.refused
    if refused is not None and "cannot be used in a procedure" in refused.message:
        yield refused.position or 0, refused.message
    elif unit.where == DYNAMIC:
        name = forbidden(unit.tokens, classify_tokens(unit.tokens))
        if name:
            yield 0, f"{name} cannot be used in a procedure on Redshift, through EXECUTE neither"


@on_files(
    Rule(
        code="ZS202",
        name="forbidden-in-transaction",
        severity=ERROR,
        problem="Redshift refuses the statement inside of a transaction block, and it stands in one: between BEGIN and"
        " COMMIT, or in a migration that reads from the warehouse and so runs in one transaction.",
        redshift="VACUUM, CREATE and DROP DATABASE, ALTER TABLE APPEND, ALTER COLUMN TYPE, external tables and"
        " libraries cannot run in a transaction block (SQLSTATE 25001).",
        source="r_ALTER_TABLE",
        mend="Run it outside of the block; make two migrations of one that reads.",
        bad="begin;\nalter table curated.bookings alter column currency type varchar(24);\ncommit;",
        good="alter table curated.bookings alter column currency type varchar(24);",
    )
)
def forbidden_in_transaction(content: Content, catalog: Catalog) -> Iterator[tuple[int, int, str]]:
    opened = False
    reads = isinstance(content, MigrationContent) and any(
        operation.name == "get_bind" and not operation.downgrade for operation in content.operations
    )
    for unit in content.units:
        name = unit.kind.name
        if name == "begin":
            opened = True
        elif name in ("commit", "rollback"):
            opened = False
        elif unit.kind.alone and not unit.downgrade:
            if opened:
                yield *unit.locate(0), f"{_words(unit)} cannot run between BEGIN and COMMIT"
            elif reads:
                yield (
                    *unit.locate(0),
                    f"{_words(unit)} cannot run in the transaction of a migration that reads",
                )


def _words(unit: Unit) -> str:
    return " ".join(token.value for token in unit.tokens[:2] if token.kind == "word").upper()


@on_files(
    Rule(
        code="ZS215",
        name="migration-in-several-transactions",
        severity=WARNING,
        problem="A statement of the migration cannot be part of a transaction, or ends it, and other statements stand"
        " beside it: the deployment runs them in pieces. When a later one fails, what came before it stays, and"
        " readers see the half of it until the deployment is repeated.",
        redshift="ALTER COLUMN TYPE, VACUUM and others run outside of a transaction block only; TRUNCATE commits.",
        source="r_TRUNCATE",
        mend="Give the statement a migration of its own; use DELETE instead of TRUNCATE.",
        bad='op.execute("create schema archive")\n'
        'op.execute("alter table curated.bookings alter column currency type varchar(24)")',
        good='op.execute("alter table curated.bookings alter column currency type varchar(24)")',
    )
)
def migration_in_pieces(content: Content, catalog: Catalog) -> Iterator[tuple[int, int, str]]:
    together = [unit for unit in content.units if unit.where == MIGRATION and not unit.downgrade]
    for unit in together:
        if len(together) > 1 and (unit.kind.alone or unit.kind.commits):
            yield (
                *unit.locate(0),
                f"{_words(unit)} cuts the migration's transaction: give it a migration of its own",
            )


@on_procedures(
    Rule(
        code="ZS203",
        name="commit-where-refused",
        severity=ERROR,
        problem="The procedure ends its transaction by COMMIT, ROLLBACK or TRUNCATE, and is called where Redshift"
        " refuses that: it or a caller of it has a SET option, or it is called in a transaction or a migration. The"
        " call fails with `... cannot be invoked from a procedure that is executing in an atomic context`.",
        redshift="A procedure called from within a transaction block, or created with a SET option, cannot issue"
        " COMMIT, ROLLBACK or TRUNCATE; this holds for all that it calls.",
        source=TRANSACTIONS,
        mend="Use DELETE instead of TRUNCATE and leave COMMIT to the outermost procedure; qualify names instead of"
        " SET search_path.",
        bad="create or replace procedure ops.reload()\nas $$\nbegin\n    truncate curated.bookings;\nend;\n"
        "$$ language plpgsql set search_path to curated;",
        good="create or replace procedure ops.reload()\nas $$\nbegin\n"
        "    delete from curated.bookings where booking_id is not null;\nend;\n"
        "$$ language plpgsql set search_path to curated;",
    )
)
def commit_where_refused(procedure: Procedure, catalog: Catalog) -> Found:
    if procedure.created.nonatomic:
        return
    ends = list(transaction_ends(procedure))
    if not ends:
        return
    why = _refused_by(procedure.name, catalog, frozenset())
    if why:
        for what, at in ends:
            yield at, f"{what} fails here: {why}"


def _refused_by(name: str, catalog: Catalog, seen: frozenset[str]) -> str:
    """Why a procedure of this name cannot commit; empty when nothing forbids it."""
    for procedure in catalog.procedures.get(name, ()):
        if procedure.created.settings:
            return f"{name} is created with SET {procedure.created.settings[0].split('=')[0]}"
    for content in catalog.contents:
        opened = False
        for unit in content.units:
            if unit.kind.transaction_control:
                opened = unit.kind.name == "begin"
            elif isinstance(unit.tree, CallNode) and ".".join(unit.tree.parts) == name:
                if opened or unit.where == MIGRATION:
                    what = "a migration" if unit.where == MIGRATION else "a transaction"
                    return f"{content.file.shown}:{unit.line} calls {name} in {what}"
    for caller, _ in catalog.callers(name):
        if caller.name not in seen and not caller.created.nonatomic:
            why = _refused_by(caller.name, catalog, seen | {name})
            if why:
                return why
    return ""


@on_procedures(
    Rule(
        code="ZS204",
        name="callee-commits",
        severity=WARNING,
        problem="The procedure calls another one that ends the transaction. What the caller has done so far is"
        " committed (or rolled back) with it, although nothing at the call says so.",
        redshift="A nested call runs in the transaction of its caller; COMMIT, ROLLBACK and TRUNCATE end that one.",
        source=TRANSACTIONS,
        mend="Let the outermost procedure commit, and those below it only work.",
        bad="create or replace procedure ops.empty_staging()\nas $$\nbegin\n    truncate ops.staging;\nend;\n"
        "$$ language plpgsql;\n\n"
        "create or replace procedure ops.refresh()\nas $$\nbegin\n"
        "    delete from curated.bookings where booking_id < 0;\n    call ops.empty_staging();\nend;\n"
        "$$ language plpgsql;",
        good="create or replace procedure ops.empty_staging()\nas $$\nbegin\n"
        "    delete from ops.staging where id is not null;\nend;\n$$ language plpgsql;\n\n"
        "create or replace procedure ops.refresh()\nas $$\nbegin\n"
        "    delete from curated.bookings where booking_id < 0;\n    call ops.empty_staging();\nend;\n"
        "$$ language plpgsql;",
    )
)
def callee_commits(procedure: Procedure, catalog: Catalog) -> Found:
    for name, at, _ in catalog.called(procedure):
        how = catalog.commits(name)
        if how and name != procedure.name:
            yield at, f"{name} ends the transaction of this procedure: {how}"


@on_procedures(
    Rule(
        code="ZS210",
        name="truncate-commits",
        severity=WARNING,
        problem="TRUNCATE commits what the procedure has written so far and cannot be rolled back: when a later"
        " statement fails, the table stays empty and readers see it so.",
        redshift="TRUNCATE commits the transaction in which it is run; in a procedure too.",
        source="r_TRUNCATE",
        mend="Use DELETE, which is part of the transaction; or publish by difference.",
        bad="create or replace procedure curated.refresh()\nas $$\nbegin\n    truncate curated.bookings;\n"
        "    insert into curated.bookings (booking_id) select booking_id from ops.staging;\nend;\n"
        "$$ language plpgsql;",
        good="create or replace procedure curated.refresh()\nas $$\nbegin\n"
        "    delete from curated.bookings where booking_id is not null;\n"
        "    insert into curated.bookings (booking_id) select booking_id from ops.staging;\nend;\n"
        "$$ language plpgsql;",
    )
)
def truncate_commits(procedure: Procedure, catalog: Catalog) -> Found:
    for step in procedure.steps:
        for unit in step.units:
            if isinstance(unit.tree, Truncate) and not catalog.is_temporary(".".join(unit.tree.parts)):
                yield step.node.at, f"TRUNCATE {'.'.join(unit.tree.parts)} commits and cannot be rolled back"


@on_units(
    Rule(
        code="ZS211",
        name="migration-ends-transaction",
        severity=ERROR,
        problem="The migration begins or ends a transaction. The deployment runs each migration in a transaction of"
        " its own and records it there, so it refuses one that does.",
        redshift="COMMIT and ROLLBACK end the current transaction; BEGIN inside of one is no second one.",
        source="r_COMMIT",
        mend="Leave transactions to the deployment; cut the migration in two where the first half must stay.",
        bad='op.execute("create schema archive")\nop.execute("commit")',
        good='op.execute("create schema archive")',
    )
)
def migration_ends_transaction(unit: Unit, catalog: Catalog) -> Found:
    if unit.where == MIGRATION and unit.kind.transaction_control and not unit.downgrade:
        yield 0, f"{unit.tokens[0].value.upper()} takes the transaction out of the deployment's hands"


@on_files(
    Rule(
        code="ZS213",
        name="migration-not-literal",
        severity=WARNING,
        problem="The SQL of the migration is put together by Python, or made by an Alembic operation: a review and"
        " lint cannot see what will run.",
        redshift="Alembic's operations write PostgreSQL's DDL: no DISTKEY, SORTKEY or ENCODE, and indexes and CHECK"
        " constraints that Redshift lacks.",
        source="c_unsupported-postgresql-features",
        mend="Write op.execute with the whole statement as one literal text.",
        bad='for name in ("a", "b"):\n    op.execute(f"create schema {name}")',
        good='op.execute("create schema a")\nop.execute("create schema b")',
    )
)
def migration_not_literal(content: Content, catalog: Catalog) -> Iterator[tuple[int, int, str]]:
    for operation in content.operations if isinstance(content, MigrationContent) else ():
        if operation.downgrade or operation.name in ("get_bind", "get_context", "f"):
            continue
        what = (
            "the text of op.execute is no literal" if operation.name == "execute" else f"op.{operation.name}"
        )
        yield operation.line, operation.column, f"{what}: write the statement as one literal text"


_LACKING = {
    "create_index": "indexes",
    "drop_index": "indexes",
    "create_check_constraint": "CHECK constraints",
    "create_exclude_constraint": "EXCLUDE constraints",
}
_UNCHANGEABLE = ("nullable", "server_default", "comment", "autoincrement")


@on_files(
    Rule(
        code="ZS216",
        name="operation-not-on-redshift",
        severity=ERROR,
        problem="The migration uses an operation of Alembic whose SQL Redshift refuses: it writes PostgreSQL's.",
        redshift="There are no indexes, CHECK or EXCLUDE constraints; ALTER COLUMN changes a VARCHAR's size and an"
        " encoding, nothing else.",
        source="c_unsupported-postgresql-features",
        mend="A sort key and a distribution key instead of an index; a new column instead of another type, NOT NULL or"
        " DEFAULT.",
        bad='op.create_index("by_user", "bookings", ["user_id"])',
        good='op.execute("alter table curated.bookings alter sortkey (user_id)")',
    )
)
def operation_not_on_redshift(content: Content, catalog: Catalog) -> Iterator[tuple[int, int, str]]:
    for operation in content.operations if isinstance(content, MigrationContent) else ():
        if operation.downgrade:
            continue
        if operation.name in _LACKING:
            message = f"op.{operation.name}: Redshift has no {_LACKING[operation.name]}"
            yield operation.line, operation.column, message
        elif operation.name == "alter_column":
            for keyword in sorted(operation.keywords.intersection(_UNCHANGEABLE)):
                message = f"op.alter_column: Redshift cannot change a column's {keyword.replace('_', ' ')}"
                yield operation.line, operation.column, message


@on_procedures(
    Rule(
        code="ZS208",
        name="mixed-transaction-modes",
        severity=ERROR,
        problem="A NONATOMIC procedure calls an atomic one, or the other way round: the call fails.",
        redshift="All procedures of a chain of calls must have been created in the same transaction mode.",
        source=TRANSACTIONS,
        mend="Create both with NONATOMIC or both without.",
        bad="create or replace procedure ops.inner_step()\nas $$\nbegin\n    analyze curated.bookings;\nend;\n"
        "$$ language plpgsql;\n\n"
        "create or replace procedure ops.outer_step() nonatomic\nas $$\nbegin\n    call ops.inner_step();\nend;\n"
        "$$ language plpgsql;",
        good="create or replace procedure ops.inner_step() nonatomic\nas $$\nbegin\n"
        "    analyze curated.bookings;\nend;\n$$ language plpgsql;\n\n"
        "create or replace procedure ops.outer_step() nonatomic\nas $$\nbegin\n    call ops.inner_step();\nend;\n"
        "$$ language plpgsql;",
    )
)
def mixed_modes(procedure: Procedure, catalog: Catalog) -> Found:
    own = procedure.created.nonatomic
    for name, at, _ in catalog.called(procedure):
        for other in catalog.procedures.get(name, ()):
            if other.created.nonatomic != own:
                words = ("a NONATOMIC", "atomic") if own else ("an atomic", "NONATOMIC")
                yield at, f"{words[0]} procedure cannot call the {words[1]} {name}"
                break


@on_units(
    Rule(
        code="ZS214",
        name="dynamic-commit",
        severity=ERROR,
        problem="COMMIT or ROLLBACK is run through EXECUTE: it fails.",
        redshift="COMMIT and ROLLBACK cannot be run by dynamic SQL; TRUNCATE can.",
        source=TRANSACTIONS,
        mend="Write COMMIT or ROLLBACK as a statement of the procedure.",
        bad="create or replace procedure ops.step()\nas $$\nbegin\n    execute 'commit';\nend;\n"
        "$$ language plpgsql;",
        good="create or replace procedure ops.step()\nas $$\nbegin\n    commit;\nend;\n$$ language plpgsql;",
    )
)
def dynamic_commit(unit: Unit, catalog: Catalog) -> Found:
    if unit.where == DYNAMIC and unit.kind.transaction_control:
        yield 0, f"{unit.tokens[0].value.upper()} cannot be run by EXECUTE"
