"""What reading this repository's SQL costs: `zeroshift lint` and `zeroshift lineage` beside sqlfluff.

All run over the same files as people run them, as processes, on one core; each is the best of a few. sqlfluff reads
each file alone, lint and lineage also resolve names, types and columns over all of them. Bounds: both take at most
a quarter of its time.

    python bench/project.py
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
BOUND = 0.25
COLUMN = "presentation.occupancy_rate_monthly.occupancy_rate"


def main() -> None:
    lint = _best(3, sys.executable, "-m", "deployer", "lint")
    lineage = _best(3, sys.executable, "-m", "deployer", "lineage", COLUMN)
    fluff = _best(1, sys.executable, "-m", "sqlfluff", "lint", "--processes", "1", "procedures")
    files = sum(1 for _ in (ROOT / "procedures").rglob("*.sql"))
    print(f"{files} files: lint {lint:.2f} s, lineage {lineage:.2f} s, sqlfluff {fluff:.2f} s")
    figures = {
        "files": files,
        "lint_s": round(lint, 3),
        "lineage_s": round(lineage, 3),
        "sqlfluff_s": round(fluff, 3),
        "lint_ratio": round(lint / fluff, 3),
        "lineage_ratio": round(lineage / fluff, 3),
        "passed": lint <= BOUND * fluff and lineage <= BOUND * fluff,
    }
    print(json.dumps(figures))


def _best(times: int, *command: str) -> float:
    """Seconds of the fastest of `times` runs. To have found something (1) is no failure of a linter."""
    found = []
    for _ in range(times):
        began = time.perf_counter()
        code = subprocess.run(command, cwd=ROOT, stdout=subprocess.DEVNULL).returncode
        if code not in (0, 1):
            raise SystemExit(f"{' '.join(command)} ended with {code}")
        found.append(time.perf_counter() - began)
    return min(found)


if __name__ == "__main__":
    main()
