"""Explicit casts, as Redshift converts."""

from __future__ import annotations

from deployer.local.translate import supers
from deployer.local.translate.datatypes import pg_literal as pg_literal
from deployer.local.translate.datatypes import pg_type
from deployer.local.translate.infer import Kind
from deployer.local.translate.scope import Typed
from deployer.sql.parse.datatypes import redshift_text
from deployer.sql.parse.nodes import Expr, Literal
from deployer.sql.refused import Refused
from deployer.sql.types import SUPER, RedshiftType

_MOMENTS = frozenset("date timestamp timestamptz time timetz".split())
_NUMBERS = frozenset("smallint integer bigint decimal real double".split())
_REFUSED: dict[str, frozenset[str]] = {
    # DG "Type compatibility and conversion": BOOLEAN converts to integers only, dates not to numbers.
    "boolean": frozenset("decimal real double char varchar date timestamp timestamptz time timetz".split()),
    "decimal": _MOMENTS | {"boolean"},
    "real": _MOMENTS | {"boolean"},
    "double": _MOMENTS | {"boolean"},
    **{name: _MOMENTS for name in ("smallint", "integer", "bigint")},
    **{name: frozenset("smallint integer bigint decimal real double boolean".split()) for name in _MOMENTS},
}


def cut_bytes(text: str, size: int) -> str:
    """The longest beginning of `text` of at most `size` UTF-8 bytes, in whole characters."""
    data = text.encode()
    return text if len(data) <= size else data[:size].decode(errors="ignore")


def cast(value: Typed, kind: RedshiftType, node: Expr) -> Typed:
    """`value` cast to `kind`. `node` is the operand as written, for its position and when it is a literal.

    A cast to VARCHAR(n) or CHAR(n) cuts at n bytes without an error. A cast to DECIMAL rounds half away from zero:
    the guide shows that for literals and for values that are assigned; of values selected from tables it says that
    explicit casts "are not rounded" without saying what happens instead, so write ROUND(x, s) where it matters.
    """
    source = value.type
    if source is not None:
        _check(source, kind, node.pos)
    if kind == SUPER:
        return Typed(supers.as_super(value, node.pos), kind)
    if source == SUPER and kind.name not in ("varchar", "char"):
        return supers.cast_from(value, kind, node.pos)
    if kind.name in ("varchar", "char"):
        return _to_text(value, kind, node)
    target = pg_type(kind)
    if source is not None and kind.name == "boolean" and source.is_integer:
        return Typed(f"(({value.sql}) <> 0)", kind)
    if source is not None and source.name == "boolean" and kind.is_integer:
        return Typed(f"({value.sql})::integer::{target}", kind)
    if kind.name == "varbyte":
        return _to_bytes(value, kind)
    return Typed(f"({value.sql})::{target}", kind)


_TRIED: dict[str, frozenset[str]] = {
    "smallint": _NUMBERS | {"boolean"}, "integer": _NUMBERS | {"boolean"}, "bigint": _NUMBERS | {"boolean"},
    "decimal": _NUMBERS, "real": _NUMBERS, "double": _NUMBERS, "boolean": frozenset(["smallint", "integer", "bigint"]),
    "char": _NUMBERS | _MOMENTS, "varchar": _NUMBERS | _MOMENTS, "unknown": _NUMBERS | _MOMENTS,
    "timestamp": frozenset(["timestamptz", "date", "time"]), "date": frozenset(["timestamp", "timestamptz"]),
    "timestamptz": frozenset(["timestamp", "date", "time", "timetz"]), "time": frozenset(), "timetz": frozenset(),
    "super": _NUMBERS | {"boolean"},
}  # fmt: skip
"""Source type -> the targets that r_TRY_CAST lists beside text, SUPER and the type itself."""


def try_cast(value: Typed, kind: RedshiftType, node: Expr) -> Typed:
    """TRY_CAST: as `cast`, but a value that cannot be converted is NULL. Raises Refused for other pairs of types."""
    source = value.type
    if source is None or source.name not in _TRIED:
        raise Refused("TRY_CAST of a value of this type is not documented; use CAST", position=node.pos)
    free = kind.is_text or kind.name == source.name or (kind == SUPER and source.name not in _MOMENTS)
    if not free and kind.name not in _TRIED[source.name]:
        raise Refused(
            f"cannot cast type {_bare(source)} to {_bare(kind)}",
            position=node.pos,
            sqlstate="42846",
        )
    numeric = source.is_numeric and kind.is_numeric
    if kind.is_text or kind == SUPER or not (source.is_text or source.name == "unknown" or numeric):
        return cast(value, kind, node)
    target = pg_type(kind)
    through = "numeric" if numeric else target
    return Typed(f"redshift.try_cast(({value.sql})::text, '{through}', '{target}')::{target}", kind)


def _to_bytes(value: Typed, kind: RedshiftType) -> Typed:
    """Text becomes its UTF-8 bytes, an integer its bytes from the highest to the lowest."""
    source = value.type
    if source is not None and source.name == "char" and source.length is not None:
        # A CHAR has its blanks (the guide's r_VARBYTE_type), which a cast of PostgreSQL's to text takes off.
        padded = f"pg_catalog.rpad(({value.sql})::text, {source.length})"
        return Typed(f"pg_catalog.convert_to({padded}, 'UTF8')", kind)
    if source is None or source.is_text or source.name == "unknown":
        return Typed(f"pg_catalog.convert_to(({value.sql})::text, 'UTF8')", kind)
    return Typed(f"({value.sql})::bytea", kind)


def _bare(kind: RedshiftType) -> str:
    """The type without its size, as in limitations-super: cannot cast type numeric to boolean."""
    return redshift_text(kind).partition("(")[0]


def _check(source: RedshiftType, kind: RedshiftType, pos: int) -> None:
    if kind.name in _REFUSED.get(source.name, frozenset()):
        hint = ""
        if source.name == "boolean":
            hint = "; write CASE WHEN b THEN ... ELSE ... END"
        raise Refused(
            f"cannot cast type {_bare(source)} to {_bare(kind)}{hint}",
            position=pos,
            sqlstate="42846",
        )


def _to_text(value: Typed, kind: RedshiftType, node: Expr) -> Typed:
    source: Kind = value.type
    if source == SUPER:
        value, source = Typed(f"redshift.super_text({value.sql})", None), None
    if source is not None and source.name == "varbyte":
        value = Typed(f"pg_catalog.convert_from({value.sql}, 'UTF8')", None)
        source = None
    if kind.length is None:
        length = None if source is None else source.length
        if kind.name == "char":
            return Typed(f"({value.sql})::bpchar", kind)
        return Typed(f"({value.sql})::character varying", RedshiftType("varchar", length=length))
    if isinstance(node, Literal) and node.kind == "string":
        return Typed(f"{pg_literal(cut_bytes(node.value, kind.length))}::{pg_type(kind)}", kind)
    fits = (
        source is not None and source.is_text and source.length is not None and source.length <= kind.length
    )
    if fits or kind.length >= 65535:
        return Typed(f"({value.sql})::{pg_type(kind)}", kind)
    return Typed(f"redshift.cut_bytes(({value.sql})::text, {kind.length})::{pg_type(kind)}", kind)
