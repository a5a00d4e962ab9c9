"""What protects a relation, as the catalog tells it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache

from deployer.sql.types import RedshiftType

POLICY = "policy"
"""The kind of a translation that changes policies: views over what they concern are made anew after it."""

RLS, MASKING = "rls", "masking"

_LONG = {
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "time": "time without time zone",
    "timetz": "time with time zone",
    "double": "double precision",
    "super": "redshift.super",
    "varbyte": "bytea",
}


@dataclass(frozen=True)
class Lookup:
    """A table that a policy's expression reads, by `view` once SELECT was granted to the policy."""

    schema: str
    name: str
    columns: frozenset[str]
    granted: bool
    view: str


@dataclass(frozen=True)
class RowPolicy:
    """An RLS policy that is attached to the relation, with all whom it is attached for: kind and role number."""

    name: str
    alias: str
    columns: tuple[tuple[str, str], ...]
    expression: str
    lookups: tuple[Lookup, ...]
    grantees: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Mask:
    """One attachment of a masking policy. `inputs` stand for the policy's `columns`, by place."""

    name: str
    columns: tuple[tuple[str, str], ...]
    expression: str
    lookups: tuple[Lookup, ...]
    grantee: tuple[str, int]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True)
class Protection:
    """What concerns one relation.

    `conjunction` is "and" or "or" while row-level security is on, else empty. `masks` are in the order of their
    priority, highest first. `guarded`: a view in which policies have been put. `lookup_of` are the policies that
    read it, as kind, name and columns.
    """

    conjunction: str
    policies: tuple[RowPolicy, ...]
    masks: tuple[Mask, ...]
    guarded: bool
    lookup_of: tuple[tuple[str, str, frozenset[str]], ...]

    def policies_of(self, column: str) -> list[str]:
        """The policies that read or mask this column."""
        found = [f"RLS policy {one.name}" for one in self.policies if column in dict(one.columns)]
        found += [f"masking policy {one.name}" for one in self.masks if column in (*one.inputs, *one.outputs)]
        found += [f"{kind} policy {name}" for kind, name, columns in self.lookup_of if column in columns]
        return found


_NOTHING = Protection("", (), (), False, ())


def protection(text: str | None) -> Protection:
    """What zeroshift.protection() says of a relation; None says that nothing concerns it."""
    return _NOTHING if text is None else _parse(text)


@lru_cache(maxsize=500)
def _parse(text: str) -> Protection:
    told = json.loads(text)
    rls = told.get("rls")
    return Protection(
        conjunction=rls["conjunction"] if rls else "",
        policies=tuple(
            RowPolicy(
                one["name"],
                one["alias"],
                _pairs(one["columns"]),
                one["expression"],
                _lookups(one["lookups"]),
                tuple((kind, number) for kind, number in one["grantees"]),
            )
            for one in told.get("policies", ())
        ),
        masks=tuple(
            Mask(
                one["name"],
                _pairs(one["columns"]),
                one["expression"],
                _lookups(one["lookups"]),
                (one["grantee"][0], one["grantee"][1]),
                tuple(one["inputs"]),
                tuple(one["outputs"]),
            )
            for one in told.get("masks", ())
        ),
        guarded=bool(told.get("guarded")),
        lookup_of=tuple(
            (kind, name, frozenset(columns)) for kind, name, columns in told.get("lookup_of", ())
        ),
    )


def _pairs(told: list[list[str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name, kind) for name, kind in told)


def _lookups(told: list[dict[str, object]]) -> tuple[Lookup, ...]:
    return tuple(
        Lookup(
            str(one["schema"]),
            str(one["name"]),
            frozenset(str(column) for column in one["columns"]),  # type: ignore[attr-defined]
            bool(one["granted"]),
            str(one["view"]),
        )
        for one in told
    )


def format_type(kind: RedshiftType) -> str:
    """`kind` as PostgreSQL's format_type() spells it, which is how Redshift's catalog does."""
    if kind.is_decimal:
        return f"numeric({kind.precision},{kind.scale})" if kind.precision is not None else "numeric"
    if kind.name == "varchar":
        return f"character varying({kind.length})" if kind.length else "character varying"
    if kind.name == "char":
        return f"character({kind.length})" if kind.length else "character"
    return _LONG.get(kind.name, kind.name)
