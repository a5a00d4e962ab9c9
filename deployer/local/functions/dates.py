"""Date and time functions.

Source: https://docs.aws.amazon.com/redshift/latest/dg/Date_functions_header.html and each function's page.
The weekday at which DATEDIFF(week, ...) counts a boundary is not documented: Monday is taken, the day to
which DATE_TRUNC('week', ...) truncates.
"""

from __future__ import annotations

from collections.abc import Callable

from deployer.local.functions.api import Call, Function, Types
from deployer.local.functions.dateparts import PARTS, STEPS, TIME_PARTS, date_part
from deployer.local.functions.render import (
    bigint,
    integer,
    literal,
    moment_type,
    page,
    refuse,
    text,
    timestamp,
)
from deployer.sql.parse.nodes import Column, Expr, Literal
from deployer.sql.types import (
    BIGINT,
    DATE,
    DOUBLE,
    INTEGER,
    TIMESTAMP,
    TIMESTAMPTZ,
    VARCHAR,
    RedshiftType,
)

_PARTS = (*STEPS, "dow", "doy", "epoch")
_OF_INTERVAL = ("year", "month", "day", *TIME_PARTS, "epoch")
_ZONES = ("timezone", "timezone_hour", "timezone_minute")


def _cast(call: Call, index: int, *, date: bool = False) -> tuple[str, str]:
    """The type of argument `index` as the compat function takes it, and its text cast to it."""
    name = moment_type(call, index)
    if name == "date" and not date:
        name = "timestamp"
    return name, f"({call.args[index]})::{name}"


def _needs_time(call: Call, part: str, name: str) -> None:
    if name in ("time", "timetz") and part not in TIME_PARTS:
        raise refuse(call, f"a {name.upper()} has no date part {part!r}", sqlstate="22023")


def _dateadd(call: Call) -> str:
    part = date_part(call, STEPS)
    name, value = _cast(call, 2)
    _needs_time(call, part, name)
    added = f"redshift.dateadd_{part}({bigint(call, 1)}, {value})"
    # The page prints the result of a TIMETZ in UTC.
    return f"({added} AT TIME ZONE 'UTC')" if name == "timetz" else added


def _datediff(call: Call) -> str:
    part = date_part(call, STEPS)
    names = {moment_type(call, 1), moment_type(call, 2)}
    if names & {"time", "timetz"}:
        kinds = {kind.name for kind in call.types[1:] if kind is not None}
        if not kinds <= {"time", "timetz", "unknown"}:
            raise refuse(call, "a time of day and a date cannot be compared", sqlstate="42883")
        _needs_time(call, part, "time")
        return f"redshift.datediff_{part}({_of_day(call, 1)}, {_of_day(call, 2)})"
    return f"redshift.datediff_{part}({timestamp(call, 1)}, {timestamp(call, 2)})"


def _of_day(call: Call, index: int) -> str:
    """A time of day as the timestamp on a fixed day; a TIMETZ in UTC."""
    kind = call.types[index]
    if kind is not None and kind.name == "timetz":
        return f"('2000-01-01'::date + (({call.args[index]})::timetz AT TIME ZONE 'UTC')::time)"
    return f"('2000-01-01'::date + ({call.args[index]})::time)"


def _date_part(call: Call) -> str:
    part = date_part(call, _PARTS)
    name, value = _cast(call, 1)
    if name in ("time", "timetz") and part != "epoch":
        _needs_time(call, part, name)
    return _field(part, value, whole=False)


def _extract(call: Call) -> str:
    part = date_part(call, (*_PARTS, *_ZONES))
    if call.types[1] is not None and call.types[1].name == "interval":
        if part not in _OF_INTERVAL:
            raise refuse(call, f"an INTERVAL has no date part {part!r}", sqlstate="22023")
        # 36 hours are a day and 12 hours; 1 minute 1.11 seconds have 1.11 seconds.
        return _field(part, f"pg_catalog.justify_hours({call.args[1]})", whole=part != "second")
    name, value = _cast(call, 1)
    if part in _ZONES:
        if name not in ("timestamptz", "timetz"):
            raise refuse(call, f"{part} needs a TIMESTAMPTZ or TIMETZ", sqlstate="22023")
        return f"pg_catalog.date_part('{part}', {value})"
    if name in ("time", "timetz") and part != "epoch":
        _needs_time(call, part, name)
    rendered = _field(part, value, whole=True)
    return f"({rendered})::double precision" if name == "timestamptz" else rendered


def _field(part: str, value: str, *, whole: bool) -> str:
    """A part of `value`; `whole` gives EXTRACT's integers, without the parts above and below."""
    if part == "decade":
        # Redshift counts decades from 1 (0001..0009 is the first), PostgreSQL from 0.
        return f"(pg_catalog.date_part('decade', {value}) + 1)" + ("::integer" if whole else "")
    if not whole and part in ("millisecond", "microsecond"):
        # r_DATE_PART_function prints 789000 microseconds of 6.789 seconds. Of milliseconds it prints none: taken alike.
        per_second = 1000 if part == "millisecond" else 1000000
        return f"pg_catalog.mod(pg_catalog.date_part('{part}', {value})::numeric, {per_second})::double precision"
    if not whole:
        return f"pg_catalog.date_part('{part}', {value})"
    if part == "epoch":
        return f"pg_catalog.floor(pg_catalog.date_part('epoch', {value}))::bigint"
    if part == "second":
        return f"pg_catalog.floor(pg_catalog.date_part('second', {value}))::integer"
    if part == "millisecond":
        return f"(pg_catalog.date_part('microsecond', {value})::bigint / 1000 % 1000)::integer"
    if part == "microsecond":
        # Without the levels above: 3.189717 s has 189717 microseconds, as the seconds are not included.
        return f"(pg_catalog.date_part('microsecond', {value})::bigint % 1000000)::integer"
    return f"pg_catalog.date_part('{part}', {value})::integer"


def _date_trunc(call: Call) -> str:
    part = date_part(call, STEPS)
    name, value = _cast(call, 1)
    if name in ("time", "timetz"):
        raise refuse(call, f"it takes a TIMESTAMP, not a {name.upper()}", sqlstate="42883")
    return f"pg_catalog.date_trunc('{part}', {value})"


def _moment_result(index: int) -> Callable[[Types], RedshiftType | None]:
    def result(types: Types) -> RedshiftType | None:
        kind = types[index]
        if kind is None:
            return None
        return kind if kind.name in ("time", "timetz", "timestamptz") else TIMESTAMP

    return result


def _extract_result(types: Types) -> RedshiftType | None:
    kind = types[1]
    if kind is None:
        return None
    if kind.name == "interval":
        return kind  # whose part decides
    return DOUBLE if kind.name == "timestamptz" else INTEGER


def _of_interval(kind: RedshiftType | None, nodes: tuple[Expr, ...]) -> RedshiftType | None:
    """The page calls what EXTRACT finds in an INTERVAL an INTEGER, and prints 1.11 for its seconds."""
    if kind is None or kind.name != "interval":
        return kind
    node = nodes[0]
    word = node.value if isinstance(node, Literal) else node.parts[0] if isinstance(node, Column) else ""
    return DOUBLE if PARTS.get(word.lower()) == "second" else INTEGER


def _last_day(call: Call) -> str:
    return f"redshift.last_day({timestamp(call, 0)})"


def _add_months(call: Call) -> str:
    return f"redshift.add_months({timestamp(call, 0)}, {integer(call, 1)})"


def _months_between(call: Call) -> str:
    return f"redshift.months_between({timestamp(call, 0)}, {timestamp(call, 1)})"


def _next_day(call: Call) -> str:
    return f"redshift.next_day({timestamp(call, 0)}, {text(call, 1)})"


def _convert_timezone(call: Call) -> str:
    value = call.args[-1]
    kind = call.types[-1]
    source = f"({value})::timestamptz AT TIME ZONE 'UTC'" if kind == TIMESTAMPTZ else f"({value})::timestamp"
    zones = [text(call, i) for i in range(len(call.args) - 1)]
    here = zones[0] if len(zones) == 2 else "'UTC'"
    return f"pg_catalog.timezone({zones[-1]}, pg_catalog.timezone({here}, {source}))"


def _timezone(call: Call) -> str:
    name, value = _cast(call, 1)
    return f"pg_catalog.timezone({text(call, 0)}, {value})"


def _timezone_result(types: Types) -> RedshiftType | None:
    kind = types[1]
    if kind is None:
        return None
    return TIMESTAMP if kind == TIMESTAMPTZ else TIMESTAMPTZ


def _strict(call: Call) -> str:
    return f"({call.args[2]})::boolean" if len(call.args) == 3 else "false"


def _format(call: Call) -> str:
    if literal(call, 1) is None:
        raise refuse(call, "the format must be a string literal", sqlstate="42601")
    return text(call, 1)


def _to_date(call: Call) -> str:
    return f"redshift.to_timestamp({text(call, 0)}, {_format(call)}, {_strict(call)})::date"


def _to_timestamp(call: Call) -> str:
    return f"redshift.to_timestamp({text(call, 0)}, {_format(call)}, {_strict(call)})::timestamptz"


def _compare(left: str, right: str) -> Callable[[Call], str]:
    """-1, 0 or 1 as the first argument is before, the same as or after the second; NULL for NULL."""

    def renderer(call: Call) -> str:
        return f"redshift.compare(({call.args[0]})::{left}, ({call.args[1]})::{right})"

    return renderer


_COMPARISONS = {
    "date_cmp": ("date", "date", "r_DATE_CMP"),
    "date_cmp_timestamp": ("timestamp", "timestamp", "r_DATE_CMP_TIMESTAMP"),
    "date_cmp_timestamptz": ("timestamptz", "timestamptz", "r_DATE_CMP_TIMESTAMPTZ"),
    "timestamp_cmp": ("timestamp", "timestamp", "r_TIMESTAMP_CMP"),
    "timestamp_cmp_date": ("timestamp", "timestamp", "r_TIMESTAMP_CMP_DATE"),
    "timestamp_cmp_timestamptz": ("timestamptz", "timestamptz", "r_TIMESTAMP_CMP_TIMESTAMPTZ"),
    "timestamptz_cmp": ("timestamptz", "timestamptz", "r_TIMESTAMPTZ_CMP"),
    "timestamptz_cmp_date": ("timestamptz", "timestamptz", "r_TIMESTAMPTZ_CMP_DATE"),
    "timestamptz_cmp_timestamp": ("timestamptz", "timestamptz", "r_TIMESTAMPTZ_CMP_TIMESTAMP"),
    "interval_cmp": ("interval", "interval", "r_INTERVAL_CMP"),
}

FUNCTIONS: tuple[Function, ...] = (
    Function("dateadd", _dateadd, _moment_result(2), 3, 3, datepart=True, source=page("r_DATEADD_function")),
    Function("datediff", _datediff, BIGINT, 3, 3, datepart=True, source=page("r_DATEDIFF_function")),
    Function("date_part", _date_part, DOUBLE, 2, 2, datepart=True, source=page("r_DATE_PART_function")),
    Function("pgdate_part", _date_part, DOUBLE, 2, 2, datepart=True, source=page("r_DATE_PART_function")),
    Function(
        "extract",
        _extract,
        _extract_result,
        2,
        2,
        datepart=True,
        source=page("r_EXTRACT_function"),
        narrow=_of_interval,
    ),
    Function("date_trunc", _date_trunc, _moment_result(1), 2, 2, datepart=True, source=page("r_DATE_TRUNC")),
    Function(
        "date_part_year",
        lambda call: f"pg_catalog.date_part('year', ({call.args[0]})::date)::integer",
        INTEGER,
        1,
        1,
        source=page("r_DATE_PART_YEAR"),
    ),
    Function("last_day", _last_day, DATE, 1, 1, source=page("r_LAST_DAY")),
    Function("add_months", _add_months, TIMESTAMP, 2, 2, source=page("r_ADD_MONTHS")),
    Function("months_between", _months_between, DOUBLE, 2, 2, source=page("r_MONTHS_BETWEEN_function")),
    Function("next_day", _next_day, DATE, 2, 2, source=page("r_NEXT_DAY")),
    Function("getdate", "redshift.getdate()", TIMESTAMP, 0, 0, source=page("r_GETDATE")),
    Function("sysdate", "redshift.sysdate()", TIMESTAMP, 0, 0, bare=True, source=page("r_SYSDATE")),
    Function(
        "current_date", "redshift.today()", DATE, 0, 0, bare=True, source=page("r_CURRENT_DATE_function")
    ),
    Function("timeofday", "redshift.timeofday()", VARCHAR, 0, 0, source=page("r_TIMEOFDAY_function")),
    Function("convert_timezone", _convert_timezone, TIMESTAMP, 2, 3, source=page("CONVERT_TIMEZONE")),
    Function("timezone", _timezone, _timezone_result, 2, 2, source=page("r_TIMEZONE")),
    Function("to_date", _to_date, DATE, 2, 3, source=page("r_TO_DATE_function")),
    Function("to_timestamp", _to_timestamp, TIMESTAMPTZ, 2, 3, source=page("r_TO_TIMESTAMP")),
    *(
        Function(name, _compare(left, right), INTEGER, 2, 2, source=page(where))
        for name, (left, right, where) in _COMPARISONS.items()
    ),
    *(
        Function(
            name,
            "pg_catalog.now()" if name == "now" else f"{name.upper()}",
            kind,
            0,
            0,
            bare=name != "now",
            leader_only=True,
            source=page("Date_functions_header"),
        )
        for name, kind in (
            ("now", TIMESTAMPTZ),
            ("current_timestamp", TIMESTAMPTZ),
            ("current_time", RedshiftType("timetz")),
            ("localtime", RedshiftType("time")),
            ("localtimestamp", TIMESTAMP),
        )
    ),
    Function(
        "age",
        "pg_catalog.age({args})",
        RedshiftType("interval"),
        1,
        2,
        leader_only=True,
        source=page("Date_functions_header"),
    ),
    Function(
        "isfinite",
        "pg_catalog.isfinite({0})",
        RedshiftType("boolean"),
        1,
        1,
        leader_only=True,
        source=page("Date_functions_header"),
    ),
)
