"""Scratch environments: they live as long as the process that made them, however that ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deployer.errors import ZeroshiftError
from deployer.local.environment import LocalEnvironment
from deployer.local.state import OWNER_LOCK, is_held, make_home

_HOME = "home"


@contextmanager
def scratch_home(prefix: str) -> Iterator[Path]:
    """The home of a scratch environment, alone in a new temporary directory, which is removed at the end.

    Where this process is killed its daemon ends by itself (OWNER_LOCK), and the directory is left behind: the next one
    of the same prefix removes it.
    """
    _sweep(prefix)
    with tempfile.TemporaryDirectory(prefix=prefix) as name:
        made = Path(name) / _HOME
        make_home(made)
        unheld = made / "owner.new"
        with unheld.open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            # It appears held: one that nobody holds is a dead one's.
            unheld.rename(made / OWNER_LOCK)
            yield made


def _sweep(prefix: str) -> None:
    for left in Path(tempfile.gettempdir()).glob(f"{prefix}*"):
        # Of one that hangs, or that somebody else is removing at this moment, nothing is lost.
        with contextlib.suppress(OSError, ZeroshiftError):
            lock = left / _HOME / OWNER_LOCK
            is_mine = not left.is_symlink() and left.stat().st_uid == os.geteuid()
            if is_mine and lock.exists() and not is_held(lock):
                LocalEnvironment(left / _HOME).down()
                shutil.rmtree(left)
