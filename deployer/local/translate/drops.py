"""DROP of tables, views and schemas. A CASCADE that the user wrote is passed on; none is ever added."""

from __future__ import annotations

from deployer.local.policies import statements as policies
from deployer.local.translate import external, external_alter
from deployer.local.translate.api import EXTERNAL_TABLE, Relation, Translation
from deployer.local.translate.bind_from import physical
from deployer.local.translate.context import SYSTEM_SCHEMAS, Context, finish
from deployer.local.translate.tables import new_name
from deployer.sql.names import quote_ident
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused


def _behaviour(parser: Parser) -> str:
    for word in ("cascade", "restrict"):
        if parser.accept(word):
            return f" {word.upper()}"
    return ""


def relations(parser: Parser, context: Context) -> Translation:
    """DROP TABLE and DROP VIEW, the kind next."""
    kind = parser.next().value
    quietly = parser.accept("if", "exists")
    names: list[str] = []
    found: list[Relation | None] = []
    while True:
        pos = parser.token.start
        name = new_name(parser.name(), context, pos)
        relation = context.catalog.relation(name)
        found.append(relation)
        if relation is not None and relation.physical[0] in SYSTEM_SCHEMAS:
            parser.refuse(f'permission denied: "{name}" is a system catalog', sqlstate="42501")
        if relation is not None:
            policies.check_droppable(relation, pos)
        names.append(name.sql() if relation is None else physical(relation))
        if not parser.accept_op(","):
            break
    sql = f"DROP {kind.upper()} {'IF EXISTS ' if quietly else ''}{', '.join(names)}{_behaviour(parser)}"
    parser.done()
    if any(one is not None and one.kind == EXTERNAL_TABLE for one in found):
        if kind == "view":
            raise Refused(f'"{name}" is not a view', position=pos, sqlstate="42809")
        return external_alter.drop(found, context, pos)
    return finish(context, [sql], kind=f"drop_{kind}")


def schemas(parser: Parser, context: Context) -> Translation:
    """DROP SCHEMA, both words already read."""
    quietly = parser.accept("if", "exists")
    names = []
    while True:
        names.append("raw" if parser.accept("raw") else parser.identifier())
        if names[-1] in ("redshift", "zeroshift") or names[-1] in SYSTEM_SCHEMAS:
            parser.refuse(f'cannot drop schema "{names[-1]}": it is a system one', sqlstate="42501")
        if not parser.accept_op(","):
            break
    databases = parser.accept("drop", "external", "database")
    listed = ", ".join(quote_ident(name) for name in names)
    behaviour = _behaviour(parser)
    sql = f"DROP SCHEMA {'IF EXISTS ' if quietly else ''}{listed}{behaviour}"
    parser.done()
    if databases:
        before = external.drop_databases(names, behaviour == " CASCADE")
        return finish(context, [before, sql], kind="drop_schema", main=1)
    return finish(context, [sql], kind="drop_schema")
