"""Which database, as whom: the combinations of ClusterIdentifier, WorkgroupName, Database, DbUser and SecretArn.

Source: the service model's documentation of each operation, and data-api, "Choosing database authentication
credentials". Locally every cluster and every workgroup is the one local warehouse. With DbUser a statement runs as that
user; without, as the local warehouse's first user, because signatures are not checked and so name nobody. What a secret
holds is not looked up either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deployer.local.data_api.errors import Invalid
from deployer.local.data_api.records import Place

_WITH_SESSION = ("ClusterIdentifier", "WorkgroupName", "Database", "DbUser", "SecretArn")


def place(request: Mapping[str, Any], user: str) -> Place:
    """Where a request is to run, `user` unless it names one. Raises Invalid."""
    cluster, workgroup = request.get("ClusterIdentifier"), request.get("WorkgroupName")
    database = request.get("ConnectedDatabase") or request.get("Database")
    if cluster is not None and workgroup is not None:
        raise Invalid("ClusterIdentifier and WorkgroupName exclude each other")
    if cluster is None and workgroup is None:
        raise Invalid("either ClusterIdentifier or WorkgroupName is required")
    if not database:
        raise Invalid("database is required")
    db_user = request.get("DbUser")
    if db_user is not None and workgroup is not None:
        raise Invalid("DbUser cannot be given with WorkgroupName: a workgroup's user is the IAM identity")
    if db_user is not None and request.get("SecretArn") is not None:
        raise Invalid("DbUser and SecretArn exclude each other")
    return Place(database, db_user or user, cluster, workgroup, request.get("SecretArn"))


def check_session(request: Mapping[str, Any]) -> None:
    """Raise Invalid when a request with SessionId also says where to run: the session does."""
    given = [name for name in _WITH_SESSION if request.get(name) is not None]
    if given:
        raise Invalid(f"{', '.join(given)} cannot be given with SessionId: the session has its own")
