"""How long Scheduler and EventBridge wait before they call a target again.

Both guides say "exponential backoff" and no more. Here it is 1 s, doubled each time, at most 480 s: with these the 185
repetitions that both have as their default and limit just fit into the 24 hours that are the other one.
"""

from __future__ import annotations

from datetime import timedelta

MAX_AGE, MAX_ATTEMPTS = 86400, 185
"""The limits of RetryPolicy in both services, which also hold where none is given."""
FIRST_SECONDS, LAST_SECONDS = 1.0, 480.0

BY_ATTEMPTS = "MaximumRetryAttempts"
BY_AGE = "MaximumEventAgeInSeconds"
"""Which limit was reached, as dead-letter messages tell it."""


def back_off(attempts: int) -> timedelta:
    """The wait after the attempt of that number, which counts from 1."""
    return timedelta(seconds=min(FIRST_SECONDS * 2.0 ** min(attempts - 1, 20), LAST_SECONDS))
