"""What a schedule has Scheduler send: the Data API's call, as the Input of a universal target.

Source: EventBridge Scheduler User Guide, managing-targets-universal (the ARN; Input is the call's JSON with the API's
own names, and is checked by nobody) and managing-schedule-context-attributes (the keywords, which are replaced anywhere
in Input); botocore's model of redshift-data.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deployer.project.schedules import expression
from deployer.project.schedules.model import KEYWORDS, SCHEDULED_TIME, Schedule

ONE = "arn:aws:scheduler:::aws-sdk:redshiftdata:executeStatement"
SEVERAL = "arn:aws:scheduler:::aws-sdk:redshiftdata:batchExecuteStatement"
OPERATIONS = {ONE: "ExecuteStatement", SEVERAL: "BatchExecuteStatement"}

MAX_STATEMENT = 100_000
"""Bytes of a statement: the guide says 100 KB in one place and 200 KB in another; the smaller one holds everywhere."""
MAX_TOKEN = 64
SAMPLE_TIME = "2026-01-01T00:00:00Z"
"""The form in which Scheduler gives the scheduled time."""
_HASHED = 16
_KEYWORD = re.compile(r"<aws\.scheduler\.([^>]*)>")


@dataclass(frozen=True)
class Warehouse:
    """Which warehouse the call names. Exactly one of `workgroup` and `cluster` is set."""

    database: str
    workgroup: str = ""
    cluster: str = ""

    @property
    def members(self) -> dict[str, str]:
        """As the Data API's calls have it."""
        key, name = (
            ("WorkgroupName", self.workgroup) if self.workgroup else ("ClusterIdentifier", self.cluster)
        )
        return {key: name, "Database": self.database}


@dataclass(frozen=True)
class Call:
    """A target: its ARN, and the Input as a mapping of the API's names."""

    target: str
    given: Mapping[str, Any]

    @property
    def operation(self) -> str:
        return OPERATIONS[self.target]

    @property
    def input(self) -> str:
        """The Input's text. Keywords stay readable: JSON need not escape < and >."""
        return json.dumps(self.given, ensure_ascii=False)


def statements(text: str) -> tuple[str, ...]:
    """The SQL in the Input of a deployed schedule; none in one that is not the Data API's."""
    try:
        given = json.loads(text)
    except ValueError:
        return ()
    if not isinstance(given, dict):
        return ()
    one, several = given.get("Sql"), given.get("Sqls")
    if isinstance(several, list):
        return tuple(str(sql) for sql in several)
    return (one,) if isinstance(one, str) else ()


def call(schedule: Schedule, prefix: str, warehouse: Warehouse, settings: Sequence[str] = ()) -> Call:
    """The call of a schedule. `settings` are statements that come before it in the same session, see
    deployer.project.pipelines: several statements that commit one by one are a batch of the mode AUTO_COMMIT.
    """
    common = {
        **warehouse.members,
        "StatementName": statement_name(prefix, schedule.name),
        "WithEvent": True,
        "ClientToken": client_token(prefix, schedule.name),
    }
    if settings:
        sqls = [*settings, schedule.statement]
        return Call(SEVERAL, {"Sqls": sqls, "ExecutionMode": "AUTO_COMMIT", **common})
    return Call(ONE, {"Sql": schedule.statement, **common})


def statement_name(prefix: str, schedule: str) -> str:
    """How a schedule's statements are called: what rules match by their prefix, and alerts say."""
    return f"{prefix}/{schedule}"


def client_token(prefix: str, schedule: str) -> str:
    """The token of a schedule's call: equal for every attempt of one scheduled time, and for nothing else.

    It ends in the scheduled time (20 characters). A name that does not fit before it is cut, and told apart by a hash,
    which also tells environments of one account apart.
    """
    room = MAX_TOKEN - len(SAMPLE_TIME) - _HASHED - 2
    digest = hashlib.sha256(statement_name(prefix, schedule).encode()).hexdigest()[:_HASHED]
    return f"{schedule[:room]}-{digest}-{SCHEDULED_TIME}"


def with_time(text: str, moment: datetime | None = None) -> str:
    """`text` with every keyword replaced by what Scheduler would put there, for checks and for shows."""
    time = SAMPLE_TIME if moment is None else f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    samples = {
        "scheduled-time": time,
        # As long as such an ARN can be: names of 64 characters.
        "schedule-arn": f"arn:aws:scheduler:ap-northeast-1:{'0' * 12}:schedule/{'g' * 64}/{'s' * 64}",
        "execution-id": "d32c5kddcf5bb8c3",
        "attempt-number": "1",
    }
    return _KEYWORD.sub(lambda found: samples.get(found.group(1), found.group()), text)


def unknown_keywords(text: str) -> tuple[str, ...]:
    """Keywords in `text` that Scheduler does not have: they would be sent as they stand."""
    return tuple(found.group() for found in _KEYWORD.finditer(text) if found.group(1) not in KEYWORDS)


def next_times(schedule: Schedule, after: datetime, count: int = 5) -> tuple[datetime, ...]:
    """The next `count` times of a schedule in its own timezone, daylight saving included; fewer when it ends.

    A rate counts from `start`, else from `after`. Raises ExpressionError.
    """
    found = expression.parse(schedule.expression, schedule.timezone)
    # StartDate and EndDate do not count for one-time schedules (CreateSchedule).
    once = schedule.expression.startswith("at(")
    times = found.next(after, count, None if once else schedule.start)
    zone = expression.timezone(schedule.timezone)
    last = None if once else schedule.end
    return tuple(moment.astimezone(zone) for moment in times if last is None or moment <= last)
