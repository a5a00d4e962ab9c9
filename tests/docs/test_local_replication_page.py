"""docs/local-replication.md says what replication does: keys, types, states, commands."""

from __future__ import annotations

import re
from pathlib import Path

import click

from deployer.cli.integration import integration
from deployer.local.replication import definition
from deployer.local.replication.definition import ColumnDefinition
from deployer.local.replication.source import _REQUIRED
from deployer.project import config, zero_etl

PAGE = Path(__file__).parents[2] / "docs/local-replication.md"
TEXT = PAGE.read_text()


def rows(head: str) -> list[list[str]]:
    """The cells of the table whose first line begins with `head`."""
    lines = TEXT[TEXT.index(head) :].split("\n\n")[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def column(written: str) -> ColumnDefinition:
    kind, size, scale, unsigned = re.fullmatch(
        r"(\w+)(?:\((\d+)(?:,(\d+))?\)|\(.*\))?( UNSIGNED)?", written
    ).groups()  # type: ignore[union-attr]
    return ColumnDefinition("c", kind.lower(), int(size or 0), int(scale or 0), unsigned is not None)


def test_types() -> None:
    documented = {
        each: landing.lower()
        for sources, landing in rows("| source | landing |")
        for each in re.split(r", (?![^(]*\))", sources)
    }
    assert {each: column(each).landing_type for each in documented} == documented
    kinds = {each.lower().partition("(")[0].partition(" ")[0] for each in documented}
    known = {kind for kind, _ in definition._WHOLE} | set(definition._FIXED)
    assert known | {"decimal", "char", "varchar", "binary", "bit"} == kinds
    assert column("BLOB").landing_type is None and column("GEOMETRY").landing_type is None


def test_keys_and_the_example(tmp_path: Path) -> None:
    assert {cells[0].strip("`") for cells in rows("| key | |")} == set(zero_etl._KEYS)
    example = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert example is not None
    (tmp_path / "zeroshift.toml").write_text(
        '[project]\nname = "x"\n[env.local]\nkind = "local"\n' + example[1]
    )
    (one,) = config.load(tmp_path).environment("local").zero_etl
    assert (one.landing, one.password_env) == ("rental_landing", "RENTAL_SOURCE_PASSWORD")


def test_parameters_commands_and_states() -> None:
    for name, allowed in _REQUIRED.items():
        assert f"{name} = {allowed[0]}" in TEXT
    assert isinstance(integration, click.Group)
    for name in integration.commands:
        assert f"zeroshift integration {name}" in TEXT
    from deployer.local.replication import state

    assert [cells[0] for cells in rows("| state | when | then |")] == [
        state.FAILED, state.REQUIRED, state.INITIATED, state.DROPPED,
    ]  # fmt: skip
