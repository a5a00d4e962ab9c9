"""COPY ... JSON: objects or arrays, one after the other, into values.

Source: Redshift Database Developer Guide, "Data format parameters" (JSON), "COPY from JSON format".
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import IO, Any

from deployer.local.files.text_in import BadRecord
from deployer.sql.transfer.copy import Copy
from deployer.sql.types import RedshiftType

_READ = 1 << 20
MAX_ROW_BYTES = 16 << 20
"""A SUPER value, and with it a row, is at most 16 MB."""

Columns = Sequence[tuple[str, RedshiftType]]


class _Number(float):
    """A number that remembers how it was written: DECIMAL columns need its digits."""

    text: str

    @classmethod
    def of(cls, text: str) -> _Number:
        made = cls(text)
        made.text = text
        return made


_decoder = json.JSONDecoder(parse_float=_Number.of)


def read_json(copy: Copy, columns: Columns, stream: IO[bytes]) -> Iterator[tuple[int, list[str | None]]]:
    """The file's values with their numbers from 1, as the columns' fields; None is NULL. Raises BadRecord."""
    fold = copy.json_paths == "auto ignorecase"
    names = [name.lower() if fold else name for name, _ in columns]
    for number, value in enumerate(_values(stream), 1):
        if copy.json_paths == "noshred":
            yield number, [_field(value)]
        elif isinstance(value, list):
            yield number, [_field(item) for item in value]
        elif isinstance(value, dict):
            found = {key.lower(): item for key, item in value.items()} if fold else value
            yield number, [_field(found.get(name)) for name in names]
        else:
            raise BadRecord(number, "Invalid JSON: a row is an object or an array")


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
