"""Passwords for one login, for services that act for a user without knowing the user's own password.

On AWS GetClusterCredentials and GetCredentials give such passwords. Here they never leave the process.
"""

from __future__ import annotations

import secrets
import threading
import time

SECONDS = 60.0


class Passes:
    """The passwords that were given out and not used yet."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, tuple[str, float]] = {}

    def issue(self, user: str) -> str:
        """A password that logs `user` in once, within a minute."""
        password = secrets.token_urlsafe(24)
        now = time.monotonic()
        with self._lock:
            self._known = {word: entry for word, entry in self._known.items() if entry[1] > now}
            self._known[password] = (user, now + SECONDS)
        return password

    def redeem(self, user: str, password: str) -> bool:
        """Whether this password was given out for this user; it is used up thereby."""
        with self._lock:
            entry = self._known.get(password)
            if entry is None or entry[0] != user or entry[1] <= time.monotonic():
                return False
            del self._known[password]
            return True
