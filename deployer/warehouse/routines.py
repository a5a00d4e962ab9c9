"""The procedures that a warehouse has, with their arguments and bodies, from PG_PROC_INFO.

Source: Redshift Database Developer Guide, "PG_PROC_INFO": `proargmodes` holds i, o and b for IN, OUT and INOUT and is
NULL when all are IN, as is `proallargtypes`; `proargtypes` has the input types alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from deployer.sql.types import BY_OID, RedshiftType
from deployer.warehouse.session import Session

_MODES = {"i": "in", "o": "out", "b": "inout"}


@dataclass(frozen=True)
class RoutineArgument:
    """An argument; `mode` is in, out or inout. The catalog keeps no lengths, so `type` has none."""

    name: str
    mode: str
    type: RedshiftType


@dataclass(frozen=True)
class Routine:
    """A procedure as the warehouse has it. `name` is schema.name."""

    name: str
    arguments: tuple[RoutineArgument, ...]
    body: str

    @property
    def inputs(self) -> tuple[RoutineArgument, ...]:
        """What a CALL passes: all but OUT."""
        return tuple(argument for argument in self.arguments if argument.mode != "out")


def procedures(session: Session) -> tuple[Routine, ...]:
    """Every procedure that the session's user can see, by name."""
    found = session.execute(
        "select n.nspname, p.proname, p.proargtypes, p.proallargtypes, p.proargmodes, p.proargnames, p.prosrc"
        ' from pg_catalog.pg_proc_info as p join pg_catalog.pg_namespace as n on n."oid" = p.pronamespace'
        " where p.prokind = 'p' and n.nspname not in ('pg_catalog', 'information_schema', 'pg_internal')"
        " order by n.nspname, p.proname, p.prooid"
    )
    return tuple(_routine(row) for row in found.rows)


def _routine(row: Sequence[object]) -> Routine:
    schema, name, inputs, all_types, modes, names, body = row
    oids = listed(all_types) or listed(inputs)
    letters = listed(modes) or ["i"] * len(oids)
    called = listed(names) or [""] * len(oids)
    arguments = tuple(
        RoutineArgument(text, _MODES[letter], type_of(int(oid)))
        for text, letter, oid in zip(called, letters, oids, strict=True)
    )
    return Routine(f"{schema}.{name}", arguments, str(body))


def type_of(oid: int) -> RedshiftType:
    """The type with this number; one that we do not know is a type of its own, equal to itself alone."""
    return BY_OID.get(oid, RedshiftType(f"type {oid}"))


def listed(value: object) -> list[str]:
    """An array of the catalog, which drivers give as a list, as {a,b}, or, an oidvector, as `a b`."""
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return [str(item) for item in value]
    text = str(value)
    if text.startswith("{"):
        return [item.strip('"') for item in text[1:-1].split(",")] if text != "{}" else []
    return text.split()
