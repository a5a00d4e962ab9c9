"""Alembic's entry point. `zeroshift deploy` calls it and hands over a connection; there is no alembic.ini."""

from __future__ import annotations

from alembic import context

given = context.config.attributes

if "connection" not in given:
    raise SystemExit("run `zeroshift deploy`: migrations are applied by it, not by the alembic command")

context.configure(
    connection=given["connection"],
    version_table=given["version_table"],
    version_table_schema=given["version_table_schema"],
    # A primary key would make Alembic's table look enforced, which Redshift does not do; and with this and an
    # explicit schema Alembic sends no RETURNING, which Redshift lacks.
    version_table_pk=False,
    transaction_per_migration=True,
    on_version_apply=given["on_version_apply"],
)

with context.begin_transaction():
    context.run_migrations()
