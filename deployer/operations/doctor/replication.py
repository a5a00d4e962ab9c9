"""Sources that are replicated into the local warehouse: whether the replicator runs and its source takes it, and the
tables that do not land. What a source must be is asked by the replicator itself, which says all that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator

from deployer.errors import Unavailable
from deployer.operations import replicators
from deployer.operations.doctor.machine import not_reached
from deployer.operations.doctor.model import Check, Examination, missing, ok
from deployer.operations.integration import GONE, IntegrationTable, listed_tables
from deployer.operations.replicators import Replication
from deployer.operations.warehouses import local_environment
from deployer.project.environments import LOCAL

_SHOWN = 5


def checks(seen: Examination) -> Iterator[Check]:
    """Nothing for an environment in AWS, whose integrations are AWS's, and where nothing is replicated."""
    if seen.environment.kind != LOCAL or not replicators.integrations(seen.project, seen.environment):
        return
    try:
        replicators.need_extra()
    except Unavailable as error:
        yield missing("replication", str(error), "pip install 'zeroshift[local]'")
        return
    if seen.session is None:
        yield not_reached("replication")
        return
    dsn = local_environment(seen.project).status().engine_dsn
    listed = listed_tables(seen.session)
    for one in replicators.shown(seen.project, seen.environment, dsn):
        yield _replicator(seen, one)
        yield _tables(seen, one, [table for table in listed if table.landing == one.landing])


def _replicator(seen: Examination, one: Replication) -> Check:
    name = f"{one.name}: source"
    if not one.running:
        return missing(name, "its replicator does not run", f"zeroshift integration status {seen.env}")
    if one.message:
        return missing(
            name,
            one.message,
            f"mend that at the source, or in [env.{seen.environment.name}.zero_etl.{one.name}] of zeroshift.toml; then"
            f" zeroshift integration status {seen.env}",
        )
    return ok(name, f"{one.source} is replicated into {one.landing}")


def _tables(seen: Examination, one: Replication, listed: list[IntegrationTable]) -> Check:
    name = f"{one.name}: tables"
    synced = sum(table.state == "Synced" for table in listed)
    out = [
        f"{table.schema}.{table.table} is {table.state}" + (f" ({table.reason})" if table.reason else "")
        for table in listed
        if table.state not in ("Synced", *GONE)
    ]
    if out:
        more = f" and {len(out) - _SHOWN} more" if len(out) > _SHOWN else ""
        return missing(
            name,
            ", ".join(out[:_SHOWN]) + more,
            f"mend the source as the reason says, then zeroshift integration refresh --failed {seen.env}",
        )
    if not synced:
        return missing(
            name,
            "none is replicated: the source has none that the data filter lets through, or none has been copied yet",
            f"mend the key 'filter' of [env.{seen.environment.name}.zero_etl.{one.name}] in zeroshift.toml",
        )
    return ok(name, f"{synced} are Synced")
