"""Lint files: read them, run every rule, leave out what comments keep quiet."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from deployer.errors import UsageError
from deployer.project import policies, security
from deployer.project.archive import files as archive
from deployer.project.lint import archive_files, eventbridge_files, rules
from deployer.project.lint.alembic_files import read_migration
from deployer.project.lint.catalog import Catalog
from deployer.project.lint.findings import ERROR, Finding, Report, Rule, SourceFile
from deployer.project.lint.registry import FILE_CHECKS, PROCEDURE_CHECKS, RULES, UNIT_CHECKS, Found
from deployer.project.lint.silence import Silencers
from deployer.project.lint.units import Content, read_sql_file
from deployer.project.schedules import files as schedules

SILENCER_FAULT, SILENCER_UNUSED, UNREADABLE = (
    rules.reading.FAULT,
    rules.reading.UNUSED,
    rules.reading.UNREADABLE,
)
T = TypeVar("T")

_NEVER_QUIET = (SILENCER_FAULT.code, SILENCER_UNUSED.code)


def lint(root: Path, paths: Iterable[Path] = ()) -> Report:
    """Lint files and directories, by default the project's procedures and migrations.

    The whole project is read in any case, since rules ask what other files define. Raises UsageError for a path that
    does not exist or holds nothing to lint.
    """
    wanted = _wanted(root, list(paths))
    known = {path: None for path in [*_project_files(root), *wanted]}
    contents = {path: _read(path, root) for path in known}
    catalog = Catalog(contents.values())
    findings: list[Finding] = []
    silenced = 0
    for path in wanted:
        found, quiet = check(contents[path], catalog)
        findings += found
        silenced += quiet
    errors = sum(finding.severity == ERROR for finding in findings)
    return Report(len(wanted), errors, len(findings) - errors, silenced, tuple(findings))


def check(content: Content, catalog: Catalog) -> tuple[list[Finding], int]:
    """The findings of one file in the order of its text, and how many comments keep quiet."""
    silencers = Silencers(content.file)
    findings: list[Finding] = []
    quiet = 0
    for rule, line, column, message, first_line in _all(content, catalog):
        if rule.code not in _NEVER_QUIET and silencers.quiets(rule.code, line, first_line):
            quiet += 1
        else:
            findings.append(_finding(rule, content.file, line, column, message))
    for silencer in silencers.found:
        unknown = [code for code in silencer.codes if code not in RULES]
        fault = silencer.fault or (f"there is no rule {', '.join(unknown)}" if unknown else "")
        if fault:
            findings.append(_finding(SILENCER_FAULT, content.file, silencer.line, silencer.column, fault))
            continue
        for code in silencer.codes:
            if code not in silencer.used:
                message = f"nothing here breaks {code}: remove the comment"
                findings.append(
                    _finding(SILENCER_UNUSED, content.file, silencer.line, silencer.column, message)
                )
    return sorted(set(findings)), quiet


def _all(content: Content, catalog: Catalog) -> Iterator[tuple[Rule, int, int, str, int]]:
    """Rule, line, column, message, and the first line of the statement."""
    for message, line, column in content.broken:
        yield UNREADABLE, line, column, message, line
    for unit in content.all_units():
        for rule, check_unit in UNIT_CHECKS:
            for found, offset, message in _guarded(rule, check_unit, unit, catalog):
                yield found, *unit.locate(offset), message, unit.line
    for procedure in content.procedures:
        for rule, check_procedure in PROCEDURE_CHECKS:
            for found, offset, message in _guarded(rule, check_procedure, procedure, catalog):
                line, column = procedure.body(offset)
                yield found, line, column, message, line
    for rule, check_file in FILE_CHECKS:
        for line, column, message in check_file(content, catalog):
            yield rule, line, column, message, line


def _guarded(
    rule: Rule, check_one: Callable[[T, Catalog], Found], subject: T, catalog: Catalog
) -> Iterator[tuple[Rule, int, str]]:
    """The findings of one check; a tree that is too deep for it is a finding, too."""
    try:
        for offset, message in check_one(subject, catalog):
            yield rule, offset, message
    except RecursionError:
        yield UNREADABLE, 0, f"nested too deeply: {rule.code} cannot be checked"


def _finding(rule: Rule, file: SourceFile, line: int, column: int, message: str) -> Finding:
    # A message may quote a piece of the text, line ends included.
    shown = " ".join(message.split())
    return Finding(file.shown, line, column, rule.code, rule.name, rule.severity, shown)


def _project_files(root: Path) -> list[Path]:
    found = sorted((root / "procedures").rglob("*.sql"))
    grants = _grants(root / "procedures")
    migrations = sorted((root / "migrations" / "versions").glob("*.py"))
    events = [*schedules.files(root), *schedules.strays(root)]
    return [*migrations, *found, *grants, *events, *archive.files(root)]


def _grants(directory: Path) -> list[Path]:
    """The files in and under `directory` that declare grants."""
    return sorted(path for path in directory.rglob("*.toml") if _declares_grants(path))


def _declares_grants(path: Path) -> bool:
    return path.suffix == ".toml" and _is_about_security(path)


def _is_about_security(path: Path) -> bool:
    folders = path.absolute().parent.parts
    return ("procedures", security.DIRECTORY) in zip(folders, folders[1:], strict=False)


def _wanted(root: Path, paths: list[Path]) -> list[Path]:
    if not paths:
        return _project_files(root)
    found: dict[Path, None] = {}
    for path in paths:
        whole = Path(os.path.normpath(path.absolute()))
        if whole.is_dir():
            inside = [item for item in _inside(whole) if not _hidden(item.relative_to(whole))]
            inside += [item for item in schedules.strays(root) if item.is_relative_to(whole)]
        elif whole.is_file() and (
            whole.suffix in (".sql", ".py")
            or _declares_grants(whole)
            or schedules.kind_of(whole)
            or schedules.is_stray(whole, root)
            or archive.is_policy(whole)
        ):
            inside = [whole]
        elif whole.exists():
            raise UsageError(
                f"{path} is neither an .sql file nor a migration (.py); name a file or a directory of them"
            )
        else:
            raise UsageError(f"{path} does not exist; name a file or a directory to lint")
        found.update(dict.fromkeys(item for item in inside if item.name != "__init__.py"))
    return list(found)


def _inside(directory: Path) -> list[Path]:
    """The SQL files of a directory, its files of grants and of eventbridge/, and migrations: Python whose directory is
    called versions."""
    events = sorted(
        path for path in directory.rglob("*.toml") if schedules.kind_of(path) or archive.is_policy(path)
    )
    migrations = [path for path in sorted(directory.rglob("*.py")) if path.parent.name == "versions"]
    return [*migrations, *sorted(directory.rglob("*.sql")), *_grants(directory), *events]


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _read(path: Path, root: Path) -> Content:
    shown = str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
    kind = {".py": "migration", ".toml": "grants"}.get(path.suffix, "sql")
    if kind == "sql" and _is_about_security(path):
        kind = "policy"
    kind = eventbridge_files.KINDS.get(schedules.kind_of(path), kind)
    if archive.is_policy(path):
        kind = archive_files.KIND
    if schedules.is_stray(path, root):
        return Content(SourceFile(path, shown, "", "sql"), broken=[(schedules.STRAY, 1, 1)])
    try:
        text = path.read_bytes().decode("utf-8")
    except UnicodeDecodeError as error:
        content = Content(SourceFile(path, shown, "", kind))
        content.broken.append((f"not UTF-8 text (byte {error.start + 1})", 1, 1))
        return content
    except OSError as error:
        raise UsageError(f"cannot read {shown}: {error.strerror}") from None
    file = SourceFile(path, shown, text.replace("\r\n", "\n"), kind)
    if kind in ("grants", "policy"):
        return _read_security(file)
    if kind == archive_files.KIND:
        return archive_files.read_policy(file)
    if kind in eventbridge_files.KINDS.values():
        return eventbridge_files.read_eventbridge(file)
    return read_migration(file) if kind == "migration" else read_sql_file(file)


def _read_security(file: SourceFile) -> Content:
    content = Content(file)
    try:
        if file.kind == "policy":
            policies.read_policy(file.path, Path(file.shown))
        else:
            security.read(file.path, Path(file.shown))
            policies.read_attachments(file.path, Path(file.shown))
    except UsageError as error:
        told = re.fullmatch(re.escape(file.shown) + r":(\d+): (.*)", str(error), re.S)
        content.broken.append((told[2], int(told[1]), 1) if told else (str(error), 1, 1))
    return content
