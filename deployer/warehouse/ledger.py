"""What was deployed, in the deployer's own schema.

Live state: `objects`, one row a view or procedure, and `definitions`, what the warehouse made of it. History, which is
only added to: `deployments`, and `history` with the whole text of each file that a deployment changed. Migrations:
Alembic's own table with the head, and `applied` with the checksum of each file.

Redshift enforces no keys, so every writer deletes before it inserts, inside a transaction that holds the lease.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime

from deployer.warehouse import chunks
from deployer.warehouse.ledger_tables import SCHEMA, VERSION_TABLE, ensure, missing
from deployer.warehouse.session import Session

__all__ = ["SCHEMA", "VERSION_TABLE", "Deployed", "Deployment", "Migrated", "ensure", "missing"]

RUNNING, DONE, FAILED, ABANDONED = "running", "done", "failed", "abandoned"
"""A deployment's states. Abandoned: it was still running when the next one began, so its process was killed."""

_COLUMNS = "kind, name, signature, path, checksum, late_binding, depends_on"
_HISTORY = "deployment_id, action, kind, name, path, checksum, part, text"
_MIGRATION = "migration"
_NO_LIMIT = 2**62
_FEW = 500
"""Up to how many names a question lists; more are answered by all."""


@dataclass(frozen=True)
class Deployed:
    """An object as it was deployed last. `depends_on`: the names of project objects that it then used."""

    kind: str
    name: str
    signature: str
    path: str
    checksum: str
    late_binding: bool
    depends_on: tuple[str, ...]

    @property
    def key(self) -> str:
        """Kind and name."""
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Deployment:
    """One row of the log. `objects` and `migrations`: how many it changed. Times are the warehouse's, UTC."""

    id: int
    deployed_by: str
    host: str
    process_id: int
    git_commit: str | None
    started_at: datetime
    finished_at: datetime | None
    status: str
    plan_checksum: str
    objects: int
    migrations: int


@dataclass(frozen=True)
class Migrated:
    """A migration that was applied. `deployment_id` is 0 where an older zeroshift did it, which kept no checksums."""

    revision: str
    path: str
    checksum: str
    deployment_id: int


def exists(session: Session) -> bool:
    """Whether anything was ever deployed into this warehouse."""
    return "objects" not in missing(session)


# -- live state -----------------------------------------------------------------------------------------------------


def read(session: Session) -> dict[str, Deployed]:
    """Everything deployed, by kind and name: {"view presentation.x": Deployed, ...}."""
    found = session.execute(f"select {_COLUMNS} from {SCHEMA}.objects")
    result = {}
    for kind, name, signature, path, checksum, late_binding, depends_on in found.rows:
        result[f"{kind} {name}"] = Deployed(
            kind, name, signature, path, checksum, bool(late_binding), tuple(json.loads(depends_on))
        )
    return result


def record(
    session: Session, objects: Iterable[Deployed], *, deployed_by: str, git_commit: str | None
) -> None:
    """Write down `objects` in place of what was known of them; runs in the caller's transaction."""
    listed = list(objects)
    _forget(session, "objects", listed)
    # One time for all of them.
    now = session.execute("select getdate()").rows[0][0]
    chunks.insert(
        session,
        f"{SCHEMA}.objects",
        f"{_COLUMNS}, deployed_at, deployed_by, git_commit",
        (
            (
                item.kind,
                item.name,
                item.signature,
                item.path,
                item.checksum,
                item.late_binding,
                json.dumps(list(item.depends_on)),
                now,
                deployed_by,
                git_commit,
            )
            for item in listed
        ),
    )


def forget(session: Session, kind: str, name: str) -> None:
    """Delete what is known of one object's live state; runs in the caller's transaction. Its history stays."""
    for table in ("objects", "definitions"):
        session.execute(f"delete from {SCHEMA}.{table} where kind = %s and name = %s", (kind, name))


def live(session: Session) -> dict[str, str]:
    """What the warehouse made of each object, read back right after it was deployed: {key: definition}.

    Redshift rewrites what it is given, so hand-made changes are found by comparing this with catalog.definition().
    Objects that an older zeroshift deployed are absent until the first deployment by this one.
    """
    if "definitions" in missing(session):
        return {}
    found = session.execute(f"select kind, name, part, text from {SCHEMA}.definitions")
    return chunks.joined((f"{kind} {name}", part, text) for kind, name, part, text in found.rows)


def live_keys(session: Session) -> set[str]:
    """The objects whose definition was read back."""
    found = session.execute(f"select distinct kind, name from {SCHEMA}.definitions")
    return {f"{kind} {name}" for kind, name in found.rows}


def record_live(session: Session, definitions: dict[str, str]) -> None:
    """Keep read-back definitions by key in place of earlier ones; runs in the caller's transaction."""
    keys = [key.split(" ", 1) for key in definitions]
    listed = [Deployed(kind, name, "", "", "", False, ()) for kind, name in keys]
    _forget(session, "definitions", listed)
    chunks.insert(
        session,
        f"{SCHEMA}.definitions",
        "kind, name, part, text",
        (
            (item.kind, item.name, number, part)
            for item in listed
            for number, part in enumerate(chunks.cut(definitions[item.key]))
        ),
    )


def _forget(session: Session, table: str, objects: list[Deployed]) -> None:
    for kind in sorted({item.kind for item in objects}):
        names = [item.name for item in objects if item.kind == kind]
        for start in range(0, len(names), 500):
            some = names[start : start + 500]
            marks = ", ".join(["%s"] * len(some))
            session.execute(
                f"delete from {SCHEMA}.{table} where kind = %s and name in ({marks})", (kind, *some)
            )


# -- history --------------------------------------------------------------------------------------------------------


def begin(session: Session, *, deployed_by: str, git_commit: str | None, plan_checksum: str) -> int:
    """Enter a deployment that begins now, and return its number; runs in a transaction that holds the lease.

    Earlier ones that never ended are marked as abandoned: the lease says that nobody is at work any more.
    """
    session.execute(f"update {SCHEMA}.deployments set status = %s where status = %s", (ABANDONED, RUNNING))
    number = int(session.execute(f"select coalesce(max(id), 0) + 1 from {SCHEMA}.deployments").rows[0][0])
    session.execute(
        f"insert into {SCHEMA}.deployments (id, deployed_by, host, process_id, git_commit, started_at, status,"
        " plan_checksum) values (%s, %s, %s, %s, %s, getdate(), %s, %s)",
        (number, deployed_by, socket.gethostname(), os.getpid(), git_commit, RUNNING, plan_checksum),
    )
    return number


def end(session: Session, deployment: int, status: str) -> None:
    """Write how a deployment ended; runs in the caller's transaction, or alone after a failure."""
    session.execute(
        f"update {SCHEMA}.deployments set status = %s, finished_at = getdate() where id = %s",
        (status, deployment),
    )


def deployments(session: Session) -> tuple[Deployment, ...]:
    """All deployments, the newest first; empty before this zeroshift has deployed."""
    if "deployments" in missing(session):
        return ()
    found = session.execute(
        "select d.id, d.deployed_by, d.host, d.process_id, d.git_commit, d.started_at, d.finished_at, d.status,"
        " d.plan_checksum, coalesce(h.objects, 0), coalesce(m.migrations, 0)"
        f" from {SCHEMA}.deployments as d"
        f" left join (select deployment_id, count(*) as objects from {SCHEMA}.history where part = 0"
        " and action <> 'adopt' and kind <> 'migration' group by deployment_id) as h on h.deployment_id = d.id"
        f" left join (select deployment_id, count(*) as migrations from {SCHEMA}.applied group by deployment_id) as m"
        " on m.deployment_id = d.id order by d.id desc"
    )
    return tuple(Deployment(*row) for row in found.rows)


def last_done(session: Session) -> int:
    """The number of the last deployment that ended well, 0 before the first."""
    if "deployments" in missing(session):
        return 0
    found = session.execute(
        f"select coalesce(max(id), 0) from {SCHEMA}.deployments where status = %s", (DONE,)
    )
    return int(found.rows[0][0])


@dataclass(frozen=True)
class Entry:
    """What one deployment did to one object. `action`: create, replace, recreate, drop, or adopt (the text of a file
    that an older zeroshift had deployed). `text` is the whole file; empty for drop.
    """

    action: str
    kind: str
    name: str
    path: str
    checksum: str
    text: str


def append(session: Session, deployment: int, entries: Iterable[Entry]) -> None:
    """Add to the history; runs in the caller's transaction."""
    chunks.insert(
        session,
        f"{SCHEMA}.history",
        _HISTORY,
        (
            (deployment, item.action, item.kind, item.name, item.path, item.checksum, number, part)
            for item in entries
            for number, part in enumerate(chunks.cut(item.text))
        ),
    )


def entries(
    session: Session, deployment: int | None = None, *, keys: Collection[str] | None = None
) -> dict[str, Entry]:
    """The last entry of each object at the end of `deployment`, None for now; dropped objects are left out.

    `keys` narrows it to these objects. Only deployments that ended well count: the others changed no object, for all
    objects change in one transaction. The texts of migrations are not among them: `migration_text` has those.
    """
    if "history" in missing(session):
        return {}
    conditions, values = ["h.action <> %s", "h.kind <> %s"], ["drop", _MIGRATION]
    if keys is not None and len(keys) <= _FEW:
        if not keys:
            return {}
        conditions.append("h.name in (" + ", ".join(["%s"] * len(keys)) + ")")
        values += [key.split(" ", 1)[1] for key in sorted(keys)]
    found = session.execute(
        f"select h.action, h.kind, h.name, h.path, h.checksum, h.part, h.text from {SCHEMA}.history as h"
        f" join (select kind, name, max(deployment_id) as deployment_id from {SCHEMA}.history"
        " where deployment_id <= %s group by kind, name) as last on last.kind = h.kind and last.name = h.name"
        f" and last.deployment_id = h.deployment_id where {' and '.join(conditions)}",
        (_NO_LIMIT if deployment is None else deployment, *values),
    )
    texts = chunks.joined((f"{kind} {name}", part, text) for _, kind, name, _, _, part, text in found.rows)
    result = {
        f"{kind} {name}": Entry(action, kind, name, path, checksum, texts[f"{kind} {name}"])
        for action, kind, name, path, checksum, _, _ in found.rows
    }
    return result if keys is None else {key: entry for key, entry in result.items() if key in keys}


def recorded(session: Session) -> dict[str, str]:
    """The checksum of the file that the history has last of each object that is not dropped: {key: checksum}."""
    if "history" in missing(session):
        return {}
    found = session.execute(
        f"select h.action, h.kind, h.name, h.checksum from {SCHEMA}.history as h"
        f" join (select kind, name, max(deployment_id) as deployment_id from {SCHEMA}.history group by kind, name)"
        " as last on last.kind = h.kind and last.name = h.name and last.deployment_id = h.deployment_id"
        " where h.part = 0 and h.kind <> 'migration'"
    )
    return {f"{kind} {name}": checksum for action, kind, name, checksum in found.rows if action != "drop"}


def source(session: Session, deployment: int | None = None) -> dict[str, str]:
    """The whole file of each object as it stood at the end of `deployment` (None: now): {key: text}."""
    return {key: entry.text for key, entry in entries(session, deployment).items()}


# -- migrations -----------------------------------------------------------------------------------------------------


def migration_heads(session: Session) -> tuple[str, ...]:
    """The migrations that the warehouse stands at: none before the first, one afterwards."""
    found = session.execute(f"select version_num from {SCHEMA}.{VERSION_TABLE} order by version_num")
    return tuple(row[0] for row in found.rows)


def applied(session: Session) -> dict[str, Migrated]:
    """The migrations that were applied, by revision; those of an older zeroshift only once they were adopted."""
    if "applied" in missing(session):
        return {}
    found = session.execute(f"select revision, path, checksum, deployment_id from {SCHEMA}.applied")
    return {row[0]: Migrated(*row) for row in found.rows}


def record_migrated(session: Session, migrations: Iterable[Migrated], *, applied_by: str) -> None:
    """Write down migrations with their checksums, in place of earlier rows; runs in the caller's transaction."""
    for item in migrations:
        session.execute(f"delete from {SCHEMA}.applied where revision = %s", (item.revision,))
        session.execute(
            f"insert into {SCHEMA}.applied (revision, path, checksum, deployment_id, applied_at, applied_by)"
            " values (%s, %s, %s, %s, getdate(), %s)",
            (item.revision, item.path, item.checksum, item.deployment_id, applied_by),
        )


def migration_text(session: Session, revision: str) -> str | None:
    """The file of a migration as it was applied last; None where an older zeroshift did it."""
    if "history" in missing(session):
        return None
    found = session.execute(
        f"select deployment_id, part, text from {SCHEMA}.history where kind = %s and name = %s",
        (_MIGRATION, revision),
    )
    newest = max((row[0] for row in found.rows), default=None)
    texts = chunks.joined((revision, part, text) for number, part, text in found.rows if number == newest)
    return texts.get(revision)


@dataclass(frozen=True)
class Steps:
    """How far a migration has come that cannot run in one transaction.

    `done` statements are done for certain; `attempted` is one more while the next one runs, or ran when the process
    was killed. `checksum` is over the text of the attempted ones.
    """

    revision: str
    checksum: str
    done: int
    attempted: int


def steps(session: Session) -> Steps | None:
    """The migration that stands half applied, None when there is none."""
    if "steps" in missing(session):
        return None
    found = session.execute(f"select revision, checksum, done, attempted from {SCHEMA}.steps")
    return Steps(*found.rows[0]) if found.rows else None


def record_steps(session: Session, progress: Steps | None) -> None:
    """Write how far it has come, None at its end; runs in the caller's transaction."""
    session.execute(f"delete from {SCHEMA}.steps")
    if progress is not None:
        session.execute(
            f"insert into {SCHEMA}.steps (revision, checksum, done, attempted) values (%s, %s, %s, %s)",
            (progress.revision, progress.checksum, progress.done, progress.attempted),
        )


def set_head(session: Session, revision: str) -> None:
    """Make `revision` the one that the warehouse stands at; runs in the caller's transaction."""
    session.execute(f"delete from {SCHEMA}.{VERSION_TABLE}")
    session.execute(f"insert into {SCHEMA}.{VERSION_TABLE} (version_num) values (%s)", (revision,))
