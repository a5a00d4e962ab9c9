"""Definitions other than tables: schemas, views, comments, DROP; the way to the other modules of definitions."""

from __future__ import annotations

from deployer.local.policies import statements as policies
from deployer.local.translate import ddl_alter, drops, external, functions_ddl, grants, materialized, users
from deployer.local.translate.api import EXTERNAL_TABLE, Relation, Translation
from deployer.local.translate.bind_from import physical
from deployer.local.translate.bind_queries import Binder, Columns, rename
from deployer.local.translate.casts import pg_literal
from deployer.local.translate.context import SYSTEM_SCHEMAS, Context, finish
from deployer.local.translate.ddl_table import create_table
from deployer.local.translate.tables import new_name
from deployer.sql.lacking import DEFINITIONS as LACKING
from deployer.sql.names import Name, quote_ident
from deployer.sql.parse.nodes import DerivedTable, From, Join, Query, Select, TableRef
from deployer.sql.parse.parser import Parser
from deployer.sql.refused import Refused

NOT_YET = frozenset("external database datashare model library identity template".split())


def statement(parser: Parser, context: Context) -> Translation | None:
    """The definition at the cursor, or None when its first word begins none."""
    if parser.accept("create"):
        return _create(parser, context)
    if parser.accept("alter"):
        return ddl_alter.alter(parser, context)
    if parser.accept("drop"):
        return _drop(parser, context)
    if parser.any_word(("attach", "detach")) and parser.peek().value in ("rls", "masking"):
        return policies.attach(parser, context)
    if parser.accept("comment"):
        return _comment(parser, context)
    if parser.accept("truncate"):
        return _truncate(parser, context)
    return grants.statement(parser, context)


def _lacking(parser: Parser, verb: str) -> None:
    word = parser.token.value if parser.token.kind == "word" else ""
    if word in LACKING and not (word == "language" and verb == "DROP"):
        parser.refuse(f"{verb} {word.upper()}: {LACKING[word]}")
    if word in NOT_YET:
        label = word.upper()
        if parser.peek().kind == "word" and word in ("external", "identity"):
            label += " " + parser.peek().value.upper()
        parser.refuse(f"{verb} {label} is not supported by the local Redshift yet")


def _create(parser: Parser, context: Context) -> Translation:
    if parser.is_word("or", "replace"):
        token = parser.token
        parser.at += 2
        if parser.is_word("procedure"):
            parser.refuse("CREATE PROCEDURE cannot run here: send it as a statement of its own", token)
        if parser.is_word("function"):
            return functions_ddl.create(parser, context, replace=True)
        if not parser.is_word("view"):
            _lacking(parser, "CREATE OR REPLACE")
            parser.fail()
        return _view(parser, context, replace=True)
    if parser.is_word("view"):
        return _view(parser, context, replace=False)
    if parser.any_word(("temp", "temporary", "local", "global", "unlogged")):
        following = {parser.peek(1).value, parser.peek(2).value}
        if "view" in following:
            parser.refuse("temporary views are not supported on Redshift; use a temporary table or WITH")
        if "sequence" in following:
            parser.refuse(f"CREATE SEQUENCE: {LACKING['sequence']}")
        return create_table(parser, context)
    if parser.is_word("table"):
        return create_table(parser, context)
    if parser.is_word("schema"):
        return _schema(parser, context)
    if parser.is_word("function"):
        return functions_ddl.create(parser, context, replace=False)
    if parser.is_word("materialized"):
        return materialized.create(parser, context)
    if parser.any_word(("user", "group", "role")):
        return users.create(parser, context)
    if parser.any_word(("rls", "masking")):
        return policies.create(parser, context)
    if parser.is_word("external"):
        return external.create(parser, context)
    if parser.is_word("procedure"):
        parser.refuse("CREATE PROCEDURE cannot run here: send it as a statement of its own")
    _lacking(parser, "CREATE")
    parser.fail()


def _schema(parser: Parser, context: Context) -> Translation:
    parser.expect("schema")
    quietly = parser.accept("if", "not", "exists")
    sql = "CREATE SCHEMA " + ("IF NOT EXISTS " if quietly else "")
    if parser.accept("authorization"):
        owner = parser.identifier()
        sql += f"AUTHORIZATION {quote_ident(owner)}"
    else:
        token = parser.token
        # RAW is on the list of reserved words, and a common name of a schema.
        name = "raw" if parser.accept("raw") else parser.identifier()
        if name in SYSTEM_SCHEMAS or name in ("redshift", "zeroshift") or name.startswith("pg_"):
            parser.refuse(f'unacceptable schema name "{name}": it is reserved', token, "42939")
        sql += quote_ident(name)
        if parser.accept("authorization"):
            sql += f" AUTHORIZATION {quote_ident(parser.identifier())}"
    notices: tuple[str, ...] = ()
    if parser.accept("quota"):
        ddl_alter.quota(parser)
        notices = ("QUOTA is accepted and not enforced by the local Redshift",)
    if parser.token.kind == "word" and parser.any_word(("create", "grant")):
        parser.refuse(
            "objects inside CREATE SCHEMA are created by statements of their own on the local Redshift"
        )
    parser.done()
    return finish(context, [sql], kind="create_schema", notices=notices)


def _view(parser: Parser, context: Context, *, replace: bool) -> Translation:
    parser.expect("view")
    pos = parser.token.start
    name = new_name(parser.name(), context, pos)
    columns = parser.identifiers() if parser.is_op("(") else ()
    parser.expect("as")
    start = parser.token.start
    query = parser.query()
    end = parser.peek(-1).end
    body = parser.text[start:end]
    late = False
    if parser.accept("with"):
        parser.expect("no", "schema", "binding")
        late = True
    parser.done()
    if late:
        return _late_binding(name, columns, query, body, replace, parser, context)
    bound = Binder(context).query(query, None)
    context.check(parser.catalog_only, parser.leader_node)
    _check_bound(context, pos)
    if context.parameters:
        parser.refuse("a view cannot refer to a procedure's variables; build the statement with EXECUTE")
    if replace:
        _check_same_columns(name, rename(bound.columns, columns, name.name, pos), context, pos)
    listed = f" ({', '.join(quote_ident(column) for column in columns)})" if columns else ""
    head = f"CREATE {'OR REPLACE ' if replace else ''}VIEW {name.sql()}{listed} AS "
    statements = [head + bound.sql, _record_bound(name, body, bool(context.guards))]
    if replace:
        statements = [_replaceable(name), *statements]
    return finish(context, statements, kind="create_view", main=int(replace), written=name)


def _check_same_columns(name: Name, columns: Columns, context: Context, pos: int) -> None:
    """A view is replaced by one with the same columns; PostgreSQL, which checks their types, would take more."""
    existing = context.catalog.relation(name)
    if existing is None:
        return
    if existing.kind != "view":
        what = "a late-binding view: drop it" if existing.kind == "late_binding_view" else "not a view"
        raise Refused(f'"{name}" is {what}', position=pos, sqlstate="42809")
    old, new = [column for column, _ in existing.columns], [column for column, _ in columns]
    if len(old) != len(new):
        raise Refused(
            "cannot change number of columns in view", position=pos, sqlstate="42P16",
            hint="Drop the view and create it anew.",
        )  # fmt: skip
    for one, other in zip(old, new, strict=True):
        if one != other:
            raise Refused(
                f'cannot change name of view column "{one}" to "{other}"', position=pos, sqlstate="42P16",
                hint="Drop the view and create it anew.",
            )  # fmt: skip


def _check_bound(context: Context, pos: int) -> None:
    """Views over another database's tables, and over late-binding views, must be late-binding themselves."""
    for relation in context.reads.values():
        if relation.name.database is not None and relation.name.database != context.catalog.database:
            raise Refused(
                f'the view reads "{relation.name}" of another database: such a view must be created WITH NO SCHEMA '
                "BINDING",
                position=pos,
            )
        if relation.kind == EXTERNAL_TABLE:
            raise Refused(
                f'External tables are not supported in views: "{relation.name}"',
                position=pos,
                hint="Create the view WITH NO SCHEMA BINDING.",
            )
        if relation.kind == "late_binding_view":
            raise Refused(
                f'the view reads the late-binding view "{relation.name}", which the local Redshift puts in place: '
                "create it WITH NO SCHEMA BINDING too, or copy the rows into a table",
                position=pos,
            )


def _late_binding(
    name: Name,
    columns: tuple[str, ...],
    query: Query,
    body: str,
    replace: bool,
    parser: Parser,
    context: Context,
) -> Translation:
    """A stub without columns, and the text: nothing of what it names need exist yet (DG r_CREATE_VIEW)."""
    _check_qualified(query, frozenset())
    if columns:
        names = ", ".join(quote_ident(column) for column in columns)
        body = f'with "lbv" ({names}) as ({body}) select * from "lbv"'
    existing: Relation | None = context.catalog.relation(name)
    statements = [_replaceable(name)] if replace else []
    if replace and existing is not None and existing.kind == "view":
        raise Refused(
            f'"{name}" is a view bound to its tables: drop it before it is made late-binding',
            sqlstate="42P16",
        )
    if not (replace and existing is not None and existing.kind == "late_binding_view"):
        statements.append(f"CREATE VIEW {name.sql()} AS SELECT")
    else:
        statements.append(f"CREATE OR REPLACE VIEW {name.sql()} AS SELECT")
    statements.append(_record_view("record_late_binding_view", name, body))
    return finish(context, statements, kind="create_view", main=int(replace), written=name)


def _check_qualified(query: Query, known: frozenset[str]) -> None:
    """Raises Redshift's error for a table without schema, anywhere in the query."""
    for part in _from_items(query, known):
        if len(part.parts) == 1:
            raise Refused(
                f"All the relation names inside should be qualified when creating VIEW WITH NO SCHEMA BINDING: "
                f'"{part.parts[0]}"',
                position=part.pos,
                sqlstate="42601",
            )


def _from_items(node: object, known: frozenset[str]) -> list[TableRef]:
    """Every table named in FROM below `node`, without the names of WITH."""
    found: list[TableRef] = []
    if isinstance(node, TableRef):
        return [] if len(node.parts) == 1 and node.parts[0] in known else [node]
    if isinstance(node, Query):
        inner = known
        for table in node.ctes:
            scope = inner | {table.name} if node.recursive else inner
            found += _from_items(table.query, scope)
            inner = inner | {table.name}
        known = inner
    if isinstance(node, list | tuple):
        for item in node:
            found += _from_items(item, known)
    elif isinstance(node, Query | Select | From | Join | DerivedTable) or hasattr(
        node, "__dataclass_fields__"
    ):
        for field in node.__dataclass_fields__:
            if field != "ctes":
                found += _from_items(getattr(node, field), known)
    return found


def _record_view(function: str, name: Name, body: str) -> str:
    schema = "current_schema()" if name.schema is None else pg_literal(name.schema)
    return f"SELECT zeroshift.{function}({schema}, {pg_literal(name.name)}, {pg_literal(body)})"


def _record_bound(name: Name, body: str, guarded: bool) -> str:
    schema = "current_schema()" if name.schema is None else pg_literal(name.schema)
    return (
        f"SELECT zeroshift.record_view_text({schema}, {pg_literal(name.name)}, {pg_literal(body)}, "
        f"pg_catalog.current_schemas(false)::text[], {str(guarded).upper()})"
    )


def _replaceable(name: Name) -> str:
    schema = "current_schema()" if name.schema is None else pg_literal(name.schema)
    return f"SELECT zeroshift.check_replaceable({schema}, {pg_literal(name.name)})"


def _drop(parser: Parser, context: Context) -> Translation:
    """DROP. A CASCADE that the user wrote is passed on; none is ever added."""
    if parser.any_word(("table", "view")):
        return drops.relations(parser, context)
    if parser.accept("schema"):
        return drops.schemas(parser, context)
    if parser.is_word("materialized"):
        return materialized.drop(parser, context)
    if parser.is_word("function"):
        return functions_ddl.drop(parser, context)
    if parser.accept("procedure"):
        pos = parser.token.start
        name = new_name(parser.name(), context, pos)
        sql = f"DROP PROCEDURE {name.sql()}{grants.signature(parser)}"
        if parser.any_word(("cascade", "restrict")):
            parser.refuse("DROP PROCEDURE takes no CASCADE or RESTRICT on Redshift", sqlstate="42601")
        parser.done()
        return finish(context, [sql], kind="drop_procedure")
    if parser.any_word(("user", "group", "role")):
        return users.drop(parser, context)
    if parser.any_word(("rls", "masking")):
        return policies.drop(parser, context)
    _lacking(parser, "DROP")
    parser.fail()


def _truncate(parser: Parser, context: Context) -> Translation:
    from deployer.local.translate.bind_dml import check_writable

    parser.accept("table")
    pos = parser.token.start
    name = context.local(parser.name())
    relation = context.catalog.relation(name)
    if relation is None:
        raise Refused(f'relation "{name}" does not exist', position=pos, sqlstate="42P01")
    check_writable(relation, context.catalog.database, "truncate", pos)
    if parser.any_word(("restart", "continue", "cascade", "restrict")):
        parser.refuse(f"TRUNCATE ... {parser.token.value.upper()} is not supported on Redshift")
    if parser.is_op(","):
        parser.refuse("TRUNCATE takes one table on Redshift", sqlstate="42601")
    parser.done()
    context.targets[name] = relation
    return finish(context, [f"TRUNCATE TABLE {physical(relation)}"], kind="truncate", written=name)


def _comment(parser: Parser, context: Context) -> Translation:
    parser.expect("on")
    kind = parser.next()
    if kind.value == "column":
        if _four_parts(parser) and parser.token.value == context.catalog.database:
            # database.schema.table.column, as dbt writes it.
            parser.next()
            parser.expect_op(".")
        parts = parser.qualified() if not _four_parts(parser) else ()
        if len(parts) < 2:
            parser.refuse("COMMENT ON COLUMN takes table.column or schema.table.column", sqlstate="42601")
        relation = _commented(Name(parts[-2], parts[-3] if len(parts) > 2 else None), context, kind.start)
        if relation.kind == "late_binding_view":
            parser.refuse("you can't comment on the columns of a late-binding view", kind)
        target = f"COLUMN {physical(relation)}.{quote_ident(parts[-1])}"
    elif kind.value in ("table", "view"):
        relation = _commented(parser.name(), context, kind.start)
        target = f"{kind.value.upper()} {physical(relation)}"
    elif kind.value == "database":
        target = f"DATABASE {quote_ident(parser.identifier())}"
    elif kind.value == "schema":
        # Among the parameters of r_COMMENT, not in its synopsis.
        name = "raw" if parser.accept("raw") else parser.identifier()
        if name in SYSTEM_SCHEMAS or name in ("redshift", "zeroshift"):
            parser.refuse(f'permission denied: "{name}" is a system schema', kind, "42501")
        target = f"SCHEMA {quote_ident(name)}"
    elif kind.value == "constraint":
        parser.refuse(
            "COMMENT ON CONSTRAINT is not supported by the local Redshift: constraints are recorded only"
        )
    else:
        parser.refuse(
            f"COMMENT ON {kind.value.upper()} is not supported on Redshift: it takes TABLE, VIEW, COLUMN, "
            "CONSTRAINT, SCHEMA or DATABASE", kind,
        )  # fmt: skip
    parser.expect("is")
    text = "NULL" if parser.accept("null") else pg_literal(parser.string())
    parser.done()
    return finish(context, [f"COMMENT ON {target} IS {text}"], kind="comment")


def _four_parts(parser: Parser) -> bool:
    return parser.is_op(".", 1) and parser.is_op(".", 3) and parser.is_op(".", 5)


def _commented(name: Name, context: Context, pos: int) -> Relation:
    local = new_name(name, context, pos)
    found = context.catalog.relation(local)
    if found is None:
        raise Refused(f'relation "{name}" does not exist', position=pos, sqlstate="42P01")
    if found.kind == EXTERNAL_TABLE:
        # No page says that it has comments, or that it has none.
        raise Refused(f'COMMENT ON the external table "{name}" is not supported here', position=pos)
    return found
