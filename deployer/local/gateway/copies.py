"""COPY in a session: files of S3 become rows of a table, all of them or none.

A record that does not fit ends the statement with what Redshift says, and the file, line, column and reason in the
error's detail, where Redshift has them in STL_LOAD_ERRORS.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from deployer.local.files.columns import release_memory
from deployer.local.files.convert import converter, copy_line
from deployer.local.files.json_in import read_json
from deployer.local.files.parquet_in import read_parquet
from deployer.local.files.s3 import Object
from deployer.local.files.sources import local_file, objects, opened
from deployer.local.files.text_in import BadRecord, read_text
from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.errors import gateway_error
from deployer.local.gateway.runner import Runner, Sink
from deployer.local.gateway.transfer import copy_in
from deployer.local.translate.api import Relation, Translation
from deployer.local.translate.bind_dml import check_writable
from deployer.sql.classify import classify
from deployer.sql.names import quote_ident
from deployer.sql.refused import Refused
from deployer.sql.transfer.copy import Copy, parse_copy
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
    rows = 0
    for item in objects(statement, storage):
        with local_file(storage, item) as path:
            if statement.format == "parquet":
                pieces = read_parquet(path, item, columns, serialize=statement.serialize_to_json)
            else:
                pieces = _lines(statement, columns, opened(statement, path))
            try:
                rows += copy_in(runner, _sql(relation, columns, statement.format), pieces)
            except BadRecord as error:
                raise _failed(statement, item, error.number, error.column, error.reason) from error
            except ServerError as error:
                raise _explained(runner, statement, item, error, text, offset) from error
    release_memory()
    runner.finished(classify(text), Translation((), written=relation.name), f"x {rows}")
    message = f"Load into table '{statement.table.name}' completed, {rows} record(s) loaded successfully."
    runner.backend.on_notice({"S": "INFO", "V": "INFO", "C": "00000", "M": message})
    sink.complete("COPY")
    return rows


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


def _sql(relation: Relation, columns: Columns, form: str) -> str:
    schema, table = relation.physical
    names = ", ".join(quote_ident(name) for name, _ in columns)
    options = "format csv" if form == "parquet" else "format text"
    return f"copy {quote_ident(schema)}.{quote_ident(table)} ({names}) from stdin ({options})"


def _lines(statement: Copy, columns: Columns, stream: object) -> Iterator[bytes]:
    """The records of a text, CSV or JSON file as PostgreSQL's COPY text."""
    with stream as source:  # type: ignore[attr-defined]
        convert = converter(statement, columns)
        records = (
            read_json(statement, columns, source)
            if statement.format == "json"
            else read_text(statement, source)
        )
        held: list[str] = []
        for number, fields in records:
            held.append(copy_line(convert(number, fields)))
            if len(held) >= SEND_ROWS:
                yield "".join(held).encode()
                held = []
        yield "".join(held).encode()


def _failed(statement: Copy, item: Object, line: int | None, column: str | None, reason: str) -> ServerError:
    error = gateway_error(
        f"Load into table '{statement.table.name}' failed.  Check 'stl_load_errors' system table for details.",
        "XX000",
    )
    places = [item.url]
    if line is not None:
        places.append(f"line {line}")
    if column:
        places.append(f"column {column}")
    error.fields["D"] = f"{', '.join(places)}: {reason}"
    return error


def _explained(
    runner: Runner, statement: Copy, item: Object, error: ServerError, text: str, offset: int
) -> ServerError:
    """PostgreSQL's refusal of a record as the load's failure; any other error in its own words."""
    match = _CONTEXT.search(error.fields.get("W", ""))
    told = runner.own_words(error, text, None, offset)
    if match is None or not error.sqlstate.startswith(("22", "23")):
        return told
    # The lines that PostgreSQL counts are those of the file only where every record is one line without a header.
    exact = statement.format == "text" and not statement.ignore_header and not statement.escape
    line = int(match[1]) if exact or statement.format == "parquet" else None
    return _failed(statement, item, line, match[2], told.fields.get("M", ""))
