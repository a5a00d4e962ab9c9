"""A session's running statement, and who wants it cancelled.

PostgreSQL ignores a cancel request that finds a backend idle, and between two of PostgreSQL's statements (the parts of
one translated statement, the statements of a procedure) the backend is. So a request is made again until the statement
has ended; the next one does not begin before.
"""

from __future__ import annotations

import threading

from deployer.local.gateway.backend import Backend
from deployer.local.gateway.errors import CANCELLED, gateway_error

PRESS_SECONDS = 0.25


class Cancellation:
    """What one session's thread and those who cancel its statement tell each other.

    `wanted`: somebody wants the statement that runs now to end.
    """

    def __init__(self) -> None:
        self.wanted = False
        self._busy = False
        self._lock = threading.Lock()
        self._over = threading.Event()

    # -- the session's thread -----------------------------------------------------------------------------------

    def begin(self) -> None:
        """A message of the client is to be worked on: a new statement, or the next message of its batch."""
        if not self._busy:
            # A request that is on its way to PostgreSQL was meant for the statement before.
            with self._lock:
                self._busy, self.wanted = True, False
                self._over.clear()

    def end(self) -> None:
        """The statement or the batch is done."""
        self._busy = False
        self._over.set()

    def taken(self) -> None:
        """The statement fails: what cleans up behind it must not be cancelled, nor by a request on its way."""
        self._over.set()
        with self._lock:
            pass

    def check(self) -> None:
        """Raise ServerError when somebody wants the statement to end."""
        if self.wanted:
            self.taken()
            raise gateway_error(CANCELLED, "57014")

    # -- other threads ------------------------------------------------------------------------------------------

    def request(self, backend: Backend) -> None:
        """Cancel the statement that runs now, if any. Returns when PostgreSQL has been asked for the first time."""
        asked = threading.Event()
        threading.Thread(target=self._press, args=(backend, asked), name="cancel", daemon=True).start()
        asked.wait()

    def _press(self, backend: Backend, asked: threading.Event) -> None:
        try:
            with self._lock:
                while self._busy and not self._over.is_set():
                    self.wanted = True
                    backend.cancel()
                    asked.set()
                    self._over.wait(PRESS_SECONDS)
        finally:
            asked.set()
