"""Alembic's entry point, which says where migrations are applied; there is no alembic.ini.

`zeroshift deploy` runs each migration's upgrade() itself, with Alembic's operations: it records what they send, shows
it in the plan, and sends exactly that.
"""

from __future__ import annotations

raise SystemExit("run `zeroshift deploy`: migrations are applied by it, not by the alembic command")
