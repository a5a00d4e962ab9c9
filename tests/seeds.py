"""The seeds of tests that draw at random: fixed, so that a landing never depends on luck, unless somebody explores.

ZEROSHIFT_FUZZ_SEED is a number, to repeat a run, or `random`, to draw another one for every test.
"""

from __future__ import annotations

import os
import random

_VARIABLE = "ZEROSHIFT_FUZZ_SEED"


def exploring() -> bool:
    """Whether a run is to try what no run has tried before."""
    return os.environ.get(_VARIABLE, "") not in ("", "0")


def seed(usual: int) -> int:
    """The seed that a test has to use; pytest shows it with a failure."""
    wanted = os.environ.get(_VARIABLE, "")
    if wanted == "random":
        chosen = random.SystemRandom().randrange(1, 10**9)
    else:
        chosen = int(wanted) if wanted else usual
    print(f"{_VARIABLE}={chosen}")
    return chosen


def count(usual: int) -> int:
    """How many tries: ZEROSHIFT_FUZZ_COUNT, or as many as the test does in CI."""
    return int(os.environ.get("ZEROSHIFT_FUZZ_COUNT", usual))
