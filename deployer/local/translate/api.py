"""What the translator needs and gives: the seam between translator, gateway and interpreter."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from deployer.sql.names import Name
from deployer.sql.types import BIGINT, VARCHAR, RedshiftType

EXTERNAL_TABLE = "external_table"
"""The kind of a table whose rows lie in S3. It is no relation of PostgreSQL's: bind_from.physical gives a name that
the gateway replaces (gateway.external)."""
PSEUDO_COLUMNS: tuple[tuple[str, RedshiftType], ...] = (("$path", VARCHAR), ("$size", BIGINT))
"""Of an external table, no part of `*`: DG "CREATE EXTERNAL TABLE", Usage notes."""


MATERIALIZED_VIEW = "materialized_view"
"""The kind of a materialized view."""


@dataclass(frozen=True)
class Relation:
    """A table or view as the catalog knows it.

    `kind` is "table", "view", "late_binding_view", MATERIALIZED_VIEW or EXTERNAL_TABLE. `physical` is the relation's
    PostgreSQL name (schema, name). A late-binding view has no columns of its own: `definition` is its Redshift query
    text. `*` leaves out the columns in `hidden`, which are there by name only, as a catalog table's oid is.
    `protection` is what policies.model.protection reads: the security policies that concern it.
    """

    name: Name
    kind: str
    physical: tuple[str, str]
    columns: tuple[tuple[str, RedshiftType], ...]
    definition: str | None = None
    hidden: frozenset[str] = frozenset()
    protection: str | None = None


@dataclass(frozen=True)
class UserFunction:
    """A SQL user-defined function as the catalog knows it, its types as CREATE FUNCTION declared them."""

    schema: str
    name: str
    arguments: tuple[RedshiftType, ...]
    result: RedshiftType


@dataclass(frozen=True)
class FunctionName:
    """A question to the catalog for functions, beside those for relations."""

    name: str
    schema: str | None

    def sql(self) -> str:
        """The name for a text that the catalog looks through for names."""
        return Name(self.name, self.schema).sql()


class Catalog(Protocol):
    """The live catalog, as the current session and transaction see it."""

    database: str

    def relation(self, name: Name) -> Relation | None:
        """The relation that `name` resolves to on the search path (temporary tables first), or None."""

    def functions(self, name: FunctionName) -> tuple[UserFunction, ...]:
        """The user-defined functions of that name, along the search path when it names no schema."""


@dataclass(frozen=True)
class Translation:
    """PostgreSQL text for one Redshift statement.

    `statements` are run in order in one transaction; `main` is the index of the one whose result and command
    tag are the user's. `parameters` names the procedure variables that stand behind $1, $2, ... of the main
    statement, in order (the others take none). `columns` are the inferred result types where the
    statement returns rows (None where a type could not be inferred). `reads` are the relations it read, with
    their definition at the time: a cached translation is good while they are unchanged.
    `written` is the target of INSERT, UPDATE, DELETE, MERGE or CREATE TABLE AS. `exclusive` is the table's PostgreSQL
    name when the statement needs it for itself: UPDATE, DELETE and MERGE do.
    """

    statements: tuple[str, ...]
    main: int = 0
    parameters: tuple[str, ...] = ()
    columns: tuple[tuple[str, RedshiftType | None], ...] = ()
    reads: tuple[Relation, ...] = ()
    written: Name | None = None
    exclusive: str = ""
    kind: str = "select"
    notices: tuple[str, ...] = field(default=())
    checks: tuple[str, ...] = ()
    """What has to pass each time before the statements run; they raise, or answer nothing of interest."""
    guarded: bool = False
    """A security policy was put into it."""
    alone: str = ""
    """What Redshift does not run inside a transaction block, where only the catalog tells: ALTER EXTERNAL TABLE."""

    @property
    def external(self) -> tuple[Relation, ...]:
        """The external tables among what it reads."""
        return tuple(relation for relation in self.reads if relation.kind == EXTERNAL_TABLE)
