"""`zeroshift query`: ask the warehouse."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from deployer.cli import output
from deployer.cli.options import CONTEXT, Here, environment_option
from deployer.errors import UsageError
from deployer.operations import query as operations


class Query(click.Command):
    """Takes SQL that begins with a comment for what it is: `-- words`, or more than one line, is no option."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        for at, argument in enumerate(args):
            if argument == "--":
                break
            if argument.startswith("--") and (argument[2:3].isspace() or "\n" in argument):
                args = [*args[:at], *args[at + 1 :], "--", argument]
                break
        return super().parse_args(ctx, args)


@click.command(cls=Query, context_settings=CONTEXT)
@click.argument("sql")
@click.option(
    "--format",
    "shape",
    type=click.Choice(output.FORMATS),
    default="table",
    show_default=True,
    help="csv is RFC 4180; json an array of objects with exact numbers.",
)
@environment_option
def query(here: Here, sql: str, shape: str) -> None:
    """Run one SQL statement and print its rows.

    SQL is the statement itself, or - for standard input, or @FILE. NULL is an empty cell in a table, an
    empty field in csv (an empty text is ""), and null in json.
    """
    answer = operations.query(here.project, here.environment, _read(sql))
    if shape == "json":
        _check_keys([column.name for column in answer.columns])
    if answer.columns:
        output.rows(answer.columns, answer.rows, shape)
        if shape == "table":
            count = len(answer.rows)
            output.line(f"({count:,} row{'' if count == 1 else 's'})")
    elif shape == "table":
        output.line(f"done, {answer.row_count:,} rows" if answer.row_count >= 0 else "done")
    elif shape == "json":
        output.line("[]")


def _check_keys(names: list[str]) -> None:
    """An object of JSON cannot have two values for one key, and readers keep the last one in silence."""
    for name in names:
        if names.count(name) > 1:
            raise UsageError(
                f'{names.count(name)} columns are named "{name}", and a JSON object has each key once: name them with '
                "AS, or use --format csv"
            )


def _read(sql: str) -> str:
    try:
        if sql == "-":
            text = sys.stdin.read()
        elif sql.startswith("@"):
            text = Path(sql[1:]).read_text(encoding="utf-8")
        else:
            text = sql
    except OSError as error:
        raise UsageError(f"cannot read {sql[1:] or 'standard input'}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{'standard input' if sql == '-' else sql[1:]} is not UTF-8 text") from None
    if not text.strip():
        raise UsageError("the SQL is empty")
    return text
