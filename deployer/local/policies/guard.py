"""Policies put into what reads or changes a protected relation.

In FROM, the relation is replaced by a sub-query of it: rows filtered by its RLS policies, behind a fence (OFFSET 0)
that keeps the query's own conditions from being asked about rows which the user may not see; then its columns masked.
In UPDATE, DELETE and MERGE, the target's columns stand for their masks, and the condition is asked of visible rows
only.

Who is asking is told when the statement runs, so that one text serves all users, views and procedures included.
A view's tables are read with its owner's rights; policies are those of the user who runs the query (t_rls_usage,
t_ddm-considerations: "users will see results based on their own masking policies").

Which columns the query uses is known at its end only: until then a mark stands for the sub-query's list (`fill`).
A user with rights on some columns of a table needs no others than those, and those that policies read.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from deployer.local.policies.model import Lookup, Mask, Protection, RowPolicy, protection
from deployer.local.translate.api import Catalog, FunctionName, Relation, UserFunction
from deployer.local.translate.context import Context
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Field, Scope, Source, Typed
from deployer.sql.names import Name, quote_ident
from deployer.sql.parse.nodes import Expr
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused

Columns = list[tuple[str, Kind]]

INNER = '"zs protected"'
TARGET = '"zs target"'
_BOUND_ALIAS = " policy"
"""What columns of a policy without an alias belong to: nothing can be qualified by it."""


@dataclass(frozen=True)
class Guard:
    """A mark's meaning: the columns of one protected relation, by its name in the query. `whole`: all are needed."""

    alias: str
    items: tuple[tuple[str, str], ...]
    whole: bool


class PolicyCatalog:
    """The catalog as a policy's expression sees it: lookup tables by the policy's own right."""

    def __init__(self, catalog: Catalog, lookups: Sequence[Lookup]) -> None:
        self.database = catalog.database
        self.denied: list[str] = []
        self._catalog = catalog
        self._lookups = {Name(one.name, one.schema): one for one in lookups}

    def relation(self, name: Name) -> Relation | None:
        """The lookup table of this name. A policy reads nothing else."""
        lookup = self._lookups.get(name)
        found = self._catalog.relation(name)
        if lookup is None or found is None:
            return None
        if not lookup.granted:
            self.denied.append(str(name))
        columns = tuple(one for one in found.columns if one[0] in lookup.columns)
        return Relation(name, "table", ("zeroshift", lookup.view), columns)

    def functions(self, name: FunctionName) -> tuple[UserFunction, ...]:
        """Those of a name with its schema: the search path is the reader's, who could put his own in between."""
        if name.schema is None:
            raise Refused(
                f"function {name.name}() is not built in; a policy of the local Redshift names a user-defined function "
                "with its schema",
                sqlstate="42883",
            )
        return self._catalog.functions(name)


def bind(
    catalog: Catalog,
    expression: str,
    fields: list[Field],
    alias: str,
    lookups: Sequence[Lookup],
    reader: Catalog | None = None,
) -> tuple[list[Typed], str]:
    """A policy's expressions as PostgreSQL text over `fields`; and the lookup table that it may not read, if any.

    Raises Refused for what no policy can be (r_CREATE_RLS_POLICY, t_rls_usage, t_ddm-considerations).
    """
    from deployer.local.translate.bind_queries import Binder

    own = PolicyCatalog(catalog, lookups)
    binder = Binder(Context(reader or own, {}))
    scope = Scope()
    scope.sources.append(Source(alias or _BOUND_ALIAS, fields))
    scope.show(fields)
    bound = []
    for node in parse(expression):
        bound.append(binder.expr(node, scope))
        if binder.correlated_queries:
            # t_rls_usage, "Limitations", gives the text; for masks t_ddm-considerations says the same without one.
            raise Refused("RLS policy could not be rewritten.", position=node.pos)
    return bound, own.denied[0] if own.denied else ""


def parse(expression: str) -> list[Expr]:
    """The expressions of USING (...), without its parentheses."""
    parser = Parser(expression)
    found = [parser.expr()]
    while parser.accept_op(","):
        found.append(parser.expr())
    parser.done()
    return found


# -- reading --------------------------------------------------------------------------------------------------------


def guarded(
    relation: Relation, sql: str, columns: Columns, alias: str, whole: bool, context: Context, pos: int
) -> str:
    """`sql`, the relation's place in FROM, with its policies; unchanged when it has none."""
    told = protection(relation.protection)
    note(relation, told, context)
    if not (told.conjunction or told.masks):
        return sql
    inner = [Field(name, kind, f"{INNER}.{quote_ident(name)}") for name, kind in columns]
    items = _masked(told, inner, context.catalog, pos)
    where = ""
    if told.conjunction:
        where = f" WHERE {_predicate(told, inner, context.catalog, pos)} OFFSET 0"
    context.guards.append(Guard(alias, tuple((one.name, one.sql) for one in items), whole))
    mark = f"{context.mark}{len(context.guards) - 1};"
    return f"(SELECT {mark} FROM {sql} AS {INNER}{where})"


def fill(statement: str, context: Context) -> str:
    """The statement with the columns that it uses in the place of each mark."""
    if not context.guards:
        return statement
    before = statement

    def listed(found: re.Match[str]) -> str:
        guard = context.guards[int(found[1])]
        return ", ".join(
            f"{sql} AS {quote_ident(name)}"
            for name, sql in guard.items
            if guard.whole or _is_used(before, guard.alias, name)
        )

    marks = re.compile(re.escape(context.mark) + r"(\d+);")
    return marks.sub(listed, statement)


def _is_used(text: str, alias: str, name: str) -> bool:
    """Whether "name" stands anywhere as this relation's column may be written. Too often is no harm."""
    quoted = quote_ident(name)
    at = text.find(quoted)
    while at >= 0:
        before = text[:at]
        if before.endswith(f"{quote_ident(alias)}.") or not before.endswith((".", "AS ")):
            return True
        at = text.find(quoted, at + 1)
    return False


# -- changing -------------------------------------------------------------------------------------------------------


def target_fields(relation: Relation, context: Context, pos: int) -> tuple[list[Field], str] | None:
    """The columns and the RLS condition of the target of UPDATE, DELETE or MERGE; None for one without policies.

    They are written with TARGET for the relation, a name that no sub-query can take from them. The condition is empty
    without row-level security.
    """
    told = protection(relation.protection)
    note(relation, told, context)
    if not (told.conjunction or told.masks):
        return None
    plain = [
        Field(name, kind, f"{TARGET}.{quote_ident(name)}", fixed=True) for name, kind in relation.columns
    ]
    condition = _predicate(told, plain, context.catalog, pos) if told.conjunction else ""
    masked = _masked(told, plain, context.catalog, pos)
    return [Field(one.name, one.type, one.sql, fixed=True) for one in masked], condition


def restricted(condition: str, where: str) -> str:
    """`where` asked only of rows for which `condition` holds. CASE keeps the order, which AND does not."""
    if not condition:
        return where
    return f"CASE WHEN {condition} THEN {where or 'TRUE'} ELSE FALSE END"


def note(relation: Relation, told: Protection, context: Context) -> None:
    """Remember for EXPLAIN what the plan would show."""
    if told.conjunction or (told.guarded and relation.kind == "view"):
        context.protected.setdefault("explain rls", str(relation.name))
    if told.masks or (told.guarded and relation.kind == "view"):
        context.protected.setdefault("explain masking", str(relation.name))


# -- the expressions ------------------------------------------------------------------------------------------------


def _is_for(grantees: Sequence[tuple[str, int]]) -> str:
    """Asked once a query: a scalar sub-query without anything from outside."""
    asked = " OR ".join(f"zeroshift.is_grantee('{kind}', {number})" for kind, number in grantees)
    return f"(SELECT {asked})"


def _predicate(told: Protection, fields: list[Field], catalog: Catalog, pos: int) -> str:
    """Which rows the user sees: all of them, or those of his policies, or none (t_rls_combine_policies)."""
    exempt = "(SELECT zeroshift.has_system_privilege('ignore rls'))"
    if not told.policies:
        return exempt
    parts = []
    for policy in told.policies:
        wanted = _is_for(policy.grantees)
        other = "TRUE" if told.conjunction == "and" else "FALSE"
        parts.append(
            f"CASE WHEN {wanted} THEN {_row_condition(policy, fields, catalog, pos)} ELSE {other} END"
        )
    conditions = f" {told.conjunction.upper()} ".join(parts)
    everybody = _is_for([one for policy in told.policies for one in policy.grantees])
    return f"CASE WHEN {exempt} THEN TRUE WHEN {everybody} THEN ({conditions}) ELSE FALSE END"


def _row_condition(policy: RowPolicy, fields: list[Field], catalog: Catalog, pos: int) -> str:
    known = {one.name: one for one in fields}
    missing = [name for name, _ in policy.columns if name not in known]
    if missing:
        # Only a late-binding view can have come to lack one.
        raise Refused(
            f'column "{missing[0]}", which the RLS policy "{policy.name}" needs, does not exist',
            position=pos,
            sqlstate="42703",
        )
    own = [known[name] for name, _ in policy.columns]
    try:
        bound, denied = bind(catalog, policy.expression, own, policy.alias, policy.lookups)
    except Refused as error:
        raise Refused(
            f'RLS policy "{policy.name}": {error.message}', position=pos, sqlstate=error.sqlstate
        ) from None
    if denied:
        return f"zeroshift.deny_lookup({_text(denied)})"
    return f"COALESCE({bound[0].sql}, FALSE)"


def _masked(told: Protection, fields: list[Field], catalog: Catalog, pos: int) -> list[Field]:
    """`fields`, each with the masks of those for whom it has one, by priority."""
    whens: dict[str, list[str]] = {}
    known = {one.name: one for one in fields}
    for mask in told.masks:
        for place, output in enumerate(mask.outputs):
            if output not in known:
                # t_ddm-considerations: "if the validation fails, Amazon Redshift returns an error for the query".
                raise Refused(
                    f'column "{output}", to which the masking policy "{mask.name}" is attached, does not exist',
                    position=pos,
                    sqlstate="42703",
                )
            value = _mask_value(mask, place, known, catalog, pos)
            kind = known[output].type
            if kind is not None:
                value = f"({value})::{pg_type(kind)}"
            whens.setdefault(output, []).append(f"WHEN {_is_for([mask.grantee])} THEN {value}")
    found = []
    for one in fields:
        if one.name not in whens:
            found.append(one)
            continue
        sql = f"CASE {' '.join(whens[one.name])} ELSE {one.sql} END"
        if one.type is not None:
            sql = f"({sql})::{pg_type(one.type)}"
        found.append(Field(one.name, one.type, sql))
    return found


def _mask_value(mask: Mask, place: int, known: dict[str, Field], catalog: Catalog, pos: int) -> str:
    fields = []
    for (name, _), column in zip(mask.columns, mask.inputs, strict=True):
        if column not in known:
            raise Refused(
                f'column "{column}", which the masking policy "{mask.name}" reads, does not exist',
                position=pos,
                sqlstate="42703",
            )
        fields.append(Field(name, known[column].type, known[column].sql))
    try:
        bound, denied = bind(catalog, mask.expression, fields, "", mask.lookups)
    except Refused as error:
        raise Refused(
            f'masking policy "{mask.name}": {error.message}', position=pos, sqlstate=error.sqlstate
        ) from None
    if denied:
        return f"(CASE WHEN zeroshift.deny_lookup({_text(denied)}) THEN NULL END)"
    return bound[place].sql


def _text(value: str) -> str:
    from deployer.local.translate.casts import pg_literal

    return pg_literal(value)
