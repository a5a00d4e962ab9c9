"""docs/data-api.md: its commands are typed, its numbers compared with the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

from deployer.local.data_api import limits, service
from deployer.local.environment import Status

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "data-api.md").read_text(encoding="utf-8")


def test_its_commands(status: Status, tmp_path: Path) -> None:
    """All but the first, which starts what runs already here."""
    block = PAGE.split("zeroshift local up --detach")[1].split("\n\n")[0]
    lines = [line.strip() for line in block.splitlines()[1:]]
    assert len(lines) == 4 and f"127.0.0.1:{service.DEFAULT_PORT}" in lines[0]
    command = tmp_path / "aws"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/docs/aws_command.py" "$@"\n')
    command.chmod(0o755)
    typed = "\n".join(lines).replace(f"http://127.0.0.1:{service.DEFAULT_PORT}", str(status.data_api_url))
    done = subprocess.run(
        ["sh", "-e"],
        input=typed,
        text=True,
        capture_output=True,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"[0-9a-f-]{36}\n", done.stdout), done.stdout


def test_its_numbers() -> None:
    for text in (
        f"| a statement's text | {limits.STATEMENT_BYTES:,} bytes",
        f"| active statements | {limits.ACTIVE_STATEMENTS}:",
        f"| sessions | {limits.SESSIONS}:",
        f"{limits.ROW_BYTES // 1024} KB; {limits.RESULT_BYTES // 2**20} MB compressed",
        f"| a statement's time | {limits.STATEMENT_SECONDS // 3600} hours |",
        f"the same token within {limits.TOKEN_SECONDS // 3600} hours",
        f"statements and results for {limits.RETENTION_SECONDS // 3600} hours",
        f"| how many requests may wait for one statement | {limits.WAITING_REQUESTS} |",
        f"others {limits.PER_SECOND_OTHERS}: ThrottlingException",
        f"in pieces of {limits.PAGE_BYTES // 2**20} MB",
    ):
        assert text in PAGE, text
    for operation, rate in limits.PER_SECOND.items():
        if operation != "GetStatementResultV2":
            assert f"{operation} {rate}," in PAGE, operation
    assert service.POOL == 10 and "ten statements at a time" in PAGE
