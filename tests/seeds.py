"""The seeds of tests that draw at random: fixed, so that a landing never depends on luck, unless somebody explores.

ZEROSHIFT_FUZZ_SEED is a number, to repeat a run, or `random`, to draw another one for every test.
"""

from __future__ import annotations

import copy
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


def draw_no_constants() -> None:
    """Let hypothesis draw nothing that stands in our own modules, as it does for one value in forty.

    It knows the constants of what is imported by then. That depends on the tests that have run before in the same
    process, and so would the examples, though they are derandomized. Older ones than 6.131 know none.
    """
    from hypothesis.internal.conjecture import providers

    if hasattr(providers, "_get_local_constants"):
        none = copy.deepcopy(providers._local_constants)
        providers._get_local_constants = lambda: none
