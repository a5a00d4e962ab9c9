"""docs/local-schedules.md: its commands exist, its numbers and names are the code's."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from deployer.cli.schedule import schedule
from deployer.local.events import retry
from deployer.local.events.pattern import PatternError, parse
from deployer.local.scheduler.process import LOG_FILE
from deployer.local.scheduler.schedules import LISTED
from deployer.local.scheduler.service import POLL
from deployer.local.scheduler.target import ACTIONS
from deployer.local.states.definition import _FIELDS
from deployer.local.states.interpreter import EXPRESS_SECONDS
from deployer.local.states.tasks import _SERVICES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "local-schedules.md").read_text(encoding="utf-8")
TEXT = " ".join(PAGE.split())


def test_every_command_and_option_is_there() -> None:
    typed = re.findall(r"^    zeroshift schedule (.+)$", PAGE, re.M)
    assert len(typed) == 6
    for line in typed:
        name, *options = line.split()
        known = {option for one in schedule.commands[name].params for option in one.opts}
        assert {option for option in options if option.startswith("--")} <= known, line
    for name, command in schedule.commands.items():
        assert re.search(rf"`(schedule )?{name}\b", PAGE), name
        takes_json = any("--json" in one.opts for one in command.params if isinstance(one, click.Option))
        assert takes_json == (name not in ("start", "stop")), name


def test_its_numbers_and_names() -> None:
    for text in (
        f"(0 to {retry.MAX_ATTEMPTS}, by default {retry.MAX_ATTEMPTS})",
        f"(60 to {retry.MAX_AGE}, by default {retry.MAX_AGE})",
        f"is {retry.FIRST_SECONDS:.0f} s, doubled each time, at most {retry.LAST_SECONDS:.0f} s",
        f"the default's {retry.MAX_ATTEMPTS} attempts",
        f"A group has {LISTED - 1} schedules at most",
        f"aws/{LOG_FILE}",
    ):
        assert text in TEXT, text
    assert POLL.total_seconds() == 1 and "every second" in TEXT
    assert EXPRESS_SECONDS == 300 and "after five minutes" in TEXT
    assert set(ACTIONS) == {
        f"arn:aws:scheduler:::aws-sdk:redshiftdata:{name}"
        for name in ("executeStatement", "batchExecuteStatement")
    }
    assert set(_FIELDS["JSONPath"]) == {"Task", "Choice", "Wait", "Pass", "Succeed", "Fail"}
    assert set(_SERVICES) == {"redshiftdata", "dynamodb", "sns", "sqs", "cloudwatch"}


@pytest.mark.parametrize("operator, known", [
    ('{"prefix": "a"}', True), ('{"suffix": "a"}', True), ('{"anything-but": "a"}', True), ('{"exists": true}', True),
    ('{"numeric": [">", 0]}', True), ('{"equals-ignore-case": "a"}', True), ('{"wildcard": "a*"}', True),
    ('{"cidr": "10.0.0.0/24"}', False),
])  # fmt: skip
def test_its_operators(operator: str, known: bool) -> None:
    assert re.search(rf"\b{next(iter(re.findall(r'[a-z-]+', operator)))}\b", TEXT)
    pattern = '{"source": [' + operator + "]}"
    if known:
        parse(pattern)
    else:
        with pytest.raises(PatternError, match="has no cidr"):
            parse(pattern)
