"""docs/schedules.md: its files are read, linted and complete, and its names are those of the stacks."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from deployer.aws.resources import alert_machine, run
from deployer.project.lint.run import lint
from deployer.project.schedules import files
from deployer.project.schedules.model import PLACEHOLDERS, TARGETS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "schedules.md").read_text(encoding="utf-8")


def test_the_page_s_files_have_every_key_and_nothing_that_lint_finds(tmp_path: Path) -> None:
    shown = re.findall(r"`(eventbridge/\S+\.toml)`:\n\n```toml\n(.*?)```", PAGE, re.S)
    assert len(shown) == 3
    for name, text in shown:
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(text, encoding="utf-8")
        assert (ROOT / name).exists(), name
    (tmp_path / "procedures").symlink_to(ROOT / "procedures")
    assert lint(tmp_path, [tmp_path / "eventbridge"]).findings == ()
    keys = {name.split("/")[1]: set(tomllib.loads(text)) for name, text in shown}
    assert keys == {"schedules": set(files._SCHEDULE), "rules": set(files._RULE), "alarms": set(files._ALARM)}
    for key in files._SCHEDULE:
        assert re.search(rf"^\|.*`{key}`.*\|", PAGE, re.M), key


def test_what_the_page_says_of_ours() -> None:
    own = files.load(ROOT)
    for schedule in own.schedules:
        assert f"`{schedule.name}`" in PAGE
    assert "ops.assert_fresh('rental', 210)" in PAGE
    assert any("ops.assert_fresh('rental', 210)" in schedule.statement for schedule in own.schedules)
    for word in (*TARGETS, *PLACEHOLDERS):
        assert f"`{word}`" in PAGE, word
    pauses = [alert_machine.PAUSE * 2**number for number in range(alert_machine.REPEATS)]
    assert f"after {pauses[0]}, {pauses[1]} and {pauses[2]} seconds" in PAGE
    assert f"({run._LOG_DAYS} days)" in PAGE
    assert alert_machine.REMEMBERED == 7 * 86400 and "for a week" in PAGE
