"""UNLOAD in a session: the query runs in the session's transaction, its rows go to S3."""

from __future__ import annotations

import contextlib

from deployer.local.files.columns import PARTITION_TYPES, check_parquet, release_memory, selection
from deployer.local.files.output import Output
from deployer.local.files.parquet_out import write_parquet
from deployer.local.files.text_out import write_text
from deployer.local.gateway import external, loads
from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.runner import Runner
from deployer.local.gateway.sinks import Sink
from deployer.local.gateway.transfer import copy_out
from deployer.local.translate.api import Translation
from deployer.sql.classify import classify
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused
from deployer.sql.transfer.unload import Unload, parse_unload
from deployer.sql.types import RedshiftType

_ALL_DIGITS = b"3"


def unload(runner: Runner, text: str, sink: Sink, *, offset: int = 0) -> int:
    """Run one UNLOAD; returns the rows unloaded. Raises Refused and ServerError.

    The objects are no part of the transaction: a rollback leaves them, as on Redshift as far as any page tells.
    """
    statement = parse_unload(text)
    try:
        columns, translation = _columns(runner, statement)
    except Refused as error:
        raise _moved(error, text, statement) from error
    storage = runner.storage(statement.role)
    parquet = statement.format == "parquet"
    with_rows, tables = external.staged(
        runner, translation, translation.statements[translation.main], external.Bound()
    )
    query = selection(with_rows, columns, parquet=parquet)
    with Output(statement, storage) as output:
        output.check()
        loads.unloading(runner, statement)
        sql = f"copy ({query}) to stdout (format {'csv' if parquet else 'text'})"
        if parquet:
            digits = _float_digits(runner, _ALL_DIGITS)
        try:
            # Closed at once when a file cannot be written: what PostgreSQL still sends has to be read away.
            with contextlib.closing(copy_out(runner, sql)) as pieces:
                rows = (write_parquet if parquet else write_text)(statement, columns, pieces, output)
        except ServerError as error:
            raise runner.own_words(error, text, None, offset) from error
        if parquet:
            _float_digits(runner, digits)
        if statement.manifest:
            output.write_manifest(columns)
    loads.unloaded(runner, statement, rows, output.written)
    external.dropped(runner, tables)
    release_memory()
    runner.note(classify("select 1"))
    message = f"UNLOAD completed, {rows} record(s) unloaded successfully."
    runner.backend.on_notice({"S": "INFO", "V": "INFO", "C": "00000", "M": message})
    sink.complete("UNLOAD")
    return rows


def _float_digits(runner: Runner, digits: bytes) -> bytes:
    """Set how many digits floating-point numbers are written with; returns what was set before.

    Parquet holds the number itself. An error in between takes the setting back with the transaction.
    """
    before = runner.internal_query("show extra_float_digits").rows[0][0] or b"0"
    runner.internal_query("select set_config('extra_float_digits', $1, false)", [digits])
    return before


def _columns(runner: Runner, statement: Unload) -> tuple[list[tuple[str, RedshiftType]], Translation]:
    """The query's columns, checked, and its translation."""
    if classify(statement.query).name != "select":
        raise Refused("UNLOAD takes a SELECT statement", sqlstate="42601")
    if Parser(statement.query).query().limit is not None:
        raise Refused(
            "Limit clause is not supported in UNLOAD's outer SELECT; nest it in a subquery", sqlstate="0A000"
        )
    translation = runner.translation(statement.query)
    if len(translation.statements) != 1 or translation.parameters:
        raise Refused("UNLOAD takes one plain SELECT statement")
    columns: list[tuple[str, RedshiftType]] = []
    for name, kind in translation.columns:
        if kind is None:
            raise Refused(f'UNLOAD: the type of column "{name}" is not known; CAST it')
        columns.append((name, kind))
    _check(statement, columns)
    return columns, translation


def _check(statement: Unload, columns: list[tuple[str, RedshiftType]]) -> None:
    names = [name for name, _ in columns]
    if statement.format in ("json", "parquet") or statement.partition_by:
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise Refused(f'UNLOAD: column "{twice}" is there twice; give each a name', sqlstate="42701")
    for name, kind in columns:
        if statement.format == "parquet":
            check_parquet(name, kind)
        if statement.format == "json" and kind.name == "varbyte":
            raise Refused(f'UNLOAD: column "{name}" is VARBYTE, which unloads to text or CSV only')
    kinds = dict(columns)
    for name in statement.partition_by:
        if name not in kinds:
            raise Refused(f'UNLOAD: PARTITION BY column "{name}" is not in the query', sqlstate="42703")
        if kinds[name].name not in PARTITION_TYPES:
            raise Refused(
                f'UNLOAD: PARTITION BY column "{name}" cannot be of type {kinds[name].name.upper()}'
            )
    if not statement.include and len(statement.partition_by) == len(columns):
        raise Refused("UNLOAD: at least one column must not be a PARTITION BY column")


def _moved(error: Refused, text: str, statement: Unload) -> Refused:
    """The error with its position moved from the query into the whole text, where the two match letter by letter."""
    start = statement.query_position + 1
    inside = text[start : start + len(statement.query)] == statement.query
    position = start + error.position if inside and error.position is not None else statement.query_position
    return Refused(error.message, position=position, sqlstate=error.sqlstate, hint=error.hint)
