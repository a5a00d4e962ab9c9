"""Runs Redshift statements on one PostgreSQL connection: translate, execute, keep the transaction straight.

Used by the session for what a client sends, and by the interpreter of stored procedures. Statements run by the extended
protocol; several of one message share PostgreSQL's implicit transaction, which lasts until a Sync.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from deployer.local.files.s3 import Storage
from deployer.local.gateway import (
    codec,
    external,
    late_binding,
    loads,
    protected_views,
    table_locks,
    tags,
)
from deployer.local.gateway.backend import Backend, Result, Row, ServerError
from deployer.local.gateway.cancel import Cancellation
from deployer.local.gateway.catalog import LiveCatalog, pack_array
from deployer.local.gateway.errors import ABORTED, as_redshift, gateway_error
from deployer.local.gateway.internal import Internal
from deployer.local.gateway.journal import Journal
from deployer.local.gateway.options import Options
from deployer.local.gateway.sinks import Sink
from deployer.local.gateway.translations import Translations
from deployer.local.policies.model import POLICY
from deployer.local.translate.api import Translation
from deployer.local.translate.position import map_position
from deployer.local.translate.translator import translate
from deployer.sql.classify import Kind
from deployer.sql.names import Name
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

LARGE_WRITE = 10_000
"""Rows from which a write is followed by ANALYZE and by summarising the BRIN indexes: Redshift keeps its zone maps
while it writes, and analyzes by itself."""

_KEEPS_PATH = frozenset(
    "select insert update delete merge create_table_as ddl comment grant revoke lock analyze explain fetch".split()
)
"""Kinds of statement after which search_path is as before. A procedure's every statement would ask again."""
_WITHOUT_SNAPSHOT = {"begin", "commit", "rollback", "set", "reset", "show", "lock"}
"""Statements after which the snapshot is still to be taken: Redshift takes it at the first SELECT, DML or DDL."""

Variables = Mapping[str, RedshiftType]


class Runner:
    """The statements of one session.

    `unsynced`: messages were sent since the last Sync, so PostgreSQL may hold an implicit transaction open;
    `executed`: and at least one statement ran in it. `shared`: the client's message has more statements than this one.
    `user` is whose rights a statement has, `login_user` who logged in.
    `begun`: the client's BEGIN has run, of which PostgreSQL's status tells only after a Sync. `own_block`: the open
    transaction block is the runner's own, around a write that the client sent without one.
    `cancel` tells of cancel requests. `storage` gives S3 as a role sees it, for COPY and UNLOAD. `snapshot`: the
    transaction has taken its own.
    """

    def __init__(self, backend: Backend, internal: Internal, database: str, user: str) -> None:
        self.backend = backend
        self.internal = internal
        self.database = database
        self.user = self.login_user = user
        self._user_changes = False
        self.cancel = Cancellation()
        backend.on_cancelled = self.cancel.taken
        self.unsynced = False
        self.executed = False
        self.shared = False
        self.own_block = self.begun = False
        self.translations = Translations()
        self.journal = Journal()
        self.storage: Callable[[str], Storage] = _no_storage
        self.last = loads.Last()
        self.snapshot = self._temp_is_new = False
        self._path: tuple[str, ...] | None = None
        self._temp_schema = b"0"
        self.options = Options(self.internal_query)

    # -- the transaction --------------------------------------------------------------------------------------

    @property
    def in_transaction(self) -> bool:
        """Whether statements before this one share its fate: after BEGIN, or in a message of several."""
        return self.backend.status != "I" or self.executed or self.shared

    def check_usable(self, kind: Kind) -> None:
        """Raise ServerError if the transaction has failed, or if this statement must not be in one."""
        if self.backend.status == "E" and kind.name not in ("commit", "rollback"):
            raise gateway_error(ABORTED, "25P02")
        # Of external tables the translation tells, with the words of the statement.
        if kind.alone and kind.object != "external table" and self.in_transaction:
            what = kind.title or f"{kind.name} {kind.object}".replace("ddl ", "").strip().upper()
            raise gateway_error(f"{what} cannot run inside a transaction block", "25001")

    def sync(self) -> None:
        """End an implicit transaction: commit, or roll back after an error."""
        if self.own_block:
            self._end_block("commit")
            return
        if self.unsynced:
            self.backend.sync()
        self.settled()

    def _end_block(self, how: str) -> None:
        self.own_block = False
        if self.unsynced:
            self.backend.sync()
        try:
            if self.backend.status != "I" and how == "commit":
                self.backend.query(how)
        finally:
            # A COMMIT that was cancelled leaves a block behind, of which the client knows nothing.
            self.roll_back()
            self.settled()

    def roll_back(self) -> None:
        """ROLLBACK a block, if one is open, however often a short statement_timeout or a cancel request hits that."""
        while self.backend.status != "I":
            try:
                self.backend.query("rollback")
            except ServerError as error:
                if error.sqlstate != "57014":
                    raise

    def settled(self) -> None:
        """Take note of a Sync."""
        self.unsynced = self.executed = False
        if self.backend.status == "I":
            self.snapshot = self.own_block = self.begun = False
            if self._temp_is_new:
                self._find_temp_schema(is_new=False)  # a rollback has taken it back
            if self._user_changes:
                # The end of the transaction may have taken SET SESSION AUTHORIZATION back.
                self._user_changes = False
                self._become((self.internal_query("select session_user").rows[0][0] or b"").decode())

    def authorized(self, user: str | None) -> None:
        """SET SESSION AUTHORIZATION has run, which the transaction's end may take back; None is who logged in."""
        self._become(self.login_user if user is None else user)
        self._user_changes = True

    def _become(self, user: str) -> None:
        self.user = self.journal.user = user
        self._path = None

    def fail(self) -> None:
        """Make the open transaction a failed one, as an error of PostgreSQL's own would; without one do nothing."""
        if self.own_block:
            self._end_block("rollback")
            return
        if self.backend.status == "T" or self.unsynced:
            # PostgreSQL has no command for it: a text that it cannot parse.
            self.backend.send(codec.pack_parse("", "refused by the gateway"), codec.message(b"S"))
            while self.backend.receive()[0] != b"Z":
                pass
        self.settled()

    def note(self, kind: Kind) -> None:
        """Remember what a statement of this kind has done to the session."""
        if kind.name in ("begin", "commit", "rollback"):
            # After the client's BEGIN the block is the client's.
            self.snapshot = self.own_block = False
            self.begun = kind.name == "begin"
        elif kind.name not in _WITHOUT_SNAPSHOT:
            self.snapshot = True
        if kind.name not in _KEEPS_PATH:
            self._path = None
            self.options.forget()

    # -- the catalog ------------------------------------------------------------------------------------------

    def search_path(self) -> tuple[str, ...]:
        """The schemas of search_path, in order. SHOW leaves the transaction's snapshot alone, a SELECT would not."""
        if self._path is None:
            shown = self.internal_query("show search_path").rows[0][0] or b""
            names = [part.strip() for part in shown.decode().split(",")]
            self._path = tuple(
                self.user if n == '"$user"' else n.strip('"').replace('""', '"') for n in names
            )
        return self._path

    def internal_query(
        self,
        sql: str,
        values: Sequence[bytes | None] = (),
        *,
        types: Sequence[int] = (),
        formats: Sequence[int] = (),
        results: Sequence[int] = (),
    ) -> Result:
        """A query of the gateway's own in the session's transaction."""
        return self.backend.query(
            sql, values, sync=not self.unsynced, types=types, formats=formats, results=results
        )

    def catalog_query(self, sql: str, values: Sequence[bytes | None]) -> Result:
        """A query on the catalog, as the session's transaction sees it.

        Once the transaction has its snapshot it may have made objects that only it sees. Before that, asking in it
        would take the snapshot, and a following LOCK or UPDATE has to come first.
        """
        if self.snapshot and self.in_transaction:
            return self.internal_query(sql, values)
        return self.internal.query(sql, values)

    def _fetch_relations(self, names: Sequence[str]) -> list[Row]:
        sql = "select * from zeroshift.guarded_relations($1::text[], $2::oid)"
        return self.catalog_query(sql, [pack_array(names), self._temp_schema]).rows

    def own_relations(self, names: Sequence[str]) -> list[Row]:
        """Relations of these names as the session's own transaction sees them."""
        sql = "select * from zeroshift.guarded_relations($1::text[], $2::oid)"
        return self.internal_query(sql, [pack_array(names), self._temp_schema]).rows

    def _find_temp_schema(self, *, is_new: bool) -> None:
        self._temp_schema = self.internal_query("select pg_my_temp_schema()").rows[0][0] or b"0"
        self._temp_is_new = is_new

    def catalog(self, text: str) -> LiveCatalog:
        """The catalog for one statement."""
        path, options = self.search_path(), self.options.current()
        return LiveCatalog(text, self.database, path, self._fetch_relations, options)

    def translation(self, text: str, variables: Variables | None = None) -> Translation:
        """The translation of one statement, a kept one if the relations that it names are the same.

        Raises Refused, and ServerError if the catalog cannot be read.
        """
        key = (text, (*self.search_path(), *self.options.current()), tuple((variables or {}).items()))
        cached = self.translations.get(key)
        if cached is not None and self.catalog("").holds(cached[1]):
            return cached[0]
        catalog = self.catalog(text)
        translation = translate(text, catalog, variables or {})
        self.translations.put(key, translation, dict(catalog.asked))
        return translation

    # -- running ----------------------------------------------------------------------------------------------

    def execute(
        self,
        text: str,
        kind: Kind,
        translation: Translation,
        sink: Sink,
        *,
        values: Sequence[bytes | None] = (),
        offset: int = 0,
        last: bool = False,
        bound: external.Bound | None = None,
    ) -> int:
        """Run a translated statement; the answer of its main part goes to `sink`. Returns the rows it reported.

        `last`: nothing follows in this message, so the implicit transaction ends with it. `offset` is where `text`
        begins in the client's own text. `bound` are the parameters as a client has bound them, instead of `values`.
        Raises ServerError in Redshift's words.
        """
        rows = 0
        if translation.alone and self.in_transaction:
            raise gateway_error(f"{translation.alone} cannot run inside a transaction block", "25001")
        table_locks.hold(self, translation)
        self.check(translation)
        self.journal.refresh(translation)
        late_binding.tell(self, translation)
        self.journal.tell(self, translation)
        final = len(translation.statements) - 1
        for index, sql in enumerate(translation.statements):
            self.cancel.check()
            main = index == translation.main
            given = (bound or external.Bound(values)) if main else external.Bound()
            sql, staged = external.staged(self, translation, sql, given)
            try:
                if main:
                    plain = last and index == final and not _writes(translation, kind)
                    tag = self._run(sql, sink, translation, given, sync=plain, tag=tags.own_tag(text, kind))
                    rows = tags.count(tag)
                else:
                    self._run(sql, None, translation, given, sync=False)
            except ServerError as error:
                raise self.own_words(error, text, sql if main else None, offset) from error
            if kind.name != "declare":
                # What a cursor reads has to stay until its transaction ends.
                external.dropped(self, staged)
        if translation.kind == POLICY:
            protected_views.make_anew(self)
        self.finished(kind, translation, f"x {rows}")
        if last and not kind.commits:
            self.sync()
        return rows

    def check(self, translation: Translation) -> None:
        """Raise ServerError unless what the statement needs each time holds."""
        loads.tell(self, translation)
        for sql in translation.checks:
            try:
                self.internal_query(sql)
            except ServerError as error:
                raise as_redshift(error) from error

    def finished(self, kind: Kind, translation: Translation, tag: str) -> None:
        """What has to follow a statement that went well, in its own transaction."""
        self.note(kind)
        if kind.name in ("ddl", "create_table_as") and self._temp_schema == b"0":
            self._find_temp_schema(is_new=True)
        if translation.written is not None and tags.count(tag) >= LARGE_WRITE:
            self._after_large_write(translation.written)
        if kind.commits:
            self.commit()

    def commit(self) -> None:
        """Commit whatever transaction is open."""
        if self.unsynced:
            self.sync()
        if self.backend.status != "I":
            self.backend.query("commit")
        self.settled()

    def own_words(self, error: ServerError, text: str, sql: str | None, offset: int) -> ServerError:
        """The error with Redshift's text, its position moved from the translated text into the client's."""
        told = as_redshift(error)
        position = told.fields.pop("P", None)
        if position is not None and sql is not None:
            place = map_position(text, sql, int(position) - 1)
            if place is not None:
                told.fields["P"] = str(offset + place + 1)
        return told

    def control(self, sql: str, kind: Kind, sink: Sink, *, last: bool = False, tag: str = "") -> None:
        """Run PostgreSQL text of the gateway's own on behalf of the client (BEGIN, SET, SHOW ...)."""
        try:
            self._run(sql, sink, Translation((sql,)), external.Bound(), sync=last, tag=tag)
        except ServerError as error:
            told = as_redshift(error)
            told.fields.pop("P", None)
            raise told from error
        self.note(kind)
        if last:
            self.settled()

    def _run(
        self,
        sql: str,
        sink: Sink | None,
        translation: Translation,
        bound: external.Bound,
        *,
        sync: bool,
        tag: str = "",
    ) -> str:
        """Run one PostgreSQL statement and stream its answer; returns the tag. Raises ServerError."""
        bind = codec.Bind("", "", tuple(bound.formats), tuple(bound.values), tuple(bound.results)).pack()
        describe = codec.message(b"D", b"P", codec.text(""))
        execute = codec.message(b"E", codec.text(""), codec.int32(0))
        end = codec.message(b"S" if sync else b"H")
        self.unsynced = True
        self.backend.send(codec.pack_parse("", sql, bound.types), bind, describe, execute, end)
        return self.stream(sink, translation, sync=sync, tag=tag)

    def stream(self, sink: Sink | None, translation: Translation, *, sync: bool, tag: str = "") -> str:
        """Hand PostgreSQL's answer to one Execute on to `sink` as it arrives. Raises ServerError."""
        backend = self.backend
        done: str | None = None
        error: ServerError | None = None
        while True:
            data, count = backend.stream.rows()
            if count and sink is not None:
                sink.rows(data, count)
            kind, data = backend.receive()
            if kind == b"D":
                if sink is not None:
                    sink.rows(codec.message(b"D", data), 1)
            elif kind == b"T" and sink is not None:
                sink.columns(self.options.shown(data, translation.columns))
            elif kind in (b"C", b"I"):
                done = data[:-1].decode() if kind == b"C" else ""
                self.executed = True
            elif kind == b"s" and sink is not None:
                self.executed = True
                sink.suspended()
                return ""
            elif kind == b"E":
                error = ServerError(codec.unpack_fields(data))
            if kind == b"Z":
                self.settled()
            if kind == b"Z" or (not sync and (done is not None or error is not None)):
                if error is not None:
                    raise error
                assert done is not None
                if sink is not None:
                    made = translation.kind == "create_table_as"
                    sink.complete(tag or ("SELECT" if made else tags.shown_tag(done)))
                return done

    def _after_large_write(self, name: Name) -> None:
        relation = self.catalog(name.sql()).relation(name)
        if relation is not None:
            schema, table = relation.physical
            self.internal_query("select zeroshift.after_write($1, $2)", [schema.encode(), table.encode()])


def _writes(translation: Translation, kind: Kind) -> bool:
    """Whether something may have to follow the statement in its own transaction."""
    return translation.written is not None or kind.commits or kind.name in ("ddl", "create_table_as")


def _no_storage(role: str) -> Storage:
    raise Refused("this gateway has no S3: COPY and UNLOAD need an environment of `zeroshift local up`")
