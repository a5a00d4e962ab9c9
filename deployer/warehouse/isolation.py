"""Which isolation level the database has, and what SERIALIZABLE means for deployments and runs.

Source: Redshift Database Developer Guide, "STV_DB_ISOLATION_LEVEL" (isolation_level is `Serializable` or `Snapshot
Isolation`; regular users see only their own data, and who that leaves out is not said), "SVV_REDSHIFT_DATABASES",
"Isolation levels in Amazon Redshift", "ALTER DATABASE" (by a superuser or the owner; not in a transaction block; not of
`dev`; while nobody else is connected to it).
"""

from __future__ import annotations

from deployer.errors import StatementFailed
from deployer.sql.names import quote_ident
from deployer.warehouse.session import Session

SNAPSHOT, SERIALIZABLE = "snapshot", "serializable"

_QUERIES = (
    "select isolation_level from stv_db_isolation_level where trim(db_name) = current_database()",
    "select database_isolation_level from svv_redshift_databases where database_name = current_database()",
)


def level(session: Session) -> str | None:
    """SNAPSHOT or SERIALIZABLE; None when this user is not told."""
    for query in _QUERIES:
        try:
            rows = session.execute(query).rows
        except StatementFailed:
            # Not everybody may read the first view.
            continue
        for row in rows:
            told = str(row[0] or "").strip().lower()
            for known in (SNAPSHOT, SERIALIZABLE):
                if told.startswith(known):
                    return known
    return None


def mend(database: str) -> str:
    """What an administrator does about SERIALIZABLE."""
    if database == "dev":
        # It cannot be altered (r_ALTER_DATABASE).
        return "create database warehouse isolation level snapshot -- and name it in zeroshift.toml"
    return f"alter database {quote_ident(database)} isolation level snapshot -- from another database, nobody connected"


def warning(session: Session) -> str | None:
    """One sentence for whoever plans or deploys into a SERIALIZABLE database; None where all is well or unknown."""
    if level(session) != SERIALIZABLE:
        return None
    database = session.target.database
    return (
        f"the database {database} runs at isolation level SERIALIZABLE: deployments and runs will meet error 1023"
        " (serializable isolation violation) whenever somebody reads or writes the same tables meanwhile; they repeat"
        f" what is safe to repeat, and fail otherwise. An administrator can change that: {mend(database)}"
    )
