"""ZS4: tables and migrations."""

from __future__ import annotations

from deployer.project.lint.catalog import Catalog
from deployer.project.lint.ddl import AlterTable, ColumnDef, CreateTable, Drop
from deployer.project.lint.findings import ERROR, WARNING, Rule
from deployer.project.lint.registry import Found, on_units
from deployer.project.lint.units import MIGRATION, Unit
from deployer.sql.lexer import Token
from deployer.sql.parse.nodes import Cast
from deployer.sql.types import RedshiftType


def _permanent(unit: Unit) -> CreateTable | None:
    tree = unit.tree
    return tree if isinstance(tree, CreateTable) and not tree.temporary else None


def _dist(tree: CreateTable) -> str:
    return "key" if any(column.distkey for column in tree.columns) else tree.diststyle


@on_units(
    Rule(
        code="ZS401",
        name="no-distribution",
        severity=WARNING,
        problem="Nothing says how the table's rows are distributed over the nodes. Redshift then chooses (AUTO) by the"
        " table's size, and joins of large tables move rows over the network.",
        redshift="DISTSTYLE AUTO is the default; the distribution key should serve the most frequent joins.",
        source="c_choosing_dist_sort",
        mend="Decide: DISTKEY (column), DISTSTYLE ALL for a small one, EVEN, or AUTO written out.",
        bad="create table curated.users (user_id bigint) sortkey (user_id);",
        good="create table curated.users (user_id bigint) distkey (user_id) sortkey (user_id);",
    )
)
def no_distribution(unit: Unit, catalog: Catalog) -> Found:
    tree = _permanent(unit)
    if tree is not None and not tree.like and not _dist(tree):
        yield (
            tree.pos,
            f"say how {'.'.join(tree.parts)} is distributed: DISTKEY, or DISTSTYLE ALL, EVEN or AUTO",
        )


@on_units(
    Rule(
        code="ZS402",
        name="no-sort-key",
        severity=WARNING,
        problem="Nothing says in which order the table's rows are stored, so a query for a range of times or keys reads"
        " every block. Tables with DISTSTYLE ALL are small by that decision, and are not asked for one.",
        redshift="The sort key lets queries skip blocks by their least and greatest values; SORTKEY AUTO is the"
        " default.",
        source="t_Sorting_data",
        mend="Decide: SORTKEY (columns), those by which ranges are read, or SORTKEY AUTO written out.",
        bad="create table curated.users (user_id bigint) distkey (user_id);",
        good="create table curated.users (user_id bigint) distkey (user_id) sortkey (user_id);",
    )
)
def no_sort_key(unit: Unit, catalog: Catalog) -> Found:
    tree = _permanent(unit)
    if tree is None or tree.like or tree.sortstyle or any(column.sortkey for column in tree.columns):
        return
    if _dist(tree) != "all":
        yield tree.pos, f"say how {'.'.join(tree.parts)} is sorted: SORTKEY (columns), or SORTKEY AUTO"


@on_units(
    Rule(
        code="ZS403",
        name="key-not-enforced",
        severity=WARNING,
        problem="The key is a promise that nothing keeps: Redshift stores duplicates all the same, while the planner"
        " trusts the key and may return wrong rows when it does not hold.",
        redshift="Uniqueness, primary key and foreign key constraints are informational only; they are used by the"
        " planner and not enforced.",
        source="t_Defining_constraints",
        mend="Leave the key out, or keep it with a reason, and check in a test or a procedure that it holds.",
        bad="create table curated.users (user_id bigint primary key) diststyle all;",
        good="create table curated.users (user_id bigint not null) diststyle all;",
    )
)
def key_not_enforced(unit: Unit, catalog: Catalog) -> Found:
    tree = _permanent(unit)
    if tree is None:
        return
    for column in tree.columns:
        if column.key:
            yield column.pos, f"{column.key.upper()} is not enforced on Redshift, yet the planner trusts it"
    for kind, pos in tree.keys:
        yield pos, f"{kind.upper()} is not enforced on Redshift, yet the planner trusts it"


def _defined(unit: Unit) -> list[ColumnDef]:
    """The columns that a statement defines, those of temporary tables too."""
    tree = unit.tree
    if isinstance(tree, CreateTable):
        return tree.columns
    if isinstance(tree, AlterTable):
        return [action.column for action in tree.actions if action.column is not None]
    return []


@on_units(
    Rule(
        code="ZS404",
        name="text-without-length",
        severity=WARNING,
        problem="The column's length is not written: VARCHAR and TEXT then hold 256 bytes and CHAR one, and the first"
        " longer value makes the load fail.",
        redshift="VARCHAR without a length is VARCHAR(256), TEXT is VARCHAR(256), CHAR is CHAR(1); lengths count"
        " bytes.",
        source="r_Character_types",
        mend="Write the length in bytes: up to four for each character.",
        bad="create temp table staged (cityname varchar);",
        good="create temp table staged (cityname varchar(400));",
    )
)
def text_without_length(unit: Unit, catalog: Catalog) -> Found:
    for column in _defined(unit):
        if not column.sized and column.type.is_text:
            size = column.type.length or 1
            yield column.type_pos, f"{column.name} holds {size} byte{'s' * (size != 1)}: write the length"


@on_units(
    Rule(
        code="ZS405",
        name="decimal-without-scale",
        severity=WARNING,
        problem="DECIMAL or NUMERIC without precision has no digits behind the point: 12.50 loses its cents, in"
        " silence.",
        redshift="The default precision is 18 and the default scale 0.",
        source="r_Numeric_types201",
        mend="Write precision and scale: DECIMAL(18, 2).",
        bad="select cast(total_price as decimal) as price from curated.bookings;",
        good="select cast(total_price as decimal(18, 2)) as price from curated.bookings;",
    )
)
def decimal_without_scale(unit: Unit, catalog: Catalog) -> Found:
    for node in unit.nodes:
        if isinstance(node, Cast) and node.type == _DEFAULT_DECIMAL:
            token = _written_type(unit, node)
            if token is not None:
                yield token.start, f"{token.value.upper()} is DECIMAL(18, 0): write precision and scale"
    for column in _defined(unit):
        if not column.sized and column.type == _DEFAULT_DECIMAL:
            yield column.type_pos, f"{column.name} is DECIMAL(18, 0): write precision and scale"


_DEFAULT_DECIMAL = RedshiftType("decimal", precision=18, scale=0)


def _written_type(unit: Unit, cast: Cast) -> Token | None:
    """The type's word in a cast, None when a precision follows it."""
    at = next((index for index, token in enumerate(unit.tokens) if token.start == cast.pos), -1)
    if at < 0:
        return None
    depth = 0
    if unit.tokens[at].value == "cast":
        while at < len(unit.tokens) - 1 and not (depth == 1 and unit.tokens[at].value == "as"):
            depth += (unit.tokens[at].value == "(") - (unit.tokens[at].value == ")")
            at += 1
    elif unit.tokens[at].value == "convert":
        at += 1
    if at + 2 >= len(unit.tokens) or unit.tokens[at + 2].value == "(":
        return None
    token = unit.tokens[at + 1]
    return token if token.kind == "word" else None


@on_units(
    Rule(
        code="ZS406",
        name="compressed-sort-key",
        severity=WARNING,
        problem="The first column of the sort key is compressed: its blocks hold so many rows that a range in it reads"
        " far more of the other columns than it needs.",
        redshift="AWS recommends RAW encoding (no compression) for columns defined as sort keys.",
        source="r_ALTER_TABLE",
        mend="Write ENCODE RAW for the leading column of the sort key.",
        bad="create table ops.log (at timestamp encode az64) diststyle even sortkey (at);",
        good="create table ops.log (at timestamp encode raw) diststyle even sortkey (at);",
    )
)
def compressed_sort_key(unit: Unit, catalog: Catalog) -> Found:
    tree = _permanent(unit)
    if tree is None:
        return
    leading = tree.sortkeys[:1] or [column.name for column in tree.columns if column.sortkey][:1]
    for column in tree.columns:
        if column.name in leading and column.encode not in ("", "raw", "auto"):
            yield column.pos, f"{column.name} leads the sort key: ENCODE RAW"


@on_units(
    Rule(
        code="ZS407",
        name="interleaved-sort-key",
        severity=WARNING,
        problem="The sort key is interleaved: the table cannot be read from another database, its distribution and"
        " encodings cannot be altered, and it needs VACUUM REINDEX to stay sorted.",
        redshift="Cross-database queries on tables with interleaved sort keys aren't supported; ALTER DISTKEY,"
        " DISTSTYLE and ENCODE neither.",
        source=("cross-database_limitation"),
        mend="Use a compound sort key, its most selective range first.",
        bad="create table ops.log (at timestamp, id bigint) diststyle even interleaved sortkey (at, id);",
        good="create table ops.log (at timestamp, id bigint) diststyle even sortkey (at, id);",
    )
)
def interleaved_sort_key(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if isinstance(tree, CreateTable) and tree.sortstyle == "interleaved":
        yield tree.sort_pos, "an interleaved sort key shuts out cross-database queries and later changes"


@on_units(
    Rule(
        code="ZS408",
        name="destructive-migration",
        severity=WARNING,
        problem="The migration destroys data: a table, a column or a schema is dropped. Nothing brings it back but a"
        " snapshot of the warehouse.",
        redshift="DROP TABLE and DROP COLUMN remove the data with the definition.",
        source="r_DROP_TABLE",
        mend="Deploy first what no longer uses it, and keep the migration apart; `-- lint: ignore ZS408 because ...`"
        " tells the reviewer why the data can go.",
        bad='op.execute("drop table curated.old_bookings")',
        good='op.execute("create schema archive")',
    )
)
def destructive_migration(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if unit.where != MIGRATION or unit.downgrade:
        return
    if isinstance(tree, Drop) and tree.kind in ("table", "schema", "database", "materialized view"):
        for parts in tree.names:
            yield tree.pos, f"the {tree.kind} {'.'.join(parts)} and its data are dropped"
    elif isinstance(tree, AlterTable):
        for action in tree.actions:
            if action.verb.startswith("drop column"):
                yield action.pos, f"the column {'.'.join(tree.parts)}.{action.name} and its data are dropped"


@on_units(
    Rule(
        code="ZS409",
        name="rename-in-migration",
        severity=WARNING,
        problem="The migration renames a table or a column. Procedures and late-binding views name it by its text and"
        " break when they next run; bound views keep showing the old table under its new name.",
        redshift="Late-binding views are not bound to the underlying objects; procedures are not checked until they"
        " run.",
        source="r_ALTER_TABLE",
        mend="Add the new one, move the readers over, drop the old one; or change all readers in the same deployment"
        " and say so in a silencing comment.",
        bad='op.execute("alter table curated.bookings rename to stays")',
        good='op.execute("alter table curated.bookings add column is_stay boolean")',
    )
)
def rename_in_migration(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if unit.where == MIGRATION and not unit.downgrade and isinstance(tree, AlterTable):
        for action in tree.actions:
            if action.verb.startswith("rename"):
                yield action.pos, f"a {action.verb.split()[1]} is renamed under those who read it"


@on_units(
    Rule(
        code="ZS410",
        name="column-added-with-key",
        severity=ERROR,
        problem="The column is added with what ADD COLUMN does not take: a key, IDENTITY, DISTKEY or SORTKEY; or as NOT"
        " NULL without a value for the rows that are there.",
        redshift="ADD COLUMN takes DEFAULT, ENCODE and NOT NULL or NULL, no key, identity, distribution or sort key;"
        " without DEFAULT the column's value is NULL.",
        source="r_ALTER_TABLE",
        mend="Add it with DEFAULT and NOT NULL, or without both; build the table anew for the rest.",
        bad="alter table curated.bookings add column is_stay boolean not null;",
        good="alter table curated.bookings add column is_stay boolean not null default false;",
    )
)
def column_added_with_key(unit: Unit, catalog: Catalog) -> Found:
    # The page is silent on NOT NULL without DEFAULT; PostgreSQL refuses it for a table that has rows.
    if not isinstance(unit.tree, AlterTable):
        return
    for column in _defined(unit):
        what = column.key or ("identity" if column.identity else "")
        what = what or ("distkey" if column.distkey else "sortkey" if column.sortkey else "")
        if what:
            yield column.pos, f"ADD COLUMN takes no {what.upper()}"
        elif column.not_null and column.default is None:
            yield column.pos, f"{column.name} is NOT NULL and has no DEFAULT for the rows that are there"


@on_units(
    Rule(
        code="ZS411",
        name="drop-cascade",
        severity=ERROR,
        problem="CASCADE drops whatever depends on the object, views of other teams included, and tells nobody.",
        redshift="CASCADE automatically drops objects that depend on it, such as views.",
        source="r_DROP_TABLE",
        mend="Drop the dependents by name, or let the deployment recreate the views.",
        bad="drop table curated.old_bookings cascade;",
        good="drop table curated.old_bookings;",
    )
)
def drop_cascade(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if isinstance(tree, Drop) and tree.cascade >= 0:
        yield tree.cascade, "CASCADE drops what depends on it, whoever owns it"
    elif isinstance(tree, AlterTable):
        for action in tree.actions:
            if action.verb.endswith("cascade"):
                yield action.pos, "CASCADE drops what depends on the column, whoever owns it"
