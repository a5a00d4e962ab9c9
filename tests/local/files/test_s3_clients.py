"""Making clients of S3 for several statements at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest

from deployer.local.files.s3 import ENDPOINT, Connector


def test_clients_are_made_one_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    making, both = threading.Semaphore(1), threading.Event()
    make, alone = boto3.client, []

    def client(*arguments: Any, **given: Any) -> Any:
        free = making.acquire(blocking=False)
        alone.append(free)
        try:
            # A second one that is let in comes within this time.
            both.wait(0.2)
            return make(*arguments, **given)
        finally:
            if free:
                making.release()
            else:
                both.set()

    monkeypatch.setattr(boto3, "client", client)
    monkeypatch.setenv(ENDPOINT, "http://127.0.0.1:9")
    connect = Connector(tmp_path)
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(connect, ["default"] * 2))
    assert alone == [True, True]
