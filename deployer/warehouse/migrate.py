"""Versioned migrations: Alembic over the warehouse's own client, one transaction each."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError

from deployer.errors import StatementFailed, UsageError, ZeroshiftError
from deployer.warehouse import alembic_dialect, lease, ledger
from deployer.warehouse.session import Session, Target, failure


@dataclass(frozen=True)
class Applied:
    """What an upgrade did: the revisions that it applied, in order."""

    revisions: tuple[str, ...]


def upgrade(target: Target, directory: Path, held: lease.Lease, on_applied: Callable[[str], None]) -> Applied:
    """Bring the warehouse to the head of `directory`; each migration commits alone, with its version row.

    Raises StatementFailed with the migration's file and line, LeaseHeld when the lease was lost.
    """
    applied: list[str] = []
    with Session(target) as session:
        # SQLAlchemy begins and commits; the session's own `transaction` is not used here.
        session.driver_connection.autocommit = False
        engine = sa.create_engine(
            alembic_dialect.URL,
            creator=lambda: session.driver_connection,
            poolclass=sa.pool.StaticPool,
        )

        def on_version_apply(*, ctx: Any, step: Any, heads: Any, run_args: Any) -> None:
            # Inside the migration's transaction, just before its commit.
            if ctx.connection.exec_driver_sql(held.renew_sql).rowcount != 1:
                raise lease.lost()
            applied.append(step.up_revision_id)
            on_applied(step.up_revision_id)

        config = Config()
        config.set_main_option("script_location", str(directory).replace("%", "%%"))
        config.attributes["on_version_apply"] = on_version_apply
        config.attributes["version_table"] = ledger.VERSION_TABLE
        config.attributes["version_table_schema"] = ledger.SCHEMA
        try:
            with engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
        except ZeroshiftError:
            raise
        except sa.exc.DBAPIError as error:
            cause = error.orig if error.orig is not None else error
            raise failure(cause, sql=error.statement or "", where=_where(error, directory)) from error
        except CommandError as error:
            raise UsageError(f"{directory}: {error}") from error
        except Exception as error:
            # A migration is Python: whatever it raises is news about that file.
            raise StatementFailed(
                f"{type(error).__name__}: {error}", where=_where(error, directory)
            ) from error
    return Applied(tuple(applied))


def _where(error: BaseException, directory: Path) -> str:
    """`migrations/versions/0003_x.py:41` from the traceback: the innermost frame in a migration's file."""
    versions = str(directory / "versions")
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if frame.filename.startswith(versions):
            relative = re.sub(rf"^{re.escape(str(directory.parent))}/", "", frame.filename)
            return f"{relative}:{frame.lineno}"
    return str(directory)
