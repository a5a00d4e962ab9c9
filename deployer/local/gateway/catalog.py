"""The live catalog as one session sees it, for the translator.

One query for a whole statement: every word of the text could be a relation's name, so all relations that have one
of those names are fetched together when the translator asks for the first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from deployer.local.gateway.backend import Row
from deployer.local.gateway.types import from_format
from deployer.local.translate.api import (
    EXTERNAL_TABLE,
    PSEUDO_COLUMNS,
    FunctionName,
    Relation,
    UserFunction,
)
from deployer.sql.lexer import LexError, tokenize
from deployer.sql.names import Name

Fetch = Callable[[Sequence[str]], list[Row]]
"""Calls zeroshift.guarded_relations() with these names."""

SYSTEM_VIEWS = "redshift_catalog"
"""Redshift's system views, and PostgreSQL's tables in the form Redshift shows them: before the search path."""
INFORMATION = "redshift_information"
NEWER = "redshift_newer"
"""What clients of newer servers read beside that: relations and columns that PostgreSQL 8.0 does not have. They are
found where a query says pg_catalog, as such clients do and people rarely; `*` does not show the columns."""

_PSEUDO_NAMES = frozenset(name for name, _ in PSEUDO_COLUMNS)
_OURS = frozenset([SYSTEM_VIEWS, INFORMATION, NEWER])
"""Known by other names only."""

_NUMBERED = frozenset(
    [
        "pg_attrdef", "pg_class", "pg_constraint", "pg_database", "pg_language", "pg_namespace", "pg_proc",
        "pg_rewrite", "pg_tablespace", "pg_trigger", "pg_type",
    ]
)  # fmt: skip
"""Catalog tables whose oid is a system column in 8.0: there by name, no part of `*`."""


Answers = dict[Name | FunctionName, Relation | None | tuple[UserFunction, ...]]
"""What a catalog was asked, and its answers."""


class LiveCatalog:
    """The translator's Catalog for one statement of one session.

    `path` are the schemas of search_path, in order. `asked` records every name that was looked up and what came of it:
    a cached translation holds while the same questions have the same answers. `options` are the session's switches
    that the translator follows.
    """

    def __init__(
        self,
        text: str,
        database: str,
        path: Sequence[str],
        fetch: Fetch,
        options: frozenset[str] = frozenset(),
    ) -> None:
        self.database = database
        self.options = options
        self.asked: Answers = {}
        self._path = tuple(schema for schema in path if schema not in _OURS)
        self._fetch = fetch
        self._words = _words(text)
        self._fetched: set[str] = set()
        self._found: dict[str, list[tuple[Relation, bool]]] = {}
        self._functions: dict[str, list[UserFunction]] = {}

    def relation(self, name: Name) -> Relation | None:
        """The relation that `name` means on this session's search path, or None."""
        if name not in self.asked:
            self.asked[name] = self._resolve(name)
        found = self.asked[name]
        assert found is None or isinstance(found, Relation)
        return found

    def functions(self, name: FunctionName) -> tuple[UserFunction, ...]:
        """The user-defined functions that `name` can mean on this session's search path, those found first first."""
        if name not in self.asked:
            self._want(name.name)
            known = self._functions.get(name.name, [])
            schemas = self._path if name.schema is None else (name.schema,)
            self.asked[name] = tuple(one for schema in schemas for one in known if one.schema == schema)
        found = self.asked[name]
        assert isinstance(found, tuple)
        return found

    def holds(self, asked: Answers) -> bool:
        """Whether all these questions still have these answers."""
        self._words |= {name.name for name in asked}
        return all(
            (self.functions(name) if isinstance(name, FunctionName) else self.relation(name)) == answer
            for name, answer in asked.items()
        )

    def _want(self, name: str) -> None:
        if name not in self._fetched:
            self._load(self._words | {name})

    def _resolve(self, name: Name) -> Relation | None:
        self._want(name.name)
        candidates = self._found.get(name.name, [])
        if name.database is not None and name.database != self.database:
            # Another database's schema is one PostgreSQL schema with the joined name.
            return _in_schema(candidates, f"{name.database}.{name.schema}", name)
        if name.schema is not None:
            if name.schema == "pg_catalog":
                return _for_newer_clients(candidates, name) or _in_system(candidates, name)
            if name.schema in _OURS:
                return None
            schema = INFORMATION if name.schema == "information_schema" else name.schema
            return _in_schema(candidates, schema, name)
        for relation, temporary in candidates:
            if temporary:
                return _named(relation, name)
        return _in_system(candidates, name) or _in_schemas(candidates, self._path, name)

    def _load(self, names: set[str]) -> None:
        wanted = sorted(names - self._fetched)
        self._fetched |= names
        for row in self._fetch(wanted):
            schema, relation, kind, temporary, columns, kinds, definition, protection = (
                None if value is None else value.decode() for value in row
            )
            assert schema is not None and relation is not None and kind is not None
            if kind == "function":
                arguments = tuple(map(from_format, _array(kinds)))
                one = UserFunction(schema, relation, arguments, from_format(definition or ""))
                self._functions.setdefault(relation, []).append(one)
                continue
            listed = tuple(zip(_array(columns), map(from_format, _array(kinds)), strict=True))
            found = Relation(
                name=Name(relation, schema),
                kind=kind,
                physical=("pg_temp" if temporary == "t" else schema, relation),
                columns=listed + (PSEUDO_COLUMNS if kind == EXTERNAL_TABLE else ()),
                definition=definition,
                hidden=_PSEUDO_NAMES if kind == EXTERNAL_TABLE else frozenset(),
                protection=protection,
            )
            self._found.setdefault(relation, []).append((found, temporary == "t"))
            if definition is not None and kind != EXTERNAL_TABLE:
                # The translator puts the view's text in its place: its relations are asked for next.
                self._words |= _words(definition)


def _in_system(candidates: list[tuple[Relation, bool]], name: Name) -> Relation | None:
    found = _in_schema(candidates, SYSTEM_VIEWS, name)
    if found is not None and name.name in _NUMBERED:
        return replace(found, hidden=frozenset(["oid"]))
    return found


def _for_newer_clients(candidates: list[tuple[Relation, bool]], name: Name) -> Relation | None:
    found, plain = _in_schema(candidates, NEWER, name), _in_system(candidates, name)
    if found is None or plain is None:
        return found
    known = {column for column, _ in plain.columns} - plain.hidden
    return replace(found, hidden=frozenset(column for column, _ in found.columns if column not in known))


def _in_schemas(
    candidates: list[tuple[Relation, bool]], schemas: Sequence[str], name: Name
) -> Relation | None:
    for schema in schemas:
        found = _in_schema(candidates, schema, name)
        # "Search path isn't supported for external schemas and external tables": DG "CREATE EXTERNAL TABLE".
        if found is not None and found.kind != EXTERNAL_TABLE:
            return found
    return None


def _in_schema(candidates: list[tuple[Relation, bool]], schema: str, name: Name) -> Relation | None:
    for relation, _ in candidates:
        if relation.physical[0] == schema:
            return _named(relation, name)
    return None


def _named(relation: Relation, name: Name) -> Relation:
    return replace(relation, name=name)


def _words(text: str) -> set[str]:
    """Everything in `text` that may be a name."""
    try:
        return {token.value for token in tokenize(text) if token.kind in ("word", "quoted")}
    except LexError:
        return set()


def _array(text: str | None) -> list[str]:
    """The elements of a text[] in PostgreSQL's text form, which has no NULLs here."""
    if not text or text == "{}":
        return []
    elements: list[str] = []
    current: list[str] = []
    quoted = escaped = False
    for character in text[1:-1]:
        if escaped:
            current.append(character)
            escaped = False
        elif character == "\\":
            escaped = True
        elif character == '"':
            quoted = not quoted
        elif character == "," and not quoted:
            elements.append("".join(current))
            current = []
        else:
            current.append(character)
    elements.append("".join(current))
    return elements


def pack_array(values: Sequence[str]) -> bytes:
    """A text[] in PostgreSQL's text form."""
    quoted = ['"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"' for value in values]
    return ("{" + ",".join(quoted) + "}").encode()
