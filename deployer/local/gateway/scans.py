"""What a statement needs of its external tables, read out of PostgreSQL's plan for it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deployer.local.files.spectrum import ExternalTable
from deployer.sql.lexer import LexError, Token, tokenize

if TYPE_CHECKING:
    from deployer.local.gateway.external import Bound
    from deployer.local.gateway.runner import Runner

_UNSTABLE = frozenset("random timeofday clock_timestamp nextval subplan initplan hashed row".split())
"""Words in a condition that has no one answer for a partition."""


@dataclass
class Need:
    """What is needed of one table: its columns, whether it is scanned at all, and for each scan its alias and the
    conditions that concern partition keys only. Without `conditions` every partition is read."""

    columns: set[str] = field(default_factory=set)
    scanned: bool = False
    conditions: list[tuple[str, list[str]]] = field(default_factory=list)


def needs(runner: Runner, sql: str, tables: Mapping[str, ExternalTable], bound: Bound) -> dict[str, Need]:
    """What `sql` needs of the temporary tables of these names. Raises ServerError."""
    found = {name: Need() for name in tables}
    rows = runner.internal_query(
        f"explain (verbose, costs off, format json) {sql}",
        bound.values,
        types=bound.types,
        formats=bound.formats,
    ).rows
    unconditional = set()
    for node in _nodes(json.loads(rows[0][0] or b"[]")):
        name = node.get("Relation Name", "")
        if name not in found or not node.get("Schema", "").startswith("pg_temp"):
            continue
        need, table, alias = found[name], tables[name], node["Alias"]
        need.scanned = True
        need.columns |= _columns(node, alias, table)
        conditions = _conditions(node.get("Filter", ""), alias, {key for key, _ in table.keys})
        if conditions:
            need.conditions.append((alias, conditions))
        else:
            unconditional.add(name)
    for name in unconditional:
        found[name].conditions.clear()
    return found


def _nodes(plan: Any) -> Iterator[dict[str, Any]]:
    """Every node of a plan, sub-plans included."""
    if isinstance(plan, list):
        for item in plan:
            yield from _nodes(item)
    elif isinstance(plan, dict):
        if "Node Type" in plan:
            yield plan
        for value in plan.values():
            if isinstance(value, list | dict):
                yield from _nodes(value)


def _columns(node: dict[str, Any], alias: str, table: ExternalTable) -> set[str]:
    """The columns of the table that a scan gives on or looks at; all of them where its text cannot be read."""
    every = {name for name, _ in table.all_columns}
    texts = [*node.get("Output", []), *(text for key, text in node.items() if key.endswith("Filter"))]
    found: set[str] = set()
    for text in texts:
        if not isinstance(text, str):
            continue
        try:
            tokens = tokenize(text)
        except LexError:
            return every
        for one, following, name in zip(tokens, tokens[1:], [*tokens[2:], tokens[-1]], strict=False):
            if one.value == alias and one.kind in ("word", "quoted") and one.value not in every:
                if following.value != "." or name.value == "*":
                    # The whole row.
                    return every
        # A qualifier stands only where several relations are read: a column of another relation does no harm.
        found |= {token.value for token in tokens if token.kind in ("word", "quoted")}
    return found & every


def _conditions(text: str, alias: str, keys: set[str]) -> list[str]:
    """Those of a filter's conditions, joined by AND, that concern the keys and nothing else."""
    if not text:
        return []
    try:
        return [part for part in _conjuncts(text) if _concerns(tokenize(part), alias, keys)]
    except LexError:
        return []


def _concerns(tokens: list[Token], alias: str, keys: set[str]) -> bool:
    named = set()
    for number, token in enumerate(tokens):
        if token.kind == "param" or token.value == "$" or (token.kind == "word" and token.value in _UNSTABLE):
            return False
        following = tokens[number + 1] if number + 1 < len(tokens) else token
        if token.kind in ("word", "quoted") and following.kind == "op" and following.value == ".":
            if tokens[number + 2].kind not in ("word", "quoted"):
                return False
            if token.value == alias:
                named.add(tokens[number + 2].value)
            elif not _is_function(tokens, number + 2):
                # A column of another table: of a join's other side.
                return False
    return bool(named) and named <= keys


def _is_function(tokens: list[Token], at: int) -> bool:
    """Whether schema.name is a function's or a type's name, no table's column: redshift.f(...), x::redshift.super."""
    before = tokens[at - 3] if at >= 3 else None
    return tokens[at + 1].value == "(" or (before is not None and before.value == "::")


def _conjuncts(text: str) -> Iterator[str]:
    """The parts of ((a) AND (b)), as PostgreSQL writes conditions: each part in parentheses or a single term."""
    tokens = tokenize(text)[:-1]
    while len(tokens) > 1 and _encloses(tokens):
        text = text[tokens[0].end : tokens[-1].start]
        tokens = tokenize(text)[:-1]
    depth, start = 0, 0
    cases = 0
    for token in tokens:
        if token.kind == "op":
            depth += (token.value in "([") - (token.value in ")]")
        elif token.kind == "word" and depth == 0:
            cases += (token.value == "case") - (token.value == "end")
            if cases:
                continue
            if token.value == "or":
                # OR binds looser: the whole is one condition.
                yield text
                return
            if token.value == "and":
                part = text[start : token.start].strip()
                start = token.end
                if _encloses(tokenize(part)[:-1]):
                    yield from _conjuncts(part)
                else:
                    yield part
    last = text[start:].strip()
    if start and _encloses(tokenize(last)[:-1]):
        yield from _conjuncts(last)
    elif last:
        yield last


def _encloses(tokens: list[Token]) -> bool:
    """Whether the first token is a parenthesis that the last one closes."""
    if not tokens or tokens[0].value != "(" or tokens[0].kind != "op":
        return False
    depth = 0
    for number, token in enumerate(tokens):
        if token.kind == "op":
            depth += (token.value == "(") - (token.value == ")")
        if depth == 0:
            return number == len(tokens) - 1
    return False
