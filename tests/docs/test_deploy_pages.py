"""Types what the pages about verifying, adopting and rolling back type, in a small project."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest
from walk import Type, check, steps, write

from deployer.cli.main import execute
from deployer.local.environment import LocalEnvironment, Status

ROOT = Path(__file__).resolve().parents[2]
sys.path.append(str(ROOT / "tests" / "operations"))
from small_project import SmallProject  # noqa: E402

_SHOWN = re.compile(r"<!-- shown: (\S+) -->\n\n((?:    .*\n|\n)+)")
_EXITS = re.compile(r"\s+# exits with (\d)$")


@pytest.fixture
def project(
    tmp_path: Path, environment: LocalEnvironment, fresh_database: Status, monkeypatch: pytest.MonkeyPatch
) -> SmallProject:
    monkeypatch.setenv("ZEROSHIFT_HOME", str(environment.home))
    small = SmallProject(tmp_path / "project")
    small.migration("0002", "0001", "create schema presentation")
    monkeypatch.chdir(small.root)
    return small


@pytest.mark.parametrize(
    "page", ["plan-and-deploy.md", "verify-and-contracts.md", "drift-baseline-rollback.md", "grants.md"]
)
def test_the_page_works_as_written(
    project: SmallProject, page: str, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for step in steps(text):
        if not isinstance(step, Type):
            write(step, project.root)
            continue
        printed = ""
        for command in step.commands:
            exits = _EXITS.search(command)
            program, *arguments = shlex.split(_EXITS.sub("", command))
            assert program == "zeroshift"
            code = execute(arguments)
            captured = capsys.readouterr()
            printed += captured.err + captured.out
            assert code == (int(exits.group(1)) if exits else 0), f"{command}\n{printed}"
        check(printed, step.expected)
        for path, shown in _SHOWN.findall(text):
            if (project.root / path).exists():
                lines = [line[4:] for line in shown.rstrip().splitlines()]
                assert (project.root / path).read_text() == "\n".join(lines) + "\n"
