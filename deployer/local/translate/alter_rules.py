"""ALTER TABLE: constraints, the limits that hang on what the table is, and APPEND.

Source: Redshift Database Developer Guide, r_ALTER_TABLE, r_ALTER_TABLE_APPEND. What must hold when the statement runs
is checked by functions of compat/290_alter_table.sql in the statement's transaction.
"""

from __future__ import annotations

import json

from deployer.local.translate.api import MATERIALIZED_VIEW, Relation, Translation
from deployer.local.translate.bind_dml import check_writable
from deployer.local.translate.bind_from import physical
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context, finish
from deployer.local.translate.ddl_columns import table_constraint
from deployer.local.translate.tables import Table, brin_sql, existing, record
from deployer.local.translate.users import DONE
from deployer.sql.names import quote_ident
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused


def place(relation: Relation) -> str:
    """The schema and name of a table as arguments of the checks; a temporary one has no schema."""
    temporary = relation.physical[0].startswith("pg_temp")
    return f"{'NULL' if temporary else pg_literal(relation.physical[0])}, {pg_literal(relation.physical[1])}"


def check(relation: Relation, action: str, subject: str, value: str = "") -> str:
    """The statement that raises unless the table allows it. `action` is type, encode, drop or diststyle."""
    given = ", ".join(pg_literal(one) for one in (action, subject, value))
    return f"SELECT zeroshift.check_alteration({place(relation)}, {given})"


def add_constraint(parser: Parser, relation: Relation, context: Context) -> list[str]:
    """ADD table_constraint, its first word next."""
    table = existing(relation)
    token = parser.token
    table_constraint(parser, table, context)
    (key,) = table.constraints
    known = {name for name, _ in relation.columns}
    for column in key["columns"]:
        if column not in known:
            parser.refuse(f'column "{column}" named in key does not exist', token, "42703")
    return [f"SELECT zeroshift.add_constraint({place(relation)}, {pg_literal(json.dumps(key))}::jsonb)", DONE]


def drop_constraint(parser: Parser, relation: Relation) -> list[str]:
    """DROP CONSTRAINT, both words read."""
    name = parser.identifier()
    cascades = parser.accept("cascade")
    if not cascades:
        parser.accept("restrict")
    call = f"SELECT zeroshift.drop_constraint({place(relation)}, {pg_literal(name)}, {str(cascades).upper()})"
    return [call, DONE]


def distribution(parser: Parser, relation: Relation, table: Table) -> list[str]:
    """ALTER DISTKEY or ALTER DISTSTYLE, that word next."""
    style = "KEY"
    if parser.next().value == "diststyle":
        style = parser.next().value.upper()
        if style not in ("ALL", "EVEN", "AUTO", "KEY"):
            parser.fail(parser.peek(-1))
        if style == "KEY":
            parser.expect("distkey")
    key = None
    if style == "KEY":
        token = parser.token
        key = parser.identifier()
        if key not in dict(relation.columns):
            parser.refuse(f'column "{key}" named in key does not exist', token, "42703")
    recorded = record(table, {"diststyle": style, "distkey": key})
    return [check(relation, "diststyle", "", style), recorded, DONE]


def sort_key(parser: Parser, relation: Relation, table: Table) -> list[str]:
    """ALTER [COMPOUND] SORTKEY, the first of these words next."""
    if parser.is_word("interleaved"):
        parser.refuse("ALTER TABLE ... ALTER INTERLEAVED SORTKEY is not supported on Redshift")
    parser.accept("compound")
    token = parser.expect("sortkey")
    kinds = dict(relation.columns)
    keys: list[str] = []
    style = "COMPOUND"
    if parser.accept("auto"):
        style = "AUTO"
    elif parser.accept("none"):
        style = "NONE"
    else:
        keys = list(parser.identifiers())
    for key in keys:
        if key not in kinds:
            parser.refuse(f'column "{key}" named in key does not exist', token, "42703")
    schema = "NULL" if table.temporary else relation.physical[0]
    statements = [
        f"SELECT zeroshift.drop_zone_maps({schema if schema == 'NULL' else pg_literal(schema)}, "
        f"{pg_literal(relation.physical[1])})"
    ]
    index = brin_sql(physical(relation), [(key, kinds[key]) for key in keys])
    if index:
        statements.append(index)
    return [*statements, record(table, {"sortstyle": style, "sortkeys": keys}), DONE]


def append(parser: Parser, target: Relation, context: Context) -> Translation:
    """ALTER TABLE target APPEND FROM source, the word APPEND read.

    One statement moves the rows, with the rights that the page names: DELETE and SELECT on the source, INSERT on the
    target.
    """
    parser.expect("from")
    pos = parser.token.start
    name = context.local(parser.name())
    source = context.catalog.relation(name)
    if source is None:
        raise Refused(f'relation "{name}" does not exist', position=pos, sqlstate="42P01")
    if source.kind == MATERIALIZED_VIEW:
        raise Refused(
            "appending from a materialized view works for streaming ingestion only, which the local Redshift does not "
            "have",
            position=pos,
        )
    check_writable(source, context.catalog.database, "append from", pos)
    for one in (target, source):
        if one.physical[0].startswith("pg_temp"):
            raise Refused(
                f'ALTER TABLE APPEND takes permanent tables: "{one.name.name}" is temporary', position=pos
            )
    extras = parser.next().value if parser.any_word(("ignoreextra", "filltarget")) else ""
    if parser.any_word(("ignoreextra", "filltarget")):
        parser.refuse("IGNOREEXTRA and FILLTARGET cannot be used together", sqlstate="42601")
    parser.done()
    context.targets[name] = source
    known = {column for column, _ in source.columns}
    listed = ", ".join(quote_ident(column) for column, _ in target.columns if column in known)
    guard = f"SELECT zeroshift.check_append({place(target)}, {place(source)}, {pg_literal(extras)})"
    if not listed:
        raise Refused(
            f'cannot append "{source.name.name}" to "{target.name.name}": they have no column in common',
            position=pos,
        )
    move = (
        f"WITH moved AS (DELETE FROM {physical(source)} RETURNING {listed}) "
        f"INSERT INTO {physical(target)} ({listed}) SELECT {listed} FROM moved"
    )
    return finish(
        context,
        [guard, move],
        main=1,
        kind="alter_table",
        written=target.name,
        exclusive=f"{physical(target)}, {physical(source)}",
    )
