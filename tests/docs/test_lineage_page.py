"""Types the commands of docs/lineage.md and compares what they print."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from walk import Type, check, steps

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "lineage.md").read_text(encoding="utf-8")


def test_the_page_shows_what_is_printed() -> None:
    done = [step for step in steps(PAGE) if isinstance(step, Type)]
    assert len(done) == 3
    for step in done:
        (command,) = step.commands
        program, *arguments = command.split()
        assert program == "zeroshift"
        printed = subprocess.run(
            [sys.executable, "-m", "deployer", *arguments],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert printed.returncode == 0, printed.stderr
        check(printed.stdout, step.expected)
