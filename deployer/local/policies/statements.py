"""CREATE, ALTER, DROP, ATTACH and DETACH of RLS and masking policies; ALTER TABLE ... ROW LEVEL SECURITY.

Source: Redshift Database Developer Guide, the page of each command, t_rls_object_dependency, t_ddm-considerations.
What is checked here is what the statement's text and the relations in it tell; the rest, who may do it included, is
checked by the functions of compat/250_policies.sql.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from deployer.local.policies.guard import bind
from deployer.local.policies.model import MASKING, POLICY, RLS, format_type, protection
from deployer.local.translate.api import Relation, Translation
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import SYSTEM_SCHEMAS, Context, finish
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.scope import Field, Typed
from deployer.sql.names import Name, quote_ident
from deployer.sql.parse.cursor import to_name
from deployer.sql.parse.nodes import Column, Expr, Literal, Star, TableRef
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused
from deployer.sql.types import BOOLEAN, UNKNOWN, RedshiftType

# A statement without an answer, whose tag the gateway words: SELECT would return a row.
_DONE = "SET zeroshift.policy TO ''"

Columns = list[tuple[str, RedshiftType]]


def create(parser: Parser, context: Context) -> Translation:
    """CREATE RLS POLICY and CREATE MASKING POLICY, CREATE already read."""
    kind = _kind(parser)
    # The syntax has IF NOT EXISTS behind the name, and only for masking; the examples of older pages before it.
    quietly = kind == MASKING and parser.accept("if", "not", "exists")
    name = _policy_name(parser, context)
    quietly = (kind == MASKING and parser.accept("if", "not", "exists")) or quietly
    columns: Columns = []
    alias = ""
    if parser.accept("with"):
        parser.expect_op("(")
        while True:
            column = parser.identifier()
            columns.append((column, parser.type(ddl=True)))
            if not parser.accept_op(","):
                break
        parser.expect_op(")")
        if kind == RLS and not parser.is_word("using"):
            parser.accept("as")
            alias = parser.identifier()
    elif kind == MASKING:
        parser.fail()
    expression, outputs, lookups, tests = _using(parser, kind, columns, alias, context)
    parser.done()
    declared = [[column, format_type(of)] for column, of in columns]
    call = _call("create_policy", kind, name, alias, declared, expression, outputs, lookups, quietly)
    return finish(context, [*tests, call, _DONE], kind=POLICY, main=len(tests) + 1)


def alter(parser: Parser, context: Context) -> Translation:
    """ALTER ... POLICY name USING (...): the columns stay those that the policy was made with."""
    kind = _kind(parser)
    pos = parser.token.start
    name = _policy_name(parser, context)
    known = context.catalog.relation(Name(name, kind, "zeroshift policies"))
    if known is None:
        raise Refused(f'{kind} policy "{name}" does not exist', position=pos, sqlstate="42704")
    if parser.is_word("with"):
        parser.refuse(f"ALTER {kind.upper()} POLICY changes USING only: the columns stay", sqlstate="42601")
    expression, outputs, lookups, tests = _using(
        parser, kind, list(known.columns), known.definition or "", context
    )
    parser.done()
    call = _call("alter_policy", kind, name, expression, outputs, lookups)
    return finish(context, [*tests, call, _DONE], kind=POLICY, main=len(tests) + 1)


def drop(parser: Parser, context: Context) -> Translation:
    """DROP RLS POLICY [IF EXISTS] name [CASCADE | RESTRICT]; DROP MASKING POLICY takes neither."""
    kind = _kind(parser)
    quietly = kind == RLS and parser.accept("if", "exists")
    name = _policy_name(parser, context)
    cascading = kind == RLS and parser.accept("cascade")
    if kind == RLS and not cascading:
        parser.accept("restrict")
    parser.done()
    return _policy_change(context, _call("drop_policy", kind, name, quietly, cascading))


def attach(parser: Parser, context: Context) -> Translation:
    """ATTACH and DETACH, of both kinds."""
    verb = parser.next().value
    kind = _kind(parser)
    name = _policy_name(parser, context)
    parser.expect("on")
    if kind == RLS:
        parser.accept("table")
        targets = [_target(parser, context)]
        while parser.accept_op(","):
            targets.append(_target(parser, context))
        parser.expect("to" if verb == "attach" else "from")
        who = [_grantee(parser)]
        while parser.accept_op(","):
            who.append(_grantee(parser))
        parser.done()
        schemas, names = tuple(one.physical[0] for one in targets), tuple(one.physical[1] for one in targets)
        kinds, grantees = tuple(one[0] for one in who), tuple(one[1] for one in who)
        return _policy_change(context, _call(f"{verb}_rls", name, schemas, names, kinds, grantees))
    return _attach_mask(parser, verb, name, context)


def _attach_mask(parser: Parser, verb: str, name: str, context: Context) -> Translation:
    target = _target(parser, context)
    outputs = _mask_columns(parser)
    inputs = outputs
    if verb == "attach" and parser.accept("using"):
        inputs = _mask_columns(parser)
    parser.expect("to" if verb == "attach" else "from")
    who = _grantee(parser)
    if parser.is_op(","):
        parser.refuse(
            "a masking policy is attached to one user, one role or PUBLIC in a statement", sqlstate="42601"
        )
    schema, table = target.physical
    if verb == "detach":
        parser.done()
        return _policy_change(context, _call("detach_masking", name, schema, table, outputs, who[0], who[1]))
    priority = parser.integer() if parser.accept("priority") else 0
    parser.done()
    return _policy_change(
        context, _call("attach_masking", name, schema, table, outputs, inputs, who[0], who[1], priority)
    )


def row_level_security(parser: Parser, relation: Relation, context: Context) -> Translation:
    """ALTER TABLE t ROW LEVEL SECURITY ON | OFF [CONJUNCTION TYPE AND | OR] [FOR DATASHARES]."""
    parser.expect("row", "level", "security")
    turned_on = parser.accept("on")
    if not turned_on:
        parser.expect("off")
    conjunction: str | None = None
    if parser.accept("conjunction", "type"):
        if not parser.any_word(("and", "or")):
            parser.fail()
        conjunction = parser.next().value
    datashares = parser.accept("for", "datashares")
    parser.done()
    _check_own(relation, context, parser.tokens[0].start)
    schema, name = relation.physical
    return _policy_change(context, _call("alter_rls", schema, name, turned_on, conjunction, datashares))


# -- what other definitions may not do ------------------------------------------------------------------------------


def check_droppable(relation: Relation, pos: int) -> None:
    """Raises Refused for a lookup table of a policy; a protected relation loses its policies when it is dropped."""
    _check_lookup(relation, "drop", pos)


def check_renamable(relation: Relation, pos: int) -> None:
    """Raises Refused for a lookup table of a policy."""
    _check_lookup(relation, "rename", pos)


def _check_lookup(relation: Relation, verb: str, pos: int) -> None:
    for kind, name, _ in protection(relation.protection).lookup_of:
        raise Refused(
            f'cannot {verb} "{relation.name}": it is a lookup table of the {kind} policy "{name}"; drop that first',
            position=pos,
            sqlstate="2BP01",
        )


def check_column(relation: Relation, column: str, verb: str, pos: int) -> None:
    """Raises Refused for a column that a policy reads or masks (t_rls_object_dependency)."""
    found = protection(relation.protection).policies_of(column)
    if found:
        raise Refused(
            f'cannot {verb} column "{column}" of "{relation.name}": {found[0]} depends on it; detach or drop it first',
            position=pos,
            sqlstate="2BP01",
        )


# -- parts ----------------------------------------------------------------------------------------------------------


def _kind(parser: Parser) -> str:
    kind = RLS if parser.next().value == "rls" else MASKING
    parser.expect("policy")
    return kind


def _policy_name(parser: Parser, context: Context) -> str:
    token = parser.token
    parts = parser.qualified()
    if len(parts) > 2 or (len(parts) == 2 and parts[0] != context.catalog.database):
        parser.refuse("a policy is of the session's own database, and has no schema", token)
    return parts[-1]


def _grantee(parser: Parser) -> tuple[str, str]:
    if parser.accept("public"):
        return "public", "public"
    if parser.is_word("group"):
        parser.refuse("a policy is attached to users, roles and PUBLIC, not to groups", sqlstate="42601")
    if parser.accept("role"):
        return "role", parser.identifier()
    return "user", parser.identifier()


def _mask_columns(parser: Parser) -> tuple[str, ...]:
    if parser.is_op("(") and (parser.is_op(".", 2) or parser.is_op("[", 2)):
        parser.refuse(
            "a masking policy on a path in a SUPER column is not supported by the local Redshift yet"
        )
    return parser.identifiers()


def _target(parser: Parser, context: Context) -> Relation:
    pos = parser.token.start
    name = context.local(parser.name())
    relation = context.catalog.relation(name)
    if relation is None:
        raise Refused(f'relation "{name}" does not exist', position=pos, sqlstate="42P01")
    _check_own(relation, context, pos)
    context.targets[name] = relation
    return relation


def _check_own(relation: Relation, context: Context, pos: int) -> None:
    """r_ATTACH_RLS_POLICY and t_ddm-considerations list what no policy can be attached to."""
    schema = relation.physical[0]
    what = ""
    if relation.name.database not in (None, context.catalog.database):
        what = "a relation of another database"
    elif schema in SYSTEM_SCHEMAS:
        what = "a system table"
    elif schema.startswith("pg_temp"):
        what = "a temporary table"
    if what:
        raise Refused(f'"{relation.name}" is {what}: it can have no security policy', position=pos)


def _using(
    parser: Parser, kind: str, columns: Columns, alias: str, context: Context
) -> tuple[str, list[str | None], list[dict[str, object]], list[str]]:
    """USING (...): its text with lookup tables qualified, the types of its values, the lookup tables, and a query that
    tells whether PostgreSQL can run it."""
    parser.expect("using")
    parser.expect_op("(")
    start = parser.token.start
    nodes = [parser.expr()]
    while kind == MASKING and parser.accept_op(","):
        nodes.append(parser.expr())
    end = parser.token.start
    parser.expect_op(")")
    text, lookups = _qualified(parser.text[start:end].strip(), nodes, start, context)
    fields = [Field(name, of, f'"zs protected".{quote_ident(name)}') for name, of in columns]
    try:
        bound, _ = bind(context.catalog, text, fields, alias, (), context.catalog)
    except Refused as error:
        if error.position is not None:
            error.position += start
        raise
    if kind == RLS and bound[0].type not in (None, BOOLEAN):
        raise Refused("the predicate of an RLS policy must be boolean", position=start, sqlstate="42804")
    outputs = (
        [_output(node, value) for node, value in zip(nodes, bound, strict=True)] if kind == MASKING else []
    )
    tests = [] if lookups else [_trial(fields, bound)]
    return text, outputs, lookups, tests


def _output(node: Expr, value: Typed) -> str | None:
    if isinstance(node, Literal) and value.sql != "NULL":
        raise Refused(
            "a constant as masking expression must be cast to the type of the column (r_CREATE_MASKING_POLICY)",
            position=node.pos,
            sqlstate="42804",
        )
    return None if value.type in (None, UNKNOWN) else format_type(value.type)


def _trial(fields: Sequence[Field], bound: Sequence[Typed]) -> str:
    """Parsed and planned, over no row: PostgreSQL says what is no condition of a WHERE, or no value."""
    nothing = ", ".join(
        f"NULL::{pg_type(one.type)} AS {quote_ident(one.name)}" for one in fields if one.type is not None
    )
    tried = " AND ".join(f"({value.sql}) IS NULL" for value in bound)
    return f'SELECT FROM (SELECT {nothing}) AS "zs protected" WHERE FALSE AND {tried}'


def _qualified(
    text: str, nodes: list[Expr], start: int, context: Context
) -> tuple[str, list[dict[str, object]]]:
    """The text with every lookup table under its schema, whatever the search path will be, and the lookup tables."""
    from deployer.local.translate.ddl import _from_items

    found: dict[tuple[str, str], Relation] = {}
    inserts: list[tuple[int, str]] = []
    for one in _from_items(nodes, frozenset()):
        relation = _lookup(one, context)
        found[relation.physical] = relation
        if len(one.parts) == 1:
            inserts.append((one.pos - start, f"{quote_ident(relation.physical[0])}."))
    for at, schema in sorted(inserts, reverse=True):
        text = text[:at] + schema + text[at:]
    names, star = _names(nodes)
    lookups: list[dict[str, object]] = []
    for (schema, name), relation in sorted(found.items()):
        used = [column for column, _ in relation.columns if star or column in names]
        lookups.append({"schema": schema, "name": name, "columns": used})
    return text, lookups


def _lookup(item: TableRef, context: Context) -> Relation:
    """r_CREATE_RLS_POLICY and t_ddm-considerations list what no lookup table can be."""
    name = context.local(to_name(item.parts))
    relation = context.catalog.relation(name)
    if relation is None:
        raise Refused(f'relation "{name}" does not exist', position=item.pos, sqlstate="42P01")
    if (
        relation.kind != "table"
        or relation.physical[0] in SYSTEM_SCHEMAS
        or relation.physical[0].startswith("pg_temp")
        or name.database is not None
    ):
        raise Refused(
            f'"{name}" cannot be read by a policy: a lookup table is a table of this database, not a view, a '
            "temporary or a system one",
            position=item.pos,
        )
    return relation


def _names(node: object) -> tuple[set[str], bool]:
    """All column names below `node`, and whether there is a `*`."""
    if isinstance(node, Column):
        return {node.parts[-1]}, False
    if isinstance(node, Star):
        return set(), True
    names: set[str] = set()
    star = False
    parts: Sequence[object] = ()
    if isinstance(node, list | tuple):
        parts = node
    elif hasattr(node, "__dataclass_fields__"):
        parts = [getattr(node, field) for field in node.__dataclass_fields__]
    for part in parts:
        found, starred = _names(part)
        names |= found
        star |= starred
    return names, star


def _policy_change(context: Context, call: str) -> Translation:
    return finish(context, [call, _DONE], kind=POLICY, main=1)


def _call(function: str, *arguments: object) -> str:
    return f"SELECT zeroshift.{function}({', '.join(_value(one) for one in arguments)})"


def _value(value: object) -> str:
    """A tuple is an array of texts, a list JSON."""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return pg_literal(value)
    assert isinstance(value, list | tuple)
    if isinstance(value, tuple):
        return f"ARRAY[{', '.join(pg_literal(one) for one in value)}]::text[]"
    return f"{pg_literal(json.dumps(value))}::jsonb"
