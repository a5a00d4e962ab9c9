"""How dates are written in a snapshot: ISO 8601, or as `--date-format` says."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime, time

from deployer.errors import UsageError

# MySQL's DATE and DATETIME begin with the year 1000; a DATETIME without a precision holds whole seconds, so
# only a fraction of zeros can be kept.
_YEAR = r"[1-9]\d{3}"
_TIME = r"(?:[01]\d|2[0-3]):[0-5]\d(?::[0-5]\d(?:\.0{1,6}+)?+)?+"
_PARTS = {"Y": _YEAR, "m": r"\d\d", "d": r"\d\d"}
_SHORT = r"\d{1,2}"


@dataclass(frozen=True)
class DateFormat:
    """A way to write the calendar day; `template` is its strftime format, None for ISO 8601."""

    template: str | None = None
    pattern: str = field(init=False)
    """A regular expression (Python's, without groups) that every date so written matches."""
    _order: tuple[str, str, str] = field(init=False)
    _with_groups: str = field(init=False)

    def __post_init__(self) -> None:
        order: list[str] = []
        pattern = grouped = ""
        template = "%Y-%m-%d" if self.template is None else self.template
        tokens = re.findall(r"%.|.|%$", template, flags=re.DOTALL)
        for number, token in enumerate(tokens):
            if token[0] != "%" or token == "%%":
                literal = token[-1]
                if literal in '",\r\n\x00' or literal.isdigit() or not literal.isascii():
                    raise _refusal(template, f"{literal!r} cannot stand between the parts of a date")
                pattern += re.escape(literal)
                grouped += re.escape(literal)
                continue
            letter = token[1:]
            if letter not in _PARTS or letter in order:
                raise _refusal(template, f"{token!r} is not one of them, or stands there twice")
            order.append(letter)
            part = _PARTS[letter]
            # "7/9/2024" is understood where a separator tells where a number ends; not in %d%m%Y, nor in ISO
            # dates.
            following = tokens[number + 1] if number + 1 < len(tokens) else None
            separated = following is None or following == "%%" or following[0] != "%"
            if self.template is not None and letter != "Y" and separated and not _touches(tokens, number):
                part = _SHORT
            pattern += part
            grouped += f"({part})"
        if sorted(order) != ["Y", "d", "m"]:
            raise _refusal(template, "one of them is missing")
        object.__setattr__(self, "pattern", pattern)
        object.__setattr__(self, "_order", tuple(order))
        object.__setattr__(self, "_with_groups", grouped)

    @property
    def datetime_pattern(self) -> str:
        """What a date with an optional time of day matches; the time is ISO's in every format."""
        return f"{self.pattern}(?:[ T]{_TIME})?+"

    @property
    def wanted(self) -> str:
        """The form as one tells it to people."""
        return "YYYY-MM-DD" if self.template is None else self.template

    def parse_date(self, text: str) -> date:
        """The day that `text` writes; raises ValueError with the rest of the sentence "'<text>' ..."."""
        found = re.fullmatch(self._with_groups, text, flags=re.ASCII)
        if found is None:
            raise ValueError(f"is not a date ({self.wanted}){self._hint(text)}")
        parts = dict(zip(self._order, map(int, found.groups()), strict=True))
        try:
            return date(parts["Y"], parts["m"], parts["d"])
        except ValueError:
            raise ValueError("is not a day of the calendar") from None

    def parse_datetime(self, text: str) -> datetime:
        """The instant that `text` writes; a date alone is its midnight.

        Raises ValueError as `parse_date` does.
        """
        found = re.fullmatch(f"({self.pattern})(?:[ T](.*))?", text, flags=re.ASCII | re.DOTALL)
        if found is None:
            raise ValueError(f"is not a timestamp ({self.wanted}, or that and HH:MM:SS){self._hint(text)}")
        day, clock = self.parse_date(found.group(1)), found.group(2)
        if clock is None:
            return datetime.combine(day, time())
        if re.fullmatch(_TIME, clock, flags=re.ASCII):
            return datetime.combine(day, time.fromisoformat(clock.split(".")[0]))
        if re.fullmatch(r"[\d:.]+(?:Z|[+-]\d\d(?::?\d\d)?)", clock):
            raise ValueError("has a time zone; source timestamps are UTC and written without one")
        if re.fullmatch(r"\d\d:\d\d:\d\d\.\d+", clock) and re.fullmatch(_TIME, clock.split(".")[0]):
            raise ValueError("has a fraction of a second, which a DATETIME cannot hold")
        raise ValueError(f"is not a timestamp ({self.wanted}, or that and HH:MM:SS)")

    def _hint(self, text: str) -> str:
        """The end of a refusal for a date in some other usual form."""
        usual = self.template is None and re.match(r"\d{1,2}[./-]\d{1,2}[./-]\d{4}", text)
        return "; --date-format takes other forms" if usual else ""

    def rewriting(self) -> tuple[str, str] | None:
        """What makes a value ISO: regexp_replace's pattern and replacement; None when it is ISO already."""
        if self.template is None:
            return None
        # The \N of PostgreSQL's replacement refers to the groups in the order of the format; a time stays
        # behind.
        year, month, day = (self._order.index(letter) + 1 for letter in "Ymd")
        return f"^{self._with_groups}", f"\\{year}-\\{month}-\\{day}"


def _touches(tokens: list[str], number: int) -> bool:
    """Whether the part before this one ends where this one begins, with nothing between."""
    before = tokens[number - 1] if number else None
    return before is not None and before[0] == "%" and before != "%%"


def _refusal(template: str, reason: str) -> UsageError:
    return UsageError(
        f"--date-format {template!r} is not understood: it takes %Y, %m and %d once each, such as"
        f" %d/%m/%Y; {reason}"
    )
