"""Create the five schemas, and the role of the analysts.

raw, curated, metrics and presentation are the layers of a pipeline; ops is what runs it. Analysts see presentation and
nothing else: its views are bound and run with their owner's rights on the layers below.
"""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # RAW is a reserved word of Redshift (an encoding), so the schema's name is quoted wherever it is written.
    op.execute("""create schema "raw" """)
    op.execute("""create schema curated""")
    op.execute("""create schema metrics""")
    op.execute("""create schema presentation""")
    op.execute("""create schema ops""")
    op.execute("""create role analyst""")
    op.execute("""grant usage on schema presentation to role analyst""")
