"""What docs/plan-and-deploy.md says in tables."""

from __future__ import annotations

from pathlib import Path

from deployer.cli.deploy import deploy
from deployer.cli.plan import plan
from deployer.warehouse.retry import PAUSES, TRANSIENT

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "plan-and-deploy.md").read_text(encoding="utf-8")


def test_the_page_shows_the_table_of_transient_errors() -> None:
    rows = [
        f"| {row.sqlstate} | {f'`{row.words}`' if row.words else ''} | {row.meaning} |" for row in TRANSIENT
    ]
    shown = PAGE.partition("| SQLSTATE | or words | meaning |\n|---|---|---|\n")[2].partition("\n\n")[0]
    assert shown.splitlines() == [row.replace("|  |", "| |") for row in rows]
    seconds = [f"{pause:g}" for pause in PAUSES]
    assert f"after {', '.join(seconds[:-1])} and {seconds[-1]}\nseconds" in PAGE


def test_the_page_names_every_option() -> None:
    for command in (plan, deploy):
        for parameter in command.params:
            option = parameter.opts[0]
            assert option in ("--env", "--json") or f"{option}" in PAGE, option
