"""TCP ports of the loopback interface for servers that keep theirs while they are stopped."""

from __future__ import annotations

import random
import socket
from pathlib import Path

HOST = "127.0.0.1"

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_LOWEST = 12_000
_USUAL_END = 32_768
_TRIES = 100


def lasting_port() -> int:
    """A free port below those that the kernel gives away by itself, to connections and to who asks for any one: while
    the server is stopped nobody is given it. Where there is none, one of the kernel's.
    """
    try:
        # Linux: Documentation/networking/ip-sysctl, ip_local_port_range.
        end = int(_RANGE.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        end = _USUAL_END
    draws = random.SystemRandom()
    wanted = [draws.randrange(_LOWEST, end) for _ in range(_TRIES)] if end > _LOWEST else []
    for port in [*wanted, 0]:
        if (found := bound(port)) is not None:
            return found
    raise OSError(f"no port is free on {HOST}")


def bound(port: int) -> int | None:
    """The port that a server gets which asks for `port`, 0 for any; None where somebody else has it."""
    with socket.socket() as probe:
        # As servers do: a port is free again although the other side still remembers its last connection.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError:
            return None
        return int(probe.getsockname()[1])
