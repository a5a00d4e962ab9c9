"""What the extended protocol keeps between its messages: prepared statements and portals."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from deployer.local.gateway import codec
from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.history import Entry
from deployer.local.translate.api import Translation
from deployer.sql.classify import Kind


@dataclass
class Prepared:
    """A statement that the client has parsed.

    `backend_name` is PostgreSQL's name of it, empty when it runs through the gateway. `offset` is where the statement
    begins in the client's text. `columns` is None when it returns no rows. `declared` are the client's own parameter
    types. `cycle` counts Syncs: when it was translated last.
    """

    text: str
    kind: Kind
    offset: int = 0
    translation: Translation | None = None
    backend_name: str = ""
    parameters: tuple[int, ...] = ()
    columns: tuple[codec.Column, ...] | None = None
    declared: tuple[int, ...] = ()
    cycle: int = 0

    @property
    def external(self) -> bool:
        """Whether it reads external tables: then it runs through the gateway."""
        return self.translation is not None and bool(self.translation.external)


@dataclass
class Portal:
    """A bound statement. `running` once it was executed: a gateway statement runs only once."""

    prepared: Prepared
    bind: codec.Bind
    backend_name: str = ""
    running: bool = field(default=False)
    entry: Entry | None = None
    """What it is logged as while it is suspended."""

    def columns(self) -> tuple[codec.Column, ...]:
        """The result's columns in the formats that Bind asked for."""
        return tuple(
            replace(column, format=self.bind.result_format(index))
            for index, column in enumerate(self.prepared.columns or ())
        )

    def own_names(self, error: ServerError) -> ServerError:
        """The error with the client's own names of statement and portal, of which PostgreSQL does not know."""
        known = {self.backend_name: self.bind.portal, self.prepared.backend_name: self.bind.statement}
        for ours, theirs in known.items():
            if ours:
                error.fields["M"] = error.fields.get("M", "").replace(f'"{ours}"', f'"{theirs}"')
        return error
