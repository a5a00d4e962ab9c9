"""The extended protocol: Parse, Bind, Describe, Execute, Close, Flush, Sync.

A statement whose translation is one PostgreSQL statement is prepared in PostgreSQL under a name of ours, and its
portals are PostgreSQL's. All others (BEGIN, SET, CALL, a CREATE TABLE of several parts) run when they are executed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from deployer.local.gateway import codec, external, intervals, late_binding, show_lists, table_locks, types
from deployer.local.gateway.backend import ClientGone, ServerError
from deployer.local.gateway.calls import (
    bound_parameters,
    call,
    described_result,
    parameter_count,
)
from deployer.local.gateway.codec import Body, Disconnected, Malformed, message
from deployer.local.gateway.errors import gateway_error
from deployer.local.gateway.executor import create_procedure
from deployer.local.gateway.prepared import Portal, Prepared
from deployer.local.gateway.runner import Runner
from deployer.local.gateway.shows import definition_column, show_definition, shown_columns
from deployer.local.gateway.sinks import Sink
from deployer.local.gateway.statements import CONTROLLED, control
from deployer.local.gateway.transfers import BULK
from deployer.sql.classify import Kind, classify
from deployer.sql.lexer import LexError
from deployer.sql.refused import Refused
from deployer.sql.split import split

if TYPE_CHECKING:
    from deployer.local.gateway.session import Session


class Extended:
    """The prepared statements and portals of one session."""

    def __init__(self, session: Session, runner: Runner) -> None:
        self._session = session
        self._runner = runner
        self._statements: dict[str, Prepared] = {}
        self._portals: dict[str, Portal] = {}
        self._skipping = False
        self._number = 0
        self._cycle = 0

    def reset(self) -> None:
        """A simple query takes the unnamed statement's place and, outside of a transaction, ends all portals."""
        self._skipping = False
        self._drop_portal("")
        self._drop_statement("")
        if self._runner.backend.status == "I":
            self._drop_portals()

    def handle(self, kind: bytes, data: bytes) -> bool:
        """Handle one message; False when it is none of the extended protocol's."""
        if kind == b"S":
            self._sync()
            return True
        if kind == b"H":
            self._session.flush()
            return True
        handler = {
            b"P": self._parse,
            b"B": self._bind,
            b"D": self._describe,
            b"E": self._execute,
            b"C": self._close,
        }.get(kind)
        if handler is None:
            return False
        if self._skipping:
            return True
        try:
            if kind != b"C":
                self._runner.cancel.check()
            handler(data)
        except (Refused, ServerError, LexError) as error:
            # After an error everything up to the next Sync is ignored.
            self._session.refuse(self._runner, error, 0)
            self._skipping = True
        except (Disconnected, ClientGone, Malformed):
            raise
        except Exception:
            self._session.refuse(self._runner, self._session.puzzled(), 0)
            self._skipping = True
        return True

    def _sync(self) -> None:
        self._skipping = False
        self._cycle += 1
        try:
            self._runner.sync()
        except ServerError as error:
            self._session.refuse(self._runner, error, 0)
        if self._runner.backend.status == "I":
            self._drop_portals()
        self._session._ready()

    # -- Parse ------------------------------------------------------------------------------------------------

    def _parse(self, data: bytes) -> None:
        name, sql, oids = codec.unpack_parse(data)
        if name and name in self._statements:
            raise gateway_error(f'prepared statement "{name}" already exists', "42P05")
        self._drop_statement(name)
        statements = split(sql)
        if len(statements) > 1:
            raise gateway_error("cannot insert multiple commands into a prepared statement", "42601")
        if not statements:
            self._statements[name] = Prepared("", Kind("empty"))
            self._session.put(message(b"1"))
            return
        text, offset = statements[0].text, statements[0].start
        kind = classify(text)
        if self._runner.backend.status == "E" and kind.name not in ("commit", "rollback"):
            self._runner.check_usable(kind)
        prepared = Prepared(text, kind, offset, declared=oids, cycle=self._cycle)
        listed = kind.name == "show" and show_lists.lists(text)
        if kind.name == "show" and not listed:
            prepared.columns = shown_columns(text)
        if listed or (kind.name not in CONTROLLED and kind.name not in BULK):
            try:
                self._translate(prepared, oids)
            except (Refused, ServerError) as error:
                self._runner.journal.failed(self._runner, kind, text, error)
                if isinstance(error, Refused) and error.position is not None:
                    error.position += offset
                raise
        self._statements[name] = prepared
        self._session.put(message(b"1"))

    def _translate(self, prepared: Prepared, oids: Sequence[int]) -> None:
        runner = self._runner
        if prepared.kind.name == "call":
            prepared.columns = described_result(runner, prepared.text, oids)
            given = range(max(len(oids), parameter_count(prepared.text)))
            prepared.parameters = tuple(oids[i] if i < len(oids) else 0 for i in given)
            return
        if prepared.kind.name == "create_procedure":
            prepared.translation = create_procedure(runner, prepared.text)
            return
        variables = {f"${i}": types.from_oid(oid) for i, oid in enumerate(oids, 1) if oid}
        if prepared.kind.name == "show":
            translation = show_lists.translation(prepared.text, runner.database)
        else:
            translation = runner.translation(prepared.text, variables)
        prepared.translation = translation
        if len(translation.statements) > 1 or prepared.kind.commits:
            return
        runner.journal.refresh(translation)
        if runner.backend.status == "T":
            # PostgreSQL's Parse takes the snapshot already.
            table_locks.hold(runner, translation)
        self._number += 1
        prepared.backend_name = f"zs{self._number}"
        # Over external tables a statement cannot be kept: their rows come with each execution. This one only tells what
        # it returns.
        sql = external.described(translation.statements[0], translation)
        describe = message(b"D", b"S", codec.text(prepared.backend_name))
        runner.unsynced = True
        declared = [types.postgres_oid(oid) for oid in oids]
        runner.backend.send(codec.pack_parse(prepared.backend_name, sql, declared), describe, message(b"H"))
        while True:
            kind, data = runner.backend.receive()
            if kind == b"E":
                error = ServerError(codec.unpack_fields(data))
                prepared.backend_name = ""
                raise runner.own_words(error, prepared.text, sql, prepared.offset)
            if kind == b"t":
                body = Body(data)
                prepared.parameters = tuple(body.int32() & 0xFFFFFFFF for _ in range(body.count()))
            elif kind in (b"T", b"n"):
                if kind == b"T":
                    prepared.columns = runner.options.shown(data, translation.columns)
                break
        if translation.external:
            self._backend_close(b"S", prepared.backend_name)
            prepared.backend_name = ""
        if translation.exclusive and not (runner.in_transaction or self._portals):
            # Give the snapshot that Parse has taken back: the write shall take its own behind the lock.
            runner.sync()

    def _renewed(self, name: str, old: Prepared) -> Prepared:
        """The prepared statement for the catalog as it is now: drivers keep theirs for as long as they live.

        Raises ServerError when it would return other columns than the client was told.
        """
        variables = {f"${i}": types.from_oid(oid) for i, oid in enumerate(old.declared, 1) if oid}
        if old.kind.name == "show" or self._runner.translation(old.text, variables) is old.translation:
            old.cycle = self._cycle
            return old
        new = Prepared(old.text, old.kind, old.offset, declared=old.declared, cycle=self._cycle)
        self._translate(new, old.declared)
        if [(c.name, c.type) for c in new.columns or ()] != [(c.name, c.type) for c in old.columns or ()]:
            if new.backend_name:
                self._backend_close(b"S", new.backend_name)
            raise gateway_error("cached plan must not change result type", "0A000")
        self._drop_statement(name)
        self._statements[name] = new
        return new

    # -- Bind, Describe ---------------------------------------------------------------------------------------

    def _bind(self, data: bytes) -> None:
        bind = codec.unpack_bind(data)
        prepared = self._statement(bind.statement)
        bind = intervals.bound(bind, prepared.declared)
        self._runner.check_usable(prepared.kind)
        if (prepared.backend_name or prepared.external) and prepared.cycle != self._cycle:
            prepared = self._renewed(bind.statement, prepared)
        if bind.portal and bind.portal in self._portals:
            raise gateway_error(f'cursor "{bind.portal}" already exists', "42P03")
        # The unnamed portal goes when another one comes: as long as it is there its tables cannot be truncated.
        self._drop_portal(bind.portal)
        portal = Portal(prepared, bind)
        columns = prepared.columns or ()
        if len(bind.results) > 1 and len(bind.results) != len(columns):
            raise gateway_error(
                f"bind message has {len(bind.results)} result formats but query has {len(columns)} columns",
                "08P01",
            )
        for index, column in enumerate(columns):
            if bind.result_format(index) == 1 and column.type not in types.BINARY_OIDS:
                raise gateway_error(
                    f'column "{column.name}" cannot be sent in binary by the local Redshift, since the form of its type'
                    " is not documented: CAST it to VARCHAR, or ask for text results",
                    "0A000",
                )
        if prepared.backend_name:
            if prepared.translation is not None:
                self._runner.journal.refresh(prepared.translation)
                table_locks.hold(self._runner, prepared.translation)
            self._number += 1
            portal.backend_name = f"zp{self._number}"
            sent = codec.Bind(
                portal.backend_name, prepared.backend_name, bind.formats, bind.values, bind.results
            )
            self._runner.unsynced = True
            self._runner.backend.send(sent.pack(), message(b"H"))
            kind, answer = self._runner.backend.receive()
            if kind == b"E":
                error = portal.own_names(ServerError(codec.unpack_fields(answer)))
                sql = prepared.translation.statements[0] if prepared.translation else None
                raise self._runner.own_words(error, prepared.text, sql, prepared.offset)
        elif prepared.kind.name == "call":
            self._check_call(prepared, bind)
        elif bind.values and not prepared.external:
            raise gateway_error(f"{prepared.kind.name.upper()} takes no parameters", "08P01")
        self._portals[bind.portal] = portal
        self._session.put(message(b"2"))

    def _check_call(self, prepared: Prepared, bind: codec.Bind) -> None:
        if len(bind.values) != len(prepared.parameters):
            raise gateway_error(
                f"bind message supplies {len(bind.values)} parameters, but the statement has "
                f"{len(prepared.parameters)}",
                "08P01",
            )

    def _describe(self, data: bytes) -> None:
        what, name = data[:1], Body(data[1:]).text()
        if what == b"S":
            prepared = self._statement(name)
            oids = [codec.int32(types.redshift_oid(oid or types.VARCHAR_OID)) for oid in prepared.parameters]
            self._session.put(message(b"t", codec.int16(len(oids)), *oids))
            columns = prepared.columns
            self._session.put(message(b"n") if columns is None else codec.pack_columns(columns))
            return
        if name and name not in self._portals:
            self._describe_cursor(name)
            return
        portal = self._portal(name)
        if portal.prepared.columns is None:
            self._session.put(message(b"n"))
            return
        self._session.put(codec.pack_columns(portal.columns()))

    def _describe_cursor(self, name: str) -> None:
        """A cursor that DECLARE has made is a portal, too: psycopg asks for its columns."""
        self._runner.unsynced = True
        self._runner.backend.send(message(b"D", b"P", codec.text(name)), message(b"H"))
        kind, data = self._runner.backend.receive()
        if kind == b"E":
            raise gateway_error(f'portal "{name}" does not exist', "34000")
        known = kind == b"T"
        self._session.put(
            codec.pack_columns(types.shown(codec.unpack_columns(data), ())) if known else message(b"n")
        )

    # -- Execute ----------------------------------------------------------------------------------------------

    def _execute(self, data: bytes) -> None:
        from deployer.local.gateway.session import ClientSink

        body = Body(data)
        portal, limit = self._portal(body.text()), body.int32()
        prepared, journal = portal.prepared, self._runner.journal
        sink = ClientSink(self._session, portal.columns())
        if prepared.kind.name == "empty":
            sink.complete("")
            return
        entry = journal.resume(portal.entry) or journal.begin(self._runner, prepared.kind, prepared.text)
        portal.entry = None
        try:
            self._run(portal, limit, intervals.sink_for(sink, portal.columns()))
        except BaseException as error:
            journal.end(entry, error)
            raise
        if sink.is_suspended:
            journal.suspend(entry)
            portal.entry = entry
        else:
            journal.end(entry)

    def _run(self, portal: Portal, limit: int, sink: Sink) -> None:
        prepared, runner = portal.prepared, self._runner
        runner.check_usable(prepared.kind)
        if portal.backend_name and prepared.translation is not None:
            portal.running = True
            runner.check(prepared.translation)
            late_binding.tell(runner, prepared.translation)
            runner.journal.tell(runner, prepared.translation)
            runner.unsynced = True
            runner.backend.send(
                message(b"E", codec.text(portal.backend_name), codec.int32(limit)), message(b"H")
            )
            try:
                tag = runner.stream(sink, prepared.translation, sync=False)
            except ServerError as error:
                told, sql = portal.own_names(error), prepared.translation.statements[0]
                raise runner.own_words(told, prepared.text, sql, prepared.offset) from error
            runner.finished(prepared.kind, prepared.translation, tag)
            return
        if portal.running:
            raise gateway_error("this portal has been run already", "55000")
        portal.running = True
        if prepared.kind.name == "show" and definition_column(prepared.text):
            show_definition(runner, prepared.text, sink)
        elif prepared.kind.name in CONTROLLED:
            control(runner, prepared.text, prepared.kind, sink)
        elif prepared.kind.name in BULK:
            BULK[prepared.kind.name](runner, prepared.text, sink, offset=prepared.offset)
        elif prepared.kind.name == "call":
            bound = bound_parameters(runner, portal.bind, prepared.parameters)
            call(runner, prepared.text, sink, bound, portal.bind.results)
            runner.note(prepared.kind)
        elif prepared.translation is not None:
            bind = portal.bind
            declared = [types.postgres_oid(oid) for oid in prepared.declared]
            runner.execute(
                prepared.text,
                prepared.kind,
                prepared.translation,
                sink,
                offset=prepared.offset,
                bound=external.Bound(bind.values, declared, bind.formats, bind.results),
            )

    # -- Close ------------------------------------------------------------------------------------------------

    def _close(self, data: bytes) -> None:
        what, name = data[:1], Body(data[1:]).text()
        if what == b"S":
            self._drop_statement(name)
        else:
            self._drop_portal(name)
        self._session.put(message(b"3"))

    def _drop_portal(self, name: str) -> None:
        portal = self._portals.pop(name, None)
        if portal is not None:
            self._runner.journal.end(portal.entry)
        if portal is not None and portal.backend_name:
            self._backend_close(b"P", portal.backend_name)

    def _drop_portals(self) -> None:
        for portal in self._portals.values():
            self._runner.journal.end(portal.entry)
        self._portals.clear()

    def _drop_statement(self, name: str) -> None:
        prepared = self._statements.pop(name, None)
        if prepared is not None and prepared.backend_name:
            self._backend_close(b"S", prepared.backend_name)

    def _backend_close(self, what: bytes, name: str) -> None:
        self._runner.unsynced = True
        self._runner.backend.send(message(b"C", what, codec.text(name)), message(b"H"))
        self._runner.backend.receive()

    def _statement(self, name: str) -> Prepared:
        if name not in self._statements:
            known = f'prepared statement "{name}"' if name else "unnamed prepared statement"
            raise gateway_error(f"{known} does not exist", "26000")
        return self._statements[name]

    def _portal(self, name: str) -> Portal:
        if name not in self._portals:
            raise gateway_error(f'portal "{name}" does not exist', "34000")
        return self._portals[name]
