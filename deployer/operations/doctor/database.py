"""What the database must be like: its isolation level, and names that keep their case."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.operations.doctor.machine import not_reached
from deployer.operations.doctor.model import Check, Examination, missing, ok, unknown
from deployer.project.environments import CLUSTER, LOCAL
from deployer.sql.names import quote_literal
from deployer.warehouse import isolation


def checks(seen: Examination) -> Iterator[Check]:
    """Two checks."""
    if seen.session is None:
        yield not_reached("isolation level")
        yield not_reached("case-sensitive names")
        return
    session = seen.session
    level = isolation.level(session)
    database = session.target.database
    if level == isolation.SNAPSHOT:
        yield ok("isolation level", "SNAPSHOT")
    elif level is None:
        yield unknown(
            "isolation level",
            "neither STV_DB_ISOLATION_LEVEL nor SVV_REDSHIFT_DATABASES tells this user",
            "as a superuser: select isolation_level from stv_db_isolation_level"
            f" where trim(db_name) = {quote_literal(database)}",
        )
    else:
        yield missing("isolation level", isolation.warning(session) or level, isolation.mend(database))
    # Redshift shows on and off, and takes true and false (developer guide, r_enable_case_sensitive_identifier).
    told = str(session.execute("show enable_case_sensitive_identifier").rows[0][0]).strip().lower()
    if told in ("on", "true"):
        yield ok("case-sensitive names", "enable_case_sensitive_identifier is on, as zero-ETL requires")
    else:
        yield missing(
            "case-sensitive names",
            "enable_case_sensitive_identifier is off: quoted names lose their case, and zero-ETL cannot be had",
            _case_command(seen),
        )


def _case_command(seen: Examination) -> str:
    remote = seen.environment.remote
    if remote is None or seen.environment.kind == LOCAL:
        return "zeroshift local down && zeroshift local up --detach"
    if seen.environment.kind == CLUSTER:
        # A default parameter group cannot be modified (management guide, working-with-parameter-groups).
        return (
            "aws redshift modify-cluster-parameter-group --parameter-group-name GROUP --parameters"
            " ParameterName=enable_case_sensitive_identifier,ParameterValue=true"
            f" && aws redshift reboot-cluster --cluster-identifier {remote.identifier}"
        )
    return (
        f"aws redshift-serverless update-workgroup --workgroup-name {remote.identifier} --config-parameters"
        " parameterKey=enable_case_sensitive_identifier,parameterValue=true"
    )
