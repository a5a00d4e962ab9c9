"""Memory that is free goes back to the system, where the C library can be asked for that."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = """
import gc
from deployer.local.memory import give_back

def resident():
    return int(open("/proc/self/statm").read().split()[1])

# Blocks of a size that malloc neither maps by itself nor pools in Python; one that stays lies above them.
blocks = [bytes(4000) for _ in range(10_000)]
last = bytes(4000)
full = resident()
del blocks
gc.collect()
held = resident()
print(give_back(), full, held, resident())
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="resident memory is read from /proc")
def test_free_memory_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    asked, full, held, left = done.stdout.split()
    if asked == "False":
        pytest.skip("no glibc here")
    pages = 10_000 * 4000 // os.sysconf("SC_PAGE_SIZE")
    assert int(held) > int(full) - pages // 4, (
        "the C library has given it back by itself: this test shows nothing"
    )
    assert int(left) < int(full) - pages // 2
