from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.project import config

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
