"""Where an error in the PostgreSQL text stands in the user's text."""

from __future__ import annotations

from difflib import SequenceMatcher

from deployer.sql.lexer import LexError, Token, tokenize

_MOST = 4000
"""Tokens beyond which aligning would take longer than an error message is worth."""


def _key(token: Token) -> str:
    """What makes a token of one text the same as one of the other: both quote and fold differently."""
    if token.kind in ("word", "quoted"):
        return token.value
    if token.kind == "string":
        return "'" + token.value
    return token.value


def map_position(original: str, translated: str, offset: int) -> int | None:
    """The offset in `original` of what stands at `offset` in `translated`, both 0-based; None when it cannot be told.

    The tokens of both texts are aligned. A token that the translator added maps to the nearest one before it
    that the user wrote.
    """
    try:
        ours, theirs = tokenize(translated), tokenize(original)
    except LexError:
        return None
    if len(ours) > _MOST or len(theirs) > _MOST:
        return None
    wanted = next((index for index, token in enumerate(ours) if token.end > offset), None)
    if wanted is None:
        return None
    matcher = SequenceMatcher(None, [_key(token) for token in ours], [_key(token) for token in theirs], False)
    nearest: Token | None = None
    for a, b, size in matcher.get_matching_blocks():
        if a > wanted:
            break
        if size:
            nearest = theirs[b + min(wanted - a, size - 1)]
    if nearest is None or nearest.kind == "end":
        return None
    return nearest.start
