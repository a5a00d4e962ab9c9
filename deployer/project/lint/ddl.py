"""The trees of statements that define things: what rules need to know of CREATE, ALTER, DROP, GRANT and the like.

Source: Redshift Database Developer Guide, the pages of these commands.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from deployer.sql.parse.nodes import Expr, Node, Query
from deployer.sql.types import RedshiftType


@dataclass(slots=True)
class ColumnDef(Node):
    """A column of CREATE TABLE or ADD COLUMN. `sized` tells whether a length or precision is written."""

    name: str
    type: RedshiftType
    type_pos: int
    sized: bool
    not_null: bool = False
    default: Expr | None = None
    identity: bool = False
    encode: str = ""
    distkey: bool = False
    sortkey: bool = False
    key: str = ""
    """primary key, unique or references, when the column declares one."""


@dataclass(slots=True)
class CreateTable(Node):
    """CREATE TABLE in all its forms. `diststyle` and `sortstyle` are empty when nothing is written about them."""

    parts: tuple[str, ...]
    temporary: bool = False
    quietly: bool = False
    columns: list[ColumnDef] = field(default_factory=list)
    names: tuple[str, ...] = ()
    keys: list[tuple[str, int]] = field(default_factory=list)
    """primary key, unique or foreign key of the table, with their places."""
    like: tuple[str, ...] | None = None
    diststyle: str = ""
    distkey: str = ""
    sortstyle: str = ""
    sortkeys: list[str] = field(default_factory=list)
    sort_pos: int = 0
    query: Query | None = None


@dataclass(slots=True)
class CreateView(Node):
    parts: tuple[str, ...]
    columns: tuple[str, ...]
    query: Query
    late_binding: bool = False
    materialized: bool = False


@dataclass(slots=True)
class AlterAction(Node):
    """`verb` is add column, drop column, alter type, rename table, rename column, owner, or another clause's words."""

    verb: str
    column: ColumnDef | None = None
    name: str = ""
    type: RedshiftType | None = None


@dataclass(slots=True)
class AlterTable(Node):
    parts: tuple[str, ...]
    actions: list[AlterAction]


@dataclass(slots=True)
class Drop(Node):
    """DROP of a table, view, schema, procedure, ... `cascade` is the place of the word, -1 without it."""

    kind: str
    names: list[tuple[str, ...]]
    cascade: int = -1
    quietly: bool = False


@dataclass(slots=True)
class Grantee(Node):
    """`kind` is user, role, group or public."""

    kind: str
    name: str


@dataclass(slots=True)
class Grant(Node):
    """GRANT or REVOKE, ALTER DEFAULT PRIVILEGES ... GRANT, and ATTACH of a policy."""

    verb: str
    grantees: list[Grantee]
    is_role: bool = False
    """GRANT ROLE r TO ...: the grantee joins a role."""


@dataclass(slots=True)
class CreateUser(Node):
    """CREATE or ALTER USER; `password` is the place of a password in clear, -1 without one."""

    name: str
    password: int = -1


@dataclass(slots=True)
class CreateFunction(Node):
    parts: tuple[str, ...]
    language: str
    language_pos: int


@dataclass(slots=True)
class Truncate(Node):
    parts: tuple[str, ...]


@dataclass(slots=True)
class CallNode(Node):
    """CALL. `arguments` counts them."""

    parts: tuple[str, ...]
    arguments: int
