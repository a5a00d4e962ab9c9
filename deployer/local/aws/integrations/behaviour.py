"""How long the local integrations take for their transitions, and what tests have decided about them.

    behaviour = Behaviour(home)
    behaviour.seconds(creating=0, modifying=0, deleting=0)
    behaviour.hold("rental", "creating")      # stays so until release(); "*" is every integration
    behaviour.outcome("rental", "needs_attention", "SomeCode", "why")   # what creating or modifying ends in
    behaviour.become("rental", "syncing")     # at once; for syncing the seconds begin to count
    behaviour.clear()

It stands in a file, so that any process can give orders and a restart does not forget them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from deployer.local.aws.environment import AWS_DIRECTORY
from deployer.local.aws.jsonfile import held, read_json, write_json

FILE = "zero-etl-behaviour.json"

SECONDS = {"creating": 2.0, "modifying": 1.0, "syncing": 1.0, "deleting": 1.0}
"""What a transition takes here. On AWS seeding takes 20 to 25 minutes or more (Aurora User Guide, zero-etl), 600 times
what it takes here; for the others the guides name no times."""

ENDS = ("active", "needs_attention", "failed")


class Behaviour:
    """The orders of a home."""

    def __init__(self, home: Path) -> None:
        self._path = home / AWS_DIRECTORY / FILE

    def seconds(self, **given: float) -> None:
        """How long transitions that begin from now on take, by the status that lasts so long."""
        if unknown := sorted(set(given) - set(SECONDS)):
            raise ValueError(f"no transition is called {unknown[0]}")
        self._change("seconds", given)

    def hold(self, name: str, status: str) -> None:
        """Leave the integration in this status when it comes to it, until `release`."""
        if status not in SECONDS:
            raise ValueError(f"{status} does not end by itself, so it cannot be held")
        self._change("holds", {name: status})

    def release(self, name: str = "*") -> None:
        """End `hold` for this integration, or for all."""
        with self._held() as state:
            holds = state.get("holds", {})
            state["holds"] = {} if name == "*" else {key: held for key, held in holds.items() if key != name}

    def outcome(self, name: str, status: str, code: str = "", message: str = "") -> None:
        """The status in which creating or modifying ends the next time, with an error when there is a code."""
        self._change("outcomes", {name: _order(status, ENDS, code, message)})

    def become(self, name: str, status: str, code: str = "", message: str = "") -> None:
        """The status that the integration has from the next moment on."""
        self._change("becomes", {name: _order(status, (*ENDS, "syncing"), code, message)})

    def clear(self) -> None:
        """Forget all orders."""
        with held(self._path):
            self._path.unlink(missing_ok=True)

    def lasts(self, status: str) -> float:
        """Seconds."""
        return float(self._read("seconds").get(status, SECONDS[status]))

    def is_held(self, name: str, status: str) -> bool:
        """Whether a transition of this integration may not end."""
        holds = self._read("holds")
        return status in (holds.get(name), holds.get("*"))

    def take(self, kind: str, name: str) -> dict[str, Any] | None:
        """The order of this kind ("outcomes" or "becomes"), which is thereby carried out."""
        if name not in self._read(kind) and "*" not in self._read(kind):
            return None
        with self._held() as state:
            orders = state.get(kind, {})
            found: dict[str, Any] | None = orders.pop(name, None) or orders.pop("*", None)
        return found

    def _read(self, kind: str) -> dict[str, Any]:
        found: dict[str, Any] = read_json(self._path, {}).get(kind, {})
        return found

    def _change(self, kind: str, given: dict[str, Any]) -> None:
        with self._held() as state:
            state[kind] = state.get(kind, {}) | given

    @contextmanager
    def _held(self) -> Iterator[dict[str, Any]]:
        with held(self._path):
            state: dict[str, Any] = read_json(self._path, {})
            yield state
            write_json(self._path, state)


def _order(status: str, allowed: tuple[str, ...], code: str, message: str) -> dict[str, Any]:
    if status not in allowed:
        raise ValueError(f"{status} is none of {', '.join(allowed)}")
    errors = [{"ErrorCode": code, "ErrorMessage": message}] if code else []
    return {"Status": status, "Errors": errors}
