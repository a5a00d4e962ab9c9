"""The files of eventbridge/: what they define, and a schedule's statement as SQL like any other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import UsageError
from deployer.project.lint.findings import SourceFile
from deployer.project.lint.positions import by_lines
from deployer.project.lint.units import FILE, Content, add_sql
from deployer.project.schedules import calls, files
from deployer.project.schedules.model import Alarm, Rule, Schedule

KINDS = {"schedules": "schedule", "rules": "rule", "alarms": "alarm"}
"""A directory of eventbridge/, and the kind of its SourceFiles."""


@dataclass
class EventbridgeContent(Content):
    """As Content. `defined` is None for a file that cannot be read, which `broken` tells."""

    defined: Schedule | Rule | Alarm | None = None


def read_eventbridge(file: SourceFile) -> EventbridgeContent:
    """A file of eventbridge/. Never raises for its text."""
    content = EventbridgeContent(file)
    directory = next(name for name, kind in KINDS.items() if kind == file.kind)
    try:
        content.defined = files.parse(file.text, file.path, Path(file.shown), directory)
    except UsageError as error:
        told = re.fullmatch(re.escape(file.shown) + r":(\d+): (.*)", str(error), re.S)
        content.broken.append((told[2], int(told[1]), 1) if told else (str(error), 1, 1))
    if isinstance(content.defined, Schedule):
        line = content.defined.place.line("statement")
        sql = calls.with_time(content.defined.statement)
        # Only the line can be told: TOML's quotes and escapes stand between.
        add_sql(content, sql, by_lines(sql, line, 1), FILE)
    return content
