"""Which of the gateway's parts runs a statement."""

from __future__ import annotations

from collections.abc import Sequence

from deployer.local.gateway import authorization, codec, integrations, mirror, show_lists
from deployer.local.gateway.calls import call
from deployer.local.gateway.executor import create_procedure
from deployer.local.gateway.runner import Runner
from deployer.local.gateway.settings import Setting, setting
from deployer.local.gateway.shows import definition_column, show_definition
from deployer.local.gateway.sinks import Sink
from deployer.local.gateway.transfers import BULK
from deployer.local.gateway.types import VARCHAR_OID
from deployer.sql.classify import Kind, classify
from deployer.sql.lexer import tokenize
from deployer.sql.refused import Refused

_BEGIN_WORDS = {
    "begin", "start", "work", "transaction", "isolation", "level", "serializable", "read", "committed",
    "uncommitted", "repeatable", "write", "only", "snapshot", "commit", "end", "rollback", "abort",
}  # fmt: skip

_INTEGRATION = {"create_integration": "create", "alter_integration": "alter", "drop_integration": "drop"}
"""Kinds of statements on the database of an integration, and their verbs."""

CONTROLLED = {"begin", "commit", "rollback", "set", "reset", "show", "cancel", *_INTEGRATION}
"""Kinds of statements that the gateway runs itself; they are not translated."""


def run_statement(runner: Runner, text: str, sink: Sink, *, offset: int = 0, last: bool = False) -> None:
    """Run one statement of a client. Raises Refused and ServerError."""
    kind = classify(text)
    with runner.journal.statement(runner, kind, text):
        _run(runner, text, kind, sink, offset, last)


def _run(runner: Runner, text: str, kind: Kind, sink: Sink, offset: int, last: bool) -> None:
    runner.check_usable(kind)
    if kind.name == "show" and definition_column(text):
        show_definition(runner, text, sink)
        if last:
            runner.sync()
        return
    if kind.name == "show" and show_lists.lists(text):
        listed = show_lists.translation(text, runner.database)
        runner.execute(text, kind, listed, sink, offset=offset, last=last)
        return
    if kind.name in CONTROLLED:
        control(runner, text, kind, sink, last=last)
        return
    if kind.name == "call":
        call(runner, text, sink)
        runner.note(kind)
        if last:
            runner.sync()
        return
    if kind.name in BULK:
        BULK[kind.name](runner, text, sink, offset=offset)
        if last:
            runner.sync()
        return
    translation = (
        create_procedure(runner, text) if kind.name == "create_procedure" else runner.translation(text)
    )
    runner.execute(text, kind, translation, sink, offset=offset, last=last)


def control(runner: Runner, text: str, kind: Kind, sink: Sink, *, last: bool = False) -> None:
    """Run a statement of one of the CONTROLLED kinds."""
    if kind.transaction_control:
        runner.control(_transaction(text, kind), kind, sink, last=last)
        return
    if kind.name == "cancel":
        runner.control(_cancel(text), kind, Silent(sink), last=last, tag="CANCEL")
        return
    if kind.name in _INTEGRATION:
        verb = _INTEGRATION[kind.name]
        sql = integrations.run(text, verb)
        mirror.refresh(runner.internal)
        runner.control(sql, kind, Silent(sink), last=last, tag=f"{verb.upper()} DATABASE")
        return
    wanted = authorization.read(text)
    if wanted is not None:
        runner.control(authorization.prepare(runner, wanted), kind, Silent(sink), tag="SET")
        runner.authorized(wanted.user)
        if last:
            runner.sync()
        return
    chosen = setting(text)
    if kind.name != "show":
        runner.options.forget(chosen.sql)
    runner.control(
        chosen.sql,
        kind,
        Renamed(sink, chosen),
        last=last,
        tag="SHOW" if kind.name == "show" else kind.name.upper(),
    )


def _transaction(text: str, kind: Kind) -> str:
    """BEGIN, COMMIT or ROLLBACK. An isolation level is accepted and, as documented, has no effect."""
    words = []
    for token in tokenize(text)[:-1]:
        if token.kind == "op" and token.value == ",":
            continue
        if token.kind != "word" or token.value not in _BEGIN_WORDS:
            if token.value in ("to", "savepoint"):
                raise Refused(
                    "ROLLBACK TO SAVEPOINT is not supported on Redshift; a transaction is committed or rolled back "
                    "whole",
                    position=token.start,
                )
            raise Refused(
                f'syntax error at or near "{text[token.start : token.end]}"',
                position=token.start,
                sqlstate="42601",
            )
        words.append(token.value)
    if kind.name == "begin":
        only = "only" in words
        return "begin read only" if only else "begin"
    return kind.name


def _cancel(text: str) -> str:
    """CANCEL process_id ['message']: DG "CANCEL". The message would go to the other session; here it goes nowhere."""
    tokens = tokenize(text)[1:-1]
    if not 1 <= len(tokens) <= 2 or tokens[0].kind != "number" or not tokens[0].value.isdigit():
        raise Refused("syntax error: CANCEL takes a process id", sqlstate="42601")
    if len(tokens) == 2 and tokens[1].kind != "string":
        raise Refused(
            "syntax error: CANCEL's message is a string", position=tokens[1].start, sqlstate="42601"
        )
    return f"select zeroshift.signal_session({tokens[0].value}, false)"


class Silent:
    """A sink that passes on the end only."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    def columns(self, columns: Sequence[codec.Column]) -> None:
        pass

    def rows(self, data: bytes, count: int) -> None:
        pass

    def complete(self, tag: str) -> None:
        self._sink.complete(tag)

    def suspended(self) -> None:
        pass


class Renamed:
    """A sink whose only column gets the name that Redshift gives it."""

    def __init__(self, sink: Sink, chosen: Setting) -> None:
        self._sink = sink
        self._name = chosen.column

    def columns(self, columns: Sequence[codec.Column]) -> None:
        if self._name:
            first = columns[0]
            columns = [codec.Column(self._name, 0, 0, VARCHAR_OID, first.size, first.modifier, first.format)]
        self._sink.columns(columns)

    def rows(self, data: bytes, count: int) -> None:
        self._sink.rows(data, count)

    def complete(self, tag: str) -> None:
        self._sink.complete(tag)

    def suspended(self) -> None:
        self._sink.suspended()
