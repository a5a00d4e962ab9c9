"""An alarm as CloudWatch stores it, and what of it is evaluated here."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

OK, ALARM, INSUFFICIENT = "OK", "ALARM", "INSUFFICIENT_DATA"
_ACTIONS = {OK: "OKActions", ALARM: "AlarmActions", INSUFFICIENT: "InsufficientDataActions"}

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "GreaterThanOrEqualToThreshold": operator.ge,
    "GreaterThanThreshold": operator.gt,
    "LessThanThreshold": operator.lt,
    "LessThanOrEqualToThreshold": operator.le,
}
STATISTICS: Mapping[str, Callable[[Sequence[float]], float]] = {
    "SampleCount": lambda values: float(len(values)),
    "Sum": sum,
    "Average": lambda values: sum(values) / len(values),
    "Minimum": min,
    "Maximum": max,
}


@dataclass(frozen=True)
class Alarm:
    """One metric alarm. `period` is in seconds; `wanted` of `periods` data points must breach."""

    name: str
    description: str
    state: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str]
    statistic: str
    comparison: str
    threshold: float
    period: int
    periods: int
    wanted: int
    missing: str
    actions: Mapping[str, tuple[str, ...]]

    @property
    def refusal(self) -> str | None:
        """Why it is not evaluated here, None when it is."""
        if self.statistic not in STATISTICS:
            return "only Sum, Average, Minimum, Maximum and SampleCount of one metric are"
        if self.comparison not in COMPARISONS:
            return f"the comparison {self.comparison} is not"
        if self.period < 60:
            return "periods of less than a minute are not"
        if self.missing in ("missing", "ignore") and self.periods > 1:
            # How far back CloudWatch looks for data then, its "evaluation range", is documented by examples only.
            return f"more than one period with missing data treated as {self.missing} is not"
        return None


def alarm(answer: Mapping[str, Any]) -> Alarm:
    """An item of DescribeAlarms' MetricAlarms."""
    enabled = answer.get("ActionsEnabled", True)
    return Alarm(
        name=answer["AlarmName"],
        description=answer.get("AlarmDescription", ""),
        state=answer["StateValue"],
        namespace=answer.get("Namespace", ""),
        metric=answer.get("MetricName", ""),
        dimensions={one["Name"]: one["Value"] for one in answer.get("Dimensions", ())},
        statistic=answer.get("Statistic", ""),
        comparison=answer.get("ComparisonOperator", ""),
        threshold=float(answer.get("Threshold", 0)),
        period=int(answer.get("Period") or 60),
        periods=int(answer["EvaluationPeriods"]),
        wanted=int(answer.get("DatapointsToAlarm") or answer["EvaluationPeriods"]),
        missing=answer.get("TreatMissingData") or "missing",
        actions={state: tuple(answer.get(key, ())) if enabled else () for state, key in _ACTIONS.items()},
    )
