"""Random statements in every way that a client can send them: each is answered, and no answer names what is ours.

The seeds are fixed. CONTRIBUTING.md says how to hunt with others.
"""

from __future__ import annotations

import random

import pytest
from seeds import count, seed
from statement_fuzz import Fuzz

from deployer.local.environment import Status


def fuzz(status: Status, usual: int, tries: int) -> list[object]:
    found = Fuzz(status, random.Random(seed(usual))).run(count(tries))
    for sql, way, seen in found:
        print(f"{way}: {sql!r}: {seen}")
    return found


def test_random_statements(fresh_database: Status) -> None:
    assert fuzz(fresh_database, 1, 250) == []


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_many_random_statements(fresh_database: Status) -> None:
    assert fuzz(fresh_database, 2, 4000) == []
