"""The files of procedures/archive: policies."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import UsageError
from deployer.project.archive import files
from deployer.project.archive.model import Policy
from deployer.project.lint.findings import SourceFile
from deployer.project.lint.units import Content

KIND = "archive"
"""The kind of its SourceFiles."""


@dataclass
class ArchiveContent(Content):
    """As Content. `policy` is None for a file that cannot be read, which `broken` tells."""

    policy: Policy | None = None


def read_policy(file: SourceFile) -> ArchiveContent:
    """An archive policy. Never raises for its text."""
    content = ArchiveContent(file)
    try:
        content.policy = files.parse(file.text, file.path, Path(file.shown))
    except UsageError as error:
        told = re.fullmatch(re.escape(file.shown) + r":(\d+): (.*)", str(error), re.S)
        content.broken.append((told[2], int(told[1]), 1) if told else (str(error), 1, 1))
    return content
