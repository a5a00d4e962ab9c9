"""ALTER TABLE, ALTER SCHEMA and what else is altered.

Source: Redshift Database Developer Guide, r_ALTER_TABLE, r_ALTER_SCHEMA.
"""

from __future__ import annotations

from dataclasses import replace

from deployer.local.policies import statements as policies
from deployer.local.translate import (
    alter_rules,
    default_privileges,
    external_alter,
    functions_ddl,
    grants,
    materialized,
    users,
)
from deployer.local.translate.api import EXTERNAL_TABLE, MATERIALIZED_VIEW, Relation, Translation
from deployer.local.translate.bind_dml import check_writable
from deployer.local.translate.bind_from import physical
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import Context, finish
from deployer.local.translate.datatypes import column_type
from deployer.local.translate.ddl_columns import column_definition, encoding
from deployer.local.translate.tables import (
    Table,
    byte_check,
    check_name,
    existing,
    new_name,
    record,
)
from deployer.local.translate.users import DONE
from deployer.sql.lacking import DEFINITIONS
from deployer.sql.names import Name, quote_ident
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused


def alter(parser: Parser, context: Context) -> Translation:
    """ALTER ..., the word ALTER already read."""
    if parser.is_word("table"):
        return _alter_table(parser, context)
    if parser.accept("schema"):
        return _alter_schema(parser, context)
    if parser.any_word(("user", "group", "role")):
        return users.alter(parser, context)
    if parser.is_word("materialized"):
        return materialized.alter(parser, context)
    if parser.is_word("default"):
        return default_privileges.alter(parser, context)
    if parser.is_word("procedure"):
        return _alter_procedure(parser, context)
    if parser.is_word("function"):
        return functions_ddl.alter(parser, context)
    if parser.any_word(("rls", "masking")):
        return policies.alter(parser, context)
    word = parser.token.value
    if word in (
        "index",
        "sequence",
        "domain",
        "type",
        "trigger",
        "tablespace",
        "extension",
        "view",
        "rule",
    ):
        if word in DEFINITIONS:
            parser.refuse(f"ALTER {word.upper()}: {DEFINITIONS[word]}")
        way = "; views are altered by ALTER TABLE" if word == "view" else ""
        parser.refuse(f"ALTER {word.upper()} is not supported on Redshift{way}")
    if parser.token.kind == "word" and word in (
        "database", "datashare", "external", "identity", "model", "template", "system",
    ):  # fmt: skip
        label = f"{word} {parser.peek().value}" if word in ("identity", "external") else word
        parser.refuse(f"ALTER {label.upper()} is not supported by the local Redshift yet")
    parser.fail()


def _alter_table(parser: Parser, context: Context) -> Translation:
    parser.expect("table")
    if parser.is_word("if", "exists"):
        parser.refuse(
            "ALTER TABLE IF EXISTS is not supported on Redshift; ask SVV_TABLES first", sqlstate="42601"
        )
    if parser.is_word("only"):
        parser.refuse("ONLY belongs to table inheritance, which is not supported on Redshift")
    pos = parser.token.start
    name = new_name(parser.name(), context, pos)
    relation = context.catalog.relation(name)
    if relation is None:
        raise Refused(f'relation "{name}" does not exist', position=pos, sqlstate="42P01")
    context.targets[name] = relation
    if relation.kind == EXTERNAL_TABLE:
        return external_alter.alter(parser, relation, context)
    if parser.is_word("row"):
        return policies.row_level_security(parser, relation, context)
    if relation.kind == MATERIALIZED_VIEW and not parser.is_word("owner"):
        parser.refuse(
            "a materialized view cannot be renamed or altered: drop it and create it anew", sqlstate="42809"
        )
    if relation.kind == "table":
        check_writable(relation, context.catalog.database, "alter", pos)
    elif not (parser.is_word("owner") or parser.is_word("rename", "to")):
        parser.refuse("of a view, ALTER TABLE changes the name and the owner only", sqlstate="42809")
    if parser.accept("append"):
        return alter_rules.append(parser, relation, context)
    statements = _actions(parser, relation, context)
    parser.done()
    main = next((i for i, one in enumerate(statements) if one.startswith(("ALTER", "SET"))), 0)
    return finish(context, statements, kind="alter_table", main=main, written=name)


def _actions(parser: Parser, relation: Relation, context: Context) -> list[str]:
    """One action, or one of the combinations that the page lists: sort key with distribution, encodings of columns."""
    statements: list[str] = []
    kinds: list[str] = []
    columns: set[str] = set()
    while True:
        start = parser.token
        kinds.append(_combined(parser))
        if kinds[-1] == "encode":
            column = parser.peek(2 if parser.peek().value == "column" else 1).value
            if column in columns:
                parser.refuse(f'the encoding of column "{column}" is altered twice', start, "42601")
            columns.add(column)
        statements += _action(parser, relation, context)
        if not parser.is_op(","):
            break
        parser.next()
        kinds_so_far = [*kinds, _combined(parser)]
        if set(kinds_so_far) != {"encode"} and sorted(kinds_so_far) != ["distribution", "sortkey"]:
            parser.refuse(
                "ALTER TABLE takes one action on Redshift; write one statement for each", sqlstate="42601"
            )
    return statements


def _combined(parser: Parser) -> str:
    """What kind of action comes, as far as it can be combined with others."""
    if not parser.is_word("alter"):
        return ""
    word = parser.peek().value
    if word in ("distkey", "diststyle"):
        return "distribution"
    if word in ("sortkey", "compound"):
        return "sortkey"
    column = 2 if word == "column" else 1
    return "encode" if word != "encode" and parser.peek(column + 1).value == "encode" else ""


def _action(parser: Parser, relation: Relation, context: Context) -> list[str]:
    target = physical(relation)
    kind = {"table": "TABLE", MATERIALIZED_VIEW: "MATERIALIZED VIEW"}.get(relation.kind, "VIEW")
    if parser.accept("add"):
        return _add(parser, relation, context)
    if parser.accept("drop"):
        return _drop(parser, relation)
    if parser.accept("rename"):
        if parser.accept("to"):
            policies.check_renamable(relation, parser.token.start)
            return [f"ALTER {kind} {target} RENAME TO {quote_ident(parser.identifier())}"]
        parser.accept("column")
        old = parser.identifier()
        policies.check_column(relation, old, "rename", parser.peek(-1).start)
        parser.expect("to")
        return _rename_column(relation, old, parser.identifier())
    if parser.accept("owner"):
        parser.expect("to")
        return [f"ALTER {kind} {target} OWNER TO {quote_ident(parser.identifier())}"]
    if parser.accept("masking"):
        parser.refuse("ALTER TABLE ... MASKING FOR DATASHARES: the local Redshift has no datashares")
    if parser.accept("set"):
        parser.refuse(
            f"ALTER TABLE SET {parser.token.value.upper()} is not supported on Redshift for a local table"
        )
    if parser.accept("alter"):
        return _alter_part(parser, relation)
    word = parser.token.value
    if word in (
        "inherit",
        "no",
        "enable",
        "disable",
        "cluster",
        "validate",
        "attach",
        "detach",
        "force",
        "replica",
    ):
        parser.refuse(f"ALTER TABLE ... {word.upper()} is not supported on Redshift")
    parser.fail()


def _add(parser: Parser, relation: Relation, context: Context) -> list[str]:
    target = physical(relation)
    if parser.any_word(("constraint", "primary", "unique", "foreign", "check", "exclude")):
        return alter_rules.add_constraint(parser, relation, context)
    parser.accept("column")
    if parser.is_word("if"):
        parser.refuse(
            "ADD COLUMN IF NOT EXISTS is not supported on Redshift; ask SVV_COLUMNS first", sqlstate="42601"
        )
    table = existing(relation)
    known = len(table.columns)
    token = parser.token
    column_definition(parser, table, context)
    name, kind, rest = table.columns[known]
    if any(name == column for column, _ in relation.columns):
        parser.refuse(f'column "{name}" of relation "{relation.name.name}" already exists', token, "42701")
    if "IDENTITY" in rest:
        parser.refuse("an IDENTITY column cannot be added by ALTER TABLE", token)
    if table.sortkeys or table.distkey:
        parser.refuse("a column cannot be added as DISTKEY or SORTKEY", token)
    if " NOT NULL" in rest and " DEFAULT " not in rest:
        parser.refuse(
            "ALTER TABLE ADD COLUMN defined as NOT NULL must have a non-null default expression", token
        )
    statements = [f"ALTER TABLE {target} ADD COLUMN {quote_ident(name)} {column_type(kind)}{rest}"]
    check = byte_check(name, kind)
    if check:
        statements[0] += f", ADD {check}"
    if table.encodings:
        statements.append(_encodings(table, table.encodings))
    return statements


def _encodings(table: Table, encodings: dict[str, str]) -> str:
    """Records encodings of some columns; those of the others stay."""
    return record(table, {"encodings": encodings}).replace("record_table_attributes", "record_encodings")


def _drop(parser: Parser, relation: Relation) -> list[str]:
    target = physical(relation)
    if parser.accept("constraint"):
        return alter_rules.drop_constraint(parser, relation)
    parser.accept("column")
    name = parser.identifier()
    if not any(name == column for column, _ in relation.columns):
        parser.refuse(f'column "{name}" of relation "{relation.name.name}" does not exist', sqlstate="42703")
    policies.check_column(relation, name, "drop", parser.peek(-1).start)
    behaviour = ""
    for word in ("cascade", "restrict"):
        if parser.accept(word):
            behaviour = f" {word.upper()}"
    return [
        alter_rules.check(relation, "drop", name),
        f"ALTER TABLE {target} DROP COLUMN {quote_ident(name)}{behaviour}",
        f"SELECT zeroshift.forget_column({alter_rules.place(relation)}, {pg_literal(name)})",
    ]


def _rename_column(relation: Relation, old: str, new: str) -> list[str]:
    target = physical(relation)
    statements = [f"ALTER TABLE {target} RENAME COLUMN {quote_ident(old)} TO {quote_ident(new)}"]
    kind = dict(relation.columns).get(old)
    if kind is None:
        raise Refused(f'column "{old}" of relation "{relation.name.name}" does not exist', sqlstate="42703")
    if byte_check(old, kind):
        statements.append(
            f"ALTER TABLE {target} RENAME CONSTRAINT {check_name(old, kind)} TO {check_name(new, kind)}"
        )
    schema = "NULL" if relation.physical[0].startswith("pg_temp") else pg_literal(relation.physical[0])
    names = ", ".join(pg_literal(name) for name in (relation.physical[1], old, new))
    statements.append(f"SELECT zeroshift.rename_recorded({schema}, {names})")
    return statements


def _alter_part(parser: Parser, relation: Relation) -> list[str]:
    table = existing(relation)
    if parser.any_word(("distkey", "diststyle")):
        return alter_rules.distribution(parser, relation, table)
    if parser.any_word(("compound", "sortkey", "interleaved")):
        return alter_rules.sort_key(parser, relation, table)
    if parser.accept("encode"):
        parser.expect("auto")
        return [record(table, {"encodings": {}}), DONE]
    parser.accept("column")
    return _alter_column(parser, relation, table)


def _alter_column(parser: Parser, relation: Relation, table: Table) -> list[str]:
    """Only a VARCHAR's size and an encoding can change (DG r_ALTER_TABLE)."""
    target = physical(relation)
    token = parser.token
    name = parser.identifier()
    kinds = dict(relation.columns)
    if name not in kinds:
        parser.refuse(f'column "{name}" of relation "{relation.name.name}" does not exist', token, "42703")
    if parser.accept("encode"):
        chosen = encoding(parser)
        checked = alter_rules.check(relation, "encode", name, chosen)
        return [checked, _encodings(table, {name: chosen}), DONE]
    if parser.any_word(("set", "drop")):
        parser.refuse(
            "ALTER COLUMN SET/DROP DEFAULT or NOT NULL is not supported on Redshift; add a column, copy, drop and "
            "rename", token,
        )  # fmt: skip
    parser.expect("type")
    policies.check_column(relation, name, "change the type of", token.start)
    kind = parser.type(ddl=True)
    if parser.is_word("using"):
        parser.refuse(
            "ALTER COLUMN TYPE ... USING is not supported on Redshift; add a column, copy, drop and rename"
        )
    if kind.name != "varchar" or kinds[name].name != "varchar":
        parser.refuse(
            "only the size of a VARCHAR column can be altered on Redshift; add a column, copy, drop and rename",
            token,
        )
    constraint = check_name(name, kinds[name])
    kind = replace(kind, collation=kinds[name].collation)
    return [
        alter_rules.check(relation, "type", name),
        f"ALTER TABLE {target} DROP CONSTRAINT IF EXISTS {constraint}, ALTER COLUMN {quote_ident(name)} TYPE "
        f"{column_type(kind)}, ADD {byte_check(name, kind)}",
    ]


def quota(parser: Parser) -> None:
    """QUOTA n [MB | GB | TB], or UNLIMITED."""
    if parser.accept("unlimited"):
        return
    parser.integer()
    if parser.any_word(("mb", "gb", "tb")):
        parser.next()


def _alter_schema(parser: Parser, context: Context) -> Translation:
    token = parser.token
    name = "raw" if parser.accept("raw") else parser.identifier()
    if name in ("redshift", "zeroshift", "pg_catalog", "information_schema"):
        parser.refuse(f'permission denied: "{name}" is a system schema', token, "42501")
    notices: tuple[str, ...] = ()
    if parser.accept("rename"):
        parser.expect("to")
        sql = f"ALTER SCHEMA {quote_ident(name)} RENAME TO {quote_ident(parser.identifier())}"
    elif parser.accept("owner"):
        parser.expect("to")
        sql = f"ALTER SCHEMA {quote_ident(name)} OWNER TO {quote_ident(parser.identifier())}"
    else:
        parser.expect("quota")
        quota(parser)
        sql = "SELECT WHERE FALSE"
        notices = ("QUOTA is accepted and not enforced by the local Redshift",)
    parser.done()
    return finish(context, [sql], kind="alter_schema", notices=notices)


def _alter_procedure(parser: Parser, context: Context) -> Translation:
    parser.expect("procedure")
    pos = parser.token.start
    name: Name = new_name(parser.name(), context, pos)
    head = f"ALTER PROCEDURE {name.sql()}{grants.signature(parser)}"
    if parser.accept("rename"):
        parser.expect("to")
        sql = f"{head} RENAME TO {quote_ident(parser.identifier())}"
    else:
        parser.expect("owner", "to")
        sql = f"{head} OWNER TO {quote_ident(parser.identifier())}"
    parser.done()
    return finish(context, [sql], kind="alter_procedure")
