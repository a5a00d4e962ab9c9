"""ZS3, second half: views over other databases, zero-ETL's landing tables, materialized views, and headers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from deployer.errors import UsageError
from deployer.project import header as headers
from deployer.project.lint.catalog import Catalog, is_system
from deployer.project.lint.ddl import AlterTable, CreateTable, CreateView, Drop
from deployer.project.lint.findings import ERROR, WARNING, Rule
from deployer.project.lint.registry import Found, on_files, on_units
from deployer.project.lint.units import Content, Unit
from deployer.project.lint.walk import relations
from deployer.sql.parse.nodes import Column, Insert, IsTest, Merge, Update

CROSS_DATABASE = "cross-database_limitation"


def _foreign(view: CreateView) -> list[tuple[str, ...]]:
    """The relations of other databases that a view reads."""
    return [t.parts for t in relations(view) if t.how == "read" and len(t.parts) == 3]


@on_units(
    Rule(
        code="ZS304",
        name="bound-view-over-another-database",
        severity=ERROR,
        problem="The view reads a table of another database and is not late-binding: CREATE VIEW fails.",
        redshift="Only late-binding and materialized views can be created on objects of other databases.",
        source=CROSS_DATABASE,
        mend="End the view with WITH NO SCHEMA BINDING.",
        bad='create or replace view "raw".bookings as\nselect booking_id from rental_landing.rental.bookings;',
        good='create or replace view "raw".bookings as\nselect booking_id from rental_landing.rental.bookings\n'
        "with no schema binding;",
    )
)
def bound_view(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if isinstance(tree, CreateView) and not tree.late_binding and not tree.materialized:
        for touched in unit.touched:
            if touched.how == "read" and len(touched.parts) == 3:
                name = ".".join(touched.parts)
                yield touched.pos, f"a view over {name} of another database must end WITH NO SCHEMA BINDING"


@on_units(
    Rule(
        code="ZS305",
        name="second-hop",
        severity=ERROR,
        problem="The statement reads, in another database, a view that itself reads yet another one: the query fails.",
        redshift="You can't query views that are created on other databases that refer to objects of yet another"
        " database: one hop only.",
        source=CROSS_DATABASE,
        mend="Keep such views in the database that people connect to, or copy the rows into a table there.",
        bad='create or replace view "raw".bookings as\nselect booking_id from rental_landing.rental.bookings\n'
        "with no schema binding;\n\ncreate or replace view presentation.stays as\n"
        'select booking_id from warehouse."raw".bookings\nwith no schema binding;',
        good='create or replace view "raw".bookings as\nselect booking_id from rental_landing.rental.bookings\n'
        "with no schema binding;\n\ncreate or replace view presentation.stays as\n"
        'select booking_id from "raw".bookings\nwith no schema binding;',
    )
)
def second_hop(unit: Unit, catalog: Catalog) -> Found:
    if unit.tree is None:
        return
    for touched in unit.touched:
        if len(touched.parts) != 3 or touched.how != "read":
            continue
        view = catalog.views.get(".".join(touched.parts[1:]))
        if view is None or view.materialized:
            continue
        for parts in _foreign(view):
            if parts[0] != touched.parts[0]:
                name = ".".join(touched.parts)
                yield touched.pos, f"{name} is a view over the database {parts[0]}: a second hop, which fails"
                break


@on_units(
    Rule(
        code="ZS306",
        name="write-to-landing",
        severity=WARNING,
        problem="The statement writes to, or defines something in, another database. That of a zero-ETL integration is"
        " written by the integration alone.",
        redshift="The destination database of an integration is read-only: no tables, views or materialized views can"
        " be created in it. (Inactive rows of history mode may be deleted; a datashare's database may be writable.)",
        source="https://docs.aws.amazon.com/redshift/latest/mgmt/zero-etl.reqs-lims.html",
        mend="Write into a table of the project's own database.",
        bad="update rental_landing.rental.bookings set currency = 'EUR' where currency = 'eur';",
        good="update curated.bookings set currency = 'EUR' where currency = 'eur';",
    )
)
def write_to_landing(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if not isinstance(tree, Insert | Update | Merge | CreateTable | CreateView | AlterTable | Drop):
        return
    for touched in unit.touched:
        if len(touched.parts) == 3 and touched.how in ("write", "define"):
            if isinstance(tree, CreateTable) and touched.parts == tree.like:
                continue
            yield (
                touched.pos,
                f"{'.'.join(touched.parts)} is in another database, which an integration writes",
            )


@on_units(
    Rule(
        code="ZS309",
        name="history-mode-end-is-null",
        severity=WARNING,
        problem="Active rows of a history-mode table are told by `_record_delete_time IS NULL`. What the column holds"
        " for an active row is not documented: it may be NULL or a far date.",
        redshift="_record_is_active says whether a version is the current one.",
        source="https://docs.aws.amazon.com/redshift/latest/mgmt/zero-etl-history-mode.html",
        mend="Filter by _record_is_active.",
        bad='create or replace view "raw".bookings as\nselect booking_id from rental_landing.rental.bookings\n'
        "where _record_delete_time is null\nwith no schema binding;",
        good='create or replace view "raw".bookings as\nselect booking_id from rental_landing.rental.bookings\n'
        "where _record_is_active\nwith no schema binding;",
    )
)
def history_end_is_null(unit: Unit, catalog: Catalog) -> Found:
    for node in unit.nodes:
        if isinstance(node, IsTest) and node.test == "null" and isinstance(node.operand, Column):
            if node.operand.parts[-1] == "_record_delete_time":
                yield node.operand.pos, "tell active rows by _record_is_active, not by _record_delete_time"


@on_units(
    Rule(
        code="ZS311",
        name="materialized-view-limits",
        severity=ERROR,
        problem="The materialized view is made of what Redshift does not materialize: CREATE fails.",
        redshift="Standard and late-binding views, temporary and system tables, ORDER BY, LIMIT and OFFSET are not"
        " allowed in a materialized view.",
        source="materialized-view-create-sql-command",
        mend="Select from tables, and order or cut where it is read.",
        bad="create materialized view presentation.stays as\n"
        "select booking_id, user_id from curated.bookings order by booking_id;",
        good="create materialized view presentation.stays as\nselect booking_id, user_id from curated.bookings;",
    )
)
def materialized_view_limits(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if not isinstance(tree, CreateView) or not tree.materialized:
        return
    for what, clause in (
        ("ORDER BY", tree.query.order[0] if tree.query.order else None),
        ("LIMIT", tree.query.limit),
        ("OFFSET", tree.query.offset),
    ):
        if clause is not None:
            yield clause.pos, f"a materialized view takes no {what}"
    for touched in unit.touched:
        if touched.how != "read":
            continue
        name = ".".join(touched.parts)
        view = catalog.views.get(name)
        if (view is not None and not view.materialized) or is_system(touched.parts):
            yield touched.pos, f"a materialized view cannot read {name}, which is no table"
        elif len(touched.parts) == 1 and catalog.is_temporary(name):
            yield touched.pos, f"a materialized view cannot read the temporary table {name}"


_NAME = re.compile(r"[a-z_][\w$]*\.[a-z_*][\w$]*(?:\.[a-z_*][\w$]*)?\*?", re.I)


@on_files(
    Rule(
        code="ZS308",
        name="header-mismatch",
        severity=WARNING,
        problem="What the header says under Reads and Writes is not what the body does: readers, reviewers and the"
        " generated documentation are told something else.",
        redshift="Redshift reads comments over; the headers are this project's own, and lint compares them with the"
        " trees of the statements.",
        source="",
        mend="List under Reads and Writes what the body touches: schema.table, or schema.* for all of a schema; what"
        " called procedures touch may be listed too.",
        bad="-- Purpose: Count the stays.\n-- Reads: curated.users\n-- Writes: nothing\n"
        "create or replace view presentation.stays as\nselect count(*) as stays from curated.bookings;",
        good="-- Purpose: Count the stays.\n-- Reads: curated.bookings\n-- Writes: nothing\n"
        "create or replace view presentation.stays as\nselect count(*) as stays from curated.bookings;",
    )
)
def header_mismatch(content: Content, catalog: Catalog) -> Iterator[tuple[int, int, str]]:
    if content.file.kind != "sql" or not content.units or content.broken:
        return
    try:
        header = headers.parse(content.file.text, Path(content.file.shown))
    except UsageError:
        return  # A script without a header; in an object's file the deployment refuses it.
    unit = content.units[0]
    if unit.refused is not None or not (unit.procedure or isinstance(unit.tree, CreateView)):
        return
    own, reach = _own(content, catalog), _reach(content, catalog)
    schemas = catalog.schemas
    for key, how in (("Reads", "read"), ("Writes", "write")):
        claimed = [name.lower() for name in _NAME.findall(header[key])]
        line = _line_of(content.file.text, key)
        # A table that is written may be read as well, e.g. to publish by difference.
        others = [name.lower() for name in _NAME.findall(header["Writes"])] if key == "Reads" else []
        missing = sorted(
            name for name in own[how] if not any(_covers(item, name) for item in [*claimed, *others])
        )
        if missing:
            done = "reads" if how == "read" else "writes"
            said = f"{key} does not list it" if header[key] else f"there is no {key}"
            yield line, 1, f"the body {done} {', '.join(missing)}, but in the header {said}"
        for item in claimed:
            # A word with a dot that names no schema of the project is prose: docs/x.md, e.g.
            if item.split(".")[0] in schemas and not any(_covers(item, name) for name in reach[how]):
                yield line, 1, f"the header lists {item} under {key}, but nothing here {how}s it"


def _line_of(text: str, key: str) -> int:
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip().startswith("--") and line.strip()[2:].strip().startswith(f"{key}:"):
            return number
        if line.strip() and not line.strip().startswith("--"):
            break
    return 1


def _covers(pattern: str, name: str) -> bool:
    return name == pattern or (pattern.endswith("*") and name.startswith(pattern[:-1]))


def _permanent(items: Iterator[tuple[str, str]], catalog: Catalog) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {"read": set(), "write": set()}
    for name, how in items:
        if "." in name and how in found and not is_system(tuple(name.split("."))):
            found[how].add(name)
    return found


def _own(content: Content, catalog: Catalog) -> dict[str, set[str]]:
    """What the file's own statements touch."""
    units = [unit for unit in content.all_units() if unit.tree is not None]
    items = ((".".join(t.parts), t.how) for unit in units if unit.tree for t in unit.touched)
    return _permanent(items, catalog)


def _reach(content: Content, catalog: Catalog) -> dict[str, set[str]]:
    """What they touch together with all procedures that they call."""
    found = _own(content, catalog)
    for procedure in content.procedures:
        more = _permanent(((name, how) for name, how, _ in catalog.touched(procedure.name)), catalog)
        for how in found:
            found[how] |= more[how]
    return found
