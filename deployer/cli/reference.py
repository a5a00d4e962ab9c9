"""docs/commands.md from the commands' own help: `python -m deployer.cli.reference > docs/commands.md`."""

from __future__ import annotations

from collections.abc import Iterator

import click

from deployer.cli import output

_INTRODUCTION = """\
# Commands

Written by `python -m deployer.cli.reference` from the help texts; a test keeps it current.

Every command takes `-h` and works on the project whose `zeroshift.toml` is in the current directory or above.
Results go to standard output, progress and errors to standard error: progress as a spinner on a terminal and
as plain lines elsewhere or with `NO_COLOR`. An error is one sentence; `ZEROSHIFT_DEBUG=1` adds the traceback.

| exit code | meaning |
|---|---|
| 0 | done, or nothing to do |
| 1 | failed; wrong arguments too |
| 2 | `plan --check`: there are changes; `drift`: something was changed by hand |
| 3 | refused as unsafe |
| 4 | another deployment, load or run holds the lease |
| 130, 141 | ended by Ctrl-C, or because nobody reads the output any more |

Values: DECIMAL is never rounded; in json it is a number with all its digits and its scale (Python:
`json.loads(text, parse_float=Decimal)`). NULL is an empty cell in a table, an empty field in csv (an empty
text is `""`), `null` in json. SUPER is nested in json. Dates and times are ISO, in UTC.
"""


_HELP = ["-h", "--help"]


def commands(group: click.Group, prefix: str = "zeroshift") -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, with its whole name, in the order of the names."""
    context = click.Context(group)
    for name in sorted(group.list_commands(context)):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, f"{prefix} {name}")
        else:
            yield f"{prefix} {name}", command


def markdown(group: click.Group) -> str:
    """The whole page."""
    parts = [_INTRODUCTION]
    for name, command in commands(group):
        context = click.Context(command, info_name=name, terminal_width=100, help_option_names=_HELP)
        parts.append(f"## {name}\n\n```text\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


if __name__ == "__main__":
    from deployer.cli.main import cli

    output.write([markdown(cli)])
