"""What an Aurora cluster must be to feed a zero-ETL integration.

Parameters: Aurora User Guide, "Getting started with Aurora zero-ETL integrations" (zero-etl.setting-up). Versions:
"Supported Regions and Aurora DB engines for zero-ETL integrations".
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

MYSQL = "aurora-mysql"
POSTGRESQL = "aurora-postgresql"


@dataclass(frozen=True)
class Wanted:
    """A parameter of the DB cluster parameter group. `value` is what it must be, or with `never` must not be.

    `default` is what holds while nobody sets it. The guides give a default only for some; "" is "not said", which
    counts as wrong where a value is asked for.
    """

    name: str
    value: str
    never: bool = False
    default: str = ""

    def holds(self, actual: str | None) -> bool:
        """Whether the parameter is as it must be; None when it is not set."""
        same = (self.default if actual is None else actual).upper() == self.value.upper()
        return same is not self.never


PARAMETERS: Mapping[str, tuple[Wanted, ...]] = {
    MYSQL: (
        Wanted("aurora_enhanced_binlog", "1", default="0"),
        Wanted("binlog_backup", "0", default="1"),
        Wanted("binlog_format", "ROW", default="OFF"),
        Wanted("binlog_replication_globaldb", "0", default="1"),
        Wanted("binlog_row_image", "full", default="full"),
        Wanted("binlog_row_metadata", "full", default="minimal"),
        Wanted("binlog_transaction_compression", "ON", never=True, default="OFF"),
        Wanted("binlog_row_value_options", "PARTIAL_JSON", never=True),
    ),
    POSTGRESQL: (
        Wanted("rds.logical_replication", "1", default="0"),
        Wanted("aurora.enhanced_logical_replication", "1", default="0"),
        Wanted("aurora.logical_replication_backup", "0"),
        Wanted("aurora.logical_replication_globaldb", "0"),
    ),
}
FAMILIES = {MYSQL: "aurora-mysql8.0", POSTGRESQL: "aurora-postgresql16"}
SINCE = {MYSQL: "3.05.2", POSTGRESQL: "16.4 or 17.4"}


def family(engine: str, version: str) -> str:
    """The family of a cluster's parameter group, which must be that of its version."""
    found = re.match(r"(\d+)", version)
    if engine == POSTGRESQL and found:
        return f"aurora-postgresql{found[1]}"
    return FAMILIES[engine]


def is_supported(engine: str, version: str) -> bool:
    """Whether this engine version can be a source. Major versions that the guide does not name cannot."""
    if engine == MYSQL:
        found = re.search(r"mysql_aurora\.(\d+)\.(\d+)\.(\d+)", version)
        return found is not None and tuple(map(int, found.groups())) >= (3, 5, 2)
    if engine == POSTGRESQL:
        found = re.match(r"(\d+)\.(\d+)", version)
        return found is not None and found[1] in ("16", "17") and int(found[2]) >= 4
    return False
