"""Messages that GitHub Actions shows beside the line of a pull request.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import os
from pathlib import Path


def wanted() -> bool:
    """Whether the command runs in a GitHub workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotation(
    level: str, path: str, line: int, title: str, message: str, *, column: int = 1, root: Path | None = None
) -> str:
    """One workflow command; `level` is error, warning or notice, `line` and `column` are 1-based.

    `path` is relative to the project's `root`; GitHub wants it relative to the checked-out repository, which the
    project may be a directory of.
    """
    properties = {"file": _from_workspace(path, root), "line": str(line), "col": str(column), "title": title}
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {listed}::{_data(message)}"


def _from_workspace(path: str, root: Path | None) -> str:
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if root is None or not workspace:
        return path
    whole = (root / path).resolve()
    checkout = Path(workspace).resolve()
    return str(whole.relative_to(checkout)) if whole.is_relative_to(checkout) else path


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
