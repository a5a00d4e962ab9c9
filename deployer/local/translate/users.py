"""Users, groups and roles.

Source: Redshift Database Developer Guide, r_CREATE_USER, r_ALTER_USER, r_CREATE_ROLE, r_CREATE_GROUP. All three are
PostgreSQL roles here; a Redshift superuser (CREATEUSER) is a member of zeroshift_superusers.
"""

from __future__ import annotations

from deployer.local.translate.api import Translation
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context, finish
from deployer.sql.names import quote_ident
from deployer.sql.parse.parser import Parser

SUPERUSERS = "zeroshift_superusers"


def create(parser: Parser, context: Context) -> Translation:
    """CREATE USER, GROUP or ROLE."""
    kind = parser.next().value
    if kind == "user" and parser.is_word("mapping"):
        parser.refuse("user mappings (SQL/MED) are not supported on Redshift; use CREATE EXTERNAL SCHEMA")
    token = parser.token
    name = parser.identifier()
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
    options, members = _user_options(parser)
    if not any(option.startswith("PASSWORD") for option in options):
        parser.refuse("CREATE USER needs a PASSWORD, or PASSWORD DISABLE", token, "42601")
    parser.done()
    sql = " ".join([f"CREATE ROLE {quote_ident(name)} LOGIN", *options])
    if members:
        sql += f" IN ROLE {', '.join(members)}"
    return finish(context, [sql], kind="create_user")


def _user_options(parser: Parser) -> tuple[list[str], list[str]]:
    """PostgreSQL's options, and the groups to be a member of."""
    options: list[str] = []
    members: list[str] = []
    while parser.token.kind == "word":
        token = parser.next()
        word = token.value
        if word == "password":
            options.append(_password(parser))
        elif word in ("createdb", "nocreatedb"):
            options.append(word.upper())
        elif word == "createuser":
            members.append(SUPERUSERS)
            # An attribute, which unlike rights is not inherited from the role of the superusers.
            options.append("CREATEROLE")
        elif word == "nocreateuser":
            options.append("NOCREATEROLE")
        elif word == "in":
            parser.expect("group")
            members.append(quote_ident(parser.identifier()))
            while parser.accept_op(","):
                members.append(quote_ident(parser.identifier()))
        elif word == "valid":
            parser.expect("until")
            options.append(f"VALID UNTIL {pg_literal(parser.string())}")
        elif word == "connection":
            parser.expect("limit")
            limit = -1 if parser.accept("unlimited") else parser.integer()
            options.append(f"CONNECTION LIMIT {limit}")
        elif word in ("session", "syslog", "externalid"):
            parser.refuse(f"{word.upper()} of a user is not supported by the local Redshift yet", token)
        else:
            parser.fail(token)
    return options, members


def _password(parser: Parser) -> str:
    """DG r_CREATE_USER: 8 to 64 characters with an upper-case and a lower-case letter and a digit."""
    if parser.accept("disable"):
        return "PASSWORD NULL"
    token = parser.token
    password = parser.string()
    if password.startswith(("md5", "sha256|")):
        parser.refuse("a hashed password is not supported by the local Redshift; give it in clear", token)
    if not 8 <= len(password) <= 64:
        parser.refuse("password must be 8 to 64 characters long", token, "22023")
    if not (any(c.isupper() for c in password) and any(c.islower() for c in password)):
        parser.refuse("password must contain an upper-case and a lower-case letter", token, "22023")
    if not any(c.isdigit() for c in password):
        parser.refuse("password must contain a number", token, "22023")
    if any(ord(c) < 33 or ord(c) > 126 or c in "'\"\\/@" for c in password):
        parser.refuse("password must not contain blanks or any of ' \" \\ / @", token, "22023")
    return f"PASSWORD {pg_literal(password)}"


def alter(parser: Parser, context: Context) -> Translation:
    """ALTER USER, GROUP or ROLE."""
    kind = parser.next().value
    name = quote_ident(parser.identifier())
    statements: list[str] = []
    if parser.accept("rename"):
        parser.expect("to")
        statements.append(f"ALTER ROLE {name} RENAME TO {quote_ident(parser.identifier())}")
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
        parser.refuse("ALTER ROLE takes RENAME TO only in the local Redshift")
    elif parser.any_word(("set", "reset")):
        parser.refuse("ALTER USER ... SET is not supported by the local Redshift yet; use SET in the session")
    else:
        parser.accept("with")
        demoted = "nocreateuser" in [token.value for token in parser.tokens[parser.at :]]
        options, members = _user_options(parser)
        if options:
            statements.append(f"ALTER ROLE {name} {' '.join(options)}")
        statements += [f"GRANT {member} TO {name}" for member in members]
        if demoted:
            statements.append(f"REVOKE {SUPERUSERS} FROM {name}")
        if not statements:
            parser.fail()
    parser.done()
    return finish(context, statements, kind=f"alter_{kind}")


def drop(parser: Parser, context: Context) -> Translation:
    """DROP USER, GROUP or ROLE."""
    kind = parser.next().value
    quietly = parser.accept("if", "exists")
    names = [quote_ident(parser.identifier())]
    while parser.accept_op(","):
        names.append(quote_ident(parser.identifier()))
    if kind == "role" and parser.accept("force"):
        parser.refuse("DROP ROLE ... FORCE is not supported by the local Redshift yet; revoke the role first")
    parser.accept("restrict")
    parser.done()
    sql = f"DROP ROLE {'IF EXISTS ' if quietly else ''}{', '.join(names)}"
    return finish(context, [sql], kind=f"drop_{kind}")
