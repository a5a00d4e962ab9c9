"""The integrations and resource policies of a home, and how an integration's status moves on by itself.

    creating -> active | needs_attention | failed      modifying, syncing -> active
    deleting -> gone

Everybody else who wants to know of integrations (the local Redshift) reads the file, which a thread keeps current.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployer.local.aws.environment import AWS_DIRECTORY
from deployer.local.aws.integrations.behaviour import SECONDS, Behaviour
from deployer.local.aws.jsonfile import read_json, write_json

log = logging.getLogger("zeroshift.aws")

FILE = "zero-etl.json"
Record = dict[str, Any]
_LOOK_SECONDS = 0.2
"""How often the thread looks whether a transition has ended or an order was given, while one may end."""


class Store:
    """Records by the last part of their ARN, policies by the resource's ARN. Written after every change."""

    def __init__(self, home: Path, clock: Callable[[], float] = time.time) -> None:
        self._path = home / AWS_DIRECTORY / FILE
        self._behaviour = Behaviour(home)
        self._clock = clock
        self._lock = threading.RLock()
        self._changed = threading.Event()
        self._stopping = False
        self._written = ""
        state = read_json(self._path, {"integrations": {}, "policies": {}})
        self._integrations: dict[str, Record] = state["integrations"]
        self.policies: dict[str, str] = state["policies"]

    @contextmanager
    def use(self) -> Iterator[dict[str, Record]]:
        """The records as they are now, for one caller at a time. What it changes is kept, unless it raises."""
        with self._lock:
            self._settle()
            yield self._integrations
            self._save()
        self._changed.set()

    def begin(self, record: Record, status: str) -> None:
        """Let a transition begin."""
        record["Status"] = status
        record["until"] = self._clock() + self._behaviour.lasts(status)

    def is_target(self, arn: str) -> bool:
        """Whether an integration goes into this namespace."""
        with self.use() as records:
            return any(record["TargetArn"] == arn for record in records.values())

    def is_creating_into(self, arn: str) -> bool:
        """Whether an integration into this namespace is being created."""
        with self.use() as records:
            return any(one["TargetArn"] == arn and one["Status"] == "creating" for one in records.values())

    def now(self) -> float:
        return self._clock()

    def start(self) -> None:
        """Keep the file current in a thread."""
        threading.Thread(target=self._watch, daemon=True, name="zero-etl").start()

    def stop(self) -> None:
        self._stopping = True
        self._changed.set()

    def _watch(self) -> None:
        while not self._stopping:
            moving = False
            try:
                with self._lock:
                    if self._settle():
                        self._save()
                    moving = bool(self._integrations)
            except Exception:
                log.exception("the integrations could not be moved on; it is tried again")
                moving = True
            self._changed.wait(_LOOK_SECONDS if moving else None)
            self._changed.clear()

    def _settle(self) -> bool:
        """Carry out what is due; whether there was any."""
        before = {key: dict(record) for key, record in self._integrations.items()}
        for key, record in list(self._integrations.items()):
            order = self._behaviour.take("becomes", record["IntegrationName"])
            if order is not None and record["Status"] != "deleting":
                record |= order
                if order["Status"] in SECONDS:
                    self.begin(record, order["Status"])
            self._end(key, record)
        return before != self._integrations

    def _end(self, key: str, record: Record) -> None:
        status = record["Status"]
        if (
            status not in SECONDS
            or self._clock() < record["until"]
            or self._behaviour.is_held(record["IntegrationName"], status)
        ):
            return
        if status == "deleting":
            del self._integrations[key]
            return
        order = self._behaviour.take("outcomes", record["IntegrationName"]) if status != "syncing" else None
        problems = record.get("problems", []) if status == "creating" else []
        if order is not None:
            record |= order
        elif problems:
            record |= {"Status": "failed", "Errors": problems}
        else:
            record |= {"Status": "active", "Errors": []}

    def _save(self) -> None:
        content = {"integrations": self._integrations, "policies": self.policies}
        # Questions change nothing, and whoever watches the file should not be woken by them.
        if (text := json.dumps(content)) != self._written:
            write_json(self._path, content)
            self._written = text
