"""Holds docs/aws.md to the code: its example is read, and every key stands in its table."""

from __future__ import annotations

import re
from pathlib import Path

from deployer.aws import changesets, naming, templates
from deployer.project import config, environments
from deployer.project.environments import Cost, Remote, Trust

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "aws.md").read_text(encoding="utf-8")


def test_the_example_is_read_and_says_the_defaults(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.S | re.M)
    (tmp_path / "zeroshift.toml").write_text(block, encoding="utf-8")
    project = config.load(tmp_path)
    prod = project.environment("prod").remote
    assert prod is not None
    assert prod.cost == Cost(), "the example shows the defaults"
    assert prod.runner == Remote("x", "y", "z").runner
    assert prod.trust.oidc_audience == Trust().oidc_audience
    assert naming.stack(project, project.environment("prod"), "base") == "zeroshift-rental-prod-base"
    test = project.environment("test").remote
    assert test is not None and test.secret == "rental/test/owner"


def test_every_key_stands_in_the_table() -> None:
    rows = " ".join(line.split("|")[1] for line in PAGE.splitlines() if line.startswith("| "))
    keys = {key for name in ("_LOCAL_KEYS", "_REMOTE_KEYS") for key in getattr(environments, name)}
    for key in keys - {"cost", "trust"}:
        assert f"`{key}`" in rows, key
    for key in environments._COST_KEYS:
        assert key.removeprefix("usage_limit") in rows, key
    for key in environments._TRUST_KEYS:
        assert f"`{key}`" in PAGE, key


def test_what_the_stacks_hold_is_told(tmp_path: Path) -> None:
    (tmp_path / "zeroshift.toml").write_text(
        '[project]\nname = "x"\n[env.local]\nkind = "local"\naws = true\n', encoding="utf-8"
    )
    project = config.load(tmp_path)
    local = project.environment("local")
    assert templates.template(project, local, "run") is None, "the page says that run needs schedules"
    base = templates.template(project, local, "base")
    assert base is not None
    assert set(base["Resources"]) == {"RunnerRole", "DeadLetterQueue", "AlertTopic"}
    assert base["Resources"]["DeadLetterQueue"]["Type"] in changesets.DATA_TYPES
