"""configParameters of the local AWS's workgroups."""

from __future__ import annotations

CASE_SENSITIVITY = "enable_case_sensitive_identifier"
DEFAULTS = {
    "auto_mv": "true",
    "datestyle": "ISO, MDY",
    CASE_SENSITIVITY: "false",
    "enable_user_activity_logging": "true",
    "max_query_execution_time": "14400",
    "query_group": "default",
    "require_ssl": "true",
    "search_path": "$user, public",
    "use_fips_ssl": "false",
}
"""configParameters of a new workgroup. UpdateWorkgroup's reference lists the options, not what holds without them; here
only enable_case_sensitive_identifier means anything, which is false by default (DG r_enable_case_sensitive_identifier).
They are told, not put into force: the local Redshift has settings of its own, and case sensitive identifiers always."""


def merged(old: list[dict[str, str]], new: list[dict[str, str]]) -> list[dict[str, str]]:
    """A workgroup always tells every parameter: what was given, else its default."""
    values = DEFAULTS | {one["parameterKey"]: one["parameterValue"] for one in [*old, *new]}
    return [{"parameterKey": key, "parameterValue": value} for key, value in sorted(values.items())]
