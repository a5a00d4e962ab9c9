"""Users, groups and roles.

Source: Redshift Database Developer Guide, r_CREATE_USER, r_ALTER_USER, r_CREATE_ROLE, r_CREATE_GROUP. All three are
PostgreSQL roles here; a Redshift superuser (CREATEUSER) is a member of zeroshift_superusers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from deployer.local.translate.api import Translation
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context, finish
from deployer.sql.names import quote_ident
from deployer.sql.parse.parser import Parser

SUPERUSERS = "zeroshift_superusers"
DONE = "SET zeroshift.policy TO ''"
"""What a statement ends with that only calls functions of ours: it answers no rows."""
_MD5 = re.compile(r"md5[0-9a-fA-F]{32}")
_SHA256 = re.compile(r"sha256\|([0-9a-fA-F]{64})\|([0-9a-fA-F]{64})")


def create(parser: Parser, context: Context) -> Translation:
    """CREATE USER, GROUP or ROLE."""
    kind = parser.next().value
    if kind == "user" and parser.is_word("mapping"):
        parser.refuse("user mappings (SQL/MED) are not supported on Redshift; use CREATE EXTERNAL SCHEMA")
    token = parser.token
    name = parser.identifier()
    if parser.is_op(":"):
        parser.refuse(
            f"{kind}s of an identity provider ({name}:...) are not supported by the local Redshift: it has none",
            token,
        )
    if name.startswith("pg_") or name in ("public", "zeroshift", SUPERUSERS):
        parser.refuse(f'role name "{name}" is reserved', token, "42939")
    if kind == "role":
        if parser.is_word("externalid"):
            parser.refuse("EXTERNALID is not supported by the local Redshift yet")
        if parser.token.kind == "word":
            parser.refuse(
                f"CREATE ROLE ... {parser.token.value.upper()} is PostgreSQL's; on Redshift a role takes its rights "
                "by GRANT, and users are made by CREATE USER"
            )
        parser.done()
        return finish(context, [f"CREATE ROLE {quote_ident(name)} NOLOGIN"], kind="create_role")
    if kind == "group":
        sql = f"CREATE ROLE {quote_ident(name)} NOLOGIN"
        parser.accept("with")
        if parser.accept("user"):
            users = [quote_ident(parser.identifier())]
            while parser.accept_op(","):
                users.append(quote_ident(parser.identifier()))
            sql += f" ROLE {', '.join(users)}"
        parser.done()
        mark = f"COMMENT ON ROLE {quote_ident(name)} IS 'group'"
        return finish(context, [sql, mark], kind="create_group")
    parser.accept("with")
    made = _user_options(parser, name)
    if not any(option.startswith("PASSWORD") for option in made.options):
        parser.refuse("CREATE USER needs a PASSWORD, or PASSWORD DISABLE", token, "42601")
    parser.done()
    sql = " ".join([f"CREATE ROLE {quote_ident(name)} LOGIN", *made.options])
    if made.members:
        sql += f" IN ROLE {', '.join(made.members)}"
    timeouts = [f"ALTER ROLE {quote_ident(name)} {one}" for one in made.settings]
    return finish(context, [sql, *made.digest, *timeouts], kind="create_user")


@dataclass
class _User:
    """What the options of a user say: PostgreSQL's options, groups to be a member of, settings of his sessions, and the
    statement that keeps a password's digest."""

    options: list[str] = field(default_factory=list)
    members: list[str] = field(default_factory=list)
    settings: list[str] = field(default_factory=list)
    digest: list[str] = field(default_factory=list)


def _user_options(parser: Parser, name: str) -> _User:
    found = _User()
    while parser.token.kind == "word":
        token = parser.next()
        word = token.value
        if word == "password":
            _password(parser, name, found)
        elif word in ("createdb", "nocreatedb"):
            found.options.append(word.upper())
        elif word == "createuser":
            found.members.append(SUPERUSERS)
            # An attribute, which unlike rights is not inherited from the role of the superusers.
            found.options.append("CREATEROLE")
        elif word == "nocreateuser":
            found.options.append("NOCREATEROLE")
        elif word == "in":
            parser.expect("group")
            found.members.append(quote_ident(parser.identifier()))
            while parser.accept_op(","):
                found.members.append(quote_ident(parser.identifier()))
        elif word == "valid":
            parser.expect("until")
            found.options.append(f"VALID UNTIL {pg_literal(parser.string())}")
        elif word == "connection":
            parser.expect("limit")
            limit = -1 if parser.accept("unlimited") else parser.integer()
            found.options.append(f"CONNECTION LIMIT {limit}")
        elif word == "session":
            parser.expect("timeout")
            found.settings += _timeout(parser)
        elif word == "syslog":
            parser.expect("access")
            if not parser.accept("restricted"):
                parser.refuse(
                    "SYSLOG ACCESS UNRESTRICTED is not supported by the local Redshift: a superuser sees all rows",
                    token,
                )
        elif word == "externalid":
            parser.refuse(
                "EXTERNALID of a user is not supported by the local Redshift: it has no identity provider",
                token,
            )
        else:
            parser.fail(token)
    return found


_TIMEOUTS = ("idle_session_timeout", "idle_in_transaction_session_timeout")
"""PostgreSQL's settings that end a session that is idle, in a transaction or not."""


def _timeout(parser: Parser) -> list[str]:
    """SESSION TIMEOUT limit: 60 seconds to 20 days, for new sessions."""
    token = parser.token
    seconds = parser.integer()
    if not 60 <= seconds <= 1_728_000:
        parser.refuse("SESSION TIMEOUT takes 60 to 1728000 seconds", token, "22023")
    return [f"SET {name} TO '{seconds}s'" for name in _TIMEOUTS]


def _password(parser: Parser, name: str, found: _User) -> None:
    """DG r_CREATE_USER: 8 to 64 characters with an upper-case and a lower-case letter and a digit; or a hash."""
    if parser.accept("disable"):
        found.options.append("PASSWORD NULL")
        return
    token = parser.token
    password = parser.string()
    md5 = _MD5.fullmatch(password)
    digest = _SHA256.fullmatch(password)
    if md5 or digest:
        given = (password.lower(), "") if digest is None else (digest[1], digest[2])
        found.options.append("PASSWORD NULL")
        found.digest.append(
            f"SELECT zeroshift.record_digest({', '.join(pg_literal(one) for one in (name, *given))})"
        )
        return
    if password.startswith("sha256|") and password.count("|") == 1:
        # Redshift makes the salt; PostgreSQL's own form is SHA-256 with a salt, too.
        found.options.append(f"PASSWORD {pg_literal(password.removeprefix('sha256|'))}")
        return
    if password.startswith("sha256|"):
        parser.refuse(
            "a SHA-256 password is 'sha256|digest|salt' with 64 hexadecimal digits each", token, "22023"
        )
    if not 8 <= len(password) <= 64:
        parser.refuse("password must be 8 to 64 characters long", token, "22023")
    if not (any(c.isupper() for c in password) and any(c.islower() for c in password)):
        parser.refuse("password must contain an upper-case and a lower-case letter", token, "22023")
    if not any(c.isdigit() for c in password):
        parser.refuse("password must contain a number", token, "22023")
    if any(ord(c) < 33 or ord(c) > 126 or c in "'\"\\/@" for c in password):
        parser.refuse("password must not contain blanks or any of ' \" \\ / @", token, "22023")
    found.options.append(f"PASSWORD {pg_literal(password)}")


def alter(parser: Parser, context: Context) -> Translation:
    """ALTER USER, GROUP or ROLE."""
    kind = parser.next().value
    plain = parser.identifier()
    name = quote_ident(plain)
    if parser.is_op(":"):
        parser.refuse(
            f"{kind}s of an identity provider ({plain}:...) are not supported by the local Redshift: it has none"
        )
    statements: list[str] = []
    if kind == "role":
        # r_ALTER_ROLE's syntax has it.
        parser.accept("with")
    if parser.accept("rename"):
        parser.expect("to")
        new = parser.identifier()
        statements.append(f"ALTER ROLE {name} RENAME TO {quote_ident(new)}")
        if kind == "user":
            # "when a user is renamed, the password is cleared".
            statements.append(_altered(new, f"ALTER ROLE {quote_ident(new)} PASSWORD NULL", []))
    elif kind == "group":
        verb = "GRANT" if parser.accept("add") else "REVOKE"
        if verb == "REVOKE":
            parser.expect("drop")
        parser.expect("user")
        users = [quote_ident(parser.identifier())]
        while parser.accept_op(","):
            users.append(quote_ident(parser.identifier()))
        statements.append(f"{verb} {name} {'TO' if verb == 'GRANT' else 'FROM'} {', '.join(users)}")
    elif kind == "role":
        what = (
            "OWNER TO" if parser.is_word("owner") else "EXTERNALID" if parser.is_word("externalid") else "..."
        )
        parser.refuse(f"ALTER ROLE {what} is not supported by the local Redshift: it takes RENAME TO")
    elif parser.accept("reset", "session", "timeout"):
        statements += [_altered(plain, f"ALTER ROLE {name} RESET {one}", []) for one in _TIMEOUTS]
    elif parser.any_word(("set", "reset")):
        parser.refuse("ALTER USER ... SET is not supported by the local Redshift yet; use SET in the session")
    else:
        parser.accept("with")
        demoted = "nocreateuser" in [token.value for token in parser.tokens[parser.at :]]
        found = _user_options(parser, plain)
        if found.options:
            statements.append(_altered(plain, f"ALTER ROLE {name} {' '.join(found.options)}", found.options))
        statements += found.digest
        statements += [_altered(plain, f"ALTER ROLE {name} {one}", []) for one in found.settings]
        statements += [f"GRANT {member} TO {name}" for member in found.members]
        if demoted:
            statements.append(f"REVOKE {SUPERUSERS} FROM {name}")
        if not statements:
            parser.fail()
    parser.done()
    main = next((i for i, one in enumerate(statements) if not one.startswith("SELECT")), len(statements))
    return finish(
        context, [*statements, DONE][: max(main + 1, len(statements))], kind=f"alter_{kind}", main=main
    )


def _altered(name: str, command: str, options: list[str]) -> str:
    """The call that alters a user by the engine's own right: a superuser alters users whom another one has made."""
    own = bool(options) and all(one.startswith("PASSWORD ") and one != "PASSWORD NULL" for one in options)
    disables = "PASSWORD NULL" in options
    return (
        f"SELECT zeroshift.alter_user({pg_literal(name)}, {pg_literal(command)}, {str(own).upper()}, "
        f"{str(disables).upper()})"
    )


def drop(parser: Parser, context: Context) -> Translation:
    """DROP USER, GROUP or ROLE."""
    kind = parser.next().value
    quietly = parser.accept("if", "exists")
    names = [parser.identifier()]
    while parser.accept_op(","):
        names.append(parser.identifier())
    forced = kind == "role" and parser.accept("force")
    if not forced:
        parser.accept("restrict")
    parser.done()
    sql = f"DROP ROLE {'IF EXISTS ' if quietly else ''}{', '.join(map(quote_ident, names))}"
    if kind != "role":
        return finish(context, [sql], kind=f"drop_{kind}")
    listed = ", ".join(map(pg_literal, names))
    check = f"SELECT zeroshift.check_drop_role(ARRAY[{listed}], {str(forced).upper()})"
    return finish(context, [check, sql], main=1, kind="drop_role")
