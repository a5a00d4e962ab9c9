"""cfn-lint, and parliament for policies, over the templates of every environment that the repository shows:
zeroshift.toml and the ones in docs/, with the repository's own schedules."""

from __future__ import annotations

import json
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import policies
from cfnlint.api import ManualArgs, lint
from cfnlint.helpers import REGIONS

from deployer.operations import stacks
from deployer.project import config
from deployer.project.environments import LOCAL

ROOT = Path(__file__).resolve().parents[1]
_TOML = re.compile(r"^```toml\n(.*?)^```$", re.S | re.M)


def projects() -> Iterator[tuple[str, str]]:
    """Where each zeroshift.toml stands, and its text."""
    yield "zeroshift.toml", (ROOT / "zeroshift.toml").read_text(encoding="utf-8")
    for page in sorted((ROOT / "docs").rglob("*.md")):
        for block in _TOML.findall(page.read_text(encoding="utf-8")):
            if "[project]" in block:
                yield str(page.relative_to(ROOT)), block


def main() -> int:
    bad = checked = 0
    for where, text in projects():
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, config.CONFIG_FILE).write_text(text, encoding="utf-8")
            shutil.copytree(ROOT / "eventbridge", Path(directory, "eventbridge"))
            found, wrong = check(where, Path(directory))
        checked, bad = checked + found, bad + wrong
    for problem in policies.unneeded():
        bad += 1
        print(problem)
    print(f"cfn-lint and parliament: {checked} templates, {bad} problems")
    return 1 if bad or not checked else 0


def check(where: str, directory: Path) -> tuple[int, int]:
    """The templates of one project: how many, and how many problems."""
    bad = checked = 0
    project = config.load(directory)
    for environment in project.environments.values():
        for part in ("base", "run", "bootstrap"):
            local = environment.kind == LOCAL
            if environment.remote is None or (
                part == "bootstrap" and (local or environment.remote.trust.is_empty)
            ):
                continue
            found = stacks.template(project, environment, part)
            if found is None:
                continue
            checked += 1
            # Not all regions have integrations.
            regions = [environment.remote.region] if environment.integrations else REGIONS
            # Informational rules ask for prose in the resources' metadata.
            wanted = ManualArgs(include_experimental=True, regions=regions)
            for problem in lint(json.dumps(found), config=wanted):
                bad += 1
                print(f"{where}: {environment.name} {part}: {problem.rule.id} {problem.message}")
            for told in policies.problems(found):
                bad += 1
                print(f"{where}: {environment.name} {part}: {told}")
    return checked, bad


if __name__ == "__main__":
    sys.exit(main())
