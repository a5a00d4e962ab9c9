"""docs/external-tables.md: its commands are typed."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.local.environment import LocalEnvironment
from deployer.local.translate.external import _OTHER_FORMATS, _PROPERTIES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "external-tables.md").read_text(encoding="utf-8")


@pytest.mark.slow
def test_its_commands(
    environment: LocalEnvironment, fresh_database: object, aws: None, tmp_path: Path
) -> None:
    lines = [line.strip() for line in PAGE.split("\n\n")[2].splitlines()]
    assert lines[0].startswith("eval") and lines[-1].startswith("zeroshift query")
    programs = {"aws": f'"{ROOT}/tests/docs/aws_command.py"', "zeroshift": "-m deployer"}
    for name, program in programs.items():
        command = tmp_path / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {program} "$@"\n')
        command.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-e"], input="\n".join(lines), text=True, capture_output=True, cwd=ROOT,
        env=os.environ | {"PATH": path, "ZEROSHIFT_HOME": str(environment.home)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len(re.findall(r"1\W+2024-01", done.stdout)) == 2, done.stdout


def test_its_lists() -> None:
    for name in _PROPERTIES:
        assert name in PAGE
    for form in _OTHER_FORMATS:
        assert form.upper() in PAGE
