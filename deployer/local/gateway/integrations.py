"""Databases of zero-ETL integrations: DG "CREATE DATABASE", "ALTER DATABASE", "DROP DATABASE".

    CREATE DATABASE name FROM INTEGRATION 'id' [DATABASE 'source'] [SET] [HISTORY_MODE [=] TRUE] ...
    ALTER DATABASE name INTEGRATION REFRESH ... | SET ...
    DROP DATABASE name

The integrations are those of the local AWS (docs/local-aws.md). REMEDIABLE tables, those "affected by duplicate rows",
do not come about locally. HISTORY_MODE ... FOR some tables is refused.
"""

from __future__ import annotations

import json

from deployer.local.translate.casts import pg_literal
from deployer.sql.lexer import Token, tokenize
from deployer.sql.refused import Refused

_FLAGS = ("acceptinvchars", "query_all_states", "truncatecolumns", "history_mode", "auto_remediation")
_ALL = ["for", "all", "tables"]
_BOOLEANS = {"true": True, "false": False}


def run(text: str, verb: str) -> str:
    """The engine's statement for one of them; raises Refused."""
    tokens = tokenize(text)[:-1]
    if verb == "create":
        return _create(text, tokens)
    if verb == "drop":
        if len(tokens) != 3 or tokens[2].kind not in ("word", "quoted"):
            raise _syntax(text, tokens, 3)
        return f"select zeroshift.drop_integration_database({pg_literal(tokens[2].value)})"
    if _word(tokens, 4) == "set":
        settings, at = _settings(text, tokens, 5)
        if "history_mode" in settings and [_word(tokens, at + place) for place in range(3)] == _ALL:
            at += 3
        if at < len(tokens) or not settings:
            if _word(tokens, at) in ("for", "in"):
                raise Refused(
                    "HISTORY_MODE FOR some of the tables is not supported by the local Redshift yet",
                    position=tokens[at].start,
                )
            raise _syntax(text, tokens, at)
        given = pg_literal(json.dumps(settings))
        return f"select zeroshift.alter_integration_database({pg_literal(tokens[2].value)}, {given}::jsonb)"
    return _refresh(text, tokens)


def _create(text: str, tokens: list[Token]) -> str:
    if len(tokens) < 6 or tokens[5].kind != "string":
        raise _syntax(text, tokens, 5)
    source, at = "null", 6
    if _word(tokens, at) == "database":
        # Quoted in the syntax, bare and in double quotes in the examples of its page.
        if at + 1 >= len(tokens) or tokens[at + 1].kind not in ("string", "word", "quoted"):
            raise _syntax(text, tokens, at + 1)
        source, at = pg_literal(tokens[at + 1].value), at + 2
    if _word(tokens, at) == "set":
        at += 1
    settings, at = _settings(text, tokens, at)
    if at < len(tokens):
        if _word(tokens, at) in ("with", "owner", "connection", "collate", "isolation"):
            raise Refused(
                "OWNER, CONNECTION LIMIT, COLLATE and ISOLATION LEVEL of a database are not supported locally",
                position=tokens[at].start,
            )
        raise _syntax(text, tokens, at)
    name, identifier = pg_literal(tokens[2].value), pg_literal(tokens[5].value)
    given = pg_literal(json.dumps(settings))
    return f"select zeroshift.create_integration_database({name}, {identifier}, {source}, {given}::jsonb)"


def _settings(text: str, tokens: list[Token], at: int) -> tuple[dict[str, bool | int], int]:
    """The settings, each at most once and in any order (the page's examples do not keep the syntax's), and where the
    statement goes on."""
    found: dict[str, bool | int] = {}
    while (name := _word(tokens, at)) in (*_FLAGS, "refresh_interval"):
        if name in found:
            raise _syntax(text, tokens, at)
        at += 1
        if name in _FLAGS:
            if at < len(tokens) and tokens[at].value == "=":
                at += 1
            if _word(tokens, at) not in _BOOLEANS:
                raise _syntax(text, tokens, at)
            found[name] = _BOOLEANS[_word(tokens, at)]
        else:
            if at >= len(tokens) or tokens[at].kind != "number" or not tokens[at].value.isdigit():
                raise _syntax(text, tokens, at)
            # What is too long for an integer is too long for an interval; the engine says so.
            found[name] = min(int(tokens[at].value), 2**31 - 1)
        at += 1
    return found, at


def _refresh(text: str, tokens: list[Token]) -> str:
    if _word(tokens, 4) != "refresh":
        raise _syntax(text, tokens, 4)
    chosen, at = _word(tokens, 5), 6
    names: list[str] = []
    if chosen in ("all", "inerror") and _word(tokens, 6) == "tables":
        at = 7
        if (_word(tokens, 7), _word(tokens, 8)) == ("in", "schema"):
            names, at = _list(tokens, 9, 1)
    elif chosen == "table":
        names, at = _list(tokens, 6, 2)
    else:
        raise _syntax(text, tokens, 5)
    if at < len(tokens):
        raise _syntax(text, tokens, at)
    listed = ", ".join(map(pg_literal, names))
    name = pg_literal(tokens[2].value)
    return f"select zeroshift.refresh_integration({name}, '{chosen}', array[{listed}]::text[])"


def _word(tokens: list[Token], at: int) -> str:
    """The word there in lower case, "" when there is none."""
    return tokens[at].value if at < len(tokens) and tokens[at].kind == "word" else ""


def _list(tokens: list[Token], at: int, parts: int) -> tuple[list[str], int]:
    """Names between commas, each of so many parts; and where the statement goes on."""
    found: list[str] = []
    while True:
        for part in range(parts):
            if part:
                if at >= len(tokens) or tokens[at].value != ".":
                    raise Refused("REFRESH TABLE takes names like schema.table", sqlstate="42601")
                at += 1
            if at >= len(tokens) or tokens[at].kind not in ("word", "quoted"):
                raise Refused("syntax error: a name is missing in REFRESH", sqlstate="42601")
            found.append(tokens[at].value)
            at += 1
        if at >= len(tokens) or tokens[at].value != ",":
            return found, at
        at += 1


def _syntax(text: str, tokens: list[Token], at: int) -> Refused:
    if at >= len(tokens):
        return Refused("syntax error at end of input", sqlstate="42601")
    token = tokens[at]
    return Refused(
        f'syntax error at or near "{text[token.start : token.end]}"', position=token.start, sqlstate="42601"
    )
