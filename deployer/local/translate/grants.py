"""GRANT and REVOKE, default privileges, and signatures of procedures.

Source: Redshift Database Developer Guide, r_GRANT, r_REVOKE, r_ALTER_DEFAULT_PRIVILEGES.
"""

from __future__ import annotations

from deployer.local.translate.api import EXTERNAL_TABLE, Translation
from deployer.local.translate.bind_from import physical
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context, finish
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.users import DONE, SUPERUSERS
from deployer.sql.names import quote_ident
from deployer.sql.parse.cursor import Cursor
from deployer.sql.parse.parser import Parser
from deployer.sql.plpgsql_reader import BodyError, Reader
from deployer.sql.procedure import ArgumentText, read_arguments
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

_TABLE_RIGHTS = frozenset("select insert update delete references truncate".split())
_LOCAL_LACKING = {
    "drop": "the privilege DROP is not supported by the local Redshift: the owner drops a table",
    "alter": "the privilege ALTER is not supported by the local Redshift: the owner alters a table",
    "rule": "the privilege RULE is not supported on Redshift",
    "trigger": "the privilege TRIGGER is not supported on Redshift",
}
_SYSTEM_VERBS = frozenset(
    "create drop alter access analyze cancel truncate vacuum explain ignore refresh".split()
)
_NOT_YET = frozenset(
    "assumerole access explain ignore alter share copy external datashare model rls masking".split()
)


def statement(parser: Parser, context: Context) -> Translation | None:
    """GRANT or REVOKE, or None."""
    from deployer.local.policies import grants as policies

    found = policies.statement(parser, context)
    if found is not None:
        return found
    if parser.accept("grant"):
        return _grant(parser, context, "GRANT")
    if parser.accept("revoke"):
        return _grant(parser, context, "REVOKE")
    return None


def signature(parser: Parser) -> str:
    """The types of a procedure's input arguments, "(integer, character varying)".

    Names and modes may be written, and OUT arguments, which do not identify a procedure (DG "DROP PROCEDURE"). Without
    parentheses it is empty: ALTER may leave them out.
    """
    if not parser.is_op("("):
        return ""
    reader = Reader(parser.text, parser.tokens)
    reader.at = parser.at
    try:
        arguments = read_arguments(reader)
    except BodyError as error:
        state = "0A000" if error.unsupported else "42601"
        raise Refused(error.message, position=error.position, sqlstate=state) from None
    parser.at = reader.at
    kinds = [_plain(argument) for argument in arguments if argument.mode != "out"]
    return f"({', '.join(kinds)})"


def _plain(argument: ArgumentText) -> str:
    """A type without length or precision, as PostgreSQL keeps it in a procedure's signature."""
    if argument.type_text.lower() == "refcursor":
        return "character varying"
    try:
        kind = Cursor(argument.type_text).type()
    except Refused as error:
        error.position = argument.at
        raise
    return pg_type(RedshiftType(kind.name))


# GRANT and REVOKE


def _grant(parser: Parser, context: Context, verb: str) -> Translation:
    option = ""
    if verb == "REVOKE":
        for words in (("grant", "option", "for"), ("admin", "option", "for")):
            if parser.accept(*words):
                option = " ".join(words).upper() + " "
    if parser.accept("role"):
        return _grant_role(parser, context, verb, option)
    token = parser.token
    _refuse_system(parser)
    rights, columns = _rights(parser)
    if parser.is_word("for"):
        parser.refuse(
            f"scoped permissions ({verb} ... FOR {parser.peek().value.upper()}) are not supported by the local "
            "Redshift yet; use ON ALL TABLES IN SCHEMA and ALTER DEFAULT PRIVILEGES"
        )
    parser.expect("on")
    if parser.accept("language"):
        return _languages(parser, context, verb, rights, option)
    target = _target(parser, context, rights, columns)
    if columns and not target.startswith("TABLE"):
        parser.refuse("privileges on columns are for one kind of object: tables and views", token, "42601")
    listed = ", ".join(_right_sql(right, columns.get(right)) for right in rights)
    grantees, with_option, checks = _grantees(parser, "TO" if verb == "GRANT" else "FROM")
    sql = f"{verb} {option}{listed} ON {target} {'TO' if verb == 'GRANT' else 'FROM'} {grantees}{with_option}"
    sql += _revoke_behaviour(parser, verb)
    parser.done()
    return finish(context, [sql, *checks], kind=verb.lower())


def _refuse_system(parser: Parser) -> None:
    """System permissions of roles (r_roles-system-privileges): privileges of more than one word."""
    first = parser.token.value if parser.token.kind == "word" else ""
    second = parser.peek()
    if first in _SYSTEM_VERBS and second.kind == "word" and second.value not in ("on", "for"):
        parser.refuse(
            f"the system permission {first.upper()} {second.value.upper()} is not supported by the local Redshift yet: "
            "superusers have them all"
        )


def _revoke_behaviour(parser: Parser, verb: str) -> str:
    if verb == "REVOKE":
        for word in ("cascade", "restrict"):
            if parser.accept(word):
                return f" {word.upper()}"
    return ""


def _right_sql(right: str, columns: tuple[str, ...] | None) -> str:
    listed = f" ({', '.join(quote_ident(name) for name in columns)})" if columns else ""
    return right.upper() + listed


def _rights(parser: Parser) -> tuple[list[str], dict[str, tuple[str, ...]]]:
    if parser.accept("all"):
        parser.accept("privileges")
        return ["all"], {"all": parser.identifiers()} if parser.is_op("(") else {}
    rights: list[str] = []
    columns: dict[str, tuple[str, ...]] = {}
    while True:
        token = parser.next()
        word = token.value
        if word in _LOCAL_LACKING:
            parser.refuse(_LOCAL_LACKING[word], token)
        if word in _NOT_YET:
            parser.refuse(f"the privilege {word.upper()} is not supported by the local Redshift yet", token)
        if word not in _TABLE_RIGHTS | {"usage", "create", "temporary", "temp", "execute"}:
            parser.refuse(f'unrecognized privilege type "{word}"', token, "42601")
        rights.append("temporary" if word == "temp" else word)
        if parser.is_op("("):
            columns[word] = parser.identifiers()
        if not parser.accept_op(","):
            return rights, columns


def _target(parser: Parser, context: Context, rights: list[str], columns: dict[str, tuple[str, ...]]) -> str:
    if parser.accept("all"):
        token = parser.next()
        if token.value not in ("tables", "procedures", "functions"):
            parser.fail(token)
        parser.expect("in", "schema")
        _check_rights(parser, rights, "table" if token.value == "tables" else "procedure")
        return f"ALL {token.value.upper()} IN SCHEMA {_schemas(parser)}"
    if parser.accept("schema"):
        _check_rights(parser, rights, "schema")
        return f"SCHEMA {_schemas(parser)}"
    if parser.accept("database"):
        _check_rights(parser, rights, "database")
        names = [quote_ident(parser.identifier())]
        while parser.accept_op(","):
            names.append(quote_ident(parser.identifier()))
        return f"DATABASE {', '.join(names)}"
    if parser.accept("procedure") or parser.accept("function"):
        kind = parser.peek(-1).value
        _check_rights(parser, rights, "procedure")
        found = []
        while True:
            name = context.local(parser.name())
            found.append(name.sql() + signature(parser))
            if not parser.accept_op(","):
                return f"{kind.upper()} {', '.join(found)}"
    if parser.any_word(("datashare", "external", "model", "template")):
        parser.refuse(
            f"privileges on {parser.token.value.upper()} are not supported by the local Redshift yet"
        )
    parser.accept("table")
    _check_rights(parser, rights, "table")
    tables = []
    while True:
        pos = parser.token.start
        name = context.local(parser.name())
        relation = context.catalog.relation(name)
        if relation is None:
            raise Refused(f'relation "{name}" does not exist', position=pos, sqlstate="42P01")
        if relation.kind == EXTERNAL_TABLE:
            # DG "CREATE EXTERNAL TABLE": "Access to external tables is controlled by access to the external schema."
            raise Refused(
                f'privileges cannot be granted or revoked on the external table "{name}"',
                position=pos,
                hint="Grant or revoke USAGE on its schema.",
            )
        tables.append(physical(relation))
        if not parser.accept_op(","):
            return f"TABLE {', '.join(tables)}"


_ALLOWED = {
    "table": _TABLE_RIGHTS,
    "schema": frozenset(["create", "usage"]),
    "database": frozenset(["create", "temporary", "usage"]),
    "procedure": frozenset(["execute"]),
    "language": frozenset(["usage"]),
}


def _check_rights(parser: Parser, rights: list[str], kind: str) -> None:
    for right in rights:
        if right != "all" and right not in _ALLOWED[kind]:
            parser.refuse(f"invalid privilege type {right.upper()} for {kind}", sqlstate="0LP01")
        if kind == "database" and right == "usage":
            parser.refuse(
                "USAGE ON DATABASE is for datashares, which the local Redshift does not support yet"
            )


def _languages(parser: Parser, context: Context, verb: str, rights: list[str], option: str) -> Translation:
    """USAGE ON LANGUAGE: PostgreSQL's own privilege on its languages, which are the engine's."""
    _check_rights(parser, rights, "language")
    names = [_language(parser)]
    while parser.accept_op(","):
        names.append(_language(parser))
    grantees, with_option, checks = _grantees(parser, "TO" if verb == "GRANT" else "FROM")
    behaviour = _revoke_behaviour(parser, verb)
    parser.done()
    sql = (
        f"{verb} {option}USAGE ON LANGUAGE {', '.join(names)} {'TO' if verb == 'GRANT' else 'FROM'} {grantees}"
        f"{with_option}{behaviour}"
    )
    return finish(context, [*checks, f"SELECT zeroshift.language_usage({pg_literal(sql)})", DONE],
                  main=len(checks) + 1, kind=verb.lower())  # fmt: skip


def _language(parser: Parser) -> str:
    """DG r_GRANT: "For Python UDFs, use plpythonu. For SQL UDFs, use sql. For stored procedures, use plpgsql." """
    token = parser.token
    name = parser.identifier()
    if name == "plpythonu":
        parser.refuse("the local Redshift has no language plpythonu: it runs no Python functions", token)
    if name not in ("sql", "plpgsql"):
        parser.refuse(f'language "{name}" does not exist', token, "42704")
    return name


def _schemas(parser: Parser) -> str:
    return ", ".join(map(quote_ident, _schema_names(parser)))


def _schema_names(parser: Parser) -> list[str]:
    names = []
    while True:
        names.append("raw" if parser.accept("raw") else parser.identifier())
        if not parser.accept_op(","):
            return names


def _grantees(parser: Parser, word: str) -> tuple[str, str, list[str]]:
    """The receivers and WITH GRANT OPTION as PostgreSQL writes them, and the checks of `_receivers`."""
    names, option, checks = _receivers(parser, word)
    listed = ", ".join("PUBLIC" if name is None else quote_ident(name) for name in names)
    return listed, " WITH GRANT OPTION" if option else "", checks


def _receivers(parser: Parser, word: str) -> tuple[list[str | None], bool, list[str]]:
    """The receivers (None is PUBLIC), WITH GRANT OPTION, which Redshift writes behind each user, and checks that each
    receiver is the user, role or group that it is called."""
    parser.expect(word.lower())
    names: list[str | None] = []
    options: set[bool] = set()
    kinds: dict[str, list[str]] = {}
    while True:
        if parser.accept("public"):
            names.append(None)
        else:
            kind = "group" if parser.accept("group") else "role" if parser.accept("role") else "user"
            name = parser.identifier()
            kinds.setdefault(kind, []).append(name)
            names.append(name)
            if parser.is_word("with", "grant", "option") and kind != "user":
                parser.refuse("WITH GRANT OPTION is for users, not for groups and roles", sqlstate="0LP01")
        options.add(parser.accept("with", "grant", "option"))
        if not parser.accept_op(","):
            break
    if len(options) > 1:
        parser.refuse("WITH GRANT OPTION for some of the users only needs statements of their own here")
    return names, options == {True}, _checks(kinds)


def _checks(kinds: dict[str, list[str]]) -> list[str]:
    return [
        f"SELECT zeroshift.require_kind('{kind}', ARRAY[{', '.join(map(pg_literal, found))}])"
        for kind, found in kinds.items()
    ]


def _grant_role(parser: Parser, context: Context, verb: str, option: str) -> Translation:
    roles = [quote_ident(_role_name(parser))]
    while parser.accept_op(","):
        # "GRANT { ROLE role_name } [, ...]"
        parser.accept("role")
        roles.append(quote_ident(_role_name(parser)))
    parser.expect("to" if verb == "GRANT" else "from")
    receivers: list[str] = []
    kinds: dict[str, list[str]] = {}
    admin = ""
    while True:
        kind = "role" if parser.accept("role") else "user"
        receiver = parser.identifier()
        kinds.setdefault(kind, []).append(receiver)
        receivers.append(quote_ident(receiver))
        if parser.accept("with", "admin", "option"):
            admin = " WITH ADMIN OPTION"
        if not parser.accept_op(","):
            break
    parser.done()
    link = "TO" if verb == "GRANT" else "FROM"
    sql = f"{verb} {option}{', '.join(roles)} {link} {', '.join(receivers)}{admin}"
    return finish(context, [sql, *_checks(kinds)], kind=verb.lower())


def _role_name(parser: Parser) -> str:
    token = parser.token
    name = parser.identifier()
    if name == "sys" and parser.accept_op(":"):
        rest = parser.identifier()
        if rest == "superuser":
            return SUPERUSERS
        parser.refuse(f"the system role sys:{rest} is not supported by the local Redshift yet", token)
    return name
