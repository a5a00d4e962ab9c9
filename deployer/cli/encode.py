"""Dataclasses as JSON text, for --json."""

from __future__ import annotations

import dataclasses
import datetime
import json
from decimal import Decimal


def dump(value: object) -> str:
    """`value`, a dataclass of ours, as indented JSON. Times are ISO; DECIMAL, which our records lack, is a
    text.
    """
    return json.dumps(_plain(value), indent=2, ensure_ascii=False)


def _plain(value: object) -> object:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, datetime.datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return str(value)
    return value
