"""The SHOW commands that answer with an object's definition: SHOW PROCEDURE, SHOW TABLE and SHOW VIEW."""

from __future__ import annotations

from deployer.local.gateway import calls, codec, show_table, types
from deployer.local.gateway.runner import Runner
from deployer.local.gateway.settings import setting
from deployer.local.gateway.sinks import Sink


def definition_column(text: str) -> codec.Column | None:
    """The column that a SHOW answers with, None for a SHOW of a setting."""
    if calls.shows_procedure(text):
        return calls.DEFINITION
    if show_table.shows_view(text):
        return show_table.VIEW_DEFINITION
    return show_table.DEFINITION if show_table.shows_table(text) else None


def shown_columns(text: str) -> tuple[codec.Column, ...]:
    """The column that a SHOW answers with, or the two of SHOW ALL. Raises Refused."""
    definition = definition_column(text)
    if definition is not None:
        return (definition,)
    named = setting(text).column
    names = (named,) if named else ("name", "setting")
    return tuple(codec.Column(name, 0, 0, types.VARCHAR_OID, -1, -1, 0) for name in names)


def show_definition(runner: Runner, text: str, sink: Sink) -> None:
    """Run a SHOW that has a definition_column. Raises Refused and ServerError."""
    if calls.shows_procedure(text):
        calls.show_procedure(runner, text, sink)
    elif show_table.shows_view(text):
        show_table.show_view(runner, text, sink)
    else:
        show_table.show_table(runner, text, sink)
