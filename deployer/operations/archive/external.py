"""The archive as tables: external ones over the files, and a view that unions them with what the warehouse has.

External tables' DDL runs in no transaction and no procedure, so all of this comes before the transaction that lets the
view show a run's rows: it joins archive.runs, and shows a run's files from the moment that it is marked visible, in
which its rows are deleted. Source: Redshift Database Developer Guide, "CREATE EXTERNAL TABLE" (types, usage notes) and
"ALTER TABLE" (ADD PARTITION).
"""

from __future__ import annotations

from collections.abc import Sequence

from deployer.errors import StatementFailed, Unsafe
from deployer.operations.archive import columns
from deployer.operations.archive.checks import columns_of
from deployer.operations.archive.columns import HEX, TEXT, UTC, Column
from deployer.operations.archive.place import Place
from deployer.project.archive.model import PERIOD_COLUMN, RUN_COLUMN, Policy
from deployer.sql.names import quote_ident, quote_literal
from deployer.warehouse import archive_ledger as ledger
from deployer.warehouse.archive_ledger import ArchiveRun, Partition
from deployer.warehouse.session import Session

SCHEMA = "archive_files"
"""The external schema, with a table for each policy."""
_AT_ONCE = 50
"""Partitions in one ALTER TABLE ("ALTER TABLE": at most 100 of them through the Glue catalog)."""


def view_name(policy: str) -> str:
    """The view over warehouse and archive."""
    return f"archive.all_{policy}"


def show(session: Session, place: Place, policy: Policy, run: ArchiveRun | None = None) -> None:
    """Make a verified run's files readable, and those of earlier ones that are not yet, and renew the view.

    Without a run only the latter: the table may have other columns by now. May be repeated; raises Unsafe when a column
    has another type than before.
    """
    held = [
        one
        for one in ledger.runs(session, policy.name)
        if one.state in ledger.HELD or (run is not None and one.archive_run == run.archive_run)
    ]
    if not held:
        return
    _schema(session, place)
    there = set(_partitions(session, policy.name))
    parts = ledger.partitions(session, policy.name)
    lacking = {
        one.archive_run: [
            part
            for part in parts
            if part.archive_run == one.archive_run
            and (one.archive_run, str(part.archive_period)) not in there
        ]
        for one in held
    }
    if run is None and not any(lacking.values()) and _is_current(session, policy, held[-1]):
        return
    for one in held:
        if lacking[one.archive_run] or one == held[-1]:
            listed = columns_of(ledger.checks(session, one.archive_run))
            _table(session, place, policy, [column for column in listed if not column.is_own])
        _add(session, policy, lacking[one.archive_run])
    _view(session, policy)


def _is_current(session: Session, policy: Policy, newest: ArchiveRun) -> bool:
    """Whether the view need not be replaced: that takes a lock, which waits for whoever reads it."""
    recorded = tuple(one for one in columns_of(ledger.checks(session, newest.archive_run)) if not one.is_own)
    if not policy.is_snapshot and recorded != columns.of_relation(session, policy.table):
        return False
    try:
        session.execute(f"select 1 from {columns.table_name(view_name(policy.name))} where false")
    except StatementFailed:
        return False
    return True


def _add(session: Session, policy: Policy, parts: Sequence[Partition]) -> None:
    for start in range(0, len(parts), _AT_ONCE):
        listed = " ".join(
            f"partition ({RUN_COLUMN}={quote_literal(part.archive_run)}, {PERIOD_COLUMN}='{part.archive_period}')"
            f" location {quote_literal(part.location)}"
            for part in parts[start : start + _AT_ONCE]
        )
        session.execute(f"alter table {_name(policy.name)} add if not exists {listed}")


def _partitions(session: Session, policy: str) -> list[tuple[str, str]]:
    """The partitions of a policy's external table: run and period."""
    found = session.execute(
        'select "values" from svv_external_partitions where schemaname = %s and tablename = %s',
        (SCHEMA, policy),
    )
    return [(str(text).split('"')[1], str(text).split('"')[3]) for (text,) in found.rows]


def hide(session: Session, run: ArchiveRun) -> None:
    """Drop a run's partitions, before its files go."""
    for name, period in _partitions(session, run.policy):
        if name == run.archive_run:
            session.execute(
                f"alter table {_name(run.policy)} drop partition ({RUN_COLUMN}={quote_literal(name)},"
                f" {PERIOD_COLUMN}={quote_literal(period)})"
            )


def _name(policy: str) -> str:
    return f"{SCHEMA}.{quote_ident(policy)}"


def _schema(session: Session, place: Place) -> None:
    role = place.role if place.role == "default" else quote_literal(place.role)
    if not session.execute("select 1 from svv_external_schemas where schemaname = %s", (SCHEMA,)).rows:
        session.execute(
            f"create external schema if not exists {SCHEMA} from data catalog database {quote_literal(place.database)}"
            f" iam_role {role} create external database if not exists"
        )


def check(session: Session, policy: Policy, wanted: Sequence[Column]) -> None:
    """Raise Unsafe for a column that the policy's external table, where there is one, has with another type."""
    known = _known(session, policy)
    for column in wanted:
        if column.name in known and _catalogued(known[column.name]) != _catalogued(_external(column)):
            raise Unsafe(
                f"{policy.place.path}: {policy.table}.{column.name} was archived as {known[column.name]} and is"
                f" {_external(column)} now, which one external table cannot hold: go on under a policy of another name"
            )


def _known(session: Session, policy: Policy) -> dict[str, str]:
    """The columns of the policy's external table, with the catalog's types; none before the first run."""
    found = session.execute(
        "select columnname, external_type from svv_external_columns where schemaname = %s and tablename = %s"
        " and part_key = 0 order by columnnum",
        (SCHEMA, policy.name),
    )
    return {str(name): str(kind).lower() for name, kind in found.rows}


def _table(session: Session, place: Place, policy: Policy, wanted: Sequence[Column]) -> None:
    check(session, policy, wanted)
    known, table = _known(session, policy), _name(policy.name)
    if not known:
        listed = ", ".join(f"{quote_ident(column.name)} {_external(column)}" for column in wanted)
        location = place.bucket.url(f"{place.folder}{policy.name}/")
        session.execute(
            f"create external table {table} ({listed})"
            f" partitioned by ({RUN_COLUMN} varchar(64), {PERIOD_COLUMN} date) stored as parquet"
            f" location {quote_literal(location)}"
        )
        return
    for column in wanted:
        name, kind = quote_ident(column.name), _external(column)
        if column.name in known and columns.length_of(known[column.name]) < columns.length_of(kind):
            # "results are truncated to fit the defined column size without returning an error" (CREATE EXTERNAL TABLE),
            # and no statement widens one. Files are read by their columns' names; until the next one queries fail.
            session.execute(f"alter table {table} drop column {name}")
            del known[column.name]
        if column.name not in known:
            session.execute(f"alter table {table} add column {name} {kind}")


_GLUE = {"integer": "int", "real": "float", "double precision": "double"}


def _catalogued(kind: str) -> str:
    """A type as the catalog has it, without a length, which may grow."""
    base = columns.base_of(kind)
    return kind.replace(" ", "") if base == "decimal" else _GLUE.get(base, base)


def _external(column: Column) -> str:
    """The column's type in an external table: SUPER is there as text ("CREATE EXTERNAL TABLE", data types)."""
    return "varchar(65535)" if column.base == "super" else column.file_type


def _value(column: Column, alias: str) -> str:
    """The warehouse's value, of the external table's."""
    name = f"{alias}.{quote_ident(column.name)}"
    if column.base == "super":
        # What has been cut to the column's size is no JSON any more: its text is shown, by the guide's own CASE
        # ("CAN_JSON_PARSE function"). JSON_PARSE would end the whole query.
        return f"case when can_json_parse({name}) then json_parse({name}) else cast({name} as super) end"
    if column.conversion == HEX:
        return f"from_hex({name})"
    if column.conversion == UTC:
        return f"{name} at time zone 'UTC'"
    return f"cast({name} as {column.type})" if column.conversion == TEXT else name


def _view(session: Session, policy: Policy) -> None:
    """The view, anew: of a snapshot all days that S3 holds, else what is here and what only S3 has."""
    archived: dict[str, Column] = {}
    for run in ledger.runs(session, policy.name):
        if run.state in (*ledger.HELD, ledger.VERIFIED):
            for column in columns_of(ledger.checks(session, run.archive_run)):
                archived[column.name] = column
    shown = f"from {_name(policy.name)} as files join archive.runs as runs on runs.archive_run = files.{RUN_COLUMN}"
    if policy.is_snapshot:
        listed = [
            f"{_value(column, 'files')} as {quote_ident(name)}"
            for name, column in archived.items()
            if not column.is_own
        ]
        query = f"select {', '.join(listed)}, files.{PERIOD_COLUMN} {shown} and runs.state = 'archived'"
    else:
        present = columns.of_relation(session, policy.table)
        here = ", ".join(f"rows_here.{quote_ident(column.name)}" for column in present)
        there = ", ".join(
            f"{_value(archived[column.name], 'files') if column.name in archived else f'cast(null as {column.type})'}"
            f" as {quote_ident(column.name)}"
            for column in present
        )
        query = (
            f"select {here} from {columns.table_name(policy.table)} as rows_here"
            f" union all select {there} {shown} and runs.is_visible"
        )
    # Replaced, never dropped: grants stay. One with other columns may take its place: a late-binding view has none.
    session.execute(
        f"create or replace view {columns.table_name(view_name(policy.name))} as {query} with no schema binding"
    )
