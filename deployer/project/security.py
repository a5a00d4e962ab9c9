"""procedures/security/*.toml: who may do what in the warehouse.

One table a grantee, one key a privilege, its value the patterns of what it is for:

    [role.analyst]
    managed = ["*"]
    usage = ["presentation"]
    select = ["presentation.*"]

    [role.analyst.future]
    select = ["presentation"]

    [role.scheduler]
    member_of = ["analyst"]
    usage = ["ops"]
    execute = ["ops.run_rental", "ops.run_shop(timestamp, varchar)"]

A grantee is `role.NAME`, `group.NAME`, `user.NAME` or `public`. `managed` lists the schemas in which it is to have
nothing that is not declared; outside of them nothing is revoked that the project did not grant. `future` are default
privileges: what the grantee gets on objects that `created_by` (the deployer, when it is left out) makes from then on.

Which privileges there are: Redshift Database Developer Guide, "GRANT" and "ALTER DEFAULT PRIVILEGES". Left out are
those that SVV_RELATION_PRIVILEGES is not documented to show (ALTER, TRUNCATE), and DROP, for who drops an object that
the project deploys takes it from everybody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.errors import UsageError
from deployer.project import toml_file
from deployer.project.toml_file import Reader, Table
from deployer.sql.names import MAX_IDENTIFIER_BYTES, quote_ident
from deployer.sql.overloads import type_name
from deployer.sql.parse.cursor import Cursor
from deployer.sql.refused import Refused

DIRECTORY = "security"

POLICY_KEYS = ("row_level_security", "masking")
"""Tables of the same files that are about security policies (deployer.project.policies)."""

ROLE, GROUP, USER, PUBLIC = "role", "group", "user", "public"
SCHEMA, RELATION, PROCEDURE = "schema", "relation", "procedure"

PRIVILEGES = {
    "usage": SCHEMA,
    "create": SCHEMA,
    "select": RELATION,
    "insert": RELATION,
    "update": RELATION,
    "delete": RELATION,
    "references": RELATION,
    "execute": PROCEDURE,
}
"""The privileges that a file can declare, and what kind of object each is for."""

EVERYTHING = "*"

_KINDS = (ROLE, GROUP, USER)
_KEYS = ("managed", "member_of", *PRIVILEGES, "future")
_FUTURE = tuple(key for key, kind in PRIVILEGES.items() if kind != SCHEMA)
_PART = r"[^\s.,()\"*?]+"
_GLOB = r"[^\s.,()\"]+"
_PATTERNS = {
    SCHEMA: (re.compile(rf"(?P<schema>{_PART})"), "a schema's name"),
    RELATION: (re.compile(rf"(?P<schema>{_PART})\.(?P<name>{_GLOB})"), "schema.table, or schema.* for all"),
    PROCEDURE: (
        re.compile(rf"(?P<schema>{_PART})\.(?P<name>{_GLOB})(?P<arguments>\s*\(.*\))?"),
        "schema.procedure, schema.procedure(types), or schema.* for all",
    ),
}
RESERVED = ("sys:", "ds:", "pg_")
"""System-defined roles begin with sys: (DG "Amazon Redshift system-defined roles"), roles and users of
datashares with ds:."""


@dataclass(frozen=True, order=True)
class Grantee:
    """Who is granted something; PUBLIC has no name of its own."""

    kind: str
    name: str

    def sql(self) -> str:
        """As GRANT and REVOKE take it."""
        return {ROLE: "role ", GROUP: "group ", USER: "", PUBLIC: ""}[self.kind] + (
            "public" if self.kind == PUBLIC else quote_ident(self.name)
        )

    def __str__(self) -> str:
        return PUBLIC if self.kind == PUBLIC else f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Rule:
    """One privilege on what a pattern matches. `arguments` is None unless the pattern tells a procedure's types."""

    privilege: str
    pattern: str
    schema: str
    name: str
    arguments: str | None
    path: str
    line: int

    @property
    def kind(self) -> str:
        """What it is for: schema, relation or procedure."""
        return PRIVILEGES[self.privilege]

    @property
    def is_exact(self) -> bool:
        """Whether it names one object."""
        return not any(sign in self.name for sign in "*?")

    def matches(self, schema: str, name: str, arguments: str = "") -> bool:
        """Whether it is for this object; `arguments` are a procedure's types as `argument_types` spells them."""
        if schema != self.schema or (self.arguments is not None and arguments != self.arguments):
            return False
        return name == self.name if self.is_exact else bool(_regex(self.name).fullmatch(name))


@dataclass(frozen=True)
class Membership:
    """A role that the grantee is to be a member of."""

    role: str
    path: str
    line: int


@dataclass(frozen=True)
class Future:
    """A default privilege in `schema` on what `creator` makes; empty is the user who deploys."""

    privilege: str
    schema: str
    creator: str
    path: str
    line: int


@dataclass(frozen=True)
class Declared:
    """All that one grantee is to have."""

    grantee: Grantee
    managed: tuple[str, ...]
    memberships: tuple[Membership, ...]
    rules: tuple[Rule, ...]
    futures: tuple[Future, ...]
    path: str
    line: int

    def manages(self, schema: str) -> bool:
        """Whether the grantee is to have nothing in `schema` but what is declared. "" is what lies in no schema."""
        if schema.startswith("pg_") or schema == "information_schema":
            return False
        return EVERYTHING in self.managed or schema in self.managed


def read_all(directory: Path, root: Path) -> tuple[Declared, ...]:
    """What the files of `directory`/security declare, by grantee.

    Raises UsageError with file and line for the first thing that is wrong, a grantee in two places included.
    """
    found: dict[Grantee, Declared] = {}
    for path in sorted((directory / DIRECTORY).rglob("*.toml")):
        for declared in read(path, path.relative_to(root)):
            if declared.grantee in found:
                other = found[declared.grantee]
                raise UsageError(
                    f"{declared.path}:{declared.line}: {declared.grantee} is also declared at"
                    f" {other.path}:{other.line}; keep one of them"
                )
            found[declared.grantee] = declared
    return tuple(found[grantee] for grantee in sorted(found))


def argument_types(text: str) -> str:
    """A procedure's input types in one spelling: "timestamp, varchar(20)" as the catalog has it, without lengths.

    A type that the parser does not know stays as it is written.
    """
    parts, depth, start = [], 0, 0
    for at, letter in enumerate(f"{text},"):
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth == 0:
            parts.append(text[start:at].strip())
            start = at + 1
    return ", ".join(_type(part) for part in parts if part)


def _type(text: str) -> str:
    lower = " ".join(text.lower().split())
    # What the local catalog keeps of a REFCURSOR.
    if lower == "refcursor":
        return "character varying"
    try:
        cursor = Cursor(lower)
        kind = cursor.type()
    except Refused:
        return lower
    return type_name(kind) if cursor.token.kind == "end" else lower


def _regex(glob: str) -> re.Pattern[str]:
    return re.compile("".join({"*": ".*", "?": "."}.get(letter, re.escape(letter)) for letter in glob))


# -- files ----------------------------------------------------------------------------------------------------------


def read(path: Path, shown: Path) -> tuple[Declared, ...]:
    """What one file declares; `shown` is its path in messages. Raises UsageError with the line of what is wrong."""
    try:
        document, reader = toml_file.parse(path)
    except UsageError as error:
        raise UsageError(str(error).replace(str(path), str(shown))) from None
    reader.path = shown
    reader.check_keys((), document, (*_KINDS, PUBLIC, *POLICY_KEYS))
    found = []
    for kind in _KINDS:
        for name, value in reader.table((kind,), document.get(kind, {})).items():
            _check_name(reader, kind, name)
            found.append(_File(path, reader).declared(Grantee(kind, name), (kind, name), value))
    if PUBLIC in document:
        found.append(_File(path, reader).declared(Grantee(PUBLIC, PUBLIC), (PUBLIC,), document[PUBLIC]))
    return tuple(found)


def _check_name(reader: Reader, kind: str, name: str) -> None:
    if kind != GROUP and name.lower().startswith(RESERVED):
        raise reader.wrong(
            (kind, name), None, f"{kind} {name!r} is Redshift's own: an administrator grants, no project does"
        )
    if not name or len(name.encode()) > MAX_IDENTIFIER_BYTES:
        raise reader.wrong(
            (kind, name), None, f"a {kind}'s name has 1 to {MAX_IDENTIFIER_BYTES} bytes, not {name!r}"
        )


class _File:
    """One file and the lines in it."""

    def __init__(self, path: Path, reader: Reader) -> None:
        self._reader = reader
        self._lines = path.read_text(encoding="utf-8").splitlines()

    def declared(self, grantee: Grantee, at: Table, value: object) -> Declared:
        reader = self._reader
        table = reader.table(at, value)
        reader.check_keys(at, table, _KEYS)
        managed = self._texts(at, table, "managed", rf"\*|{_PART}", 'schemas, or "*" for all')
        if managed and grantee.kind == USER:
            raise reader.wrong(
                at,
                "managed",
                f"{grantee} cannot be managed: a user owns things, and may have grants of its own",
            )
        members = self._texts(at, table, "member_of", r"\S+", "roles")
        if members and grantee.kind not in (ROLE, USER):
            raise reader.wrong(at, "member_of", "only roles and users can be granted a role")
        for role, line in members:
            if role.lower().startswith(RESERVED):
                raise self._wrong(line, f"role {role!r} is Redshift's own: an administrator grants it")
        rules = tuple(
            self._rule(privilege, pattern, line)
            for privilege in PRIVILEGES
            for pattern, line in self._texts(at, table, privilege, r".+", "patterns")
        )
        return Declared(
            grantee,
            tuple(name for name, _ in managed),
            tuple(Membership(role, self._shown, line) for role, line in members),
            rules,
            self._futures((*at, "future"), table.get("future", {})),
            self._shown,
            reader.line_of(at),
        )

    @property
    def _shown(self) -> str:
        return str(self._reader.path)

    def _rule(self, privilege: str, pattern: str, line: int) -> Rule:
        kind = PRIVILEGES[privilege]
        expression, what = _PATTERNS[kind]
        found = expression.fullmatch(pattern)
        if found is None:
            raise self._wrong(line, f"{privilege} is on {what}, not on {pattern!r}")
        parts = found.groupdict()
        types = parts.get("arguments")
        if types is not None and any(sign in parts["name"] for sign in "*?"):
            raise self._wrong(
                line, f"{pattern!r} has both argument types and a wildcard; leave one of them out"
            )
        return Rule(
            privilege,
            pattern,
            parts["schema"],
            parts.get("name") or "",
            None if types is None else argument_types(types.strip()[1:-1]),
            self._shown,
            line,
        )

    def _futures(self, at: Table, value: object) -> tuple[Future, ...]:
        table = self._reader.table(at, value)
        self._reader.check_keys(at, table, (*_FUTURE, "created_by"))
        creators = self._texts(at, table, "created_by", r"\S+", "users")
        return tuple(
            Future(privilege, schema, creator, self._shown, line)
            for privilege in _FUTURE
            for schema, line in self._texts(at, table, privilege, _PART, "schemas")
            for creator, _ in (creators or (("", 0),))
        )

    def _texts(
        self, at: Table, table: Mapping[str, Any], key: str, pattern: str, what: str
    ) -> tuple[tuple[str, int], ...]:
        """The texts of a list, each with its line."""
        found = self._reader.texts(at, table, key, pattern, what)
        line = self._reader.line_of(at, key)
        result = []
        for text in found:
            quoted = (f'"{text}"', f"'{text}'")
            for number in range(line, len(self._lines) + 1):
                if any(one in self._lines[number - 1] for one in quoted):
                    line = number
                    break
            result.append((text, line))
        return tuple(result)

    def _wrong(self, line: int, what: str) -> UsageError:
        return UsageError(f"{self._shown}:{line}: {what}")
