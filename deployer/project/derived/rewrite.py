"""SQL of the base environment as a derived one's: the schemas of copied objects get the suffix.

A name is found as tokens, schema dot name, so comments and strings stay as they are. Where that could be something else
(a table's alias that is called as the schema) it is refused; so is dynamic SQL that names a copied object, or of which
it is not known what it names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from deployer.errors import UsageError
from deployer.project.lineage.model import Graph
from deployer.project.objects import Object, line_at
from deployer.sql import plpgsql_ast as a
from deployer.sql.lexer import LexError, Token, tokenize
from deployer.sql.names import quote_ident
from deployer.sql.procedure import parse_create_procedure


def rewritten(text: str, members: Collection[str], suffix: str, path: str, line: int) -> str:
    """`text`, which begins at `line` of `path`, with the suffix behind the schemas of `members` (schema.name).

    Raises UsageError with file and line for a name that may be something else.
    """
    schemas = {name.split(".", 1)[0] for name in members}
    edits: list[tuple[int, Token, str]] = []
    bare: dict[str, int] = {}
    for tokens, offset in _texts(text):
        for index, token in enumerate(tokens[:-1]):
            if token.kind not in ("word", "quoted") or token.value not in schemas:
                continue
            before = tokens[index - 1] if index else None
            if tokens[index + 1].value == "." and tokens[index + 2].kind in ("word", "quoted"):
                if f"{token.value}.{tokens[index + 2].value}" not in members:
                    continue
                if before is not None and before.value == ".":
                    raise UsageError(
                        f"{path}:{line + line_at(text, offset + token.start) - 1}: a name with its database cannot be"
                        " rewritten for an environment; leave the database out"
                    )
                edits.append((offset, token, quote_ident(token.value + suffix)))
            elif before is None or before.value not in (".", "encode", "schema"):
                bare.setdefault(token.value, offset + token.start)
    for _, token, _ in edits:
        if token.value in bare:
            raise UsageError(
                f"{path}:{line + line_at(text, bare[token.value]) - 1}: {token.value} is a schema and the name of"
                " something else here, so that the text cannot be rewritten for an environment; rename the other"
            )
    for offset, token, new in sorted(edits, key=lambda edit: edit[0] + edit[1].start, reverse=True):
        text = text[: offset + token.start] + new + text[offset + token.end :]
    return text


def _texts(text: str) -> Iterator[tuple[list[Token], int]]:
    """The tokens of a statement, and those of the procedure's body in it, each with the offset they count from."""
    tokens = tokenize(text)
    yield tokens, 0
    for before, token in zip(tokens, tokens[1:], strict=False):
        if token.kind == "string" and text.startswith("$", token.start) and before.value == "as":
            inner = text.index("$", token.start + 1) + 1
            yield tokenize(token.value), inner


_FOLLOWED = frozenset(
    "select insert update delete merge create_table_as copy unload truncate lock analyze".split()
)
"""Statements whose tables lineage tells, or that change nothing."""


def refuse_outside(item: Object, members: Collection[str]) -> None:
    """Raise UsageError with file and line for a statement of a copied procedure that changes something of the base's:
    GRANT, COMMENT, DDL of views and what else lineage does not follow.
    """
    statement = item.statements[0]
    parsed = parse_create_procedure(statement.text)
    for node in _nodes(parsed.block):
        if not isinstance(node, a.Sql) or node.kind in _FOLLOWED:
            continue
        tokens = tokenize(node.text.sql)
        if node.kind == "ddl" and any(token.value == "table" for token in tokens[:5]):
            continue
        for first, dot, second in zip(tokens, tokens[1:], tokens[2:], strict=False):
            name = f"{first.value}.{second.value}"
            if dot.value == "." and first.kind in ("word", "quoted") and name not in members:
                line = statement.line + line_at(statement.text, parsed.body_at + node.at) - 1
                raise UsageError(
                    f"{item.path}:{line}: {item.name} would be copied into the environment, and this statement would"
                    f" change {name} of the base; take it out of the procedure"
                )


def refuse_dynamic(item: Object, graph: Graph, members: Collection[str]) -> None:
    """Raise UsageError with file and line for an EXECUTE of a copied procedure that names a copied object, or may."""
    statement = item.statements[0]
    parsed = parse_create_procedure(statement.text)
    schemas = {name.split(".", 1)[0] for name in members}
    for at in _dynamic(parsed.block):
        line = statement.line + line_at(statement.text, parsed.body_at + at) - 1
        where = f"{item.path}:{line}"
        texts = [sql for site, sql in graph.dynamic if str(site) == where]
        if not texts:
            raise UsageError(
                f"{where}: this dynamic SQL is never reached, so it cannot be told what it names"
            )
        for sql in texts:
            named = _named(sql, schemas)
            if named:
                raise UsageError(
                    f"{where}: dynamic SQL names {named}, which the environment has under another schema; write the"
                    " statement without EXECUTE"
                )


def _named(sql: str, schemas: Collection[str]) -> str:
    try:
        tokens = tokenize(sql)
    except LexError:
        return "something that cannot be read"
    for token, dot, name in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if token.kind in ("word", "quoted") and token.value in schemas and dot.value == ".":
            return f"{token.value}.{name.value}"
    return ""


def _dynamic(block: a.Block) -> Iterator[int]:
    """The offsets of the statements that run a text."""
    for node in _nodes(block):
        if isinstance(node, a.Execute) or (isinstance(node, a.Cursor | a.ForQuery) and node.dynamic):
            yield node.at


def _nodes(block: a.Block) -> Iterator[object]:
    """All statements of a body."""
    todo: list[object] = [block]
    while todo:
        node = todo.pop()
        if isinstance(node, tuple):
            todo.extend(node)
            continue
        yield node
        if isinstance(node, a.If | a.Case):
            todo += [node.branches, node.otherwise]
        elif isinstance(node, a.Block):
            todo += [node.body, node.handler]
        elif isinstance(node, a.Handler | a.Loop | a.ForInteger | a.ForQuery):
            todo.append(node.body)


def late_binding(text: str) -> str:
    """A CREATE VIEW with NO SCHEMA BINDING, so that it holds nothing of the base environment's back.

    What a bound view reads cannot be dropped while it is there (Redshift DG, r_CREATE_VIEW): a pull request's view must
    not stand in the way of the base's next deployment.
    """
    tokens = [token.value for token in tokenize(text)[:-1]]
    if tokens[-4:] == ["with", "no", "schema", "binding"]:
        return text
    return f"{text.rstrip()}\nwith no schema binding"
