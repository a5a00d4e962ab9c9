"""Follows docs/add-a-metric.md word for word in a copy of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from walk import Create, Replace, Type, check, steps, write

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "add-a-metric.md").read_text(encoding="utf-8")
COPIED = (
    "zeroshift.toml",
    "setup.cfg",
    "pyproject.toml",
    "migrations",
    "procedures",
    "tests/conftest.py",
    "tests/seeds.py",
)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_walk_works_as_written(tmp_path: Path) -> None:
    copy = tmp_path / "project"
    for name in COPIED:
        source, goal = ROOT / name, copy / name
        goal.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, goal, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, goal)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ZEROSHIFT_HOME": str(tmp_path / "home"),
        "ZEROSHIFT_PORT": "0",
        "COLUMNS": "80",
    }
    try:
        for step in steps(PAGE):
            if not isinstance(step, Type):
                write(step, copy)
                continue
            printed = ""
            for command in step.commands:
                done = subprocess.run(
                    command,
                    shell=True,
                    cwd=copy,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=800,
                )
                printed += done.stdout
                assert done.returncode == 0, f"{command}\n{printed}"
            check(printed, step.expected)
    finally:
        subprocess.run(
            [sys.executable, "-m", "deployer", "local", "down"], cwd=copy, env=environment, check=False
        )


def test_the_page_edits_files_as_they_are(tmp_path: Path) -> None:
    """The fast half of the walk: every file to be created is new, every text to be replaced is there once."""
    copy = tmp_path / "project"
    for name in ("migrations", "procedures"):
        shutil.copytree(ROOT / name, copy / name)
    found = [step for step in steps(PAGE) if not isinstance(step, Type)]
    assert len([step for step in found if isinstance(step, Create)]) == 4
    assert len([step for step in found if isinstance(step, Replace)]) == 4
    for step in found:
        write(step, copy)


def test_the_reader_of_walks_finds_mistakes() -> None:
    with pytest.raises(AssertionError, match="nothing announces"):
        steps("Look:\n\n```sql\nselect 1\n```\n")
    with pytest.raises(AssertionError, match="no `with`"):
        steps("In `a` replace\n\n```sql\nselect 1\n```\n")
    with pytest.raises(AssertionError, match="the page shows 'three'"):
        check("one\ntwo\n", ("one", "three"))
    check("one\ntwo\nthree\n", ("one", "...", "three"))
