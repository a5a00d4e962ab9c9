"""ZS6: dynamic SQL, grants and secrets. ZS7: COPY and UNLOAD."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from deployer.project import security
from deployer.project.lint.catalog import Catalog
from deployer.project.lint.ddl import CreateUser, Grant
from deployer.project.lint.findings import ERROR, WARNING, Rule
from deployer.project.lint.inference import Scope, Typer, variables
from deployer.project.lint.registry import Found, also_on_files, on_procedures, on_units
from deployer.project.lint.units import EXPRESSION, Content, Procedure, Unit
from deployer.project.lint.walk import selects
from deployer.project.security import Declared
from deployer.sql.parse.nodes import Binary, Case, Cast, Column, Expr, FunctionCall, Literal, Query
from deployer.sql.parse.parser import Parser
from deployer.sql.plpgsql_ast import Assign, Block, Call, Cursor, Execute, ForQuery
from deployer.sql.refused import Refused

_QUOTING = frozenset(["quote_ident", "quote_literal"])
_PASSING = frozenset(
    "concat lower upper trim btrim ltrim rtrim coalesce nvl replace left right listagg".split()
)
_PLAIN = frozenset(
    "smallint integer bigint decimal real double boolean date time timetz timestamp timestamptz".split()
)
"""Types whose text holds no quotes, whatever the value."""


@on_procedures(
    Rule(
        code="ZS601",
        name="unquoted-dynamic-sql",
        severity=ERROR,
        problem="A statement is put together from a text that is not quoted. A name with a quote in it breaks it, and"
        " whoever can choose the text runs SQL with the rights of the procedure, which may be its owner's.",
        redshift="QUOTE_IDENT makes a text an identifier and QUOTE_LITERAL a literal; EXECUTE has no USING.",
        source="c_PLpgSQL-statements",
        mend="QUOTE_IDENT for names, QUOTE_LITERAL for values; numbers and dates need none.",
        bad="create or replace procedure ops.empty(table_name varchar(127))\nas $$\nbegin\n"
        "    execute 'delete from curated.' || table_name || ' where id is not null';\nend;\n$$ language plpgsql;",
        good="create or replace procedure ops.empty(table_name varchar(127))\nas $$\nbegin\n"
        "    execute 'delete from curated.' || quote_ident(table_name) || ' where id is not null';\nend;\n"
        "$$ language plpgsql;",
    )
)
def unquoted_dynamic_sql(procedure: Procedure, catalog: Catalog) -> Found:
    for step in procedure.steps:
        node = step.node
        if isinstance(node, Execute):
            dynamic = node.command
        elif isinstance(node, ForQuery | Cursor) and node.dynamic and node.query is not None:
            dynamic = node.query
        else:
            continue
        unit = next((unit for unit in step.units if unit.kind.name == EXPRESSION), None)
        for name in _Parts(procedure, catalog).unquoted(unit):
            yield dynamic.at, f"{name} goes into the statement unquoted: use QUOTE_IDENT or QUOTE_LITERAL"
            break


def _passed(node: object) -> list[str]:
    """The arguments of a CALL that are bare names."""
    return [text.sql.lower() for text in node.arguments] if isinstance(node, Call) else []


class _Parts:
    """Finds the parts of a text that come from outside unquoted, through the variables that hold pieces of it."""

    def __init__(self, procedure: Procedure, catalog: Catalog) -> None:
        self._catalog = catalog
        self._variables = variables(procedure)
        self._arguments = {argument.name for argument in procedure.created.arguments}
        self._values: dict[str, list[Unit | None]] = {}
        for step in procedure.steps:
            if isinstance(step.node, Assign):
                self._values.setdefault(step.node.target, []).extend(step.units)
            elif isinstance(step.node, Block):
                with_values = [d for d in step.node.declarations if d.default is not None]
                for declaration, unit in zip(with_values, step.units, strict=False):
                    self._values.setdefault(declaration.name, []).append(unit)
            for unit in step.units:
                for name in unit.into:
                    # Read from a table: anything may stand there.
                    self._values.setdefault(name, []).append(None)
            for name in _passed(step.node):
                # An INOUT argument comes back as whatever the called procedure makes of it.
                self._values.setdefault(name, []).append(None)
            for name in getattr(step.node, "targets", ()):
                self._values.setdefault(name.split(".")[0], []).append(None)
        self._seen: set[str] = set()

    def unquoted(self, unit: Unit | None) -> Iterator[str]:
        """The names of what goes into the text of `unit` unquoted."""
        if unit is None or not isinstance(unit.tree, Query):
            return
        typer = Typer(unit, self._catalog)
        for select in selects(unit.tree):
            for item in select.items:
                yield from self._of(item.expr, typer)

    def _of(self, node: Expr, typer: Typer) -> Iterator[str]:
        match node:
            case Literal():
                return
            case Binary(op="||"):
                yield from self._of(node.left, typer)
                yield from self._of(node.right, typer)
            case FunctionCall() if node.name in _QUOTING:
                return
            case FunctionCall() if node.name in _PASSING:
                for argument in node.args:
                    yield from self._of(argument, typer)
            case Case():
                for _, result in node.whens:
                    yield from self._of(result, typer)
                if node.default is not None:
                    yield from self._of(node.default, typer)
            case Cast():
                if node.type.name not in _PLAIN:
                    yield from self._of(node.operand, typer)
            case Column():
                yield from self._variable(node, typer)
            case _:
                kind = typer.type_of(node, Scope([], self._variables))
                if kind is None or kind.name not in _PLAIN:
                    yield getattr(node, "name", "an expression")

    def _variable(self, node: Column, typer: Typer) -> Iterator[str]:
        name = node.parts[0]
        kind = self._variables.get(name) if len(node.parts) == 1 else None
        if kind is not None and kind.name in _PLAIN:
            return
        if name in self._seen:
            return
        values = self._values.get(".".join(node.parts), self._values.get(name, []))
        if len(node.parts) > 1 or name in self._arguments or not values or None in values:
            yield ".".join(node.parts)
            return
        self._seen.add(name)
        for unit in values:
            yield from self.unquoted(unit)


@on_units(
    Rule(
        code="ZS602",
        name="grant-to-user",
        severity=WARNING,
        problem="The right is given to one user. It goes unseen when people change teams, a user who is dropped must"
        " first lose it, and the next environment does not have that user.",
        redshift="Privileges can be granted to roles, and roles to users: a role's holders change without touching"
        " objects.",
        source="t_Roles",
        mend="GRANT ... TO ROLE, and give the role to users outside of the project.",
        bad="grant select on presentation.stays to maria;",
        good="grant select on presentation.stays to role analyst;",
    )
)
def grant_to_user(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if isinstance(tree, Grant) and tree.verb in ("grant", "attach") and not tree.is_role:
        for grantee in tree.grantees:
            if grantee.kind == "user":
                yield grantee.pos, f"{grantee.name} is a user: grant to a role"


@on_units(
    Rule(
        code="ZS603",
        name="grant-to-public",
        severity=WARNING,
        problem="The right is given to PUBLIC: to every user that the warehouse has and will have, those of schedulers"
        " and dashboards included.",
        redshift="PUBLIC represents a group that always includes all users.",
        source="r_GRANT",
        mend="GRANT ... TO ROLE.",
        bad="grant select on presentation.stays to public;",
        good="grant select on presentation.stays to role analyst;",
    )
)
def grant_to_public(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if isinstance(tree, Grant) and tree.verb in ("grant", "attach"):
        for grantee in tree.grantees:
            if grantee.kind == "public":
                yield grantee.pos, "PUBLIC is everybody: grant to a role"


@also_on_files("ZS602")
def declared_user(content: Content, catalog: Catalog) -> Iterator[tuple[int, int, str]]:
    for one in _declared(content):
        if one.grantee.kind == security.USER:
            yield one.line, 1, f"{one.grantee.name} is a user: grant to a role"


@also_on_files("ZS603")
def declared_public(content: Content, catalog: Catalog) -> Iterator[tuple[int, int, str]]:
    for one in _declared(content):
        if one.grantee.kind == security.PUBLIC:
            yield one.line, 1, "PUBLIC is everybody: grant to a role"


def _declared(content: Content) -> tuple[Declared, ...]:
    """What a file of procedures/security declares; nothing when it cannot be read, which is told already."""
    if content.file.kind != "grants" or content.broken:
        return ()
    return security.read(content.file.path, Path(content.file.shown))


_KEYS = frozenset("access_key_id secret_access_key session_token".split())


@on_units(
    Rule(
        code="ZS604",
        name="secret-in-sql",
        severity=ERROR,
        problem="A password or an AWS key stands in the text: it is in the repository, in the warehouse's query log"
        " and in every plan.",
        redshift="Role-based access by IAM_ROLE is recommended for COPY and UNLOAD; users can be created with PASSWORD"
        " DISABLE and sign in through IAM.",
        source="copy-parameters-authorization",
        mend="IAM_ROLE default or a role's ARN; PASSWORD DISABLE, or set the password outside of the project.",
        bad="copy curated.bookings from 's3://bucket/x' access_key_id 'AKIA0' secret_access_key 'abc';",
        good="copy curated.bookings from 's3://bucket/x' iam_role default;",
    )
)
def secret_in_sql(unit: Unit, catalog: Catalog) -> Found:
    tree = unit.tree
    if isinstance(tree, CreateUser) and tree.password >= 0:
        yield tree.password, "a password stands in the SQL: use PASSWORD DISABLE"
    if unit.kind.name not in ("copy", "unload"):
        return
    for before, token in zip(unit.tokens, unit.tokens[1:], strict=False):
        if token.kind == "word" and token.value in _KEYS:
            yield token.start, "an AWS key stands in the SQL: use IAM_ROLE"
            return
        if token.kind == "string" and before.value in ("credentials", "as"):
            if "aws_access_key_id" in token.value.lower():
                yield token.start, "an AWS key stands in the SQL: use IAM_ROLE"
                return


@on_units(
    Rule(
        code="ZS701",
        name="unload-with-limit",
        severity=ERROR,
        problem="The query of UNLOAD has a LIMIT in its outer SELECT: it is refused.",
        redshift="The query can't use a LIMIT clause in the outer SELECT.",
        source="r_UNLOAD",
        mend="Nest the limited query: SELECT columns FROM (SELECT ... LIMIT n).",
        bad="unload ('select booking_id from curated.bookings order by booking_id limit 10')\n"
        "to 's3://bucket/x' iam_role default format parquet;",
        good="unload ('select booking_id from (select booking_id from curated.bookings order by booking_id limit 10)"
        " as first_ones')\nto 's3://bucket/x' iam_role default format parquet;",
    )
)
def unload_with_limit(unit: Unit, catalog: Catalog) -> Found:
    if unit.kind.name != "unload":
        return
    for token in unit.tokens:
        if token.kind == "string":
            try:
                query = Parser(token.value).query()
            except (Refused, RecursionError):
                return
            if query.limit is not None:
                yield token.start, "UNLOAD takes no LIMIT in the outer SELECT: nest the query"
            return


_NOT_WITH_PARQUET = {
    "unload": frozenset("delimiter fixedwidth addquotes escape null header gzip bzip2 zstd".split()),
    "copy": frozenset(
        """
        delimiter fixedwidth removequotes escape null ignoreheader gzip bzip2 zstd lzop maxerror acceptanydate
        dateformat timeformat blanksasnull emptyasnull trimblanks truncatecolumns roundec csv json avro compupdate
        """.split()
    ),
}


@on_units(
    Rule(
        code="ZS702",
        name="option-not-for-parquet",
        severity=ERROR,
        problem="COPY or UNLOAD of Parquet is given an option that belongs to text files: it is refused.",
        redshift="UNLOAD PARQUET takes no DELIMITER, FIXEDWIDTH, ADDQUOTES, ESCAPE, NULL AS, HEADER, GZIP, BZIP2 or"
        " ZSTD; COPY from columnar files takes ACCEPTINVCHARS, FILLRECORD, STATUPDATE, MANIFEST and EXPLICIT_IDS only.",
        source="copy-usage_notes-copy-from-columnar",
        mend="Leave the option out: Parquet carries its own types and compression.",
        bad="copy curated.bookings from 's3://bucket/x' iam_role default format parquet maxerror 10;",
        good="copy curated.bookings from 's3://bucket/x' iam_role default format parquet;",
    )
)
def option_not_for_parquet(unit: Unit, catalog: Catalog) -> Found:
    refused = _NOT_WITH_PARQUET.get(unit.kind.name)
    if refused is None or not any(t.kind == "word" and t.value in ("parquet", "orc") for t in unit.tokens):
        return
    # Behind the file's address: before it a column may have such a name.
    address = next((at for at, token in enumerate(unit.tokens) if token.kind == "string"), 0)
    for token in unit.tokens[address:]:
        if token.kind == "word" and token.value in refused:
            yield token.start, f"{token.value.upper()} does not go with Parquet"
