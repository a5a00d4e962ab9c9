"""Failures on order: makes a service of the local AWS refuse a call, or lose its answer.

    faults = Faults(home)
    faults.refuse("rds", "CreateIntegration", "InternalFailure", status=500)       # the next call
    faults.refuse("redshift", "PutResourcePolicy", "ConflictPolicyUpdateFault", at=2, times=3)
    faults.cut("rds", "CreateIntegration")                  # takes effect, and the connection ends without an answer
    faults.clear()

Any service behind the front can be named, by the name in a signature's scope (rds, redshift, cloudformation, ...). The
orders stand in a file, so that any process can give them and a restart does not forget them. An operation is known of
services that name it in the request (query and JSON protocols); "*" means every call.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from deployer.local.aws.environment import AWS_DIRECTORY
from deployer.local.aws.jsonfile import held, read_json, write_json

FILE = "faults.json"


@dataclass(frozen=True)
class Fault:
    """One order. `at` counts the calls that are left before it takes hold, `times` how many it then fails.

    `after` has the call take effect first; without a `code` the connection is cut, else that error is answered.
    """

    service: str
    operation: str
    code: str = ""
    message: str = ""
    status: int = 400
    at: int = 1
    times: int = 1
    after: bool = False


class Faults:
    """The orders of a home."""

    def __init__(self, home: Path) -> None:
        self._path = home / AWS_DIRECTORY / FILE

    def refuse(
        self,
        service: str,
        operation: str,
        code: str,
        message: str = "",
        *,
        status: int = 400,
        at: int = 1,
        times: int = 1,
        after: bool = False,
    ) -> None:
        """Answer an error to the calls from the `at`-th on, `times` times; `after` the call took effect, or before."""
        self._add(Fault(service, operation, code, message, status, at, times, after))

    def cut(self, service: str, operation: str, *, at: int = 1, times: int = 1, after: bool = True) -> None:
        """End the connection without an answer. boto3 sends such calls again by itself, up to four times."""
        self._add(Fault(service, operation, at=at, times=times, after=after))

    def clear(self) -> None:
        """Forget all orders."""
        with held(self._path):
            self._path.unlink(missing_ok=True)

    def take(self, service: str, operation: str) -> Fault | None:
        """Count one call; the order that it falls under."""
        if not self._path.exists():
            return None
        with self._held() as orders:
            for number, order in enumerate(orders):
                if order.service != service or order.operation not in ("*", operation):
                    continue
                if order.at > 1:
                    orders[number] = Fault(**{**asdict(order), "at": order.at - 1})
                    continue
                if order.times > 1:
                    orders[number] = Fault(**{**asdict(order), "times": order.times - 1})
                else:
                    del orders[number]
                return order
        return None

    def _add(self, fault: Fault) -> None:
        if fault.at < 1 or fault.times < 1:
            raise ValueError("at and times count from 1")
        with self._held() as orders:
            orders.append(fault)

    @contextmanager
    def _held(self) -> Iterator[list[Fault]]:
        """The orders, under a lock; what becomes of the list is written back."""
        with held(self._path):
            orders = [Fault(**item) for item in read_json(self._path, [])]
            yield orders
            write_json(self._path, [asdict(order) for order in orders])
