"""States of alarms, as CloudWatch documents them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.local.alarms.evaluate import data_points, reason, state
from deployer.local.alarms.model import ALARM, INSUFFICIENT, OK, Alarm, alarm

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def made(**more: Any) -> Alarm:
    return alarm({
        "AlarmName": "a", "StateValue": "OK", "Namespace": "AWS/Scheduler", "MetricName": "TargetErrorCount",
        "Dimensions": [{"Name": "ScheduleGroup", "Value": "g"}], "Statistic": "Sum", "Threshold": 0.0,
        "ComparisonOperator": "GreaterThanThreshold", "Period": 300, "EvaluationPeriods": 1,
        "TreatMissingData": "notBreaching", **more,
    })  # fmt: skip


def at(minutes: float, value: float = 1.0) -> tuple[datetime, float]:
    return NOON - timedelta(minutes=minutes), value


def test_windows_slide_by_the_minute() -> None:
    one = made()
    # Documented: at the end of minute 6 a period of five minutes has the data of minutes 2 to 6.
    assert data_points(one, [at(5), at(0.1), at(5.1), at(0)], NOON) == [2.0]
    assert data_points(made(EvaluationPeriods=2), [at(6, 3), at(1)], NOON) == [1.0, 3.0]
    assert data_points(made(Statistic="Maximum"), [at(2, 3), at(1)], NOON) == [3.0]
    assert data_points(made(Statistic="Average"), [at(2, 3), at(1)], NOON) == [2.0]
    assert data_points(made(Statistic="SampleCount"), [], NOON) == [None]


@pytest.mark.parametrize(
    ("missing", "found"),
    [("notBreaching", OK), ("breaching", ALARM), ("missing", INSUFFICIENT), ("ignore", "as it was")],
)
def test_no_data_at_all(missing: str, found: str) -> None:
    one = made(TreatMissingData=missing, StateValue="as it was")
    assert state(one, [None]) == found
    assert "no data points in 1 period(s)" in reason(one, [None], found)


def test_some_of_several_data_points_are_enough() -> None:
    one = made(EvaluationPeriods=3, DatapointsToAlarm=2, Threshold=1.0)
    assert state(one, [2.0, 1.0, 1.0]) == OK and state(one, [2.0, 1.0, 2.0]) == ALARM
    assert state(one, [2.0, None, 2.0]) == ALARM and state(one, [2.0, None, None]) == OK
    assert (
        state(made(EvaluationPeriods=3, DatapointsToAlarm=2, TreatMissingData="breaching"), [1.0, None, 0.0])
        == ALARM
    )
    assert (
        reason(one, [2.0, None, 2.0], ALARM) == "Threshold crossed: Sum [2, none, 2] GreaterThanThreshold 1"
    )


@given(
    st.lists(st.one_of(st.none(), st.floats(-5, 5)), min_size=1, max_size=5),
    st.integers(1, 5),
    st.sampled_from(["breaching", "notBreaching"]),
)
def test_more_breaching_never_leads_back_to_ok(points: list[float | None], wanted: int, missing: str) -> None:
    wanted = min(wanted, len(points))
    one = made(EvaluationPeriods=len(points), DatapointsToAlarm=wanted, TreatMissingData=missing)
    if state(one, points) == ALARM:
        for number in range(len(points)):
            assert state(one, [*points[:number], 1.0, *points[number + 1 :]]) == ALARM


@pytest.mark.parametrize(
    ("more", "told"),
    [
        ({"Statistic": None, "ExtendedStatistic": "p90"}, "only Sum, Average"),
        ({"ComparisonOperator": "GreaterThanUpperThreshold"}, "GreaterThanUpperThreshold"),
        ({"Period": 10}, "less than a minute"),
        ({"EvaluationPeriods": 2, "TreatMissingData": "missing"}, "treated as missing"),
    ],
)
def test_what_is_not_evaluated_says_why(more: dict[str, Any], told: str) -> None:
    refusal = made(**more).refusal
    assert refusal is not None and told in refusal
    assert made().refusal is None
