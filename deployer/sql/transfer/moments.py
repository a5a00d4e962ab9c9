"""DATEFORMAT and TIMEFORMAT of COPY: texts that name the parts of a date, as readers of such dates.

Source: Redshift Database Developer Guide, "DATEFORMAT and TIMEFORMAT strings" (HH is HH24 here, other than in SQL
functions; SS may have a fraction; MON is a month's name, short or long), "Data conversion parameters" (TIMEFORMAT).
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Callable

from deployer.sql.refused import Refused

Reader = Callable[[str], str | None]
"""Gives the moment as YYYY-MM-DD HH:MI:SS[.ffffff], None for a text of another form."""

EPOCHS = {"epochsecs": 1, "epochmillisecs": 1000}
"""TIMEFORMAT's words for numbers since 1970 -> the parts of a second."""

_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october",
           "november", "december")  # fmt: skip
_PARTS = {
    "yyyy": r"(?P<year>\d{4})",
    "yy": r"(?P<short>\d{2})",
    "month": "(?P<name>[A-Za-z]+)",
    "mon": "(?P<name>[A-Za-z]+)",
    "mm": r"(?P<month>\d{1,2})",
    "dd": r"(?P<day>\d{1,2})",
    "hh24": r"(?P<hour>\d{1,2})",
    "hh12": r"(?P<half>\d{1,2})",
    "hh": r"(?P<hour>\d{1,2})",
    "mi": r"(?P<minute>\d{1,2})",
    "ss": r"(?P<second>\d{1,2}(?:\.\d{1,6})?)",
    "am": "(?P<noon>[AaPp][Mm])",
    "pm": "(?P<noon>[AaPp][Mm])",
}
_TOKEN = re.compile("|".join(_PARTS), re.I)
_EPOCH = datetime.datetime(1970, 1, 1)


def reader(form: str, option: str) -> Reader:
    """The reader for a format. Raises Refused for a format without a date, or with letters that are no part."""
    if form in EPOCHS and option == "TIMEFORMAT":
        return _since_1970(EPOCHS[form])
    pattern, at = "", 0
    for match in _TOKEN.finditer(form):
        pattern += _literal(form[at : match.start()], form, option) + _PARTS[match[0].lower()]
        at = match.end()
    pattern += _literal(form[at:], form, option)
    try:
        compiled = re.compile(pattern)
    except re.error:
        raise Refused(f"COPY: the {option} {form!r} has a part twice", sqlstate="22023") from None
    names = set(compiled.groupindex)
    if not ({"year", "short"} & names and {"month", "name"} & names and "day" in names):
        raise Refused(f"COPY: the {option} {form!r} needs year, month and day", sqlstate="22023")
    return lambda text: _read(compiled, text)


def _literal(text: str, form: str, option: str) -> str:
    letters = re.search("[A-Za-z]+", text)
    if letters is not None and letters[0] != "T":
        raise Refused(
            f"COPY: {letters[0]!r} in the {option} {form!r} is none of Redshift's parts of a date",
            sqlstate="22023",
        )
    return re.escape(text)


def _read(pattern: re.Pattern[str], text: str) -> str | None:
    match = pattern.fullmatch(text.strip())
    if match is None:
        return None
    found = {name: value for name, value in match.groupdict().items() if value is not None}
    month = _month(found)
    if month is None:
        return None
    if "short" in found:
        # As PostgreSQL reads them: the nearest to 2020.
        year = int(found["short"]) + (2000 if int(found["short"]) < 70 else 1900)
    else:
        year = int(found["year"])
    hour = int(found.get("hour", "0"))
    if "half" in found:
        half = int(found["half"])
        if not 1 <= half <= 12:
            return None
        hour = half % 12
        hour += 12 if found.get("noon", "am").lower() == "pm" else 0
    elif found.get("noon", "").lower() == "pm" and hour < 12:
        hour += 12
    second, _, fraction = found.get("second", "0").partition(".")
    try:
        moment = datetime.datetime(
            year,
            month,
            int(found["day"]),
            hour,
            int(found.get("minute", "0")),
            int(second),
            int(fraction.ljust(6, "0")),
        )
    except ValueError:
        return None
    return moment.isoformat(" ")


def _month(found: dict[str, str]) -> int | None:
    if "month" in found:
        return int(found["month"])
    name = found["name"].lower()
    numbers = [number for number, one in enumerate(_MONTHS, 1) if one == name or one[:3] == name]
    return numbers[0] if numbers else None


def _since_1970(parts: int) -> Reader:
    def read(text: str) -> str | None:
        if not re.fullmatch(r"\s*-?\d+(?:\.\d+)?\s*", text):
            return None
        whole, _, fraction = text.strip().partition(".")
        microseconds = int(whole) * (1_000_000 // parts)
        if fraction:
            microseconds += int(float(f"0.{fraction}") * (1_000_000 // parts)) * (
                -1 if whole.startswith("-") else 1
            )
        try:
            return (_EPOCH + datetime.timedelta(microseconds=microseconds)).isoformat(" ")
        except OverflowError:
            return None

    return read
