"""COPY ... JSON: objects or arrays, one after the other, into values.

Source: Redshift Database Developer Guide, "Data format parameters" (JSON), "COPY from JSON format".
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Sequence
from typing import IO, Any

from deployer.local.files.text_in import BadRecord
from deployer.sql.refused import Refused
from deployer.sql.transfer.copy import Copy
from deployer.sql.types import RedshiftType

_READ = 1 << 20
MAX_ROW_BYTES = 16 << 20
"""A SUPER value, and with it a row, is at most 16 MB."""

Columns = Sequence[tuple[str, RedshiftType]]
Path = tuple[str | int, ...]
"""Members and array elements, from the outside in."""

_BRACKET = re.compile(r"\['(?P<name>[^']+)'\]|\[(?P<index>\d+)\]")
_DOT = re.compile(r"\.(?P<name>[^.\['\]*?()@]+)|\[(?P<index>\d+)\]")
_BRACKETS = re.compile(rf"\$(?:{_BRACKET.pattern})+".replace("?P<name>", "").replace("?P<index>", ""))
_DOTS = re.compile(rf"\$(?:{_DOT.pattern})+".replace("?P<name>", "").replace("?P<index>", ""))


class _Number(float):
    """A number that remembers how it was written: DECIMAL columns need its digits."""

    text: str

    @classmethod
    def of(cls, text: str) -> _Number:
        made = cls(text)
        made.text = text
        return made


_decoder = json.JSONDecoder(parse_float=_Number.of)


def read_json(
    copy: Copy, columns: Columns, stream: IO[bytes], paths: Sequence[Path] = ()
) -> Iterator[tuple[int, list[str | None] | BadRecord]]:
    """The file's values with their numbers from 1, as the columns' fields; None is NULL.

    `paths` are those of a JSONPaths file, one for each column. One that does not fit comes as a BadRecord. Raises
    BadRecord for what is no JSON: where the next value begins nobody knows then.
    """
    fold = copy.json_paths == "auto ignorecase"
    names = [name.lower() if fold else name for name, _ in columns]
    supers = [kind.name == "super" for _, kind in columns]

    def fields(values: Sequence[Any]) -> list[str | None]:
        return [
            # A string is a string of SUPER's, too.
            json.dumps(value, ensure_ascii=False) if is_super and isinstance(value, str) else _field(value)
            for value, is_super in itertools.zip_longest(values, supers[: len(values)], fillvalue=False)
        ]

    for number, value in enumerate(_values(stream), 1):
        if copy.json_paths == "noshred":
            yield number, [_field(value)]
        elif paths:
            try:
                yield number, fields([_at(number, value, path) for path in paths])
            except BadRecord as error:
                yield number, error
        elif isinstance(value, list):
            yield number, fields(value)
        elif isinstance(value, dict):
            found = {key.lower(): item for key, item in value.items()} if fold else value
            yield number, fields([found.get(name) for name in names])
        else:
            yield number, BadRecord(number, "Invalid JSON: a row is an object or an array")


def json_paths(url: str, data: bytes, columns: Columns) -> list[Path]:
    """The paths in a JSONPaths file; none where its key is another one: 'auto' holds then. Raises Refused.

    DG "Data format parameters", "JSONPaths file", "JSONPath expressions".
    """
    try:
        told = json.loads(data)
    except ValueError as error:
        raise Refused(f"the JSONPaths file {url} is not JSON", sqlstate="XX000") from error
    if not isinstance(told, dict):
        raise Refused(f"the JSONPaths file {url} is no JSON object", sqlstate="XX000")
    if "jsonpaths" not in told:
        return []
    listed = told["jsonpaths"]
    if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
        raise Refused(
            f"the JSONPaths file {url} has no list of expressions under jsonpaths", sqlstate="XX000"
        )
    if len(listed) != len(columns):
        raise Refused(
            f"Number of jsonpaths and the number of columns should match. JSONPath size: {len(listed)}, Number of"
            f" columns in table or column list: {len(columns)}",
            sqlstate="XX000",
        )
    return [_path(url, one) for one in listed]


def _path(url: str, text: str) -> Path:
    """$['a']['b'][0] or $.a.b[0], not mixed."""
    for pattern, step in ((_BRACKETS, _BRACKET), (_DOTS, _DOT)):
        if pattern.fullmatch(text):
            return tuple(
                int(match["index"]) if match["index"] is not None else match["name"]
                for match in step.finditer(text)
            )
    raise Refused(f"Invalid JSONPath format: {text!r} in {url}", sqlstate="XX000")


def _at(number: int, value: Any, path: Path) -> Any:
    """What a path leads to; None where a member is not there."""
    for step in path:
        if isinstance(step, int):
            if not isinstance(value, list) or step >= len(value):
                raise BadRecord(number, "Invalid JSONPath format: Not an array or index out of range.")
            value = value[step]
        else:
            if not isinstance(value, dict):
                return None
            value = value.get(step)
    return value


def _values(stream: IO[bytes]) -> Iterator[Any]:
    """Every value of a file that is a sequence of them."""
    import codecs

    decode = codecs.getincrementaldecoder("utf-8")()
    text, at, number, ended = "", 0, 1, False
    while True:
        while at < len(text) and text[at] in " \t\r\n":
            at += 1
        if at < len(text):
            try:
                value, at = _decoder.raw_decode(text, at)
                if at < len(text) or ended or isinstance(value, (dict, list)):
                    yield value
                    number += 1
                    continue
            except json.JSONDecodeError as error:
                if ended or len(text) - at > MAX_ROW_BYTES:
                    raise BadRecord(number, f"Invalid JSON: {error.msg}") from error
        elif ended:
            return
        data = stream.read(_READ)
        ended = not data
        try:
            text, at = text[at:] + decode.decode(data, ended), 0
        except UnicodeDecodeError as error:
            raise BadRecord(number, "String contains invalid or unsupported UTF8 codepoints") from error


def _field(value: Any) -> str | None:
    if value is None:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, _Number):
        return value.text
    if isinstance(value, int):
        return str(value)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
