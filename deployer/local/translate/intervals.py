"""Interval literals.

Source: Redshift Database Developer Guide, "Interval literals" (r_interval_literals): quantities with units or their
abbreviations, joined by blanks or commas; a quantity without a unit counts seconds; newer pages add a
qualifier behind the literal (INTERVAL '3' DAY, r_interval_data_types), to which smaller units are cut. Such an
interval has months only or seconds only: r_EXTRACT_function finds a day in 36 hours DAY TO SECOND, and
r_interval_forbid_composite_literals says what a literal with both is.
"""

from __future__ import annotations

import re
from dataclasses import replace

from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import FORBID_COMPOSITE
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
_BEYOND_MICROSECONDS = re.compile(r"(\.\d{6})\d+")
OF_MONTHS = frozenset(["year", "month", "year to month"])
"""The qualifiers of INTERVAL YEAR TO MONTH."""
_MONTHS = frozenset(["millennium", "century", "decade", "year", "quarter", "month"])


def render(node: IntervalLiteral, *, forbid: bool = True) -> str:
    """The literal for PostgreSQL, with every unit spelled out. `forbid` is the session's setting FORBID_COMPOSITE."""
    if not node.qualifier:
        return _plain(node)
    node = replace(node, text=_BEYOND_MICROSECONDS.sub(r"\1", node.text))
    of_months = node.qualifier in OF_MONTHS
    odd = [found for found in _QUANTITY.finditer(node.text) if _is_odd(found[2], of_months)]
    if odd and forbid:
        kinds, parts = ("Year To Month", "day-second") if of_months else ("Day To Second", "year-month")
        raise Refused(
            f"Interval {kinds} literal cannot contain {parts} parts. Disable the GUC {FORBID_COMPOSITE} to "
            f"suppress this error and silently discard the {parts} part.",
            position=node.pos,
            sqlstate="22007",
        )
    for found in reversed(odd):
        node = replace(node, text=node.text[: found.start()] + " " + node.text[found.end() :])
    return _plain(node) if of_months else f"pg_catalog.justify_hours({_plain(node)})"


def _is_odd(unit: str, of_months: bool) -> bool:
    """Whether a part with this unit has no place in an interval of months, or of seconds."""
    name = _UNITS.get(unit.lower())
    return name is not None and (name in _MONTHS) != of_months


def _plain(node: IntervalLiteral) -> str:
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
