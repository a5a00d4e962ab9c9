"""Runs lint on a text as if it stood in a project."""

from __future__ import annotations

import re
from pathlib import Path

from deployer.project.lint.alembic_files import read_migration
from deployer.project.lint.archive_files import ArchiveContent, read_policy
from deployer.project.lint.catalog import Catalog
from deployer.project.lint.eventbridge_files import KINDS, EventbridgeContent, read_eventbridge
from deployer.project.lint.findings import Finding, SourceFile
from deployer.project.lint.run import check
from deployer.project.lint.units import Content, read_sql_file

CALLED = (
    "create or replace procedure ops.run_rental(as_of timestamp, mode varchar(32)) as $$ begin null; end; $$"
    " language plpgsql;"
)
"""What the examples' schedules call."""
ARCHIVED = (
    "create table curated.bookings (booking_id bigint, checkout_date date, num_guests double precision);"
    " create table curated.listing_versions (apartment_id bigint, valid_to timestamp);"
)
"""What the examples' policies archive."""


def read(text: str, name: str = "") -> Content:
    """A file of this text: a migration when it calls Alembic's op, else SQL."""
    for mark, directory in (
        ("expression = ", "schedules"),
        ("[pattern]", "rules"),
        ("namespace = ", "alarms"),
    ):
        if not name and re.search(f"^{re.escape(mark)}", text, re.M):
            path = f"eventbridge/{directory}/example.toml"
            return read_eventbridge(SourceFile(Path(path), path, text, KINDS[directory]))
    if not name and re.search("^table = ", text, re.M):
        path = "procedures/archive/example.toml"
        return read_policy(SourceFile(Path(path), path, text, "archive"))
    migration = re.search(r"\bop\.\w+\(", text) is not None
    name = name or ("migrations/versions/0001_example.py" if migration else "example.sql")
    file = SourceFile(Path(name), name, text, "migration" if name.endswith(".py") else "sql")
    return read_migration(file) if file.kind == "migration" else read_sql_file(file)


def findings(text: str, *others: str) -> list[Finding]:
    """What lint finds in `text`, in a project that holds the `others` too."""
    content = read(text)
    if isinstance(content, EventbridgeContent):
        others = (*others, CALLED)
    if isinstance(content, ArchiveContent):
        others = (*others, ARCHIVED)
    catalog = Catalog([*(read(other, f"other_{n}.sql") for n, other in enumerate(others)), content])
    return check(content, catalog)[0]


def codes(text: str, *others: str) -> set[str]:
    return {finding.code for finding in findings(text, *others)}


def places(text: str, code: str, *others: str) -> list[tuple[int, int]]:
    """Line and column of each finding of one rule."""
    return [(found.line, found.column) for found in findings(text, *others) if found.code == code]
