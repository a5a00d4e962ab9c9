"""The one place that takes secrets and account ids out of a text before anybody reads it."""

from __future__ import annotations

import re

HIDDEN = "***"

_RULES: tuple[tuple[re.Pattern[str], str], ...] = (
    # arn:partition:service:region:ACCOUNT:resource; AWS's own policies have `aws` there and keep it.
    (re.compile(r"\b(arn:aws[a-z-]*:[a-z0-9-]*:[a-z0-9-]*:)\d{12}(?=[:/])", re.I), rf"\1{HIDDEN}"),
    # The archive's bucket ends in the account, since names of buckets are the world's (aws/resources/archive.py).
    (re.compile(r"(\b[a-z0-9][a-z0-9.-]*-archive-)\d{12}(?![\w-])"), rf"\1{HIDDEN}"),
    # Access key ids: long-lived ones begin with AKIA, temporary ones with ASIA (IAM User Guide,
    # reference_identifiers, "Understanding unique ID prefixes").
    (re.compile(r"\b(?:AKIA|ASIA)[A-Z0-9]{12,124}\b"), HIDDEN),
    # user:password@ in a URL.
    (re.compile(r"(\b[a-z][a-z0-9+.-]*://[^\s/:@]+:)[^\s/@]+(?=@)", re.I), rf"\1{HIDDEN}"),
    # CREATE USER ... PASSWORD 'x', COPY ... CREDENTIALS 'x', SECRET_ACCESS_KEY 'x' and their like.
    (
        re.compile(
            r"\b((?:password|credentials|access_key_id|secret_access_key|session_token|token)(?:\s+as)?\s+)"
            r"'(?:[^']|'')*'",
            re.I,
        ),
        rf"\1'{HIDDEN}'",
    ),
    # key=value, "key": "value"; but for MySQL's "(using password: YES)".
    (
        re.compile(
            r"\b((?:[a-z_]*password|pwd|secret[a-z_]*key|secretstring|[a-z_]*access_key_id|session_?token)\"?\s*[=:]\s*)"
            r"(?!(?:YES|NO)\))(\"[^\"]*\"|'[^']*'|[^\s,;&'\"}]+)",
            re.I,
        ),
        rf"\1{HIDDEN}",
    ),
)

_BARE_ACCOUNT = re.compile(r"(?<![\w.-])\d{12}(?![\w-])")


def mask(text: str, *, accounts: bool = False) -> str:
    """`text` without secrets and without the account ids of its ARNs.

    With `accounts` every number of twelve digits goes, too: for what AWS says, never for SQL, where it may be data.
    """
    for pattern, replacement in _RULES:
        text = pattern.sub(replacement, text)
    return _BARE_ACCOUNT.sub(HIDDEN, text) if accounts else text
