"""Translations that all sessions share: a text means the same in each that finds the same relations.

A translation is made of the text, the types of its variables and the relations that it asked the catalog for, and of
nothing else (translate.api.Catalog). Whoever takes one looks whether his own catalog gives the same answers.
"""

from __future__ import annotations

import threading
from collections import OrderedDict

from deployer.local.gateway.catalog import Answers
from deployer.local.translate.api import Translation
from deployer.sql.types import RedshiftType

KEPT = 1000

Key = tuple[str, tuple[str, ...], tuple[tuple[str, RedshiftType], ...]]
"""The text, the search path and the variables' types."""


class Translations:
    """The last KEPT translations that were used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[Key, tuple[Translation, Answers]] = OrderedDict()

    def get(self, key: Key) -> tuple[Translation, Answers] | None:
        """The newest translation with this key, and what it rests on."""
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def put(self, key: Key, translation: Translation, answers: Answers) -> None:
        """Keep a translation; one with the same key, of a catalog that has changed or differs, goes."""
        with self._lock:
            self._kept[key] = (translation, answers)
            self._kept.move_to_end(key)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
