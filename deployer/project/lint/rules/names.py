"""ZS3, first half: names without a schema, stars, columns left out, procedures that are not there."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.project.lint.catalog import Catalog, is_system
from deployer.project.lint.ddl import CallNode, CreateTable, CreateView
from deployer.project.lint.findings import ERROR, WARNING, Rule
from deployer.project.lint.registry import Found, on_procedures, on_units
from deployer.project.lint.units import Procedure, Unit
from deployer.project.lint.walk import main_query, selects
from deployer.sql.parse.nodes import DerivedTable, Exists, From, Insert, Join, Query, Select, Star, TableRef


@on_units(
    Rule(
        code="ZS301",
        name="unqualified-name",
        severity=ERROR,
        problem="The relation or procedure is named without its schema: what it means depends on the search_path of"
        " whoever runs it, and in a SECURITY DEFINER procedure on whoever can create a table of that name. A"
        " late-binding view is refused outright.",
        redshift="A name without schema is looked up along search_path; in a view WITH NO SCHEMA BINDING tables and"
        " views must be qualified with a schema name. SET search_path on a procedure forbids it to COMMIT.",
        source="r_CREATE_VIEW",
        mend="Write schema.name; only temporary tables go without.",
        bad="create or replace view presentation.stays as select booking_id from bookings;",
        good="create or replace view presentation.stays as select booking_id from curated.bookings;",
    )
)
def unqualified_name(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if tree is None:
        return
    if isinstance(tree, CallNode) and len(tree.parts) == 1:
        yield tree.pos, f"the procedure {tree.parts[0]} is called without its schema"
    for touched in unit.touched:
        name = touched.parts[-1]
        if len(touched.parts) > 1 or is_system(touched.parts) or catalog.is_temporary(name):
            continue
        yield touched.pos, f'"{name}" has no schema, and no procedure makes a temporary table of that name'


@on_procedures(
    Rule(
        code="ZS307",
        name="unknown-procedure",
        severity=ERROR,
        problem="The procedure that is called is not in the project, although its schema is, or it takes another"
        " number of arguments. Redshift finds out when the CALL runs, which may be in the middle of a night's run.",
        redshift="A procedure is found by its name and its arguments when CALL runs; there are no default arguments,"
        " and nested calls pass a variable for each INOUT argument.",
        source="r_CALL_procedure",
        mend="Mend the name or the arguments, or add the procedure.",
        bad="create or replace procedure ops.first_step()\nas $$\nbegin\n    call ops.secnd_step();\nend;\n"
        "$$ language plpgsql;",
        good="create or replace procedure ops.second_step()\nas $$\nbegin\n    analyze ops.runs;\nend;\n"
        "$$ language plpgsql;\n\ncreate or replace procedure ops.first_step()\nas $$\nbegin\n"
        "    call ops.second_step();\nend;\n$$ language plpgsql;",
    )
)
def unknown_procedure(procedure: Procedure, catalog: Catalog) -> Found:
    schemas = {name.rpartition(".")[0] for name in catalog.procedures}
    for name, at, count in catalog.called(procedure):
        known = catalog.procedures.get(name)
        schema = name.rpartition(".")[0]
        if not schema:
            yield at, f"the procedure {name} is called without its schema"
        elif known is None and schema in schemas:
            yield at, f"no file of the project creates the procedure {name}"
        elif known is not None:
            # A nested CALL passes IN and INOUT arguments; OUT arguments come back in the row of a top-level one.
            counts = {sum(a.mode != "out" for a in other.created.arguments) for other in known}
            if count not in counts:
                wanted = " or ".join(str(n) for n in sorted(counts))
                yield at, f"{name} takes {wanted} arguments, not {count}"


def _starred(query: Query, known: dict[str, Query | None]) -> Iterator[tuple[Star, TableRef]]:
    """The stars among a query's columns that stand for the columns of a relation, with that relation."""
    known = {**{table.name: table.query for table in query.ctes}, **known}
    for select in selects(query):
        for item in select.items:
            if isinstance(item.expr, Star):
                yield from _behind(item.expr, select, known)


def _behind(star: Star, select: Select, known: dict[str, Query | None]) -> Iterator[tuple[Star, TableRef]]:
    for source in _sources(select.tables):
        if isinstance(source, TableRef):
            if star.parts and star.parts[-1] not in (source.alias, source.parts[-1]):
                continue
            if len(source.parts) == 1 and source.parts[0] in known:
                query = known[source.parts[0]]
                # A recursive one takes its own columns: nothing more to find there.
                for _, table in _starred(query, {**known, source.parts[0]: None}) if query else ():
                    yield star, table
            else:
                yield star, source
        elif isinstance(source, DerivedTable) and (not star.parts or star.parts[-1] == source.alias):
            for _, table in _starred(source.query, known):
                yield star, table


def _sources(tables: list[From]) -> Iterator[From]:
    for table in tables:
        if isinstance(table, Join):
            yield from _sources([table.left, table.right])
        else:
            yield table


@on_units(
    Rule(
        code="ZS302",
        name="stored-star",
        severity=ERROR,
        problem="What is stored takes its columns from a star: a view keeps those of the day on which it was created,"
        " an INSERT takes them by position, and both break or shift when a column is added to the table.",
        redshift="A view bound to its tables records its columns when it is created; INSERT ... SELECT assigns by"
        " position.",
        source="r_CREATE_VIEW",
        mend="List the columns.",
        bad="create or replace view presentation.stays as select * from curated.bookings;",
        good="create or replace view presentation.stays as select booking_id from curated.bookings;",
    )
)
def stored_star(unit: Unit, catalog: Catalog) -> Found:
    tree, query = unit.tree, main_query(unit.tree)
    if query is None:
        return
    if isinstance(tree, Insert):
        stored = not catalog.is_temporary(".".join(tree.target.parts))
    elif isinstance(tree, CreateTable):
        stored = not tree.temporary
    else:
        into = (select.into for select in selects(query) if select.into is not None)
        stored = isinstance(tree, CreateView) or any(not temporary for _, temporary in into)
    if not stored:
        return
    seen: set[int] = set()
    for star, table in _starred(query, {}):
        if star.pos not in seen and len(table.parts) < 3:
            seen.add(star.pos)
            yield star.pos, f"* stores whatever columns {'.'.join(table.parts)} has: list them"


@on_units(
    Rule(
        code="ZS303",
        name="star-from-landing",
        severity=ERROR,
        problem="The query takes all columns of a table of another database, which zero-ETL writes and the source's"
        " owners change: a new, renamed or dropped column there arrives here unasked.",
        redshift="Schema changes of the source (ADD, RENAME, DROP COLUMN) are propagated to the destination database.",
        source="https://docs.aws.amazon.com/redshift/latest/mgmt/zero-etl-using.html",
        mend="List the columns, in one view for each landing table.",
        bad='create or replace view "raw".bookings as\nselect * from rental_landing.rental.bookings\n'
        "with no schema binding;",
        good='create or replace view "raw".bookings as\nselect booking_id from rental_landing.rental.bookings\n'
        "with no schema binding;",
    )
)
def star_from_landing(unit: Unit, catalog: Catalog) -> Found:
    if unit.tree is None:
        return
    seen: set[int] = set()
    tests = {id(node.query) for node in unit.nodes if isinstance(node, Exists)}
    for query in unit.nodes:
        if isinstance(query, Query) and id(query) not in tests:
            for star, table in _starred(query, {}):
                if len(table.parts) == 3 and star.pos not in seen:
                    seen.add(star.pos)
                    yield star.pos, f"* takes whatever columns {'.'.join(table.parts)} has: list them"


@on_units(
    Rule(
        code="ZS310",
        name="insert-without-columns",
        severity=WARNING,
        problem="The INSERT names no columns, so values go in by position: a column added to the table, or moved in the"
        " query, puts values into the wrong one or fails.",
        redshift="Without a column list, values are assigned in the order of the table's columns.",
        source="r_INSERT_30",
        mend="Write INSERT INTO table (columns).",
        bad="insert into ops.numbers select 1;",
        good="insert into ops.numbers (n) select 1;",
    )
)
def insert_without_columns(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if isinstance(tree, Insert) and not tree.columns and (tree.source is not None or tree.rows):
        yield tree.pos, f"name the columns of {'.'.join(tree.target.parts)}"
