"""Interval literals.

Source: Redshift Database Developer Guide, "Interval literals" (r_interval_literals): quantities with units or their
abbreviations, joined by blanks or commas; a quantity without a unit counts seconds; newer pages add a
qualifier behind the literal (INTERVAL '3' DAY, r_interval_data_types), to which smaller units are cut.
"""

from __future__ import annotations

import re

from deployer.local.translate.casts import pg_literal
from deployer.sql.parse.nodes import IntervalLiteral
from deployer.sql.refused import Refused

_UNITS = {
    unit: name
    for name, units in {
        "millennium": "millennium millennia mil mils millenniums",
        "century": "century centuries c cent cents",
        "decade": "decade decades dec decs",
        "year": "year years y yr yrs",
        "quarter": "quarter quarters qtr qtrs",
        "month": "month months mon mons",
        "week": "week weeks w",
        "day": "day days d",
        "hour": "hour hours h hr hrs",
        "minute": "minute minutes m min mins",
        "second": "second seconds s sec secs",
        "millisecond": "millisecond milliseconds ms msec msecs msecond mseconds",
        "microsecond": "microsecond microseconds us usec usecs usecond useconds microsecs",
    }.items()
    for unit in units.split()
}
_QUANTITY = re.compile(r"\s*([+-]?(?:\d+\.?\d*|\.\d+))\s*([A-Za-z]*)\s*,?")
_CLOCK = re.compile(r"\s*([+-]?\d+:\d\d?(?::\d\d?(?:\.\d+)?)?)\s*,?")
_YEAR_MONTH = re.compile(r"\s*[+-]?\d+-\d+\s*")


def render(node: IntervalLiteral) -> str:
    """The literal for PostgreSQL, with every unit spelled out."""
    kind = f"interval {node.qualifier}".rstrip()
    if " to " in node.qualifier or (node.qualifier and _YEAR_MONTH.fullmatch(node.text)):
        return f"{pg_literal(node.text)}::{kind}"
    unit = node.qualifier.partition("(")[0] or "second"
    parts: list[str] = []
    at = 0
    while node.text[at:].strip():
        clock = _CLOCK.match(node.text, at)
        match = clock or _QUANTITY.match(node.text, at)
        if match is None:
            raise _invalid(node)
        at = match.end()
        if clock is not None:
            parts.append(match.group(1))
            continue
        amount, written = match.groups()
        name = _UNITS.get(written.lower()) if written else unit
        if name is None:
            raise _invalid(node)
        if name == "quarter":
            parts.append(f"{float(amount) * 3:g} month")
        else:
            parts.append(f"{amount} {name}")
    if not parts:
        raise _invalid(node)
    return f"{pg_literal(' '.join(parts))}::{kind}"


def _invalid(node: IntervalLiteral) -> Refused:
    return Refused(
        f"invalid input syntax for interval: {node.text!r}; write quantities with units, e.g. INTERVAL '3 days'",
        position=node.pos,
        sqlstate="22007",
    )
