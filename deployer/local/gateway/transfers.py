"""The statements whose rows the gateway itself carries between PostgreSQL and S3."""

from __future__ import annotations

from collections.abc import Callable

from deployer.local.gateway.copies import copy
from deployer.local.gateway.unloads import unload

BULK: dict[str, Callable[..., int]] = {"copy": copy, "unload": unload}
"""Kind of statement -> what runs it for a runner, a text and a sink, and returns the rows."""
