"""What an archive policy says: which rows of which relation go to S3, when, and what becomes of them here."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date

from deployer.project.schedules.model import Place

DIRECTORY = "archive"
"""Under procedures/: the policies stand beside the procedure that they are carried out by."""

KEEP, DELETE = "keep", "delete"
UNITS = ("day", "month", "year")

NEVER_DELETED = ("curated.listing_versions", "curated.listing_locations")
"""The record of history, and the last attributes of deleted listings: nothing could bring them back, for landing loses
versions (spec/rental_metrics.md, section 3)."""

PERIOD_COLUMN, RUN_COLUMN = "archive_period", "archive_run"
"""The first day of the period, in every file; the run, in the folders' names alone."""


@dataclass(frozen=True)
class Policy:
    """One file. Without `period` the whole relation is archived as it is on the day of the run: a snapshot.

    `keep` is a number of units of `keep_unit`; a period is closed when it ended so long ago. `partition` are further
    columns that the files are divided by. `transition_days` and `expire_days` are the prefix's lifecycle, 0 for none.
    """

    name: str
    table: str
    period: str = ""
    unit: str = "month"
    keep: int = 0
    keep_unit: str = "month"
    partition: tuple[str, ...] = ()
    after: str = KEEP
    storage_class: str = ""
    transition_days: int = 0
    expire_days: int = 0
    kms_key: str = ""
    place: Place = field(default=Place(""), compare=False)

    @property
    def is_snapshot(self) -> bool:
        return not self.period

    @property
    def schema(self) -> str:
        return self.table.split(".")[0]

    @property
    def relation(self) -> str:
        return self.table.split(".")[1]

    def closed_before(self, today: date) -> date:
        """The first day that is not closed on `today`: all periods that end there or earlier are."""
        back = today
        if self.keep_unit == "day":
            back = date.fromordinal(max(1, today.toordinal() - self.keep))
        else:
            months = today.year * 12 + today.month - 1
            months -= self.keep * (12 if self.keep_unit == "year" else 1)
            # The day is cut to the month's first, unless the unit is a day: then to the month's last one at most.
            back = _day_of(months, today.day)
        return start_of(back, self.unit)


def start_of(day: date, unit: str) -> date:
    """The first day of the day's period."""
    if unit == "day":
        return day
    return day.replace(day=1) if unit == "month" else day.replace(month=1, day=1)


def _day_of(months: int, day: int) -> date:
    """The day of the month that many months after year 0, or the month's last day where it has no such day."""
    year, month = divmod(max(months, 12), 12)
    following = date(year + month // 11, (month + 1) % 12 + 1, 1) if (year, month) < (9999, 11) else date.max
    last = date.fromordinal(following.toordinal() - 1).day
    return date(year, month + 1, min(day, last))
