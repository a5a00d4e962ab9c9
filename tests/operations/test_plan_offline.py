"""The plan of a pull request, without its warehouse."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from patience import wait_until
from small_project import SmallProject

from deployer.cli.main import execute
from deployer.errors import StatementFailed, UsageError
from deployer.local.environment import LocalEnvironment
from deployer.local.state import new_state, read_state
from deployer.operations import plan_offline
from deployer.operations.plan import Plan

pytestmark = pytest.mark.slow


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=test", "-c", "user.email=test@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def committed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SmallProject:
    """The small project in a subdirectory of a repository, its first state committed."""
    made = SmallProject(tmp_path / "repository" / "warehouse")
    git(made.root.parent, "init", "-q")
    git(made.root.parent, "add", "-A")
    git(made.root.parent, "commit", "-qm", "first")
    monkeypatch.setenv("ZEROSHIFT_HOME", str(tmp_path / "untouched"))
    return made


def plan(small: SmallProject, base: str = "HEAD") -> Plan:
    project = small.load()
    return plan_offline.plan(project, project.environment("local"), base)


def test_it_shows_what_the_second_deployment_has_really_done(
    committed: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed.migration(
        "0002", "0001", "alter table shop.sales add column note varchar(20)", "truncate shop.sales"
    )
    committed.view("shown.a_base", "select id, amount, note from shop.sales")
    made = plan(committed)
    assert [(change.action, change.name) for change in made.changes] == [
        ("apply", "0002_step"),
        ("replace", "shown.a_base"),
        ("recreate", "shown.totals"),
    ]
    assert made.changes[0].destructive == "all rows of shop.sales"
    # Not "known only after": the migration has run.
    assert "note character varying(20) comes" in made.changes[1].reason
    # The user's own warehouse was neither started nor asked.
    assert not (tmp_path / "untouched").exists()
    assert os.environ["ZEROSHIFT_HOME"] == str(tmp_path / "untouched")
    monkeypatch.chdir(committed.root)
    assert execute(["plan", "--offline", "--base", "HEAD", "--check", "--json"]) == 2
    # Against itself there is nothing to do.
    git(committed.root, "add", "-A")
    git(committed.root, "commit", "-qm", "second")
    assert plan(committed).is_empty


def test_what_cannot_be_deployed_is_found(committed: SmallProject) -> None:
    committed.migration("0002", "0001", "create table shop.sales (id bigint)")
    with pytest.raises(StatementFailed) as caught:
        plan(committed)
    assert (caught.value.where, caught.value.sqlstate) == ("migrations/versions/0002_step.py:14", "42P07")
    git(committed.root, "add", "-A")
    git(committed.root, "commit", "-qm", "broken")
    with pytest.raises(StatementFailed, match="the commit HEAD itself cannot be deployed"):
        plan(committed)


def test_a_commit_that_there_is_not(committed: SmallProject) -> None:
    with pytest.raises(UsageError, match="there is no commit 'nowhere'.*fetch it first"):
        plan(committed, "nowhere")
    with pytest.raises(UsageError, match="is no commit"):
        plan(committed, "--upload-pack=x")


def test_a_killed_plan_leaves_no_warehouse_behind(
    committed: SmallProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    # A base that takes for ever: the plan cannot be done before it is killed, however slowly that comes.
    forever = ", ".join(f"d {letter}" for letter in "abcdefghijkl")
    digits = " union all ".join(f"select {n} as n" for n in range(10))
    path = committed.migration(
        "0002", "0001", f"create table shop.late as with d as ({digits}) select count(*) as n from {forever}"
    )
    git(committed.root, "add", "-A")
    git(committed.root, "commit", "-qm", "slow")
    path.unlink()
    git(committed.root, "commit", "-qam", "quick again")
    command = [sys.executable, "-m", "deployer", "plan", "--offline", "--base", "HEAD~1"]
    running = subprocess.Popen(command, cwd=committed.root, env=os.environ | {"TMPDIR": str(tmp_path)})
    wait_until(lambda: any(tmp_path.glob("zeroshift-plan-*/home/local.json")))
    (home,) = tmp_path.glob("zeroshift-plan-*/home")
    wait_until(lambda: (read_state(home) or new_state()).daemon is not None)
    running.kill()
    running.wait()
    daemon = LocalEnvironment(home)
    wait_until(lambda: not daemon.running)
    assert plan(committed).changes == ()
    assert not home.parent.exists()
