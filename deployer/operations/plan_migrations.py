"""The versioned part of a plan: pending migrations with their SQL and what they would lose, and what is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deployer.errors import UsageError
from deployer.mask import mask
from deployer.operations.changes import Change
from deployer.project.migrations import CHECKSUM, Migration, checksum
from deployer.sql.classify import classify
from deployer.sql.lexer import Token, tokenize
from deployer.warehouse import ledger
from deployer.warehouse.ledger import Migrated
from deployer.warehouse.session import Session

if TYPE_CHECKING:
    from deployer.warehouse.migrate import Recorded

EDITED, MISSING, HEADS, UNKNOWN, HALF = "edited", "missing", "two heads", "unknown head", "half applied"


@dataclass(frozen=True)
class Problem:
    """Something that keeps the project and the warehouse from being compared; a deployment refuses to begin.

    `code` is its kind, `name` what it is about. `repair` is what `zeroshift repair` would do, empty when it cannot.
    """

    code: str
    name: str
    message: str
    path: str = ""
    line: int = 0
    repair: str = ""


@dataclass(frozen=True)
class Applied:
    """What the warehouse knows of migrations: the heads, what was applied with which checksum, what is under way."""

    heads: tuple[str, ...]
    migrated: dict[str, Migrated]
    steps: ledger.Steps | None


def read(session: Session) -> Applied:
    """Ask the ledger. Nothing at all before the first deployment."""
    lacking = ledger.missing(session)
    heads = () if ledger.VERSION_TABLE in lacking else ledger.migration_heads(session)
    return Applied(heads, ledger.applied(session), ledger.steps(session))


def pending(versions: Sequence[Migration], applied: Applied) -> tuple[Migration, ...]:
    """The migrations that the warehouse lacks; none while it is not known where it stands (see `problems`)."""
    known = [migration.revision for migration in versions]
    if not applied.heads:
        return tuple(versions)
    if len(applied.heads) > 1 or applied.heads[0] not in known:
        return ()
    return tuple(versions[known.index(applied.heads[0]) + 1 :])


def problems(versions: Sequence[Migration], applied: Applied, root: Path) -> tuple[Problem, ...]:
    """What is wrong between the files and what was applied."""
    found: list[Problem] = []
    files = {migration.revision: migration for migration in versions}
    latest = versions[-1].revision if versions else None
    if len(applied.heads) > 1:
        listed = ", ".join(applied.heads)
        newest = max(applied.heads)
        whole = all(head in files for head in applied.heads)
        found.append(
            Problem(
                HEADS,
                listed,
                f"the warehouse stands at {len(applied.heads)} migrations at once ({listed}): somebody wrote into"
                f" {ledger.SCHEMA}.{ledger.VERSION_TABLE}",
                repair=f"say that it stands at {newest}, the newest of them" if whole else "",
            )
        )
    elif applied.heads and applied.heads[0] not in files:
        found.append(
            Problem(
                UNKNOWN,
                applied.heads[0],
                f"the warehouse stands at migration {applied.heads[0]}, which this checkout does not have"
                f" (its newest is {latest or 'none'}); deploy from a newer checkout",
            )
        )
    head = max(applied.heads, default="")
    for revision, migrated in sorted(applied.migrated.items()):
        if revision > head:
            continue
        found += _compared(migrated, files.get(revision), root, newest=latest or "")
    if applied.steps is not None:
        found += _half_applied(applied.steps, files.get(applied.steps.revision), root)
    return tuple(found)


def _compared(migrated: Migrated, migration: Migration | None, root: Path, *, newest: str) -> list[Problem]:
    name = migrated.revision
    if migration is None:
        if name > newest:
            # The head's own message says it.
            return []
        return [
            Problem(
                MISSING,
                name,
                f"migration {name} was applied (deployment {migrated.deployment_id}), and its file"
                f" {migrated.path} is gone; bring it back: git checkout <commit> -- {migrated.path}",
                migrated.path,
                1,
                repair=f"write {migrated.path} as it was applied" if migrated.deployment_id else "",
            )
        ]
    text = migration.text
    if migrated.checksum == migration.checksum:
        return []
    path = _relative(migration.path, root)
    accept = f"accept the file's present checksum for {name}; the warehouse is not changed"
    if migrated.checksum == checksum(text.replace("\n", "\r\n")):
        return [
            Problem(
                EDITED,
                name,
                f"the checksum of migration {name} was taken over Windows line ends; the text is the same",
                path,
                1,
                repair=accept,
            )
        ]
    algorithm = migrated.checksum.partition(":")[0]
    if algorithm != CHECKSUM:
        return [
            Problem(
                EDITED,
                name,
                f"the checksum of migration {name} was taken with {algorithm!r}, which this zeroshift does not use",
                path,
                1,
                repair=accept,
            )
        ]
    return [
        Problem(
            EDITED,
            name,
            f"migration {name} was edited after it was applied (deployment {migrated.deployment_id}); an edit"
            " reaches no warehouse that has it: put the file back and write a new migration",
            path,
            1,
            repair=accept,
        )
    ]


def _half_applied(steps: ledger.Steps, migration: Migration | None, root: Path) -> list[Problem]:
    """Nothing when the next deployment can go on where the last one stopped: what has run stands in the file as it ran.

    What has not run yet may be edited: it may be what was wrong.
    """
    if migration is not None and _has_run(migration, steps):
        return []
    what = "one of those was edited since" if migration is not None else "its file is gone"
    return [
        Problem(
            HALF,
            steps.revision,
            f"migration {steps.revision} stands half applied: {steps.done} of its statements are done, and {what};"
            " put it back as it was, deploy, and write a new migration for the rest",
            _relative(migration.path, root) if migration is not None else "",
            1 if migration is not None else 0,
        )
    ]


def _has_run(migration: Migration, steps: ledger.Steps) -> bool:
    from deployer.warehouse import migrate

    return beginning(migrate.record(migration), steps.attempted) == steps.checksum


def beginning(recorded: Recorded, count: int) -> str:
    """A checksum over the first `count` statements."""
    return checksum("\n;\n".join(statement.text for statement in recorded.statements[:count]) + f"\n{count}")


@dataclass(frozen=True)
class PendingMigration:
    """A migration that will be applied. `recorded.reads` is set for one whose statements are known only when it runs;
    `stepwise` for one that cannot run in one transaction.
    """

    migration: Migration
    recorded: Recorded
    change: Change
    stepwise: bool


def planned(migration: Migration, root: Path) -> PendingMigration:
    """A pending migration as a Change. Raises UsageError and StatementFailed as `record` does."""
    # Alembic and SQLAlchemy take longer to load than most commands to run.
    from deployer.warehouse import migrate

    recorded = migrate.record(migration)
    kinds = [classify(statement.text) for statement in recorded.statements]
    alone = [
        statement
        for statement, kind in zip(recorded.statements, kinds, strict=True)
        if kind.alone or kind.commits
    ]
    if alone and recorded.reads:
        raise UsageError(
            f"{alone[0].where}: this statement cannot run in a transaction, and the migration reads from the warehouse"
            f" ({recorded.reads}), which is done in one; make two migrations of it"
        )
    losses = [
        (loss, statement.where) for statement in recorded.statements for loss in losses_of(statement.text)
    ]
    reasons = []
    if recorded.reads:
        reasons.append(
            f"it reads from the warehouse ({recorded.reads}): what follows is known only when it runs"
        )
    if alone:
        reasons.append(
            f"{len(alone)} of its statements cannot run in a transaction: each runs alone, and a deployment that is"
            " killed goes on behind the last one"
        )
    first = losses[0][1] if losses else ""
    return PendingMigration(
        migration,
        recorded,
        Change(
            action="apply",
            kind="migration",
            name=migration.path.stem,
            path=_relative(migration.path, root),
            line=int(first.rpartition(":")[2]) if first else 1,
            statements=tuple(mask(statement.text.strip()) for statement in recorded.statements),
            destructive="; ".join(dict.fromkeys(loss for loss, _ in losses)),
            reason="; ".join(reasons),
        ),
        stepwise=bool(alone),
    )


def losses_of(text: str) -> list[str]:
    """What a statement of a migration would lose, in words; empty when nothing is lost.

    UPDATE, MERGE and CALL are not looked into: filling columns is what migrations are for.
    """
    tokens = tokenize(text)
    kind = classify(text)
    words = [token.value if token.kind == "word" else "" for token in tokens]
    if kind.name == "truncate":
        return [f"all rows of {_name_after(tokens, 'table', 'truncate')}"]
    if kind.name == "delete":
        return [f"rows of {_name_after(tokens, 'from', 'delete')}"]
    if kind.name == "unload" and ("cleanpath" in words or "allowoverwrite" in words):
        return ["files that lie where UNLOAD writes"]
    if kind.name not in ("ddl", "drop_integration"):
        return []
    if words[0] == "drop":
        return [f"the {_dropped(text, tokens)}"]
    if words[0] != "alter" or kind.object != "table":
        return []
    table = _name_after(tokens, "table")
    found = []
    for index, word in enumerate(words):
        if word == "drop" and words[index + 1] not in ("constraint", "default", "not"):
            column = tokens[index + 2 if words[index + 1] == "column" else index + 1]
            found.append(f"the column {column.value} of {table}")
        if word == "append":
            found.append(f"the rows of {_name_after(tokens, 'from')}, which move to {table}")
        if word == "type" and "alter" in words[2:index]:
            found.append(f"values of {tokens[index - 1].value} of {table} that do not fit its new type")
    return found


def _dropped(text: str, tokens: Sequence[Token]) -> str:
    """What DROP names, kind and all, as it is written: `table shop.sales`."""
    written = " ".join(text[tokens[1].start : tokens[-2].end].split())
    return re.sub(r"\bif exists ", "", written, flags=re.I)


def _name_after(tokens: Sequence[Token], *words: str) -> str:
    """The dotted name behind the first of `words` that the statement has."""
    for word in words:
        for index, token in enumerate(tokens):
            if token.kind == "word" and token.value == word:
                parts = [tokens[index + 1].value]
                at = index + 2
                while at + 1 < len(tokens) and tokens[at].value == ".":
                    parts.append(tokens[at + 1].value)
                    at += 2
                return ".".join(parts)
    return "?"


def _relative(path: Path, root: Path) -> str:
    try:
        return str(path.relative_to(root))
    except ValueError:
        return str(path)
