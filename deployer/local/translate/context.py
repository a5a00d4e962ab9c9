"""What one statement's translation knows and collects on its way."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from deployer.local.translate.api import Catalog, Relation, Translation
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.scope import Typed
from deployer.sql.names import Name
from deployer.sql.refused import Refused
from deployer.sql.system_views import NOT_HERE
from deployer.sql.types import RedshiftType

if TYPE_CHECKING:
    from deployer.local.policies.guard import Guard

FORBID_COMPOSITE = "interval_forbid_composite_literals"
SYSTEM_SCHEMAS = frozenset(
    ["pg_catalog", "information_schema", "redshift_catalog", "redshift_information", "redshift_newer"]
)


@dataclass
class Context:
    """The catalog, a procedure's variables, and what was used of both."""

    catalog: Catalog
    variables: Mapping[str, RedshiftType]
    parameters: list[str] = field(default_factory=list)
    reads: dict[Name, Relation] = field(default_factory=dict)
    targets: dict[Name, Relation] = field(default_factory=dict)
    """What the statement writes: no part of the query, so functions of the leader node may feed it."""
    leader_only: list[tuple[str, int]] = field(default_factory=list)
    compute_only: list[tuple[str, int]] = field(default_factory=list)
    catalog_only: list[Refused] = field(default_factory=list)
    """PostgreSQL syntax that is refused unless every relation read is a catalog one."""
    over_user_tables: list[Refused] = field(default_factory=list)
    """What Redshift refuses over user tables only, e.g. correlated sub-queries that it cannot decorrelate."""
    guards: list[Guard] = field(default_factory=list)
    """The protected relations in FROM. Until the end a mark stands for their columns: `mark`, number, semicolon."""
    mark: str = field(default_factory=lambda: f"zs{secrets.token_hex(8)}#")
    protected: dict[str, str] = field(default_factory=dict)
    """The privileges that EXPLAIN takes, each with a relation that asks for it."""
    expanding: tuple[Name, ...] = ()
    """Late-binding views being put in place, to stop a circle."""

    def relation(self, name: Name, pos: int) -> Relation:
        """The relation of this name. Raises Refused (42P01) when there is none."""
        found = self.catalog.relation(self.local(name))
        if found is None:
            if name.schema in (None, "pg_catalog") and name.name in NOT_HERE:
                raise Refused(
                    f"{name.name.upper()} is not supported by the local Redshift: {NOT_HERE[name.name]}",
                    position=pos,
                )
            where = (
                f'database "{name.database}"' if name.database not in (None, self.catalog.database) else ""
            )
            message = f'relation "{name}" does not exist' + (f" in {where}" if where else "")
            raise Refused(message, position=pos, sqlstate="42P01")
        self.reads[self.local(name)] = found
        return found

    def is_on(self, option: str) -> bool:
        """Whether the session has this on. A catalog without a session has what is on by default."""
        return option in getattr(self.catalog, "options", (FORBID_COMPOSITE,))

    def local(self, name: Name) -> Name:
        """`name` without the current database's own name in front."""
        return Name(name.name, name.schema) if name.database == self.catalog.database else name

    def variable(self, name: str) -> Typed | None:
        """A procedure's variable as a typed parameter of the main statement."""
        kind = self.variables.get(name)
        if kind is None:
            return None
        if name not in self.parameters:
            self.parameters.append(name)
        number = self.parameters.index(name) + 1
        if kind.name == "unknown":
            return Typed(f"${number}", kind)
        return Typed(f"${number}::{pg_type(kind)}", kind)

    @property
    def only_catalogs(self) -> bool:
        """Whether every relation that was read is a system one (and there is one)."""
        return bool(self.reads) and all(
            relation.physical[0] in SYSTEM_SCHEMAS for relation in self.reads.values()
        )

    @property
    def user_tables(self) -> bool:
        return any(relation.physical[0] not in SYSTEM_SCHEMAS for relation in self.reads.values())

    def check(self, catalog_only: list[Refused], leader_node: list[Refused]) -> None:
        """What can only be judged when all relations are known."""
        self.over_user_tables += leader_node
        refused = catalog_only + self.catalog_only
        if refused and not self.only_catalogs:
            raise refused[0]
        if self.user_tables:
            if self.over_user_tables:
                raise self.over_user_tables[0]
            if self.leader_only:
                name, pos = self.leader_only[0]
                raise Refused(
                    "Specified types or functions (one per INFO message) not supported on Redshift tables: "
                    f"{name.upper()} runs on the leader node only",
                    position=pos,
                )
        elif not self.reads and self.compute_only:
            name, pos = self.compute_only[0]
            raise Refused(
                "One or more of the used functions must be applied on at least one user created tables. Examples of "
                f"user table only functions are LISTAGG, MEDIAN, PERCENTILE_CONT, etc ({name.upper()})",
                position=pos,
            )


def finish(
    context: Context,
    statements: list[str],
    *,
    kind: str,
    main: int = 0,
    columns: tuple[tuple[str, RedshiftType | None], ...] = (),
    written: Name | None = None,
    exclusive: str = "",
    notices: tuple[str, ...] = (),
) -> Translation:
    """The translation, with all that the context has collected."""
    if context.guards:
        from deployer.local.policies.guard import fill

        statements = [fill(statement, context) for statement in statements]
    return Translation(
        statements=tuple(statements),
        main=main,
        parameters=tuple(context.parameters),
        columns=columns,
        reads=tuple({**context.reads, **context.targets}.values()),
        written=written,
        exclusive=exclusive,
        kind=kind,
        notices=notices,
        guarded=bool(context.guards),
    )
