"""Whether the project's SQL needs the history of a landing database whose integration is told to keep none.

Only history mode makes the columns _record_is_active, _record_create_time and _record_delete_time (Redshift Management
Guide, zero-etl-history-mode). Views over another database are late-binding, so nothing refuses such a project before
its first run.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from deployer.project.environments import Environment
from deployer.project.zero_etl import ZeroEtl
from deployer.project.zero_etl_aws import AwsZeroEtl
from deployer.sql.lexer import LexError, Token, tokenize

COLUMNS = ("_record_is_active", "_record_create_time", "_record_delete_time")
_NAMES = ("word", "quoted")


def warnings(root: Path, config_file: str, environment: Environment) -> Iterator[str]:
    """A sentence for each integration without history whose landing database is read with its columns."""
    integrations: list[ZeroEtl | AwsZeroEtl] = [*environment.zero_etl, *environment.integrations]
    for one in integrations:
        if one.history_mode:
            continue
        found = list(_readers(root, one.landing))
        if found:
            first, more = found[0], len(found) - 1
            others = (
                f", and so do {more} more files"
                if more > 1
                else ", and so does one more file"
                if more
                else ""
            )
            yield (
                f"{config_file}:{one.line}: history_mode = false leaves {one.landing} without the columns _record_...:"
                f" {first}{others}; whoever reads them will fail: turn history mode on, or take those files out"
            )


def _readers(root: Path, landing: str) -> Iterator[str]:
    """Each file, with the line where it reads such a column of the database."""
    for path in sorted((root / "procedures").rglob("*.sql")):
        text = path.read_text(encoding="utf-8")
        # Tokens are slower than this look.
        lower = text.lower()
        if landing not in lower or not any(column in lower for column in COLUMNS):
            continue
        try:
            tokens = tokenize(text)
        except LexError:
            # Whoever deploys the file says so.
            continue
        table = next(_tables(tokens, landing), None)
        column = next((token for token in tokens if token.kind in _NAMES and token.value in COLUMNS), None)
        if table is not None and column is not None:
            line = text.count("\n", 0, column.start) + 1
            yield f"{path.relative_to(root)}:{line} reads {column.value} of {table}"


def _tables(tokens: Sequence[Token], landing: str) -> Iterator[str]:
    """The names of three parts whose first one is the database."""
    for at in range(len(tokens) - 4):
        five = tokens[at : at + 5]
        if (
            all(token.kind in _NAMES for token in five[::2])
            and five[0].value == landing
            and five[1].value == five[3].value == "."
        ):
            yield ".".join(token.value for token in five[::2])
