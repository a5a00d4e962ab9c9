"""Functions of PostgreSQL's that Redshift does not have, and clients newer than 8.0 call all the same.

They are found only where a query writes `pg_catalog.` in front of the name, as such clients do, and reads nothing but
the catalog: what people write keeps being refused by name. docs/clients.md says so to users.
"""

from __future__ import annotations

from deployer.local.functions.api import Function
from deployer.local.functions.render import page
from deployer.sql.types import BIGINT, BOOLEAN, INTEGER, VARCHAR

_SOURCE = page("c_unsupported-postgresql-functions")

_CALLED = (
    # name, least and most arguments, result
    ("array_length", 2, 2, INTEGER),
    ("pg_collation_is_visible", 1, 1, BOOLEAN),
    ("pg_database_size", 1, 1, BIGINT),
    ("pg_size_pretty", 1, 1, VARCHAR),
    ("pg_table_size", 1, 1, BIGINT),
    ("pg_tablespace_location", 1, 1, VARCHAR),
    ("pg_get_ruledef", 1, 2, VARCHAR),
    ("pg_get_triggerdef", 1, 2, VARCHAR),
)

FUNCTIONS: dict[str, Function] = {
    name: Function(name, f"pg_catalog.{name}({{args}})", kind, least, most, leader_only=True, source=_SOURCE)
    for name, least, most, kind in _CALLED
}
"""By lower-case name."""
