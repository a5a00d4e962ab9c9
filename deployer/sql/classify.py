"""What kind of statement a text is, and what Redshift's transactions make of it.

Source: Redshift Database Developer Guide, the pages of each command; facts collected in facts/redshift.md 5.1.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.sql.lexer import Token, tokenize

_SIMPLE = {
    "insert": "insert", "update": "update", "delete": "delete", "merge": "merge", "truncate": "truncate",
    "begin": "begin", "commit": "commit", "end": "commit", "rollback": "rollback", "abort": "rollback",
    "call": "call", "lock": "lock", "set": "set", "reset": "reset", "show": "show", "grant": "grant",
    "revoke": "revoke", "comment": "comment", "vacuum": "vacuum", "analyze": "analyze", "analyse": "analyze",
    "copy": "copy", "unload": "unload", "explain": "explain", "declare": "declare", "fetch": "fetch",
    "close": "close", "prepare": "prepare", "execute": "execute", "deallocate": "deallocate",
    "refresh": "refresh", "attach": "ddl", "detach": "ddl", "cancel": "cancel", "values": "select",
    "savepoint": "savepoint", "release": "savepoint", "listen": "listen", "notify": "listen", "do": "do",
    "discard": "discard", "checkpoint": "checkpoint", "reindex": "reindex", "cluster": "cluster", "use": "set",
    "desc": "show",
}  # fmt: skip
_NOISE = {"or", "replace", "local", "global", "temporary", "temp", "external", "materialized", "unlogged"}
_INTEGRATION_WORDS = {"alter": ["integration"], "create": ["from", "integration"]}
"""What follows a database's name where a statement is about a zero-ETL integration."""
_DDL_OBJECTS = {"alter": "alter", "create": "create", "drop": "drop"}


@dataclass(frozen=True)
class Kind:
    """What a statement is.

    `name` is its first word's meaning (select, insert, ... begin, commit, ddl, create_procedure, call, ...; "empty"
    for no statement, "unknown" for a first word no command begins with). `object` is what CREATE, ALTER or DROP
    is about (table, view, schema, procedure, user, group, role, database, ...). `alone` means that Redshift refuses
    it inside a transaction block; `commits` that it commits the transaction it runs in. `title` is how that refusal
    names a definition.
    """

    name: str
    object: str = ""
    alone: bool = False
    commits: bool = False
    title: str = field(default="", compare=False)

    @property
    def transaction_control(self) -> bool:
        """BEGIN, COMMIT or ROLLBACK in any of their spellings."""
        return self.name in ("begin", "commit", "rollback")

    @property
    def returns_rows(self) -> bool:
        """Whether a client may expect a row description from it."""
        return self.name in ("select", "show", "explain", "fetch", "call", "execute")


def classify(text: str) -> Kind:
    """The kind of the one statement in `text`. Raises LexError as `tokenize` does."""
    return classify_tokens(tokenize(text))


def classify_tokens(tokens: list[Token]) -> Kind:
    """As `classify`, for a text that is cut already."""
    at = 0
    while tokens[at].kind == "op" and tokens[at].value == "(":
        at += 1
    first = tokens[at]
    if first.kind == "end":
        return Kind("empty")
    if first.kind != "word":
        return Kind("unknown")
    words = [token.value if token.kind == "word" else "" for token in tokens]
    word = first.value
    if word == "with":
        return Kind(_after_with(tokens, at))
    if word == "select":
        return Kind("create_table_as", "table") if _selects_into(tokens, at) else Kind("select")
    if word == "start" and words[at + 1] == "transaction":
        return Kind("begin")
    if word in _DDL_OBJECTS:
        return _ddl(words, at)
    if word == "vacuum":
        return Kind("vacuum", alone=True)
    if word == "truncate":
        return Kind("truncate", "table", commits=True)
    if word in ("attach", "detach") and words[at + 1] in ("rls", "masking"):
        return Kind("ddl", f"{words[at + 1]} policy")
    if word == "deallocate" or word in _SIMPLE:
        return Kind(_SIMPLE[word])
    return Kind("unknown")


def _after_with(tokens: list[Token], at: int) -> str:
    """The statement that a WITH clause belongs to: the first such word outside of parentheses."""
    depth = 0
    for token in tokens[at + 1 :]:
        if token.kind == "op":
            depth += (token.value == "(") - (token.value == ")")
        elif (
            depth == 0
            and token.kind == "word"
            and token.value in ("select", "insert", "update", "delete", "merge")
        ):
            return token.value
    return "select"


def _selects_into(tokens: list[Token], at: int) -> bool:
    depth = 0
    for token in tokens[at + 1 :]:
        if token.kind == "op":
            depth += (token.value == "(") - (token.value == ")")
        elif depth == 0 and token.kind == "word":
            if token.value == "into":
                return True
            if token.value in ("from", "union", "intersect", "except", "minus"):
                return False
    return False


def _ddl(words: list[str], at: int) -> Kind:
    verb = words[at]
    rest = at + 1
    external = materialized = False
    while rest < len(words) and words[rest] in _NOISE:
        external |= words[rest] == "external"
        materialized |= words[rest] == "materialized"
        rest += 1
    kind = words[rest] if rest < len(words) else ""
    if verb == "create" and kind == "procedure":
        return Kind("create_procedure", "procedure")
    if verb == "create" and kind == "table" and _has_query(words, rest):
        return Kind("create_table_as", "table")
    if kind == "database":
        # ALTER DATABASE: only its isolation form is documented as standing alone, the integration forms are not
        # settled (facts/redshift.md 1.4), so they are kept out of blocks as well.
        integration = words[rest + 2 : rest + (3 if verb == "alter" else 4)] == _INTEGRATION_WORDS.get(verb)
        alone = verb != "alter" or integration or "isolation" in words
        name = f"{verb}_integration" if integration or verb == "drop" else "ddl"
        return Kind(name, kind, alone=alone, title=f"{verb} database".upper())
    if kind == "table" and verb == "alter":
        appends = "append" in words[rest:]
        if _alters_external(words, rest):
            return Kind("ddl", "external table", alone=True)
        retypes = any(words[i] == "type" and "alter" in words[rest + 1 : i] for i in range(rest, len(words)))
        title = "ALTER TABLE APPEND" if appends else "ALTER TABLE ALTER COLUMN"
        return Kind("ddl", kind, alone=appends or retypes or external, commits=appends, title=title)
    if kind in ("rls", "masking"):
        return Kind("ddl", f"{kind} policy")
    if kind == "library":
        return Kind("ddl", kind, alone=True, title=f"{verb} library".upper())
    if external and kind == "table":
        kind = "external table"
    return Kind("ddl", "materialized view" if materialized else kind, alone=kind == "external table")


def _alters_external(words: list[str], at: int) -> bool:
    """ALTER TABLE with an action that only external tables have."""
    for index in range(at, len(words) - 1):
        pair = (words[index], words[index + 1])
        if pair in (("set", "location"), ("set", "file")):
            return True
        if pair == ("set", "table") and words[index + 2 : index + 3] == ["properties"]:
            return True
        if pair in (("add", "partition"), ("exists", "partition"), ("drop", "partition")):
            return words[index + 2 : index + 3] == [""]
    return False


def _has_query(words: list[str], at: int) -> bool:
    """CREATE TABLE ... AS query: an AS that a query follows (a column's default cannot hold one)."""
    for index in range(at, len(words) - 1):
        if words[index] == "as":
            following = next((word for word in words[index + 1 :] if word), "")
            return following in ("select", "with", "")
    return False
