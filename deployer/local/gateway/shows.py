"""The SHOW commands that answer with an object's definition: SHOW PROCEDURE and SHOW TABLE."""

from __future__ import annotations

from deployer.local.gateway import calls, codec, show_table
from deployer.local.gateway.runner import Runner, Sink


def definition_column(text: str) -> codec.Column | None:
    """The column that a SHOW answers with, None for a SHOW of a setting."""
    if calls.shows_procedure(text):
        return calls.DEFINITION
    return show_table.DEFINITION if show_table.shows_table(text) else None


def show_definition(runner: Runner, text: str, sink: Sink) -> None:
    """Run a SHOW that has a definition_column. Raises Refused and ServerError."""
    if calls.shows_procedure(text):
        calls.show_procedure(runner, text, sink)
    else:
        show_table.show_table(runner, text, sink)
