"""Messages that GitHub Actions shows beside the line of a pull request.

Source: https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands
"""

from __future__ import annotations

import os


def wanted() -> bool:
    """Whether the command runs in a GitHub workflow."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotation(level: str, path: str, line: int, title: str, message: str, column: int = 1) -> str:
    """One workflow command; `level` is error, warning or notice, `line` and `column` are 1-based."""
    properties = {"file": path, "line": str(line), "col": str(column), "title": title}
    listed = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    return f"::{level} {listed}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
