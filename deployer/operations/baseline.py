"""`zeroshift baseline`: adopt what a warehouse has already, so that the next plan is empty.

Views and procedures become files, and the ledger records them as deployed from those files. What the ledger knows
already and nobody has changed is left alone, so baseline can be run again, and also takes over what `drift` shows.
Tables belong to migrations. A project without any gets its first one, which makes the schemas and tables there are; a
project that has some keeps them, and `stamp` records them as applied without running them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import Unsafe, UsageError
from deployer.operations import imported, imported_tables
from deployer.operations.imported import CannotImport, LeftOut
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project import graph, migrations, objects
from deployer.project.config import Environment, Project
from deployer.project.objects import Object
from deployer.warehouse import catalog, environment_ledger, lease, ledger, routines
from deployer.warehouse.ledger import SCHEMA, Deployed, Entry, Migrated
from deployer.warehouse.session import Session

_SYSTEM = ("pg_catalog", "information_schema", "public", SCHEMA)
"""Schemas that are not adopted unless they are named."""


@dataclass(frozen=True)
class Table:
    """A table of an adopted schema: `distkey` is empty where there is none (EVEN, ALL or AUTO)."""

    name: str
    columns: int
    distkey: str
    sortkey: tuple[str, ...]


@dataclass(frozen=True)
class Baseline:
    """What was adopted. `imported` are new files, `overwritten` replaced ones, `matching` files that said it already.

    `known`: objects that were deployed before and are as they were. `stamped`: the migration that the warehouse stands
    at from now on; `pending`: migrations that the next deployment would run. `migration`: the file of the first one,
    when it was written, and `tables_imported` what it makes. `tables`: those of the adopted schemas that no migration
    describes.
    """

    imported: tuple[str, ...]
    overwritten: tuple[str, ...]
    matching: tuple[str, ...]
    known: int
    left_out: tuple[LeftOut, ...]
    stamped: str | None
    pending: tuple[str, ...]
    tables: tuple[Table, ...]
    migration: str = ""
    tables_imported: tuple[str, ...] = ()


@dataclass(frozen=True)
class _File:
    """A file to be written: `before` is its text now, None when there is none."""

    key: str
    path: Path
    text: str
    before: str | None


def baseline(
    project: Project,
    environment: Environment,
    *,
    schemas: Sequence[str] = (),
    stamp: bool = False,
    force: bool = False,
    wait: float = 0.0,
    progress: Progress = silent,
) -> Baseline:
    """Adopt the views and procedures of `environment`; of all schemas but public and the system's, or of `schemas`.

    Raises Unsafe, before anything is written, when a file exists that says something else, unless `force`. Raises
    LeaseHeld while somebody deploys. Killed in the middle it leaves files without a record: run it again.
    """
    versions = migrations.read(project.migrations)
    with Session(target(project, environment, progress)) as session:
        ledger.ensure(session)
        held = lease.acquire(session, wait=wait, on_wait=lambda holder: progress(f"waiting for {holder}"))
        try:
            live = catalog.definitions(session)
            base = imported_tables.base_tables(session)
            there = {*map(_schema, live), *(name.partition(".")[0] for name in base)}
            chosen = _chosen(there, _derived(session), schemas)
            known, wanted = _candidates(session, {key: live[key] for key in live if _schema(key) in chosen})
            files, left_out = _files(session, project, {key: live[key] for key in wanted}, progress)
            _refuse_to_overwrite(files, force)
            first = None
            if not ledger.migration_heads(session) and _is_ours(versions):
                mine = [name for name in base if name.partition(".")[0] in chosen]
                first = imported_tables.migration(session, chosen, mine) if chosen else None
            if first is not None and _write_migration(project, first.text):
                left_out += first.left_out
                versions, stamp = migrations.read(project.migrations), True
            for file in files:
                _write(project.root / file.path, file.text)
            adopted = {file.key for file in files}
            every = objects.read_all(project.procedures, project.root)
            head = versions[-1].revision if stamp and versions else None
            _record(
                session,
                held,
                every,
                {key: live[key] for key in adopted},
                versions if stamp else (),
                project.root,
            )
            heads = ledger.migration_heads(session)
            tables = _tables(session, chosen) if not heads else ()
        finally:
            lease.give_back(session, held)
    behind = [item.revision for item in versions]
    if heads and heads[0] in behind:
        behind = behind[behind.index(heads[0]) + 1 :]
    return Baseline(
        imported=tuple(str(file.path) for file in files if file.before is None),
        overwritten=tuple(str(file.path) for file in files if file.before not in (None, file.text)),
        matching=tuple(str(file.path) for file in files if file.before == file.text),
        known=known,
        left_out=left_out,
        stamped=head,
        pending=tuple(behind),
        tables=tables,
        migration=str(versions[0].path.relative_to(project.root)) if first is not None and head else "",
        tables_imported=first.names if first is not None and head else (),
    )


def _derived(session: Session) -> dict[str, str]:
    """The schemas of derived environments, and whose they are: copies, which nobody adopts."""
    return {
        part.schema: item.name
        for item in environment_ledger.read(session)
        for part in environment_ledger.parts(session, item.name)
    }


def _chosen(there: set[str], derived: Mapping[str, str], schemas: Sequence[str]) -> set[str]:
    """The schemas to adopt."""
    for schema in schemas:
        if schema not in there:
            raise UsageError(f"there is nothing to adopt in schema {schema}; nothing was adopted")
        if schema in derived:
            raise UsageError(
                f"schema {schema} belongs to the environment {derived[schema]}; nothing was adopted"
            )
    if schemas:
        return set(schemas)
    return {
        schema
        for schema in there
        if schema not in _SYSTEM and schema not in derived and not schema.startswith("pg_")
    }


def _candidates(session: Session, live: dict[str, str]) -> tuple[int, list[str]]:
    """How many objects are known and unchanged, and the keys of the others."""
    deployed, recorded = ledger.read(session), ledger.live(session)
    wanted = [key for key in sorted(live) if key not in deployed or recorded.get(key, live[key]) != live[key]]
    return len(live) - len(wanted), wanted


def _is_ours(versions: Sequence[migrations.Migration]) -> bool:
    """Whether the project has no migration but one that baseline wrote, perhaps before it was killed."""
    return [item.path.name for item in versions] in ([], [imported_tables.FILE_NAME])


def _write_migration(project: Project, text: str) -> bool:
    """Write the first migration; False when there is another one already, which then waits to be stamped."""
    path = project.migrations / "versions" / imported_tables.FILE_NAME
    before = _text(path)
    if before is None:
        _write(path, text)
    return before in (None, text)


def _files(
    session: Session, project: Project, live: dict[str, str], progress: Progress
) -> tuple[list[_File], tuple[LeftOut, ...]]:
    """The files that the objects become; one that exists already keeps its place and its header."""
    have = {item.key: item for item in objects.read_all(project.procedures, project.root)}
    overloads: dict[str, list[routines.Routine]] = {}
    for routine in routines.procedures(session):
        overloads.setdefault(routine.name, []).append(routine)
    files, left_out = [], []
    progress(f"reading {len(live)} definitions")
    for key, definition in live.items():
        kind, _, name = key.partition(" ")
        try:
            if kind == "view":
                item = imported.view(session, name, definition)
            else:
                item = imported.procedure(session, name, overloads.get(name, []))
            path = have[key].path if key in have else _path(project, name)
            imported.checked(item, path)
        except CannotImport as error:
            left_out.append(LeftOut(name, str(error)))
            continue
        before = _text(project.root / path)
        header = imported.header_of(before) if before is not None else imported.HEADER
        files.append(_File(key, path, header + item.sql, before))
    return files, tuple(left_out)


def _path(project: Project, name: str) -> Path:
    schema, _, bare = name.partition(".")
    if any(mark in part or part.startswith(".") for part in (schema, bare) for mark in "/\\\0"):
        raise CannotImport("its name cannot be a file's name")
    return project.procedures.relative_to(project.root) / schema / f"{bare}.sql"


def _refuse_to_overwrite(files: Sequence[_File], force: bool) -> None:
    differing = [str(file.path) for file in files if file.before is not None and file.before != file.text]
    if differing and not force:
        raise Unsafe(
            f"{', '.join(differing)}: the file says something else than the warehouse; `zeroshift deploy` brings the"
            " file's version into the warehouse, `zeroshift baseline --force` the warehouse's into the file;"
            " nothing was written"
        )


def _text(path: Path) -> str | None:
    try:
        return path.read_bytes().decode("utf-8").replace("\r\n", "\n")
    except FileNotFoundError:
        return None


def _write(path: Path, text: str) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(text, encoding="utf-8", newline="\n")
    temporary.replace(path)


def _record(
    session: Session,
    held: lease.Lease,
    every: Sequence[Object],
    live: dict[str, str],
    stamp: Sequence[migrations.Migration],
    root: Path,
) -> None:
    """Write down the adopted objects as deployed, and the migrations as applied; nothing when there is nothing."""
    adopted = [item for item in every if item.key in live]
    if not adopted and not stamp:
        return
    needs = graph.dependencies(every)
    with session.transaction():
        lease.renew(session, held)
        number = ledger.begin(session, deployed_by=lease.owner(), git_commit=None, plan_checksum="baseline")
        ledger.record(
            session,
            [
                Deployed(
                    item.kind, item.name, item.signature, str(item.path), item.checksum, item.late_binding,
                    needs[item.name],
                )
                for item in adopted
            ],
            deployed_by=lease.owner(),
            git_commit=None,
        )  # fmt: skip
        ledger.record_live(session, live)
        ledger.append(
            session,
            number,
            [
                Entry("adopt", item.kind, item.name, str(item.path), item.checksum, item.text)
                for item in adopted
            ],
        )
        if stamp:
            ledger.set_head(session, stamp[-1].revision)
            ledger.record_migrated(
                session,
                [
                    Migrated(
                        item.revision,
                        str(item.path.relative_to(root)),
                        item.checksum,
                        number,
                    )
                    for item in stamp
                ],
                applied_by=lease.owner(),
            )
        ledger.end(session, number, ledger.DONE)
        lease.renew(session, held)


def _tables(session: Session, schemas: set[str]) -> tuple[Table, ...]:
    found = session.execute(
        "select c.schema_name, c.table_name, c.column_name, c.distkey, c.sortkey from svv_redshift_columns as c"
        " join svv_tables as t on t.table_schema = c.schema_name and t.table_name = c.table_name"
        " where c.database_name = current_database() and t.table_type = 'BASE TABLE'"
        " order by c.schema_name, c.table_name, c.ordinal_position"
    )
    by_name: dict[str, list[tuple[str, bool, int]]] = {}
    for schema, table, column, is_distkey, sort in found.rows:
        if schema in schemas:
            by_name.setdefault(f"{schema}.{table}", []).append(
                (str(column), bool(is_distkey), int(sort or 0))
            )
    return tuple(
        Table(
            name,
            len(columns),
            next((column for column, is_distkey, _ in columns if is_distkey), ""),
            # Interleaved keys have alternating signs.
            tuple(column for column, _, place in sorted(columns, key=lambda item: abs(item[2])) if place),
        )
        for name, columns in sorted(by_name.items())
    )


def _schema(key: str) -> str:
    return key.partition(" ")[2].partition(".")[0]
