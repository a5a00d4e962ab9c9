"""COPY in a session: files of S3 become rows of a table.

A record that does not fit ends the statement with what Redshift says, and file, line, column and reason in the error's
detail and in STL_LOAD_ERRORS; with MAXERROR and IGNOREALLERRORS it is left out. What cannot be read as its column's
type PostgreSQL leaves out itself (ON_ERROR, from PostgreSQL 17 on) and tells; all else is found before it is sent.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import IO

from deployer.local.files.columns import release_memory
from deployer.local.files.convert import converter, copy_line
from deployer.local.files.json_in import Path as JsonPath
from deployer.local.files.json_in import json_paths, read_json
from deployer.local.files.parquet_in import read_columnar
from deployer.local.files.s3 import Object, Storage
from deployer.local.files.sources import local_file, objects, opened
from deployer.local.files.text_in import BadRecord, Values, read_text
from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.loads import Load, conversion
from deployer.local.gateway.runner import Runner
from deployer.local.gateway.sinks import Sink
from deployer.local.gateway.transfer import copy_in
from deployer.local.translate.api import Relation, Translation
from deployer.local.translate.bind_dml import check_writable
from deployer.sql.classify import classify
from deployer.sql.names import quote_ident
from deployer.sql.refused import Refused
from deployer.sql.transfer.copy import COLUMNAR, Copy, parse_copy
from deployer.sql.types import RedshiftType

SEND_ROWS = 2000
_CONTEXT = re.compile(r"COPY .*?, line (\d+)(?:, column (.*?))?(?::|$)", re.S)

Columns = list[tuple[str, RedshiftType]]


def copy(runner: Runner, text: str, sink: Sink, *, offset: int = 0) -> int:
    """Run one COPY; returns the rows loaded. Raises Refused and ServerError."""
    statement = parse_copy(text)
    relation = _target(runner, text, statement)
    columns = _columns(runner, statement, relation)
    storage = runner.storage(statement.role)
    items = objects(statement, storage)
    paths = _json_paths(statement, storage, columns)
    required = _required(runner, statement, relation)
    load = Load(runner, statement, relation, columns)
    load.begin(items)
    try:
        for item in items:
            with local_file(storage, item) as path:
                _load_file(
                    load, runner, statement, relation, columns, item, path, paths, required, text, offset
                )
    except BaseException:
        load.finish(failed=True)
        raise
    load.finish(failed=False)
    release_memory()
    runner.finished(classify(text), Translation((), written=relation.name), f"x {load.rows}")
    _tell(
        runner,
        f"Load into table '{relation.name.name}' completed, {load.rows} record(s) loaded successfully.",
    )
    if load.errors:
        _tell(
            runner,
            f"Load into table '{relation.name.name}' completed, {load.errors} record(s) could not be loaded.  Check"
            " 'stl_load_errors' system table for details.",
        )
    sink.complete("COPY")
    return load.rows


def _load_file(
    load: Load,
    runner: Runner,
    statement: Copy,
    relation: Relation,
    columns: Columns,
    item: Object,
    path: Path,
    paths: Sequence[JsonPath],
    required: frozenset[str],
    text: str,
    offset: int,
) -> None:
    if statement.format in COLUMNAR:
        pieces = read_columnar(
            path,
            item,
            columns,
            statement.format,
            serialize=statement.serialize_to_json,
            fill=statement.fill_record,
        )
    else:
        records = _records(statement, columns, opened(statement, path), paths)
        pieces = _lines(load, item, converter(statement, columns, required), records)
    load.lines.clear()
    try:
        with load.listening(item):
            load.rows += copy_in(runner, _sql(relation, columns, statement), _counted(load, pieces))
    except BadRecord as error:
        # What is no JSON: nobody knows where the next record begins.
        load.note_last(item, error)
        raise load.failure(item, error) from error
    except ServerError as error:
        raise _explained(load, runner, statement, item, error, columns, text, offset) from error


def _tell(runner: Runner, message: str) -> None:
    runner.backend.on_notice({"S": "INFO", "V": "INFO", "C": "00000", "M": message})


def _json_paths(statement: Copy, storage: Storage, columns: Columns) -> list[JsonPath]:
    if not statement.json_paths.startswith("s3://"):
        return []
    bucket, _, key = statement.json_paths.removeprefix("s3://").partition("/")
    if storage.size(bucket, key) is None:
        raise Refused(f"the JSONPaths file {statement.json_paths} does not exist", sqlstate="XX000")
    return json_paths(statement.json_paths, storage.read(bucket, key), columns)


def _required(runner: Runner, statement: Copy, relation: Relation) -> frozenset[str]:
    """The NOT NULL columns, for a load that goes on behind a NULL in one of them."""
    if not statement.tolerant:
        return frozenset()
    version = runner.backend.parameters.get("server_version", "0")
    if int(re.split(r"\D", version)[0]) < 17:
        raise Refused(
            f"COPY ... MAXERROR above 1 and IGNOREALLERRORS need PostgreSQL 17 as the engine; this is {version}"
        )
    rows = runner.catalog_query(
        "select a.attname from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid"
        " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = $1 and c.relname = $2 and a.attnotnull and a.attnum > 0",
        [part.encode() for part in relation.physical],
    ).rows
    return frozenset((row[0] or b"").decode() for row in rows)


def _target(runner: Runner, text: str, statement: Copy) -> Relation:
    catalog = runner.catalog(text)
    found = catalog.relation(statement.table)
    if found is None:
        raise Refused(f'relation "{statement.table}" does not exist', sqlstate="42P01")
    check_writable(found, runner.database, "COPY into", 0)
    return found


def _columns(runner: Runner, statement: Copy, relation: Relation) -> Columns:
    """The columns that the files' fields go to, in order."""
    kinds = dict(relation.columns)
    for name in statement.columns:
        if name not in kinds:
            raise Refused(
                f'column "{name}" of relation "{relation.name.name}" does not exist', sqlstate="42703"
            )
    if len(set(statement.columns)) < len(statement.columns):
        raise Refused("COPY: the column list names a column twice", sqlstate="42701")
    chosen = statement.columns or tuple(name for name, _ in relation.columns)
    identities = _identities(runner, relation)
    if not statement.explicit_ids:
        if identities & set(statement.columns):
            # What Redshift does with a listed IDENTITY column without EXPLICIT_IDS no page says.
            raise Refused("COPY: an IDENTITY column can be in the column list with EXPLICIT_IDS only")
        chosen = tuple(name for name in chosen if name not in identities)
    elif statement.columns and not identities <= set(statement.columns):
        raise Refused("COPY: with EXPLICIT_IDS the column list must have the IDENTITY columns")
    return [(name, kinds[name]) for name in chosen]


def _identities(runner: Runner, relation: Relation) -> set[str]:
    rows = runner.catalog_query(
        "select a.attname from pg_catalog.pg_attribute a join pg_catalog.pg_class c on c.oid = a.attrelid"
        " join pg_catalog.pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = $1 and c.relname = $2 and a.attidentity <> ''",
        [part.encode() for part in relation.physical],
    ).rows
    return {(row[0] or b"").decode() for row in rows}


def _sql(relation: Relation, columns: Columns, statement: Copy) -> str:
    schema, table = relation.physical
    names = ", ".join(quote_ident(name) for name, _ in columns)
    options = "format csv" if statement.format in COLUMNAR else "format text"
    if statement.tolerant:
        options += ", on_error ignore, log_verbosity verbose"
    return f"copy {quote_ident(schema)}.{quote_ident(table)} ({names}) from stdin ({options})"


def _counted(load: Load, pieces: Iterable[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        load.size += len(piece)
        yield piece


def _records(
    statement: Copy, columns: Columns, stream: IO[bytes], paths: Sequence[JsonPath]
) -> Iterator[tuple[int, Sequence[str | None] | BadRecord]]:
    with stream as source:
        if statement.format == "json":
            yield from read_json(statement, columns, source, paths)
        else:
            yield from read_text(statement, source)


def _lines(
    load: Load,
    item: Object,
    convert: Callable[[int, Sequence[str | None]], Values],
    records: Iterator[tuple[int, Sequence[str | None] | BadRecord]],
) -> Iterator[bytes]:
    """The records that fit as PostgreSQL's COPY text. Raises ServerError where one that does not ends the load."""
    held: list[str] = []
    sent = 0
    for number, record in records:
        try:
            if isinstance(record, BadRecord):
                raise record
            line = copy_line(convert(number, record))
        except BadRecord as bad:
            if not bad.raw and not isinstance(record, BadRecord):
                bad.raw = "|".join(field or "" for field in record)
            load.reject(item, bad)
            continue
        sent += 1
        if number - sent != (load.lines[-1][1] if load.lines else 0):
            load.lines.append((sent, number - sent))
        held.append(line)
        if len(held) >= SEND_ROWS:
            yield "".join(held).encode()
            held = []
    yield "".join(held).encode()


def _explained(
    load: Load,
    runner: Runner,
    statement: Copy,
    item: Object,
    error: ServerError,
    columns: Columns,
    text: str,
    offset: int,
) -> ServerError:
    """PostgreSQL's refusal of a record as the load's failure; any other error in its own words."""
    match = _CONTEXT.search(error.fields.get("W", ""))
    told = runner.own_words(error, text, None, offset)
    if match is None or not error.sqlstate.startswith(("22", "23")):
        return told
    sent = int(match[1])
    line = sent if statement.format in COLUMNAR else load.line(sent)
    value = re.search(r': "(.*)"$', error.fields.get("M", ""), re.S)
    bad = BadRecord(line, told.fields.get("M", ""), match[2], value=value[1] if value else "")
    kind = dict(columns).get(match[2] or "")
    code = 1213 if error.sqlstate == "23502" else conversion(kind, bad.value)[0] if kind else 1200
    load.note_last(item, bad, code)
    return load.failure(item, bad)
