"""The date parts and their abbreviations.

Source: https://docs.aws.amazon.com/redshift/latest/dg/r_Dateparts_for_datetime_functions.html
"""

from __future__ import annotations

from deployer.local.functions.api import Call
from deployer.local.functions.render import refuse
from deployer.sql.parse.nodes import Column, Literal

_SPELLINGS = {
    "millennium": "millennium millennia mil mils",
    "century": "century centuries c cent cents",
    "decade": "decade decades dec decs",
    "epoch": "epoch",
    "year": "year years y yr yrs",
    "quarter": "quarter quarters qtr qtrs",
    "month": "month months mon mons",
    "week": "week weeks w",
    "dow": "dayofweek dow dw weekday",
    "doy": "dayofyear doy dy yearday",
    "day": "day days d",
    "hour": "hour hours h hr hrs",
    "minute": "minute minutes m min mins",
    "second": "second seconds s sec secs",
    "millisecond": "millisecond milliseconds ms msec msecs msecond mseconds millisec millisecs millisecon",
    "microsecond": "microsecond microseconds microsec microsecs usecond useconds us usec usecs",
    "timezone": "timezone",
    "timezone_hour": "timezone_hour",
    "timezone_minute": "timezone_minute",
}
PARTS = {spelling: part for part, spellings in _SPELLINGS.items() for spelling in spellings.split()}
"""Every accepted spelling, lower case, -> its part."""

TIME_PARTS = ("hour", "minute", "second", "millisecond", "microsecond")
"""The parts that a TIME has."""

STEPS = (
    "millennium",
    "century",
    "decade",
    "year",
    "quarter",
    "month",
    "week",
    "day",
    *TIME_PARTS,
)
"""The parts that can be added, subtracted or truncated to."""


def date_part(call: Call, allowed: tuple[str, ...]) -> str:
    """The part that the first argument of `call` names, one of `allowed`.

    It is a bare word or a string literal; anything else is refused, as Redshift needs it while planning.
    """
    node = call.nodes[0]
    word = None
    if isinstance(node, Literal) and node.kind == "string":
        word = node.value
    elif isinstance(node, Column) and len(node.parts) == 1:
        word = node.parts[0]
    if word is None:
        raise refuse(call, "the first argument must be a date part such as day, or 'day'", sqlstate="42601")
    part = PARTS.get(word.lower())
    if part is None:
        raise refuse(call, f"{word!r} is not a date part", sqlstate="22023")
    if part not in allowed:
        raise refuse(call, f"the date part {word!r} is not supported here", sqlstate="22023")
    return part
