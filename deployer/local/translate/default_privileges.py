"""ALTER DEFAULT PRIVILEGES: r_ALTER_DEFAULT_PRIVILEGES of the Redshift Database Developer Guide.

PostgreSQL has one default for functions and procedures, which serves procedures here; that of functions is kept in
zeroshift.function_defaults and applied when a function is created.
"""

from __future__ import annotations

from deployer.local.translate.api import Translation
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context, finish
from deployer.local.translate.grants import (
    _check_rights,
    _grantees,
    _receivers,
    _revoke_behaviour,
    _rights,
    _schema_names,
)
from deployer.local.translate.users import DONE
from deployer.sql.names import quote_ident
from deployer.sql.parse.parser import Parser


def alter(parser: Parser, context: Context) -> Translation:
    """ALTER DEFAULT PRIVILEGES."""
    parser.expect("default")
    parser.expect("privileges")
    sql = "ALTER DEFAULT PRIVILEGES"
    owner = "current_user"
    if parser.accept("for"):
        parser.expect("user")
        name = parser.identifier()
        owner = pg_literal(name)
        sql += f" FOR ROLE {quote_ident(name)}"
    schemas: list[str] = []
    if parser.accept("in"):
        parser.expect("schema")
        schemas = _schema_names(parser)
        sql += f" IN SCHEMA {', '.join(map(quote_ident, schemas))}"
    verb = "GRANT" if parser.accept("grant") else "REVOKE"
    if verb == "REVOKE":
        parser.expect("revoke")
        if parser.accept("grant", "option", "for"):
            verb = "REVOKE GRANT OPTION FOR"
    rights, _ = _rights(parser)
    parser.expect("on")
    token = parser.next()
    if token.value == "functions":
        _check_rights(parser, rights, "procedure")
        return _on_functions(parser, context, verb, owner, schemas)
    if token.value not in ("tables", "procedures"):
        parser.fail(token)
    _check_rights(parser, rights, "table" if token.value == "tables" else "procedure")
    kind = "ROUTINES" if token.value != "tables" else "TABLES"
    schema = " IN SCHEMA " in sql
    grantees, option, checks = _grantees(parser, "TO" if verb == "GRANT" else "FROM")
    if kind == "ROUTINES" and verb == "GRANT" and not schema and "PUBLIC" in grantees.split(", "):
        # PostgreSQL takes this for its own default, and forgets that it was said.
        parser.refuse("default EXECUTE for PUBLIC needs IN SCHEMA in the local Redshift", token)
    listed = ", ".join(right.upper() for right in rights)
    sql += f" {verb} {listed} ON {kind} {'TO' if verb == 'GRANT' else 'FROM'} {grantees}{option}"
    sql += _revoke_behaviour(parser, "REVOKE" if verb != "GRANT" else verb)
    parser.done()
    if kind == "ROUTINES":
        close = f"SELECT zeroshift.close_new_procedures({owner})"
        return finish(context, [close, sql, *checks], main=1, kind="alter_default_privileges")
    return finish(context, [sql, *checks], kind="alter_default_privileges")


def _on_functions(parser: Parser, context: Context, verb: str, owner: str, schemas: list[str]) -> Translation:
    """Default privileges ON FUNCTIONS, that word read: they apply when a function is created (compat 195)."""
    giving = verb == "GRANT"
    names, option, checks = _receivers(parser, "TO" if giving else "FROM")
    _revoke_behaviour(parser, "GRANT" if giving else "REVOKE")
    parser.done()
    places = ", ".join(map(pg_literal, schemas))
    listed = ", ".join("NULL" if name is None else pg_literal(name) for name in names)
    only = verb.endswith("FOR")
    call = (
        f"SELECT zeroshift.default_on_functions({str(giving).upper()}, {owner}, ARRAY[{places}]::text[], "
        f"ARRAY[{listed}]::text[], {str(option).upper()}, {str(only).upper()})"
    )
    return finish(context, [*checks, call, DONE], main=len(checks) + 1, kind="alter_default_privileges")
