"""Functions that no page lists as Redshift's, and with which Amazon's own JDBC driver asks the catalog.

Like others of that kind (functions.system) they run in queries that read nothing but the catalog. Source: the
queries of RedshiftDatabaseMetaData in github.com/aws/amazon-redshift-jdbc-driver.
"""

from __future__ import annotations

from deployer.local.functions.api import Function
from deployer.local.functions.render import page
from deployer.sql.functions import CATALOG_QUERIES
from deployer.sql.types import INTEGER

_SOURCE = page("c_join_PG")

FUNCTIONS: tuple[Function, ...] = (
    *(
        Function(
            name,
            f"pg_catalog.{name}({{args}})",
            INTEGER,
            2,
            2,
            leader_only=True,
            unsupported=CATALOG_QUERIES[name],
            source=_SOURCE,
        )
        for name in ("array_lower", "array_upper")
    ),
    Function(
        "isnull",
        "COALESCE({0}, {1})",
        lambda types: types[0],
        2,
        2,
        leader_only=True,
        unsupported=CATALOG_QUERIES["isnull"],
        source=_SOURCE,
    ),
)
