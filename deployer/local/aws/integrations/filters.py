"""The data filter of CreateIntegration and ModifyIntegration: Aurora User Guide, zero-etl.filtering.

MySQL sources are filtered by database.table. PostgreSQL sources by database.schema.table, and must name one database.
"""

from __future__ import annotations

import re

from deployer import aurora
from deployer.data_filter import DataFilter, FilterError
from deployer.local.aws.query import Refused

_LACKING = "Your data filter must contain at least one include statement"
"""As the API says it (github.com/pulumi/pulumi-aws issue 5897)."""
_PIECE = re.compile(r"\s*(include|exclude)\s*:\s*([^,]+?)\s*", re.IGNORECASE)


def check(text: str | None, engine: str) -> None:
    """Raise InvalidParameterValue for a filter that the engine's integrations cannot have."""
    if text is None:
        if engine == aurora.POSTGRESQL:
            raise Refused("InvalidParameterValue", _LACKING)
        return
    try:
        parsed = DataFilter.parse(_without_database(text) if engine == aurora.POSTGRESQL else text)
    except FilterError as error:
        raise Refused("InvalidParameterValue", f"The data filter {error}.") from None
    if not any(pattern.include for pattern in parsed.patterns):
        raise Refused("InvalidParameterValue", _LACKING)


def _without_database(text: str) -> str:
    """The patterns of a PostgreSQL source without their database, which must be one, and no regular expression."""
    kept, databases = [], set()
    for piece in re.split(r",(?=\s*(?:include|exclude)\s*:)", text, flags=re.IGNORECASE):
        found = _PIECE.fullmatch(piece)
        database, dot, rest = found[2].partition(".") if found else ("", "", "")
        if found is None or not dot or not re.fullmatch(r'[A-Za-z0-9_$-]+|"[^"]+"', database):
            raise Refused(
                "InvalidParameterValue",
                f"The data filter has {piece.strip()!r}; of a PostgreSQL source each pattern names"
                " database.schema.table, the database without * or a regular expression.",
            )
        databases.add(database.strip('"'))
        kept.append(f"{found[1]}: {rest}")
    if len(databases) != 1:
        raise Refused(
            "InvalidParameterValue", "The data filter of a PostgreSQL source names exactly one database."
        )
    return ", ".join(kept)
