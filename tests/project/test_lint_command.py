"""`zeroshift lint`: what it prints, and how it exits."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from deployer.cli.github import annotation
from deployer.cli.main import execute

ERROR = "-- Purpose: x\ncreate or replace view s.v as select a from t;\n"
WARNING = "-- Purpose: x\n-- Reads: s.t\ncreate or replace view s.v as select a from s.t limit 5;\n"


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "zeroshift.toml").write_text('[project]\nname = "p"\n\n[env.local]\nkind = "local"\n')
    (tmp_path / "procedures" / "s").mkdir(parents=True)
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.delenv("GITHUB_WORKSPACE", raising=False)
    return tmp_path


def test_a_clean_project_exits_with_0(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["lint"]) == 0
    assert capsys.readouterr().out == "0 files, 0 errors, 0 warnings\n"


def test_an_error_exits_with_1_and_names_its_place(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "procedures" / "s" / "v.sql").write_text(ERROR)
    assert execute(["lint"]) == 1
    assert capsys.readouterr().out == (
        'procedures/s/v.sql:2:45: error ZS301 unqualified-name: "t" has no schema, and no procedure makes a temporary'
        " table of that name\n"
        "1 file, 1 error, 0 warnings\n"
        "`zeroshift lint --explain ZS301` says more\n"
    )


def test_warnings_exit_with_1_only_when_strict(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "procedures" / "s" / "v.sql").write_text(WARNING)
    assert execute(["lint"]) == 0
    assert "procedures/s/v.sql:3:55: warning ZS505 limit-without-order: " in capsys.readouterr().out
    assert execute(["lint", "--strict"]) == 1


def test_json_is_one_object_also_in_a_workflow(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (project / "procedures" / "s" / "v.sql").write_text(ERROR)
    assert execute(["lint", "--json"]) == 1
    told = json.loads(capsys.readouterr().out)
    assert {key: told[key] for key in ("files", "errors", "warnings", "silenced")} == {
        "files": 1, "errors": 1, "warnings": 0, "silenced": 0,
    }  # fmt: skip
    (finding,) = told["findings"]
    assert finding.pop("message").startswith('"t" has no schema')
    assert finding == {
        "path": "procedures/s/v.sql", "line": 2, "column": 45, "code": "ZS301", "name": "unqualified-name",
        "severity": "error",
    }  # fmt: skip


def test_findings_are_annotations_in_a_github_workflow(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    (project / "procedures" / "s" / "v.sql").write_text(ERROR)
    execute(["lint"])
    out = capsys.readouterr().out
    assert (
        '\n::error file=procedures/s/v.sql,line=2,col=45,title=ZS301 unqualified-name::"t" has no schema'
        in out
    )


def test_an_annotation_is_relative_to_the_repository(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(project.parent))
    (project / "procedures" / "s" / "v.sql").write_text(ERROR)
    execute(["lint"])
    assert f"::error file={project.name}/procedures/s/v.sql,line=2," in capsys.readouterr().out


def test_an_annotation_escapes_what_github_reads() -> None:
    assert annotation("warning", "a,b:c.sql", 3, "100%", "one\ntwo: 5%, three") == (
        "::warning file=a%2Cb%3Ac.sql,line=3,col=1,title=100%25::one%0Atwo: 5%25, three"
    )


def test_only_the_named_files_are_reported_but_all_are_read(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = "create or replace procedure s.made()\nas $$\nbegin\n    drop table if exists x;\n"
    made += "    create temp table x (a integer);\nend;\n$$ language plpgsql;\n"
    (project / "procedures" / "s" / "made.sql").write_text("-- Purpose: x\n" + made)
    (project / "procedures" / "s" / "bad.sql").write_text(ERROR)
    (project / "other.sql").write_text("select a from x;\n")
    (project / "migrations" / "versions" / "0001_a.py").write_text('op.execute("drop table s.t")\n')
    assert execute(["lint", "other.sql"]) == 0
    assert capsys.readouterr().out == "1 file, 0 errors, 0 warnings\n"
    assert execute(["lint", "migrations", "--strict"]) == 1
    assert "migrations/versions/0001_a.py:1:13: warning ZS408" in capsys.readouterr().out
    assert execute(["lint", "procedures/s", "migrations/../procedures/s/bad.sql", "other.sql"]) == 1
    assert capsys.readouterr().out.splitlines()[-2] == "3 files, 1 error, 0 warnings"
    (project / ".venv").mkdir()
    (project / ".venv" / "hidden.sql").write_text(ERROR)
    (project / "tool.py").write_text('op.execute("drop table s.t")\n')
    assert execute(["lint", "."]) == 1
    assert capsys.readouterr().out.splitlines()[-2] == "4 files, 1 error, 1 warning"
    assert execute(["lint", "migrations/versions"]) == 0
    assert capsys.readouterr().out.splitlines()[-2] == "1 file, 0 errors, 1 warning"


def test_what_a_comment_keeps_quiet_is_counted(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = ERROR.replace("create", "-- lint: ignore ZS301 because of the test\ncreate", 1)
    (project / "procedures" / "s" / "v.sql").write_text(text)
    assert execute(["lint"]) == 0
    assert capsys.readouterr().out == "1 file, 0 errors, 0 warnings, 1 silenced\n"


def test_line_ends_and_bytes_do_not_matter(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "procedures" / "s" / "v.sql").write_bytes(ERROR.replace("\n", "\r\n").encode())
    (project / "procedures" / "s" / "w.sql").write_bytes(b"select '\xff' as x;")
    assert execute(["lint"]) == 1
    out = capsys.readouterr().out
    assert "procedures/s/v.sql:2:45: error ZS301" in out
    assert "procedures/s/w.sql:1:1: error ZS001 unreadable: not UTF-8 text (byte 9)\n" in out


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["gone.sql"], "zeroshift: gone.sql does not exist; name a file or a directory to lint\n"),
        (
            ["zeroshift.toml"],
            "zeroshift: zeroshift.toml is neither an .sql file nor a migration (.py); name a file or a directory of"
            " them\n",
        ),
        (
            ["--explain", "ZS999"],
            "zeroshift: there is no lint rule ZS999; `zeroshift lint --rules` lists them\n",
        ),
    ],
)
def test_wrong_arguments_are_one_sentence(
    project: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], sentence: str
) -> None:
    assert execute(["lint", *arguments]) == 1
    assert capsys.readouterr() == ("", sentence)


def test_rules_are_listed_and_explained(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert execute(["lint", "--rules"]) == 0
    out = capsys.readouterr().out
    assert "ZS301" in out and "unqualified-name" in out
    assert execute(["lint", "--rules", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)) >= 30
    for name in ("zs205", "commit-in-cursor-loop"):
        assert execute(["lint", "--explain", name]) == 0
        out = capsys.readouterr().out
        assert out.startswith("ZS205 commit-in-cursor-loop (error)\n\nThe transaction ends inside of a loop")
        assert (
            "https://docs.aws.amazon.com/redshift/latest/dg/stored-procedure-transaction-management.html"
            in out
        )


def test_lint_needs_no_warehouse_and_no_aws() -> None:
    """Neither the drivers nor the engine are even imported, so it runs where they are not installed."""
    code = (
        "import sys; from deployer.cli.main import execute; code = execute(['lint', '--json']);"
        "heavy = {'boto3', 'redshift_connector', 'sqlalchemy', 'alembic', 'psycopg', 'deployer.local'}"
        " & set(sys.modules);"
        "sys.exit(f'{code} {heavy}' if code or heavy else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr
