"""What a replicator must know: handed to its process through a pipe, since the password is part of it."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass

from deployer.data_filter import DataFilter
from deployer.local.replication.definition import TableDefinition
from deployer.local.replication.lenient import Lenient


@dataclass(frozen=True)
class Settings:
    """One integration. `database` is shown as its source; `landing` is where it lands."""

    name: str
    host: str
    port: int
    user: str
    password: str
    database: str
    landing: str
    filter_text: str
    refresh_interval: int = 0
    is_postgres: bool = False
    truncatecolumns: bool = False
    acceptinvchars: bool = False
    query_all_states: bool = False
    history_mode: bool = True

    def __repr__(self) -> str:
        return f"Settings({self.name}, {self.user}@{self.host}:{self.port})"

    @property
    def filter(self) -> DataFilter:
        return DataFilter.parse(self.filter_text, parts=3 if self.is_postgres else 2)

    def lets_through(self, place: tuple[str, str]) -> bool:
        """Whether a table of the source, named by schema and table, is replicated."""
        return self.filter.lets_through(*([self.database] if self.is_postgres else []), *place)

    def lenient(self, table: TableDefinition) -> Lenient:
        """What becomes of the table's values that cannot land as they are."""
        return Lenient(table, truncate=self.truncatecolumns, accept=self.acceptinvchars)

    @property
    def fingerprint(self) -> str:
        """Changes when the replicator must be started anew. Salted by nothing, so the password is left out."""
        shown = asdict(self) | {"password": ""}
        return hashlib.sha256(json.dumps(shown, sort_keys=True).encode()).hexdigest()

    def dumps(self) -> str:
        """For the pipe only: it holds the password."""
        return json.dumps(asdict(self))

    @classmethod
    def loads(cls, text: str) -> Settings:
        return cls(**json.loads(text))
