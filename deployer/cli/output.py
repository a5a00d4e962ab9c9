"""Standard output and error: what is printed, and in which shape."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

import click

from deployer.cli import render
from deployer.operations.progress import Progress
from deployer.warehouse.session import Column

FORMATS = ("table", "csv", "json")


class NobodyReads(Exception):
    """Standard output was closed by its reader (`... | head`). Not BrokenPipeError, which click makes exit
    1.
    """


def write(parts: Iterable[str]) -> None:
    """Print parts as they are. CSV brings its own line ends, so nothing may translate them."""
    try:
        for part in parts:
            sys.stdout.write(part)
        sys.stdout.flush()
    except BrokenPipeError:
        raise NobodyReads from None


def rows(columns: Sequence[Column], values: Sequence[Sequence[object]], shape: str) -> None:
    """Print rows as `table`, `csv` or `json`."""
    if shape == "csv":
        write(render.csv_lines(columns, values))
    elif shape == "json":
        write(render.json_lines(columns, values))
    else:
        write(render.table_lines(columns, values, width()))


def table(names: Sequence[str], values: Sequence[Sequence[object]]) -> None:
    """Print rows of our own making as a table."""
    rows([Column(name, 0) for name in names], values, "table")


def line(text: str = "") -> None:
    """Print one line."""
    write([text + "\n"])


def heading(text: str) -> None:
    """Print a heading; bold on a terminal that wants colours."""
    line(click.style(text, bold=True) if _colours(sys.stdout) else text)


def width() -> int:
    """Columns of the terminal, or $COLUMNS; 80 where there is neither."""
    return max(shutil.get_terminal_size((80, 24)).columns, 20)


@contextmanager
def progress(*, lasting: bool = True) -> Iterator[Progress]:
    """Progress on standard error: a spinner with the current line on a terminal, plain lines elsewhere.

    On a terminal the lines stay above the spinner unless they are not `lasting`, since the result says it all again.
    """
    if not _colours(sys.stderr):
        yield lambda text: click.echo(text, err=True)
        return
    # Imported where it is shown: `zeroshift --help` has no progress.
    from rich.console import Console
    from rich.text import Text

    console = Console(stderr=True)
    with console.status("") as status:

        def settle() -> None:
            if lasting and status.status:
                console.print(status.status, style="dim", highlight=False)

        def show(text: str) -> None:
            # The last line stays, as a plain one; the spinner takes the new one.
            settle()
            status.update(Text(text))

        yield show
        settle()


def has_colours() -> bool:
    """Whether standard output takes colours."""
    return _colours(sys.stdout)


def _colours(stream: object) -> bool:
    """Whether escape codes may be sent: a terminal, not a dumb one, and NO_COLOR is not set
    (no-color.org).
    """
    is_terminal = getattr(stream, "isatty", lambda: False)()
    return bool(is_terminal) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
