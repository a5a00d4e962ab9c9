"""A PostgreSQL whose daemon is gone, or that is gone itself and has left its lock behind."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from deployer.errors import Unavailable
from deployer.local.state import Process, describe

STOP_SECONDS = 120.0


def stop_orphan(data: Path) -> None:
    """Stop a PostgreSQL that serves `data` although its daemon is gone, and wait until it is away.

    postmaster.pid names it. The process of that id is only signalled when it is a PostgreSQL of this very directory.
    """
    for number, seconds in ((signal.SIGINT, STOP_SECONDS), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0)):
        orphan = _postmaster(data)
        if orphan is None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(orphan.pid, number)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and describe(orphan.pid) == orphan:
            time.sleep(0.02)
    if _postmaster(data) is not None:
        raise Unavailable(f"an old PostgreSQL still serves {data} and cannot be stopped")


def clear_stale_lock(data: Path) -> None:
    """Remove a dead PostgreSQL's postmaster.pid when its id belongs to a zombie or to another program.

    PostgreSQL itself would take either for its predecessor and refuse to start. The file also guards against children
    that outlive a killed postmaster, so it only goes when nothing works in the directory any more.
    """
    if sys.platform != "linux" or not (data / "postmaster.pid").exists() or _postmaster(data) is not None:
        return
    deadline = time.monotonic() + 10.0
    while left := _working_in(data):
        if time.monotonic() > deadline:
            for process in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
            deadline += 1.0
        time.sleep(0.02)
    (data / "postmaster.pid").unlink(missing_ok=True)


def _working_in(data: Path) -> list[Process]:
    """The live PostgreSQL processes whose working directory is `data`: PostgreSQL's children have it."""
    found = []
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        with contextlib.suppress(OSError):
            if os.readlink(entry / "cwd") == str(data) and b"postgres" in (entry / "cmdline").read_bytes():
                process = describe(int(entry.name))
                if process is not None:
                    found.append(process)
    return found


def _postmaster(data: Path) -> Process | None:
    """The running PostgreSQL that postmaster.pid of `data` names."""
    try:
        pid = int((data / "postmaster.pid").read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return None
    process = describe(pid)
    if process is None:
        return None
    command = subprocess.run(
        ["ps", "-o", "args=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return process if "postgres" in command and str(data) in command else None
