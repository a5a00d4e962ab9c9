"""Runs the commands of docs/ci's pipelines, step by step, on the local environment."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
CI = ROOT / "docs" / "ci"
GITHUB = yaml.safe_load((CI / "github.yml").read_text(encoding="utf-8"))
GITLAB = yaml.safe_load((CI / "gitlab.yml").read_text(encoding="utf-8"))
INSTALLS = {"pip install --quiet .", "pip install --quiet '.[local]'"}

VIEW = "-- Purpose: a view.\ncreate or replace view shown.sales as\nselect id from shop.sales where id > {least}\n;\n"
MIGRATION = '''\
"""A schema, a table and a schema to show it in."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("create schema shop")
    op.execute("create schema shown")
    op.execute("create table shop.sales (id bigint not null) diststyle all sortkey (id)")
'''


def github_commands(job: str, event: str) -> Iterator[str]:
    """The commands of a job's steps, in order, without those that another event is for."""
    for step in GITHUB["jobs"][job]["steps"]:
        if (
            "run" in step
            and step.get("if", f"github.event_name == '{event}'") == f"github.event_name == '{event}'"
        ):
            yield step["run"]


class Team:
    """A small project in a repository with a remote, whose main is deployed to the local environment."""

    def __init__(self, directory: Path) -> None:
        self.work = directory / "work"
        remote = directory / "remote.git"
        self.summary = directory / "summary.md"
        (self.work / "migrations" / "versions").mkdir(parents=True)
        (self.work / "procedures" / "shown").mkdir(parents=True)
        shutil.copy(ROOT / "migrations" / "env.py", self.work / "migrations" / "env.py")
        (self.work / "migrations" / "versions" / "0001_shop.py").write_text(MIGRATION, encoding="utf-8")
        (self.work / "zeroshift.toml").write_text(
            '[project]\nname = "shop"\n\n[env.local]\nkind = "local"\n', encoding="utf-8"
        )
        self.view(0)
        self.environment = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "ZEROSHIFT_HOME": str(directory / "home"),
            "ZEROSHIFT_PORT": "0",
            "GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@example.com",
            "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@example.com",
            "GITHUB_STEP_SUMMARY": str(self.summary),
            "GITHUB_BASE_REF": "main",
            "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
            "AWS_TOKEN": "a-token",
            "AWS_WEB_IDENTITY_TOKEN_FILE": str(directory / "token"),
            # The pipelines say prod; here it is the warehouse of this machine.
            "ZEROSHIFT_ENV": "local",
        }  # fmt: skip
        self.run("git init --quiet --initial-branch main")
        self.run(f"git init --quiet --bare '{remote}' && git remote add origin '{remote}'")
        self.run("git add . && git commit --quiet -m 'Begin' && git push --quiet origin main")

    def view(self, least: int) -> None:
        (self.work / "procedures" / "shown" / "sales.sql").write_text(
            VIEW.format(least=least), encoding="utf-8"
        )

    def run(self, command: str, **more: str) -> str:
        """Run a step as CI does: the shell stops at the first command that fails."""
        done = subprocess.run(
            ["bash", "-eo", "pipefail", "-c", command],
            cwd=self.work,
            env=self.environment | more,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=800,
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}"
        return done.stdout

    def steps(self, commands: Iterator[str] | list[str], **more: str) -> str:
        return "".join(self.run(command, **more) for command in commands if command.strip() not in INSTALLS)


@pytest.fixture
def team(tmp_path: Path) -> Iterator[Team]:
    made = Team(tmp_path)
    yield made
    subprocess.run(
        [sys.executable, "-m", "deployer", "local", "down"], cwd=made.work, env=made.environment, check=False
    )


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_github_workflow_checks_a_pull_request_and_deploys_a_merge(team: Team) -> None:
    team.steps(github_commands("check", "push"), GITHUB_ACTIONS="true")
    printed = team.steps(github_commands("deploy", "push"), GITHUB_ACTIONS="true")
    assert "nothing to do: all 1 objects are as the project says" in printed

    team.run("git checkout --quiet -b change")
    team.view(10)
    team.run("git add . && git commit --quiet -m 'Show fewer'")
    team.summary.unlink()
    printed = team.steps(github_commands("check", "pull_request"), GITHUB_ACTIONS="true")
    summary = team.summary.read_text(encoding="utf-8")
    assert "shown.sales" in summary
    assert "id > 10" in summary
    assert "::" not in summary, "annotations are not part of the page"
    assert "file=procedures/shown/sales.sql" in printed

    team.run("git checkout --quiet main && git merge --quiet change")
    printed = team.steps(github_commands("deploy", "push"), GITHUB_ACTIONS="true")
    assert "1 replaced" in printed


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_gitlab_pipeline_checks_a_merge_request_and_deploys_a_merge(team: Team, tmp_path: Path) -> None:
    team.steps(GITLAB["lint"]["script"])
    team.steps(GITLAB["deploy"]["script"])
    token = tmp_path / "token"
    assert token.read_text(encoding="utf-8") == "a-token\n"
    assert token.stat().st_mode & 0o077 == 0

    team.run("git checkout --quiet -b change")
    team.view(10)
    team.run("git add . && git commit --quiet -m 'Show fewer'")
    printed = team.steps(GITLAB["plan"]["script"])
    assert "shown.sales" in printed
    assert (team.work / GITLAB["plan"]["artifacts"]["paths"][0]).is_file()
    team.run("git checkout --quiet main && git merge --quiet change")
    assert "1 replaced" in team.steps(GITLAB["deploy"]["script"])


def test_the_pipelines_are_what_the_pages_say() -> None:
    """Only the job that deploys may become the deployer, and it says which environment."""
    jobs: dict[str, Any] = GITHUB["jobs"]
    assert jobs["deploy"]["permissions"]["id-token"] == "write"
    assert "permissions" not in jobs["check"]
    assert GITHUB["permissions"] == {"contents": "read"}
    assert jobs["deploy"]["env"]["ZEROSHIFT_ENV"] == jobs["deploy"]["environment"] == "prod"
    assert "id_tokens" not in GITLAB["plan"] and "id_tokens" not in GITLAB["lint"]
    assert GITLAB["deploy"]["variables"]["ZEROSHIFT_ENV"] == GITLAB["deploy"]["environment"] == "prod"
    installs = [
        command
        for job in ("check", "deploy")
        for command in github_commands(job, "push")
        if command.startswith("pip")
    ]
    installs += [command for job in ("lint", "plan", "deploy") for command in GITLAB[job]["script"][:1]]
    assert set(installs) == INSTALLS
