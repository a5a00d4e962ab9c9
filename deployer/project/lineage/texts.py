"""The texts that a variable or an expression can have, as far as they are written: what EXECUTE runs.

A text is a tuple of parts: what is written, and holes for what is not. A hole that QUOTE_LITERAL fills is a literal
whatever is in it, so the statement around it can still be read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deployer.project.lineage.model import NOTHING, Constants, Flow, Reads
from deployer.sql.names import quote_ident, quote_literal
from deployer.sql.parse import nodes as n

MOST = 16
"""More texts than this for one expression are not followed."""


@dataclass(frozen=True, slots=True)
class Hole:
    """A part that is not known: computed from `reads`, and quoted as a literal or not."""

    reads: Reads
    literal: bool = False


Text = tuple["str | Hole", ...]
Texts = frozenset[Text]

UNKNOWN: Texts = frozenset([(Hole(NOTHING),)])


def constants(texts: Texts | None) -> Constants | None:
    """The texts, when every one of them is wholly written."""
    if texts is None:
        return None
    found = set()
    for text in texts:
        if not all(isinstance(part, str) for part in text):
            return None
        found.add("".join(str(part) for part in text))
    return frozenset(found)


def texts_of(
    node: n.Expr,
    variable: Callable[[tuple[str, ...]], Texts | None],
    flow: Callable[[n.Expr], Flow],
) -> Texts:
    """The texts that an expression can have. `variable` knows those of variables, `flow` what fills a hole."""

    def of(node: n.Expr) -> Texts:
        if isinstance(node, n.Literal):
            # NULL makes the whole text NULL, which runs nothing.
            return frozenset() if node.kind == "null" else frozenset([(node.value,)])
        if isinstance(node, n.Binary) and node.op == "||":
            return joined(of(node.left), of(node.right))
        if isinstance(node, n.Cast) and node.type.name in ("varchar", "char") and not node.typed_literal:
            return of(node.operand)
        if isinstance(node, n.Column):
            known = variable(node.parts)
            if known is not None:
                return known
        if isinstance(node, n.FunctionCall) and node.name in ("quote_ident", "quote_literal") and node.args:
            return frozenset(quoted(text, node.name, flow(node).all) for text in of(node.args[0]))
        if isinstance(node, n.Case):
            results = [result for _, result in node.whens] + ([node.default] if node.default else [])
            found: Texts = frozenset()
            for result in results:
                found |= of(result)
            return found if len(found) <= MOST else frozenset([(Hole(flow(node).all),)])
        return frozenset([(Hole(flow(node).all),)])

    def quoted(text: Text, how: str, reads: Reads) -> Text:
        if not all(isinstance(part, str) for part in text):
            return (Hole(reads, literal=how == "quote_literal"),)
        whole = "".join(str(part) for part in text)
        try:
            return (quote_ident(whole) if how == "quote_ident" else quote_literal(whole),)
        except ValueError:
            return (Hole(reads),)

    def joined(left: Texts, right: Texts) -> Texts:
        if len(left) * len(right) > MOST:
            return frozenset([(Hole(flow(node).all),)])
        return frozenset(one + other for one in left for other in right)

    return of(node)


def statement(text: Text) -> tuple[str, bool, Reads]:
    """The statement that a text is; whether it is whole; what fills its holes.

    A quoted hole becomes the literal '', any other one three dots, with which no statement is whole.
    """
    reads = NOTHING
    whole = True
    parts = []
    for part in text:
        if isinstance(part, str):
            parts.append(part)
            continue
        reads |= part.reads
        whole = whole and part.literal
        parts.append("''" if part.literal else " ... ")
    return "".join(parts), whole, reads
