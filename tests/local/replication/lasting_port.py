"""Ports for servers that stop and start again: nobody else may get theirs meanwhile."""

from __future__ import annotations

import os
import random
import socket
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 12_000
_PROCESSES = 16


def lasting_port() -> int:
    """A free port below those that the kernel gives away by itself, to connections and to who asks for any.

    Each process of pytest-xdist draws from ports of its own.
    """
    try:
        end = int(_RANGE.read_text().split()[0])
    except OSError:
        end = 32_768
    mine = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:]) % _PROCESSES
    draws = random.SystemRandom()
    # Where the kernel's begin so low that none are left, one of them has to do.
    first = _LOWEST + mine
    for port in [draws.randrange(first, end, _PROCESSES) for _ in range(100)] if first < end else []:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
