"""docs/archive.md and the scheduled job: what they name exists."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import click
import yaml

from deployer.cli.archive import archive
from deployer.operations.archive.columns import CONVERSIONS
from deployer.operations.archive.external import SCHEMA, view_name
from deployer.project.archive import files, settings
from deployer.project.archive.model import NEVER_DELETED

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "archive.md").read_text(encoding="utf-8")


def test_every_command_is_there_and_every_option_exists() -> None:
    assert isinstance(archive, click.Group)
    for name, command in archive.commands.items():
        assert re.search(rf"archive {name}\b|`{name} NAME`", PAGE), name
        options = {option for parameter in command.params for option in parameter.opts}
        for used in re.findall(rf"zeroshift archive {name}\b([^`\n]*)", PAGE):
            assert set(re.findall(r"--[a-z-]+", used)) <= options | {"--env"}, used


def test_the_policy_is_the_one_that_ships_and_every_key_is_explained() -> None:
    shown = re.search(r"```toml\n(.*?)```", PAGE, re.S)
    assert shown is not None
    shipped = (ROOT / "procedures" / "archive" / "bookings.toml").read_text(encoding="utf-8")
    assert tomllib.loads(shown[1]) == tomllib.loads(shipped)
    for key in (*files._KEYS, *settings._KEYS, *files.STORAGE):
        assert key in PAGE, key
    for name in (*NEVER_DELETED, f"{SCHEMA}.POLICY", view_name("POLICY")):
        assert f"`{name}`" in PAGE, name
    assert len(CONVERSIONS) == 3


def test_the_job_runs_commands_that_exist() -> None:
    job = yaml.safe_load((ROOT / "docs" / "ci" / "archive-github.yml").read_text(encoding="utf-8"))
    steps = [step.get("run", "") for step in job["jobs"]["archive"]["steps"]]
    used = re.findall(r"zeroshift archive (\w+)", " ".join(steps))
    assert used == ["run", "verify"] and set(used) <= set(archive.commands)
