"""Reads procedures/archive/*.toml: one policy a file, its name the policy's.

What a file may say is checked here, with file and line; whether the relation has the columns, and whether deleting is
safe, is lint's matter (ZS9xx).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from deployer.errors import UsageError
from deployer.project import toml_file
from deployer.project.archive.model import (
    DELETE,
    DIRECTORY,
    KEEP,
    PERIOD_COLUMN,
    RUN_COLUMN,
    UNITS,
    Policy,
)
from deployer.project.schedules.model import Place
from deployer.project.toml_file import Reader

NAME = r"[a-z][a-z0-9_]{0,62}"
"""A policy's name is a folder in S3, a table's name over those files, and part of a view's."""
_TABLE = r"[a-z_][a-z0-9_]{0,126}\.[a-z_][a-z0-9_]{0,126}"
_COLUMN = r"[a-z_][a-z0-9_]{0,126}"
_KEEP = r"(\d{1,5}) (day|month|year)s?"
# An id, an alias or an alias's ARN would do in S3; KMS keys in UNLOAD are given by id (developer guide, r_UNLOAD).
_KMS = r"[A-Za-z0-9-]{1,128}"

STORAGE = {"STANDARD_IA": 30, "ONEZONE_IA": 30, "INTELLIGENT_TIERING": 0, "GLACIER_IR": 0}
"""Storage classes that are read at once, and the fewest days before S3 moves objects there (S3 User Guide,
lifecycle-transition-general-considerations). GLACIER and DEEP_ARCHIVE are left out: COPY and Spectrum cannot read what
is there until somebody has restored the objects (developer guide, c-spectrum-data-files, "Amazon S3 Glacier")."""

_KEYS = (
    "table", "period", "unit", "keep", "partition", "after", "storage_class", "transition_days", "expire_days",
    "kms_key",
)  # fmt: skip


def load(root: Path) -> tuple[Policy, ...]:
    """All policies of `root`, in the order of their names. Raises UsageError with file and line."""
    found = []
    for path in files(root):
        shown = path.relative_to(root)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {shown}: {error}") from None
        found.append(parse(text, path, shown))
    return tuple(found)


def files(root: Path) -> list[Path]:
    """The policies' files."""
    return sorted((root / "procedures" / DIRECTORY).glob("*.toml"))


def is_policy(path: Path) -> bool:
    """Whether the file is an archive policy, by its directories."""
    return path.suffix == ".toml" and path.absolute().parent.parts[-2:] == ("procedures", DIRECTORY)


def parse(text: str, path: Path, shown: Path) -> Policy:
    """A policy from its file's text. `shown` is the path that errors name. Raises UsageError."""
    document, reader = toml_file.parse_text(text, shown)
    reader.check_keys((), document, _KEYS)
    if not re.fullmatch(NAME, path.stem):
        raise reader.wrong(
            (), None,
            f"the file's name {path.stem!r} is the policy's: small letters, digits and underscores, 63 at most",
        )  # fmt: skip
    table = reader.matching((), document, "table", _TABLE, "schema.table in small letters")
    period = reader.matching((), document, "period", _COLUMN, "a column's name in small letters", "")
    _together(reader, document, period)
    partition = reader.texts((), document, "partition", _COLUMN, "columns' names in small letters")
    if len(set(partition)) < len(partition) or {PERIOD_COLUMN, RUN_COLUMN} & set(partition):
        raise reader.wrong(
            (), "partition", "partition must name each column once, and none of the archive's own"
        )
    number, keep_unit = _keep(reader, document, period)
    storage, days, expire = _lifecycle(reader, document)
    after = reader.choice((), document, "after", (KEEP, DELETE), KEEP)
    if after == DELETE and not period:
        raise reader.wrong((), "after", 'after = "delete" needs a period: a snapshot has no closed rows')
    if after == DELETE and expire:
        raise reader.wrong(
            (),
            "expire_days",
            'expire_days and after = "delete" would destroy the only copy: leave one of them out',
        )
    return Policy(
        name=path.stem,
        table=table,
        period=period,
        unit=reader.choice((), document, "unit", UNITS, "month" if period else "day"),
        keep=number,
        keep_unit=keep_unit,
        partition=partition,
        after=after,
        storage_class=storage,
        transition_days=days,
        expire_days=expire,
        kms_key=reader.matching((), document, "kms_key", _KMS, "a KMS key's id, not its ARN", ""),
        place=Place(str(shown), {key: reader.line_of((), key) for key in document}),
    )


def _together(reader: Reader, document: Mapping[str, Any], period: str) -> None:
    if not period:
        for key in ("unit", "keep"):
            if key in document:
                raise reader.wrong(
                    (),
                    key,
                    f"{key} belongs to a policy with a period; without one each run is a day's snapshot",
                )


def _keep(reader: Reader, document: Mapping[str, Any], period: str) -> tuple[int, str]:
    if not period:
        return 0, "day"
    told = reader.matching((), document, "keep", _KEEP, "a number of days, months or years, as 24 months")
    found = re.fullmatch(_KEEP, told)
    assert found is not None
    return int(found[1]), found[2]


def _lifecycle(reader: Reader, document: Mapping[str, Any]) -> tuple[str, int, int]:
    storage = (
        reader.choice((), document, "storage_class", tuple(STORAGE), "")
        if "storage_class" in document
        else ""
    )
    days = reader.number((), document, "transition_days", 0, 36500, STORAGE.get(storage, 0))
    if "transition_days" in document and not storage:
        raise reader.wrong((), "transition_days", "transition_days needs a storage_class to move to")
    if storage and days < STORAGE[storage]:
        raise reader.wrong(
            (), "transition_days",
            f"S3 moves nothing to {storage} before {STORAGE[storage]} days; transition_days is {days}",
        )  # fmt: skip
    expire = reader.number((), document, "expire_days", 0, 36500, 0)
    if expire and storage and expire <= days:
        raise reader.wrong((), "expire_days", f"expire_days must be more than transition_days, {days}")
    return storage, days, expire
