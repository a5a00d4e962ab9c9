"""Security policies as files: definitions in procedures/security/**/*.sql, attachments in procedures/security/*.toml.

A definition is one `create rls policy` or `create masking policy` a file, followed by nothing but `grant select on` its
lookup tables. An attachment stands beside the grants:

    [row_level_security."shop.sales"]
    conjunction = "or"
    policies = { own_city = ["role analyst"], everything = ["role manager"] }

    [masking."shop.guests"]
    mail = { policy = "hide_text", to = ["role analyst"], priority = 10 }
    "card, pin" = [{ policy = "hide_card", using = ["card", "pin", "is_fraud"], to = ["public"] }]

Source: Redshift Database Developer Guide, "CREATE RLS POLICY", "CREATE MASKING POLICY", "ATTACH RLS POLICY",
"ATTACH MASKING POLICY", "ALTER TABLE".
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deployer.errors import UsageError
from deployer.project import toml_file
from deployer.project.objects import CHECKSUM, line_at
from deployer.project.security import DIRECTORY, POLICY_KEYS
from deployer.project.toml_file import Reader, Table
from deployer.sql.lexer import LexError
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused
from deployer.sql.split import split

RLS, MASKING = "rls", "masking"
KEYS = POLICY_KEYS

_RELATION = re.compile(r"[^\s.\"]+\.[^\s.\"]+")
_GRANTEE = re.compile(r"public|(role|user) \S+")


@dataclass(frozen=True)
class Policy:
    """One policy's file. `head` is all before USING (...), which ALTER cannot change; `body` is USING (...) itself."""

    kind: str
    name: str
    head: str
    body: str
    grants: tuple[str, ...]
    path: str
    line: int
    checksum: str

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.name


@dataclass(frozen=True)
class Attached:
    """One policy on one relation for one grantee ("role x", "user x", "public"). The rest is a masking policy's."""

    kind: str
    policy: str
    relation: str
    grantee: str
    outputs: tuple[str, ...] = ()
    inputs: tuple[str, ...] = ()
    priority: int = 0
    path: str = ""
    line: int = 0


@dataclass(frozen=True)
class Secured:
    """A relation whose row-level security is declared."""

    relation: str
    enabled: bool
    conjunction: str
    path: str
    line: int


@dataclass(frozen=True)
class Declared:
    """Everything that the project says about policies."""

    policies: tuple[Policy, ...]
    secured: tuple[Secured, ...]
    attached: tuple[Attached, ...]


def read_all(directory: Path, root: Path) -> Declared:
    """What the files of `directory`/security say. Raises UsageError with file and line for the first thing wrong."""
    policies: dict[tuple[str, str], Policy] = {}
    for path in sorted((directory / DIRECTORY).rglob("*.sql")):
        one = read_policy(path, path.relative_to(root))
        if one.key in policies:
            raise UsageError(f"{one.path}:{one.line}: {one.name} is also in {policies[one.key].path}")
        policies[one.key] = one
    secured: dict[str, Secured] = {}
    attached: dict[tuple[str, ...], Attached] = {}
    for path in sorted((directory / DIRECTORY).rglob("*.toml")):
        rows, masks = read_attachments(path, path.relative_to(root))
        for row in rows:
            if row.relation in secured:
                other = secured[row.relation]
                raise UsageError(
                    f"{row.path}:{row.line}: {row.relation} is also declared at {other.path}:{other.line}"
                )
            secured[row.relation] = row
        for item in masks:
            if (item.kind, item.policy) not in policies:
                raise UsageError(
                    f"{item.path}:{item.line}: there is no {item.kind} policy {item.policy}: no file under"
                    f" procedures/{DIRECTORY} creates it"
                )
            attached[(item.kind, item.policy, item.relation, item.grantee, *item.outputs)] = item
    return Declared(tuple(policies.values()), tuple(secured.values()), tuple(attached.values()))


def read_policy(path: Path, shown: Path) -> Policy:
    """One file with a policy's definition. Raises UsageError with the line of what is wrong."""
    try:
        text = path.read_bytes().decode("utf-8").replace("\r\n", "\n")
        statements = split(text)
    except UnicodeDecodeError as error:
        raise UsageError(f"{shown}:1: not UTF-8 text (byte {error.start + 1})") from None
    except LexError as error:
        raise UsageError(f"{shown}:{line_at(text, error.position)}: {error.message}") from None
    if not statements:
        raise UsageError(f"{shown}:1: the file has no SQL statement")
    first, *rest = statements
    try:
        parser = Parser(first.text)
        kind, name, at = _head(parser)
    except Refused as error:
        line = first.line + (line_at(first.text, error.position or 0) - 1)
        raise UsageError(
            f"{shown}:{line}: the file must be a `create rls policy` or `create masking policy` ({error.message})"
        ) from None
    if name != path.stem:
        raise UsageError(f"{shown}:{first.line}: the file creates {name}, so it must be called {name}.sql")
    wanted = re.compile(
        rf"grant\s+select\s+on\s+.+\s+to\s+{kind}\s+policy\s+\"?{re.escape(name)}\"?\s*;?\s*", re.I | re.S
    )
    for statement in rest:
        if not wanted.fullmatch(statement.text):
            raise UsageError(
                f"{shown}:{statement.line}: behind a policy stands only `grant select on ... to {kind} policy {name}`"
            )
    head, body = first.text[:at].strip(), first.text[at:].strip().rstrip(";").strip()
    return Policy(
        kind,
        name,
        head,
        body,
        tuple(statement.text.strip().rstrip(";") for statement in rest),
        str(shown),
        first.line,
        f"{CHECKSUM}:{hashlib.new(CHECKSUM, text.encode()).hexdigest()}",
    )


def _head(parser: Parser) -> tuple[str, str, int]:
    """Kind, name and where USING begins."""
    parser.expect("create")
    kind = parser.next().value
    if kind not in (RLS, MASKING):
        parser.fail(parser.peek(-1))
    parser.expect("policy")
    name = parser.identifier()
    if parser.accept("with"):
        parser.expect_op("(")
        while True:
            parser.identifier()
            parser.type(ddl=True)
            if not parser.accept_op(","):
                break
        parser.expect_op(")")
        parser.accept("as")
        if not parser.is_word("using"):
            parser.identifier()
    at = parser.token.start
    parser.expect("using")
    parser.expect_op("(")
    parser.expr()
    while parser.accept_op(","):
        parser.expr()
    parser.expect_op(")")
    parser.done()
    return kind, name, at


def read_attachments(path: Path, shown: Path) -> tuple[tuple[Secured, ...], tuple[Attached, ...]]:
    """What one .toml file says of relations. Raises UsageError with the line of what is wrong."""
    document, reader = toml_file.parse(path)
    reader.path = shown
    file = _File(reader, str(shown))
    secured: list[Secured] = []
    attached: list[Attached] = []
    for relation, value in reader.table((KEYS[0],), document.get(KEYS[0], {})).items():
        file.rows(relation, value, secured, attached)
    for relation, value in reader.table((KEYS[1],), document.get(KEYS[1], {})).items():
        file.masks(relation, value, attached)
    return tuple(secured), tuple(attached)


class _File:
    """One file of attachments."""

    def __init__(self, reader: Reader, shown: str) -> None:
        self._reader = reader
        self._shown = shown

    def rows(self, relation: str, value: object, secured: list[Secured], attached: list[Attached]) -> None:
        at: Table = (KEYS[0], relation)
        table = self._relation(at, relation, value)
        self._reader.check_keys(at, table, ("enabled", "conjunction", "policies"))
        conjunction = self._reader.choice(at, table, "conjunction", ("and", "or"), "and")
        enabled = self._reader.flag(at, table, "enabled") if "enabled" in table else True
        line = self._reader.line_of(at)
        secured.append(Secured(relation, enabled, conjunction, self._shown, line))
        inner: Table = (*at, "policies")
        for policy, whom in self._reader.table(inner, table.get("policies", {})).items():
            for grantee in self._grantees(inner, policy, whom):
                attached.append(Attached(RLS, policy, relation, grantee, path=self._shown, line=line))

    def masks(self, relation: str, value: object, attached: list[Attached]) -> None:
        at: Table = (KEYS[1], relation)
        for columns, entries in self._relation(at, relation, value).items():
            outputs = tuple(part.strip() for part in columns.split(","))
            for entry in entries if isinstance(entries, list) else [entries]:
                inner: Table = (*at, columns)
                table = self._reader.table(inner, entry)
                self._reader.check_keys(inner, table, ("policy", "to", "using", "priority"))
                policy = self._reader.text(inner, table, "policy")
                inputs = self._reader.texts(inner, table, "using", r"\S+", "columns") or outputs
                priority = table.get("priority", 0)
                if not isinstance(priority, int) or isinstance(priority, bool):
                    raise self._reader.wrong(
                        at, columns, f"priority must be a whole number, not {priority!r}"
                    )
                for grantee in self._grantees(inner, "to", table.get("to")):
                    attached.append(
                        Attached(
                            MASKING, policy, relation, grantee, outputs, inputs, priority, self._shown,
                            self._reader.line_of(at, columns),
                        )
                    )  # fmt: skip

    def _relation(self, at: Table, relation: str, value: object) -> Any:
        if not _RELATION.fullmatch(relation):
            raise self._reader.wrong(at, None, f"a policy is on schema.table, not on {relation!r}")
        return self._reader.table(at, value)

    def _grantees(self, at: Table, key: str, value: object) -> tuple[str, ...]:
        good = (
            isinstance(value, list)
            and value
            and all(isinstance(item, str) and _GRANTEE.fullmatch(item) for item in value)
        )
        if not good:
            raise self._reader.wrong(
                at,
                key,
                f'{key} must list whom the policy is for ("role x", "user x" or "public"), not {value!r}',
            )
        assert isinstance(value, list)
        return tuple(value)
