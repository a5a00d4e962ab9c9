"""The command `zeroshift`: collects the commands and turns every failure into one sentence and an exit
code.
"""

from __future__ import annotations

import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from pathlib import Path

import click

import deployer
from deployer.cli import output
from deployer.cli.lazy import Commands
from deployer.cli.options import CONTEXT, debugging
from deployer.errors import StatementFailed, ZeroshiftError
from deployer.mask import mask
from deployer.project import config

INTERRUPTED = 130
BROKEN_PIPE = 141
"""What a shell reports for a program that SIGINT or SIGPIPE ended."""


@click.group(
    cls=Commands,
    context_settings=CONTEXT,
    epilog="Exit codes: 0 done or nothing to do, 1 failed, 2 there is something to do (plan --check), 3 refused as"
    " unsafe, 4 another deployment or run holds the lease.",
)
@click.version_option(deployer.__version__, "-V", "--version", message="zeroshift %(version)s")
def cli() -> None:
    """An Amazon Redshift warehouse as code: deploy it, run it, ask it, also on a laptop without AWS."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit the process."""
    sys.exit(execute(arguments))


def execute(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; every message goes to standard error."""
    try:
        code = cli.main(
            list(arguments) if arguments is not None else None, "zeroshift", standalone_mode=False
        )
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except click.exceptions.Abort:
        return _interrupted()
    except click.ClickException as error:
        # click would exit with 2, which here means that a plan has changes.
        error.show(sys.stderr)
        return 1
    except ZeroshiftError as error:
        if debugging():
            traceback.print_exc()
        _say(sentence(error))
        return error.exit_code
    except KeyboardInterrupt:
        return _interrupted()
    except (output.NobodyReads, BrokenPipeError):
        # The reader has enough. Python would complain again when it flushes at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    except Exception as error:
        if debugging():
            traceback.print_exc()
            return 1
        _say(f"unexpected {type(error).__name__}: {_one_line(str(error))}; the details are in {_log()}")
        return 1


def sentence(error: ZeroshiftError) -> str:
    """What the user reads. A refused statement also shows where it stands, its SQLSTATE and its first
    words.
    """
    if not isinstance(error, StatementFailed):
        return str(error)
    where = f"{error.where}: " if error.where else ""
    state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
    text = f"{where}{error}{state}"
    if error.sql:
        words = " ".join(error.sql.split())
        text += f"\n  in: {words[:150]}{'...' if len(words) > 150 else ''}"
    return text


def _interrupted() -> int:
    _say("interrupted")
    return INTERRUPTED


def _say(text: str) -> None:
    # A refused statement may hold a password, a file's path an account.
    click.echo(f"zeroshift: {mask(text)}", err=True)


def _one_line(text: str) -> str:
    return " ".join(text.split())[:500] or "no message"


def _log() -> Path:
    """Write the current traceback to a file and return its path: in the project's home, else in /tmp."""
    try:
        directory = config.load(config.find_root(Path.cwd())).home / "log"
        directory.mkdir(parents=True, exist_ok=True)
        path = directory / "zeroshift.log"
        with path.open("a", encoding="utf-8") as file:
            traceback.print_exc(file=file)
        return path
    except (ZeroshiftError, OSError):
        descriptor, name = tempfile.mkstemp(prefix="zeroshift-", suffix=".log")
        with open(descriptor, "w", encoding="utf-8") as file:
            traceback.print_exc(file=file)
        return Path(name)
