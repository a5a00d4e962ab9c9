"""docs/runs.md: its states, numbers, options and calls, compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

from deployer.cli.run import run
from deployer.cli.status import WATCH_SECONDS, status
from deployer.operations.expected import LOOK_BACK

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "runs.md").read_text(encoding="utf-8")
SQL = {path.stem: path.read_text(encoding="utf-8") for path in (ROOT / "procedures" / "ops").glob("*.sql")}


def test_its_states_are_those_of_the_run_log() -> None:
    told = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    written: set[str] = set()
    for text in SQL.values():
        written |= set(re.findall(r"'(succeeded|duplicate|superseded|skipped|failed|running)'", text))
    assert told == written


def test_its_options_exist() -> None:
    told = {name for name in re.findall(r"--[a-z][a-z-]*", PAGE)}
    known = {option for command in (run, status) for one in command.params for option in one.opts}
    assert told <= known, told - known


def test_its_calls_and_files_exist() -> None:
    for name in re.findall(r"`?\bops\.(\w+)", PAGE):
        known = name in SQL or any(f"create table ops.{name}" in path.read_text() for path in
                                   (ROOT / "migrations" / "versions").glob("*.py"))  # fmt: skip
        assert known, f"ops.{name}"
    for path in re.findall(r"`(tests/[\w/]+\.py)`", PAGE):
        assert (ROOT / path).exists()


def test_its_numbers() -> None:
    assert "within the last 5 seconds" in PAGE and "dateadd(second, -5, getdate())" in SQL["find_holder"]
    assert WATCH_SECONDS == 5 and "every five seconds" in PAGE
    assert LOOK_BACK.days == 1 and "looked back is a day" in PAGE
    (schedule,) = re.findall(r"^    (call ops\.assert_fresh.*)$", PAGE, re.MULTILINE)
    assert schedule in (ROOT / "eventbridge" / "schedules" / "rental-fresh.toml").read_text()
