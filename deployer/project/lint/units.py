"""What rules look at: statements and procedures, each with its tree and its place in the file."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

from deployer.project.lint import ddl_parser
from deployer.project.lint.findings import SourceFile
from deployer.project.lint.positions import Locate, in_text, shifted
from deployer.project.lint.walk import Touched, nodes, relations
from deployer.sql.classify import Kind, classify_tokens
from deployer.sql.lexer import LexError, Token, tokenize
from deployer.sql.parse.nodes import Node
from deployer.sql.parse.parser import Parser
from deployer.sql.plpgsql_ast import Statement as BodyStatement
from deployer.sql.plpgsql_reader import BodyError
from deployer.sql.procedure import CreateProcedure, parse_create_procedure
from deployer.sql.refused import Refused
from deployer.sql.split import split

FILE = "file"
MIGRATION = "migration"
PROCEDURE = "procedure"
DYNAMIC = "dynamic"

EXPRESSION = "expression"
"""The kind of a unit that is an expression of a procedure, read as SELECT (expression)."""

_PREFIX = "select ("
_DML = ("insert", "update", "delete", "merge")
_DEFINITIONS = ("ddl", "create_table_as", "truncate", "grant", "revoke", "call")


@dataclass
class Unit:
    """One statement, wherever it stands.

    `where` is file, migration, procedure (a statement of a body) or dynamic (the constant text of an EXECUTE). `tree`
    is None for what is not parsed, or for what Redshift refuses: then `refused` says why. Offsets are into `text`.
    """

    file: SourceFile
    text: str
    locate: Locate
    where: str
    kind: Kind
    tokens: list[Token]
    tree: Node | None = None
    refused: Refused | None = None
    procedure: Procedure | None = None
    into: tuple[str, ...] = ()
    downgrade: bool = False
    """The statement stands in the downgrade() of a migration."""

    @property
    def line(self) -> int:
        """The line of its first character."""
        return self.locate(0)[0]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every node of the tree; none without one."""
        return tuple(nodes(self.tree)) if self.tree is not None else ()

    @cached_property
    def touched(self) -> tuple[Touched, ...]:
        """The relations that it names; none without a tree."""
        return tuple(relations(self.tree)) if self.tree is not None else ()


@dataclass
class Step:
    """A statement of a procedure's body in the order of the text, with the blocks and loops around it, outermost first.

    `units` are its SQL and its expressions.
    """

    node: BodyStatement
    around: tuple[object, ...]
    units: list[Unit] = field(default_factory=list)


@dataclass
class Procedure:
    """A CREATE PROCEDURE. `steps` is empty when its text is refused."""

    unit: Unit
    created: CreateProcedure
    body: Locate
    steps: list[Step] = field(default_factory=list)

    @property
    def name(self) -> str:
        return str(self.created.name)

    @property
    def file(self) -> SourceFile:
        return self.unit.file

    def units(self) -> Iterator[Unit]:
        """All SQL and all expressions of the body."""
        for step in self.steps:
            yield from step.units


@dataclass
class Content:
    """What one file holds. `broken` are the places that cannot be read: message, line, column."""

    file: SourceFile
    units: list[Unit] = field(default_factory=list)
    procedures: list[Procedure] = field(default_factory=list)
    broken: list[tuple[str, int, int]] = field(default_factory=list)

    def all_units(self) -> Iterator[Unit]:
        """The file's statements, those of procedures included."""
        yield from self.units
        for procedure in self.procedures:
            yield from procedure.units()


def read_sql_file(file: SourceFile) -> Content:
    """The statements of an SQL file. Never raises for its text."""
    content = Content(file)
    add_sql(content, file.text, in_text(file.text), FILE)
    return content


def add_sql(content: Content, text: str, locate: Locate, where: str, *, downgrade: bool = False) -> None:
    """Add the statements of `text` to `content`."""
    try:
        statements = split(text)
    except LexError as error:
        content.broken.append((error.message, *locate(error.position)))
        return
    for statement in statements:
        unit = make_unit(content.file, statement.text, shifted(locate, statement.start), where)
        unit.downgrade = downgrade
        content.units.append(unit)
        if unit.kind.name == "create_procedure":
            _add_procedure(content, unit)


def make_unit(
    file: SourceFile, text: str, locate: Locate, where: str, procedure: Procedure | None = None
) -> Unit:
    """One statement, parsed. Raises LexError for a text that has no tokens."""
    tokens = tokenize(text)
    unit = Unit(file, text, locate, where, classify_tokens(tokens), tokens, procedure=procedure)
    parse_unit(unit)
    return unit


def expression_unit(procedure: Procedure, text: str, locate: Locate) -> Unit:
    """An expression of a procedure. Offsets before it count as its start."""
    whole = f"{_PREFIX}{text}\n)"
    place = shifted(locate, -len(_PREFIX), least=0)
    unit = Unit(
        procedure.file, whole, place, PROCEDURE, Kind(EXPRESSION), tokenize(whole), procedure=procedure
    )
    parse_unit(unit)
    return unit


def parse_unit(unit: Unit) -> None:
    """Fill in `tree`, or `refused`."""
    kind = unit.kind.name
    if kind == "create_procedure":
        return
    try:
        parser = Parser(unit.text)
        if kind in _DEFINITIONS or kind not in ("select", EXPRESSION, *_DML):
            # CREATE TABLE AS and SELECT INTO are one kind to the classifier.
            unit.tree = _query(parser) if parser.starts_query() else ddl_parser.parse(parser)
        elif kind in _DML:
            unit.tree = _write(parser, kind)
        else:
            unit.tree = _query(parser)
    except Refused as error:
        unit.refused = error
    except RecursionError:
        unit.refused = Refused("the statement is nested too deeply", position=0, sqlstate="54001")


def _query(parser: Parser) -> Node:
    query = parser.query()
    parser.done()
    return query


def _write(parser: Parser, kind: str) -> Node:
    ctes, recursive = parser.with_clause()
    found: Node
    if kind == "insert":
        found = parser.insert(ctes, recursive)
    elif kind == "update":
        found = parser.update(ctes, recursive)
    elif kind == "delete":
        found = parser.delete(ctes, recursive)
    else:
        if ctes:
            parser.refuse("MERGE takes no WITH clause on Redshift; put the query into USING (...)")
        found = parser.merge()
    parser.done()
    return found


def _add_procedure(content: Content, unit: Unit) -> None:
    # Reading bodies needs this module's units, so it is imported when both are there.
    from deployer.project.lint.bodies import steps

    try:
        created = parse_create_procedure(unit.text)
    except (BodyError, LexError) as error:
        state = "0A000" if getattr(error, "unsupported", False) else "42601"
        unit.refused = Refused(error.message, position=error.position, sqlstate=state)
        return
    except RecursionError:
        unit.refused = Refused("the procedure is nested too deeply", position=0, sqlstate="54001")
        return
    procedure = Procedure(unit, created, shifted(unit.locate, created.body_at))
    try:
        procedure.steps = list(steps(procedure))
    except RecursionError:
        unit.refused = Refused("the procedure is nested too deeply", position=0, sqlstate="54001")
        return
    unit.procedure = procedure
    content.procedures.append(procedure)
