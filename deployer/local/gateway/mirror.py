"""What the local AWS says of its zero-ETL integrations, copied into the local Redshift for its system views."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from pathlib import Path

from deployer.local.aws.environment import AWS_DIRECTORY
from deployer.local.aws.integrations.store import FILE
from deployer.local.aws.jsonfile import read_json
from deployer.local.gateway.internal import Internal

log = logging.getLogger("zeroshift.gateway")

_PLACE = "aws_directory"
_LOOK_SECONDS = 0.2
_copying = threading.Lock()
"""From reading the file to writing what it says: otherwise the thread could put what it has read before in place of
what a statement has just copied."""


class Mirror:
    """Copies in a thread whenever the local AWS has written its file, and tells statements where that is."""

    def __init__(self, home: Path, internal: Callable[[], Internal]) -> None:
        self._path = home / AWS_DIRECTORY / FILE
        self._internal = internal
        self._stopping = threading.Event()
        self._seen: tuple[int, int] | None = (0, 0)

    def start(self) -> None:
        """Copy now, and go on in a thread."""
        self._internal().query(
            "insert into zeroshift.engine_state values ($1, $2)"
            " on conflict (name) do update set value = excluded.value",
            [_PLACE.encode(), str(self._path).encode()],
        )
        self._look()
        threading.Thread(target=self._watch, daemon=True, name="integrations").start()

    def stop(self) -> None:
        self._stopping.set()

    def _watch(self) -> None:
        while not self._stopping.wait(_LOOK_SECONDS):
            try:
                self._look()
            except Exception:
                # The engine may be restarting.
                log.exception("the integrations could not be copied; it is tried again")

    def _look(self) -> None:
        try:
            facts = self._path.stat()
            seen = (facts.st_ino, facts.st_mtime_ns)
        except FileNotFoundError:
            seen = None
        if seen != self._seen:
            _copy(self._internal(), self._path)
            self._seen = seen


def refresh(internal: Internal) -> None:
    """Copy now: a statement may follow what the local AWS said a moment ago."""
    found = internal.query("select value from zeroshift.engine_state where name = $1", [_PLACE.encode()]).rows
    if found and found[0][0]:
        _copy(internal, Path(found[0][0].decode()))


def _copy(internal: Internal, path: Path) -> None:
    with _copying:
        records = read_json(path, {}).get("integrations", {})
        given = {
            key: {"source": _source(one["Engine"]), "status": one["Status"], "created": one["CreateTime"]}
            for key, one in records.items()
        }
        internal.query("select zeroshift.mirror_integrations($1)", [json.dumps(given).encode()])


def _source(engine: str) -> str:
    """SVV_INTEGRATION.source for an engine of RDS; an integration of any cluster shows, if only as failed."""
    return "PostgreSQL" if "postgres" in engine else "MySQL"
