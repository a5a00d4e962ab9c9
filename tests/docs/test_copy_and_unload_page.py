"""docs/copy-and-unload.md: its commands are typed, its lists compared with the code."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.local.environment import LocalEnvironment
from deployer.local.files.output import SLICES
from deployer.sql.refused import Refused
from deployer.sql.transfer.copy import parse_copy
from deployer.sql.transfer.unload import parse_unload

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "copy-and-unload.md").read_text(encoding="utf-8")
UNLOAD, COPY = PAGE.split("## UNLOAD")[1].split("## COPY")


@pytest.mark.slow
def test_its_commands(
    environment: LocalEnvironment, fresh_database: object, aws: None, tmp_path: Path
) -> None:
    lines = [line.strip() for line in PAGE.split("\n\n")[2].splitlines()]
    assert lines[0].startswith("eval") and lines[-1].startswith("zeroshift query")
    programs = {"aws": f'"{ROOT}/tests/docs/aws_command.py"', "zeroshift": "-m deployer"}
    for name, program in programs.items():
        command = tmp_path / name
        command.write_text(f'#!/bin/sh\nexec "{sys.executable}" {program} "$@"\n')
        command.chmod(0o755)
    done = subprocess.run(
        ["sh", "-e"],
        input="\n".join(lines),
        text=True,
        capture_output=True,
        cwd=ROOT,
        env=os.environ
        | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "ZEROSHIFT_HOME": str(environment.home)},
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"1\W+a", done.stdout.splitlines()[-1] + done.stdout), done.stdout


ARGUMENTS = {
    "DELIMITER": "';'", "NULL": "as 'x'", "QUOTE": "'%'", "KMS_KEY_ID": "'k'", "EXTENSION": "'csv'", "REGION": "'r'",
    "MAXFILESIZE": "64 mb", "ROWGROUPSIZE": "32 mb", "IGNOREHEADER": "1", "PARTITION": "by (a)", "DATEFORMAT": "'auto'",
    "TIMEFORMAT": "'auto'", "ACCEPTANYDATE": "dateformat 'auto'", "MAXERROR": "5",
}  # fmt: skip


def words(part: str, row: str) -> list[str]:
    """The option names of a row of a table."""
    found = re.search(rf"^\| {row} \| (.*) \|$", part, re.M)
    assert found is not None
    return [
        match for match in re.findall(r"[A-Z][A-Z_]{2,}", found[1]) if match not in ("INCLUDE", "VERBOSE")
    ]


@pytest.mark.parametrize(
    "word", [w for w in words(UNLOAD, "options") if w not in ("KMS_KEY_ID", "ROWGROUPSIZE")]
)
def test_options_of_unload(word: str) -> None:
    parse_unload(f"unload ('select 1') to 's3://b/k' iam_role default {word} {ARGUMENTS.get(word, '')}")


@pytest.mark.parametrize("word", words(COPY, "options"))
def test_options_of_copy(word: str) -> None:
    form = "csv" if word == "QUOTE" else ""
    parse_copy(f"copy t from 's3://b/k' iam_role default {form} {word} {ARGUMENTS.get(word, '')}")


@pytest.mark.parametrize("form", ["fixedwidth 'a:1'", "csv", "json 's3://b/paths'", "parquet", "orc"])
def test_formats_of_copy(form: str) -> None:
    assert form.split()[0].upper() in words(COPY, "formats")
    parse_copy(f"copy t from 's3://b/k' iam_role default {form}")


@pytest.mark.parametrize("word", words(COPY, "refused"))
def test_what_copy_refuses(word: str) -> None:
    with pytest.raises(Refused, match="not supported by the local Redshift yet"):
        parse_copy(f"copy t from 's3://b/k' iam_role default {word}")


def test_its_numbers() -> None:
    assert f"by {SLICES} slices" in UNLOAD
