"""Partition folders, as Hive names them.

Source: Redshift Database Developer Guide, "UNLOAD", PARTITION BY. How a value with special characters is written it
does not say: here as Hive does it, which is the convention that the page names.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

NULL_PARTITION = "__HIVE_DEFAULT_PARTITION__"

_SPECIAL = re.compile(r"[\x00-\x1f\"#%'*/:=?\\\x7f{\[\]^]")


def folder(names: Sequence[str], values: Sequence[str | None]) -> str:
    """`year=2019/month=9/` for the values of the partition columns."""
    return "".join(
        f"{_escaped(name)}={NULL_PARTITION if value is None or value == '' else _escaped(value)}/"
        for name, value in zip(names, values, strict=True)
    )


def _escaped(text: str) -> str:
    return _SPECIAL.sub(lambda match: f"%{ord(match[0]):02X}", text)


def value_of(text: str) -> str | None:
    """The value that a folder's right side stands for; None is NULL."""
    if text == NULL_PARTITION:
        return None
    return re.sub("%([0-9A-Fa-f]{2})", lambda match: chr(int(match[1], 16)), text)
