"""boto3 clients of ministack itself, for the services of ours that look something up there."""

from __future__ import annotations

import threading
from typing import Any

from deployer.local.aws.environment import ACCESS_KEY, SECRET_KEY


class Backend:
    """Makes one client for each service and region, as root."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._made: dict[tuple[str, str], Any] = {}
        # Making clients of one session is not safe between threads, using them is.
        self._lock = threading.Lock()

    def __call__(self, service: str, region: str) -> Any:
        """The client."""
        import boto3

        with self._lock:
            if (service, region) not in self._made:
                self._made[service, region] = boto3.session.Session(
                    ACCESS_KEY, SECRET_KEY, region_name=region
                ).client(service, endpoint_url=self._url)
            return self._made[service, region]
