"""ALTER DATABASE name INTEGRATION REFRESH ...: DG "ALTER DATABASE".

Of the statement's forms only REFRESH is run here: what SET changes is said in zeroshift.toml. REMEDIABLE tables, those
"affected by duplicate rows", do not come about locally.
"""

from __future__ import annotations

from deployer.local.translate.casts import pg_literal
from deployer.sql.lexer import Token, tokenize
from deployer.sql.refused import Refused


def refresh(text: str) -> str:
    """The engine's statement for a REFRESH; raises Refused for anything else."""
    tokens = tokenize(text)[:-1]
    words = [token.value if token.kind == "word" else "" for token in tokens]
    if words[4:5] != ["refresh"]:
        raise Refused(
            "ALTER DATABASE ... INTEGRATION SET is not supported locally: the settings of a local integration stand in"
            " zeroshift.toml",
            sqlstate="0A000",
        )
    chosen, at = words[5] if len(words) > 5 else "", 6
    if chosen in ("all", "inerror") and words[6:7] == ["tables"]:
        at = 7
        names: list[str] = []
        if words[7:9] == ["in", "schema"]:
            names, at = _list(tokens, 9, 1)
    elif chosen == "table":
        names, at = _list(tokens, 6, 2)
    else:
        raise _syntax(text, tokens, 5)
    if at < len(tokens):
        raise _syntax(text, tokens, at)
    listed = ", ".join(map(pg_literal, names))
    return f"select zeroshift.refresh_integration({pg_literal(tokens[2].value)}, '{chosen}', array[{listed}]::text[])"


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
