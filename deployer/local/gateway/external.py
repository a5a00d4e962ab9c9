"""Queries on external tables: before a statement runs, what it needs of their files is put into temporary tables.

PostgreSQL itself says what is needed: its plan for the statement, with empty tables in the place of the external ones,
shows which columns each scan gives on and which conditions it applies, through views, unions and joins. Partitions that
the conditions on their keys rule out are not read, nor are columns that nobody asked for. Files are streamed into the
tables by COPY, so memory stays flat; the tables end with the statement, a cursor's with its transaction. Decision 0016.

As on Redshift the user needs the right to make temporary tables (DG "Querying external data using Amazon Redshift
Spectrum", considerations), and USAGE of the external schema.
"""

from __future__ import annotations

import itertools
import json
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deployer.local.files.columns import release_memory
from deployer.local.files.s3 import Object, Storage
from deployer.local.files.sources import local_file
from deployer.local.files.spectrum import SIZE, ExternalTable, Part, files_of, rows_of, scan_error
from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.errors import as_redshift
from deployer.local.gateway.scans import Need, needs
from deployer.local.gateway.transfer import copy_in
from deployer.local.gateway.types import from_format
from deployer.local.translate.api import Relation, Translation
from deployer.local.translate.bind_from import external_mark
from deployer.local.translate.casts import cut_bytes
from deployer.local.translate.datatypes import pg_type
from deployer.sql.names import quote_ident
from deployer.sql.parse.cursor import LOCAL_IDENTIFIER_BYTES
from deployer.sql.types import RedshiftType

if TYPE_CHECKING:
    from deployer.local.gateway.runner import Runner

ANALYZE_ROWS = 1000
"""Rows from which the planner is told about a temporary table: before, its guess is good enough."""

_UNUSED = "zeroshift unused"
_CONTEXT = re.compile(r"COPY .*?, line (\d+)(?:, column (.*?))?(?::|$)", re.S)
_numbers = itertools.count(1)


@dataclass
class Staged:
    """One external table of a statement, and the temporary table in its place."""

    relation: Relation
    table: ExternalTable
    storage: Storage
    parts: list[Part]
    name: str
    rows: int = 0
    size: int = 0
    files: int = 0
    chosen: list[Part] = field(default_factory=list)


@dataclass(frozen=True)
class Bound:
    """The parameters of a statement, with what Parse and Bind say of them. `results` are the formats of the columns."""

    values: Sequence[bytes | None] = ()
    types: Sequence[int] = ()
    formats: Sequence[int] = ()
    results: Sequence[int] = ()


def described(sql: str, translation: Translation) -> str:
    """`sql` with tables without rows in the place of the external ones: what it returns can be told without reading."""
    for relation in translation.external:
        columns = ", ".join(
            f"NULL::{pg_type(kind)} AS {quote_ident(name)}" for name, kind in relation.columns
        )
        sql = sql.replace(external_mark(relation), f"(SELECT {columns} WHERE FALSE)")
    return sql


def staged(runner: Runner, translation: Translation, sql: str, bound: Bound) -> tuple[str, list[Staged]]:
    """Put the rows that `sql` needs into temporary tables; returns the text that reads them, and the tables.

    Raises Refused for files that cannot be read, and ServerError.
    """
    used = [relation for relation in translation.external if external_mark(relation) in sql]
    if not used:
        return sql, []
    try:
        # From here on the statements share PostgreSQL's implicit transaction, if the client has begun none.
        runner.unsynced = True
        made = []
        for relation in used:
            one = _staged(runner, relation)
            sql = sql.replace(external_mark(relation), f"pg_temp.{quote_ident(one.name)}")
            made.append(one)
        explaining = sql.lstrip()[:8].upper().startswith("EXPLAIN")
        if not explaining:
            wanted = needs(runner, sql, {one.name: one.table for one in made}, bound)
            for one in made:
                _fill(runner, one, wanted[one.name])
    except ServerError as error:
        raise as_redshift(error) from error
    return sql, made


def dropped(runner: Runner, made: list[Staged]) -> None:
    """After the statement: the temporary tables go, if its transaction goes on. Else they went with it."""
    if made and (runner.unsynced or runner.backend.status == "T"):
        names = ", ".join(f"pg_temp.{quote_ident(one.name)}" for one in made)
        runner.internal_query(f"drop table {names}")


def _staged(runner: Runner, relation: Relation) -> Staged:
    """The empty temporary table of an external table. Raises ServerError where the user may not use the schema."""
    schema, name = relation.physical
    rows = runner.internal_query(
        "select * from zeroshift.external_scan($1, $2)", [schema.encode(), name.encode()]
    ).rows
    told = json.loads(rows[0][0] or b"{}")
    partitions = json.loads(rows[0][2] or b"[]")
    table = ExternalTable(
        f"{schema}.{name}",
        _kinds(told["columns"]),
        _kinds(told["partition_keys"]),
        told["format"],
        told["delimiter"],
        told["location"],
        told["properties"],
    )
    parts = [Part(one["location"], tuple(one["keys"])) for one in partitions]
    made = Staged(
        relation,
        table,
        runner.storage((rows[0][1] or b"").decode()),
        parts if table.keys else [Part(table.location)],
        cut_bytes(f"s3 {next(_numbers)} {name}", LOCAL_IDENTIFIER_BYTES),
    )
    listed = ", ".join(f"{quote_ident(column)} {pg_type(kind)}" for column, kind in table.all_columns)
    target = f"pg_temp.{quote_ident(made.name)}"
    # A table that has lost a column is never scanned with all its columns "since that costs nothing": the plan then
    # shows what is needed (build_physical_tlist of PostgreSQL's planner).
    listed = f"{listed}, {quote_ident(_UNUSED)} integer"
    runner.internal_query(f"create temp table {quote_ident(made.name)} ({listed}) on commit drop")
    runner.internal_query(f"alter table {target} drop column {quote_ident(_UNUSED)}")
    return made


def _kinds(told: list[dict[str, Any]]) -> tuple[tuple[str, RedshiftType], ...]:
    return tuple(
        (
            one["name"],
            RedshiftType("varbyte", length=one["length"]) if "length" in one else from_format(one["type"]),
        )
        for one in told
    )


def _fill(runner: Runner, one: Staged, need: Need) -> None:
    """Read the files of the partitions that qualify."""
    started = time.time()
    if need.scanned:
        one.chosen = _qualified(runner, one, need)
        # COPY needs a column: with a count of the rows, say, none is asked for.
        columns = [(name, kind) for name, kind in one.table.all_columns if name in need.columns]
        columns = columns or [(SIZE, dict(one.table.all_columns)[SIZE])]
        names = ", ".join(quote_ident(name) for name, _ in columns)
        form = "csv" if one.table.format == "parquet" else "text"
        sql = f"copy pg_temp.{quote_ident(one.name)} ({names}) from stdin (format {form})"
        for part in one.chosen:
            for item in files_of(one.storage, part.location):
                one.files += 1
                one.size += item.size
                with local_file(one.storage, item) as path:
                    pieces = (data for _, data in rows_of(path, item, one.table, part, columns))
                    try:
                        one.rows += copy_in(runner, sql, _watched(runner, pieces))
                    except ServerError as error:
                        raise _explained(error, item) from error
        release_memory()
        if one.rows >= ANALYZE_ROWS:
            runner.internal_query(f"analyze pg_temp.{quote_ident(one.name)}")
    _record(runner, one, started)


def _watched(runner: Runner, pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The pieces, until the statement is cancelled."""
    for piece in pieces:
        runner.cancel.check()
        yield piece


def _qualified(runner: Runner, one: Staged, need: Need) -> list[Part]:
    """The partitions that the conditions on their keys leave, as PostgreSQL judges them."""
    if not (one.table.keys and need.conditions and one.parts):
        return one.parts
    columns = ", ".join(
        f"(p.value ->> {number})::{pg_type(kind)} as {quote_ident(name)}"
        for number, (name, kind) in enumerate(one.table.keys)
    )
    # A scan reads what all its conditions leave; several scans of one table what any of them does.
    tests = " or ".join(
        f"exists (select from (select {columns}) as {quote_ident(alias)} where {' and '.join(conditions)})"
        for alias, conditions in need.conditions
    )
    rows = runner.internal_query(
        f"select p.ordinality from pg_catalog.jsonb_array_elements($1::jsonb) with ordinality as p where {tests}"
        " order by 1",
        [json.dumps([part.keys for part in one.parts]).encode()],
    ).rows
    return [one.parts[int(row[0] or b"0") - 1] for row in rows]


def _explained(error: ServerError, item: Object) -> Exception:
    """PostgreSQL's refusal of a value as the scan's failure; any other error in its own words."""
    match = _CONTEXT.search(error.fields.get("W", ""))
    if match is None or not error.sqlstate.startswith("22"):
        return error
    where = f" for column '{match[2]}'" if match[2] else ""
    return scan_error(item, f"cannot be read{where}: {as_redshift(error).fields.get('M', '')}")


def _record(runner: Runner, one: Staged, started: float) -> None:
    """What SYS_EXTERNAL_QUERY_DETAIL shows. Written outside of the user's transaction: what was read was read."""
    query = runner.journal.query_id
    if query < 0:
        return
    values = [
        runner.user, query, started, time.time(), one.table.name, len(one.parts) if one.table.keys else 0,
        len(one.chosen) if one.table.keys else 0, one.files, one.rows, one.size, one.table.format.upper(),
        one.table.location,
    ]  # fmt: skip
    runner.internal.query(
        "select zeroshift.record_external_scan($1, $2::bigint, $3::float8, $4::float8, $5, $6::integer, $7::integer,"
        " $8::bigint, $9::bigint, $10::bigint, $11, $12)",
        [str(value).encode() for value in values],
    )
