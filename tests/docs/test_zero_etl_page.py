"""Holds docs/zero-etl.md to the code: its example, its keys and defaults, what the stacks get, the commands."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from deployer.cli.integration import integration
from deployer.operations import stacks
from deployer.project import config, zero_etl_aws
from deployer.project.schedules import cadence, files

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "zero-etl.md").read_text(encoding="utf-8")


def example(directory: Path) -> config.Project:
    (block,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.S | re.M)
    (directory / "zeroshift.toml").write_text(block, encoding="utf-8")
    shutil.copytree(ROOT / "eventbridge", directory / "eventbridge")
    return config.load(directory)


def test_every_key_stands_in_the_table() -> None:
    rows = [line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(rows))) == set(zero_etl_aws._KEYS)


def test_the_example_is_read_and_its_interval_follows_the_repository_s_schedules(tmp_path: Path) -> None:
    project = example(tmp_path)
    (one,) = project.environment("prod").integrations
    assert (one.landing, one.history_mode, one.truncatecolumns) == ("rental_landing", True, False)
    seconds = cadence.refresh_interval(one, files.load(tmp_path))
    assert f"hourly runs give {seconds}" in PAGE
    assert cadence.max_lag(one, files.load(tmp_path)) == 2 * seconds + 900


def test_the_stacks_have_what_the_page_says(tmp_path: Path) -> None:
    project = example(tmp_path)
    prod = project.environment("prod")
    base, run = (stacks.template(project, prod, part) for part in ("base", "run"))
    assert base is not None and run is not None
    made = base["Resources"]["IntegrationRental"]
    assert (made["Type"], made["DeletionPolicy"]) == ("AWS::RDS::Integration", "RetainExceptOnCreate")
    metrics = {
        value["Properties"]["MetricName"]
        for key, value in run["Resources"].items()
        if key.startswith("IntegrationRental") and value["Type"] == "AWS::CloudWatch::Alarm"
    }
    assert len(metrics) == 2
    assert all(f"`{name}`" in PAGE for name in metrics)
    rule = run["Resources"]["IntegrationRentalRule"]["Properties"]
    assert rule["EventPattern"]["detail"] == {"severity": ["Warning", "Error"]}
    assert "detail-type" not in rule["EventPattern"]


def test_the_commands_are_there_with_their_options() -> None:
    for name, options in re.findall(r"`zeroshift integration (\w+)([^`]*)`", PAGE):
        known = {option for one in integration.commands[name].params for option in one.opts}
        assert set(re.findall(r"--[a-z-]+", options)) <= known, name
    assert {name for name, _ in re.findall(r"`zeroshift integration (\w+)([^`]*)`", PAGE)} == set(
        integration.commands
    )
