"""SET SESSION AUTHORIZATION: a superuser's session runs as another user, for good or for one transaction.

Source: Redshift Database Developer Guide, "SET SESSION AUTHORIZATION". Who may is judged by who logged in, so that
there is a way back; the error's text is that of PostgreSQL 8.0, from which the command comes, since the guide has none.
As a parameter it is SET session_authorization TO user and RESET session_authorization: both are in the examples of
stored-procedure-transaction-management.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from deployer.local.gateway.errors import gateway_error
from deployer.sql.lexer import Token, tokenize
from deployer.sql.names import quote_ident
from deployer.sql.refused import Refused

if TYPE_CHECKING:
    from deployer.local.gateway.runner import Runner


PARAMETER = "session_authorization"


@dataclass(frozen=True)
class Authorization:
    """What the statement asks for: `user` is None for DEFAULT, `local` that it ends with the transaction."""

    user: str | None
    local: bool


def read(text: str) -> Authorization | None:
    """A SET [LOCAL] SESSION AUTHORIZATION in one of its forms, None for another statement. Raises Refused."""
    tokens = tokenize(text)[:-1]
    words = [token.value if token.kind == "word" else "" for token in tokens]
    if words == ["reset", PARAMETER]:
        return Authorization(None, False)
    local = words[1:2] == ["local"]
    scoped = words[1:2] in (["local"], ["session"])
    if words[:1] != ["set"]:
        return None
    if words[1 + local : 3 + local] == ["session", "authorization"]:
        given = tokens[3 + local :]
    elif words[1 + scoped : 2 + scoped] == [PARAMETER]:
        given = tokens[2 + scoped :]
        if not given or given[0].value not in ("to", "="):
            raise _wrong(text, given[0] if given else None)
        given = given[1:]
    else:
        return None
    if len(given) != 1 or given[0].kind not in ("word", "quoted", "string") or not given[0].value:
        raise _wrong(text, given[1] if len(given) > 1 else given[0] if given else None)
    (name,) = given
    return Authorization(None if name.kind == "word" and name.value == "default" else name.value, local)


def prepare(runner: Runner, wanted: Authorization) -> str:
    """PostgreSQL's text for it. Raises ServerError if the session's user may not, or if there is no such user."""
    name = wanted.user if wanted.user is not None else runner.login_user
    asked = [runner.login_user.encode(), name.encode()]
    sql = (
        "select zeroshift.is_superuser($1), exists (select from redshift_catalog.pg_user where usename = $2)"
    )
    ((may, exists),) = runner.internal.query(sql, asked).rows
    if may != b"t" and name != runner.login_user:
        raise gateway_error("permission denied to set session authorization", "42501")
    if exists != b"t":
        raise gateway_error(f'user "{name}" does not exist', "42704")
    return f"set {'local' if wanted.local else 'session'} session authorization {quote_ident(name)}"


def _wrong(text: str, token: Token | None) -> Refused:
    if token is None:
        return Refused("syntax error at end of input", position=len(text), sqlstate="42601")
    return Refused(
        f'syntax error at or near "{text[token.start : token.end]}"', position=token.start, sqlstate="42601"
    )
