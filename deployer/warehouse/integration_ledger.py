"""What deployments have set in landing databases: no view of Redshift shows TRUNCATECOLUMNS and ACCEPTINVCHARS, which
are reset when a database is made anew, so the ledger keeps what was set last.

Every writer deletes before it inserts, in one transaction: Redshift enforces no keys.
"""

from __future__ import annotations

from deployer.warehouse import ledger
from deployer.warehouse.retry import retrying
from deployer.warehouse.session import Session

TABLE = "integrations"
DELETED = "deleted"
"""The setting that holds the id of an integration which `zeroshift integration recreate` is replacing."""

LANDING = "landing"
"""The setting that holds the name of the landing database that was made for the integration."""

_TABLE = f"{ledger.SCHEMA}.{TABLE}"


def read(session: Session, name: str) -> dict[str, str]:
    """The settings of the integration `name`; none before the first deployment."""
    if TABLE in ledger.missing(session):
        return {}
    rows = session.execute(f"select setting, value from {_TABLE} where name = %s", (name,)).rows
    return {str(setting): str(value) for setting, value in rows}


def write(session: Session, name: str, settings: dict[str, str]) -> None:
    """Note settings, beside those that are there."""

    def once() -> None:
        with session.transaction():
            for setting, value in settings.items():
                session.execute(f"delete from {_TABLE} where name = %s and setting = %s", (name, setting))
                session.execute(
                    f"insert into {_TABLE} (name, setting, value) values (%s, %s, %s)", (name, setting, value)
                )

    def recover() -> None:
        # What was committed is written again to the same end.
        session.reopen()

    retrying(once, recover=recover)


def forget(session: Session, name: str) -> None:
    """Drop what is known of an integration: its landing database is gone."""
    retrying(
        lambda: session.execute(f"delete from {_TABLE} where name = %s and setting <> %s", (name, DELETED))
    )


def settle(session: Session, name: str) -> None:
    """The integration has been made anew."""
    retrying(
        lambda: session.execute(f"delete from {_TABLE} where name = %s and setting = %s", (name, DELETED))
    )
