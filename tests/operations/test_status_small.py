"""`zeroshift status` for a project that is not the rental pipeline."""

from __future__ import annotations

import pytest
from click.testing import CliRunner
from small_project import SmallProject

from deployer.cli.status import status as command
from deployer.operations.deploy import deploy
from deployer.operations.status import status


def test_a_project_without_runs_metrics_and_quarantine_has_a_status(
    small: SmallProject, monkeypatch: pytest.MonkeyPatch
) -> None:
    schedules = small.root / "eventbridge" / "schedules"
    schedules.mkdir(parents=True)
    (schedules / "nightly.toml").write_text(
        'expression = "cron(0 3 * * ? *)"\nstatement = "call ops.run_own()"\n'
    )
    project = small.load()
    deploy(project, project.environment("local"))
    found = status(project, project.environment("local"))
    assert found.deployed and found.objects == 4 and found.migration == "0001" and not found.logs_runs
    assert (found.freshness, found.runs, found.rejected, found.problems) == ((), (), (), ())
    assert [(one.name, one.pipeline) for one in found.schedules] == [("nightly", "")]
    monkeypatch.chdir(small.root)
    ran = CliRunner().invoke(command, [], standalone_mode=False)
    assert ran.exception is None and not ran.return_value and "0001" in ran.output
