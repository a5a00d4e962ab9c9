from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.project import config, pipelines
from deployer.project.environments import Cost

GOOD = """\
[project]
name = "shop"

[env.local]
kind = "local"
"""


def write(directory: Path, text: str) -> Path:
    (directory / "zeroshift.toml").write_text(text, encoding="utf-8")
    return directory


def test_reads_project_and_environments(tmp_path: Path) -> None:
    project = config.load(write(tmp_path, GOOD))
    assert project.name == "shop"
    assert project.environment("local").kind == "local"
    assert project.procedures == tmp_path / "procedures"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (GOOD + "colour = 'red'\n", 6, "unknown key 'colour' in [env.local]"),
        ("top = 1\n" + GOOD, 1, "unknown key 'top' in the file"),
        (GOOD + "\n[stages.a]\nx = 1\n", 7, "unknown key 'stages'"),
        (GOOD.replace('"local"', '"cloud"'), 5, "kind 'cloud' of env.local is not one of: local"),
        (GOOD.replace('kind = "local"\n', ""), 4, "[env.local] lacks the key 'kind'"),
        (GOOD + "\n[pipeline.rental]\nslots = 2\n", 8, "unknown key 'slots' in [pipeline.rental]"),
        (GOOD + "\n[pipeline.rental]\nstatement_timeout = 0\n", 8, "a whole number from 1 to 86400"),
        (GOOD + '\n[pipeline.rental]\nquery_group = "a\'b"\n', 8, "letters, digits, blanks"),
        (GOOD.replace('"shop"', "7"), 2, "must be a text, not 7"),
        (GOOD.replace("[project]", "[project"), 1, "not valid TOML"),
        ("env = 3\n[project]\nname = 'x'\n", 1, "env must be a table"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(UsageError) as caught:
        config.load(write(tmp_path, text))
    message = str(caught.value)
    assert f"zeroshift.toml:{line}: " in message
    assert says in message


def test_a_run_s_limit_and_label_are_the_pipeline_s_else_the_environment_s(tmp_path: Path) -> None:
    plain = config.load(write(tmp_path, GOOD)).pipeline("rental")
    assert pipelines.settings(plain, Cost(statement_timeout=60, query_group="bi")) == (
        "set statement_timeout to 60000",
        "set query_group to 'bi-rental'",
    )
    text = GOOD + '\n[pipeline.rental]\nstatement_timeout = 7200\nquery_group = "night"\n'
    own = config.load(write(tmp_path, text)).pipeline("rental")
    assert pipelines.settings(own, Cost()) == (
        "set statement_timeout to 7200000",
        "set query_group to 'night'",
    )


def test_an_unknown_environment_lists_the_known_ones(tmp_path: Path) -> None:
    project = config.load(write(tmp_path, GOOD))
    with pytest.raises(UsageError, match="no environment 'prod'; it has: local"):
        project.environment("prod")


def test_root_is_found_from_below_and_missed_in_one_sentence(tmp_path: Path) -> None:
    write(tmp_path, GOOD)
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert config.find_root(below) == tmp_path
    with pytest.raises(UsageError, match="there is no zeroshift.toml"):
        config.find_root(Path("/"))


def test_home_is_beside_the_file_or_where_the_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = config.load(write(tmp_path, GOOD))
    monkeypatch.delenv("ZEROSHIFT_HOME", raising=False)
    assert project.home == tmp_path / ".zeroshift"
    monkeypatch.setenv("ZEROSHIFT_HOME", str(tmp_path / "elsewhere"))
    assert project.home == tmp_path / "elsewhere"
