"""Reads eventbridge/schedules, rules and alarms: one TOML file each, its name the thing's name.

What a file may say is checked here, with file and line; whether Scheduler, the Data API and the warehouse can do
anything with it is lint's matter (ZS8xx).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, time
from pathlib import Path
from typing import Any, TypeVar

from deployer.errors import UsageError
from deployer.project import toml_file
from deployer.project.schedules.model import DIRECTORY, TARGETS, Alarm, Eventbridge, Place, Rule, Schedule
from deployer.project.toml_file import Reader

NAME = r"[0-9a-zA-Z_.-]{1,64}"
"""botocore's model of Scheduler, Name; EventBridge's rules have the same."""
STATISTICS = ("SampleCount", "Average", "Sum", "Minimum", "Maximum")
COMPARISONS = (
    "GreaterThanOrEqualToThreshold", "GreaterThanThreshold", "LessThanThreshold", "LessThanOrEqualToThreshold",
)  # fmt: skip
MISSING = ("breaching", "notBreaching", "ignore", "missing")
MAX_WINDOW = 1440
MAX_ATTEMPTS = 185
AGES = (60, 86400)

_SCHEDULE = (
    "description", "expression", "timezone", "statement", "pipeline", "enabled", "window_minutes", "start", "end",
    "retry_attempts", "retry_max_age",
)  # fmt: skip
_RULE = ("description", "enabled", "targets", "pattern")
_ALARM = (
    "description", "namespace", "metric", "statistic", "threshold", "comparison", "period", "periods", "missing",
    "dimensions",
)  # fmt: skip

STRAY = (
    "nobody reads this file: schedules stand in eventbridge/schedules, rules in eventbridge/rules and alarms in"
    " eventbridge/alarms, without directories below them; move it there or delete it"
)

T = TypeVar("T")


def load(root: Path) -> Eventbridge:
    """All of `root`/eventbridge; empty without that directory. Raises UsageError with file and line."""
    for path in strays(root):
        raise UsageError(f"{path.relative_to(root)}: {STRAY}")
    return Eventbridge(
        _all(root, "schedules", read_schedule),
        _all(root, "rules", read_rule),
        _all(root, "alarms", read_alarm),
    )


def files(root: Path) -> list[Path]:
    """Every file of `root`/eventbridge that is read."""
    return [
        path
        for kind in ("alarms", "rules", "schedules")
        for path in sorted((root / DIRECTORY / kind).glob("*.toml"))
    ]


def strays(root: Path) -> list[Path]:
    """TOML files of `root`/eventbridge that stand where nobody reads them."""
    return [path for path in sorted((root / DIRECTORY).rglob("*.toml")) if is_stray(path, root)]


def is_stray(path: Path, root: Path) -> bool:
    """Whether it looks like a file of `root`/eventbridge, and is none."""
    if path.suffix != ".toml" or not path.is_relative_to(root / DIRECTORY):
        return False
    inside = path.relative_to(root / DIRECTORY).parts
    hidden = any(part.startswith(".") for part in inside)
    return not hidden and (len(inside) != 2 or inside[0] not in ("schedules", "rules", "alarms"))


def kind_of(path: Path) -> str:
    """schedules, rules or alarms, by the file's directories; empty for any other file."""
    folders = path.absolute().parent.parts[-2:]
    is_ours = path.suffix == ".toml" and len(folders) == 2 and folders[0] == DIRECTORY
    return folders[1] if is_ours and folders[1] in ("schedules", "rules", "alarms") else ""


def parse(text: str, path: Path, shown: Path, kind: str) -> Schedule | Rule | Alarm:
    """A file of a kind from its text. `shown` is the path that errors name. Raises UsageError."""
    reads: Mapping[str, Callable[[str, Path, Path], Schedule | Rule | Alarm]] = {
        "schedules": read_schedule, "rules": read_rule, "alarms": read_alarm,
    }  # fmt: skip
    return reads[kind](text, path, shown)


def read_schedule(text: str, path: Path, shown: Path) -> Schedule:
    """A schedule. Raises UsageError."""
    document, reader = _parsed(text, shown, _SCHEDULE)
    return Schedule(
        name=_name(reader, path),
        expression=reader.text((), document, "expression"),
        timezone=reader.text((), document, "timezone", "UTC"),
        # One line for the log and the alert's text; line ends are white space to SQL.
        statement=reader.text((), document, "statement").strip().removesuffix(";").rstrip(),
        description=reader.matching(
            (), document, "description", r"[^\n]{1,512}", "one line, at most 512 characters", ""
        ),
        pipeline=reader.matching((), document, "pipeline", r"[a-z_][a-z0-9_]{0,63}", "a pipeline's name", ""),
        enabled=_flag(reader, document, "enabled"),
        window=reader.number((), document, "window_minutes", 0, MAX_WINDOW, 0),
        start=_instant(reader, document, "start"),
        end=_instant(reader, document, "end"),
        attempts=reader.number((), document, "retry_attempts", 0, MAX_ATTEMPTS, Schedule.attempts),
        max_age=reader.number((), document, "retry_max_age", *AGES, Schedule.max_age),
        place=_place(reader, shown, document),
    )


def read_rule(text: str, path: Path, shown: Path) -> Rule:
    """A rule over events. Raises UsageError."""
    document, reader = _parsed(text, shown, _RULE)
    if "pattern" not in document:
        raise reader.wrong((), None, "the file lacks the table [pattern]")
    targets = reader.texts((), document, "targets", "|".join(TARGETS), f"{', '.join(TARGETS)}")
    if not targets or len(set(targets)) < len(targets):
        raise reader.wrong(
            (), "targets", f"targets must name each once, and at least one of: {', '.join(TARGETS)}"
        )
    return Rule(
        name=_name(reader, path),
        pattern=reader.table(("pattern",), document["pattern"]),
        targets=targets,
        description=reader.matching(
            (), document, "description", r"[^\n]{1,512}", "one line, at most 512 characters", ""
        ),
        enabled=_flag(reader, document, "enabled"),
        place=_place(reader, shown, document),
    )


def read_alarm(text: str, path: Path, shown: Path) -> Alarm:
    """An alarm. Raises UsageError."""
    document, reader = _parsed(text, shown, _ALARM)
    threshold = document.get("threshold")
    if not isinstance(threshold, int | float) or isinstance(threshold, bool):
        raise reader.wrong((), "threshold", f"threshold must be a number, not {threshold!r}")
    dimensions = reader.table(("dimensions",), document.get("dimensions", {}))
    for key, value in dimensions.items():
        if not isinstance(value, str) or not value:
            raise reader.wrong(("dimensions",), key, f"the dimension {key} must be a text, not {value!r}")
    period = reader.number((), document, "period", 60, 86400, Alarm.period)
    if period % 60:
        raise reader.wrong((), "period", f"period must be a multiple of 60 seconds, not {period}")
    return Alarm(
        name=_name(reader, path),
        namespace=reader.text((), document, "namespace"),
        metric=reader.text((), document, "metric"),
        statistic=reader.choice((), document, "statistic", STATISTICS, "Sum"),
        threshold=threshold,
        comparison=reader.choice((), document, "comparison", COMPARISONS, "GreaterThanThreshold"),
        period=period,
        # CloudWatch looks back a day at most (PutMetricAlarm).
        periods=reader.number((), document, "periods", 1, 86400 // period, Alarm.periods),
        missing=reader.choice((), document, "missing", MISSING, Alarm.missing),
        dimensions=dict(dimensions),
        description=reader.matching(
            (), document, "description", r"[^\n]{1,1024}", "one line, at most 1024 characters", ""
        ),
        place=_place(reader, shown, document),
    )


def _all(root: Path, kind: str, reads: Callable[[str, Path, Path], T]) -> tuple[T, ...]:
    found = []
    for path in sorted((root / DIRECTORY / kind).glob("*.toml")):
        shown = path.relative_to(root)
        try:
            text = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"cannot read {shown}: {error}") from None
        found.append(reads(text, path, shown))
    return tuple(found)


def _parsed(text: str, shown: Path, keys: tuple[str, ...]) -> tuple[Mapping[str, Any], Reader]:
    document, reader = toml_file.parse_text(text, shown)
    reader.check_keys((), document, keys)
    return document, reader


def _name(reader: Reader, path: Path) -> str:
    if not re.fullmatch(NAME, path.stem):
        raise reader.wrong(
            (),
            None,
            f"the file's name without .toml is the name in AWS: 1 to 64 letters, digits, hyphens, dots or underscores,"
            f" not {path.stem!r}",
        )
    return path.stem


def _flag(reader: Reader, document: Mapping[str, Any], key: str) -> bool:
    return reader.flag((), document, key) if key in document else True


def _instant(reader: Reader, document: Mapping[str, Any], key: str) -> datetime | None:
    found = document.get(key)
    if found is not None and (not isinstance(found, datetime) or found.tzinfo is None):
        raise reader.wrong(
            (),
            key,
            f"{key} must be a date and time with its offset, as 2026-01-01T00:00:00Z, not {_told(found)}",
        )
    return found


def _told(value: object) -> str:
    """A value of TOML as it was written, as good as that can be known."""
    return value.isoformat() if isinstance(value, date | time) else repr(value)


def _place(reader: Reader, shown: Path, document: Mapping[str, Any]) -> Place:
    return Place(str(shown), {key: reader.line_of((), key) for key in document})
