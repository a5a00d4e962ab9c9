"""GRANT and REVOKE about security: lookup tables to policies, system privileges on them, the role sys:secadmin.

Source: Redshift Database Developer Guide, r_GRANT ("Granting explain permissions for security policies"), r_REVOKE,
r_roles-default.
"""

from __future__ import annotations

from deployer.local.policies.model import MASKING, POLICY, RLS
from deployer.local.translate.api import Translation
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context, finish
from deployer.local.translate.users import DONE as _DONE
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused

_SYSTEM = (("ignore", "rls"), ("explain", "rls"), ("explain", "masking"))


def statement(parser: Parser, context: Context) -> Translation | None:
    """The GRANT or REVOKE at the cursor when it is about security, else None."""
    if not parser.any_word(("grant", "revoke")):
        return None
    giving = parser.is_word("grant")
    at = parser.at
    parser.next()
    if parser.accept("role") and parser.is_word("sys") and parser.is_op(":", 1):
        if parser.peek(2).value == "secadmin":
            parser.at += 3
            return _secadmin(parser, context, giving)
    parser.at = at + 1
    for words in _SYSTEM:
        if parser.accept(*words):
            return _system(parser, context, giving, " ".join(words))
    if parser.is_word("select", "on") and _to_policy(parser):
        return _lookup(parser, context, giving)
    parser.at = at
    return None


def _to_policy(parser: Parser) -> bool:
    words = [token.value if token.kind == "word" else "" for token in parser.tokens[parser.at :]]
    return any(
        words[i] in ("to", "from") and words[i + 1] in (RLS, MASKING) and words[i + 2] == "policy"
        for i in range(len(words) - 2)
    )


def _secadmin(parser: Parser, context: Context, giving: bool) -> Translation:
    parser.expect("to" if giving else "from")
    kind = "role" if parser.accept("role") else "user"
    names = [parser.identifier()]
    admin = parser.accept("with", "admin", "option")
    if parser.is_op(","):
        parser.refuse("the local Redshift grants sys:secadmin to one receiver in a statement")
    parser.done()
    given = ", ".join(pg_literal(name) for name in names)
    call = f"SELECT zeroshift.grant_secadmin({str(giving).upper()}, '{kind}', ARRAY[{given}], {str(admin).upper()})"
    return finish(context, [call, _DONE], kind="grant" if giving else "revoke", main=1)


def _system(parser: Parser, context: Context, giving: bool, privilege: str) -> Translation:
    parser.expect("to" if giving else "from")
    names = []
    while True:
        if not parser.accept("role"):
            parser.refuse(f"the privilege {privilege.upper()} is granted to roles only", sqlstate="0LP01")
        names.append(parser.identifier())
        if not parser.accept_op(","):
            break
    parser.done()
    given = ", ".join(pg_literal(name) for name in names)
    call = f"SELECT zeroshift.grant_system({str(giving).upper()}, {pg_literal(privilege)}, ARRAY[{given}])"
    return finish(context, [call, _DONE], kind="grant" if giving else "revoke", main=1)


def _lookup(parser: Parser, context: Context, giving: bool) -> Translation:
    """GRANT SELECT ON [TABLE] t [, ...] TO { RLS | MASKING } POLICY p [, ...]."""
    parser.expect("select", "on")
    parser.accept("table")
    tables = []
    while True:
        pos = parser.token.start
        name = context.local(parser.name())
        relation = context.catalog.relation(name)
        if relation is None:
            raise Refused(f'relation "{name}" does not exist', position=pos, sqlstate="42P01")
        tables.append(relation.physical)
        if not parser.accept_op(","):
            break
    parser.expect("to" if giving else "from")
    kind = parser.next().value
    parser.expect("policy")
    policies = [parser.identifier()]
    while parser.accept_op(","):
        policies.append(parser.identifier())
    parser.done()
    calls = [
        f"SELECT zeroshift.grant_lookup({str(giving).upper()}, '{kind}', {pg_literal(policy)}, {pg_literal(schema)}, "
        f"{pg_literal(table)})"
        for policy in policies
        for schema, table in tables
    ]
    return finish(context, [*calls, _DONE], kind=POLICY, main=len(calls))
