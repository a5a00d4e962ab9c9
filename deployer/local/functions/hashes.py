"""Hash functions.

Source: https://docs.aws.amazon.com/redshift/latest/dg/hash-functions.html and each function's page.
"""

from __future__ import annotations

from deployer.local.functions.api import Call, Function
from deployer.local.functions.render import literal, page, refuse, text
from deployer.sql.types import BIGINT, INTEGER, VARCHAR, RedshiftType

_SHA2_BITS = ("0", "224", "256", "384", "512")


def _bytes(call: Call, index: int) -> str:
    """The bytes that are hashed: a VARBYTE's own, a string's UTF-8."""
    kind = call.types[index]
    if kind is not None and kind.name == "varbyte":
        return f"({call.args[index]})::bytea"
    return f"pg_catalog.convert_to({text(call, index)}, 'UTF8')"


def _md5(call: Call) -> str:
    return f"pg_catalog.md5({_bytes(call, 0)})"


def _sha1(call: Call) -> str:
    return f"redshift.sha1({_bytes(call, 0)})"


def _sha2(call: Call) -> str:
    bits = literal(call, 1)
    if bits not in _SHA2_BITS:
        raise refuse(
            call, f"the number of bits must be one of {', '.join(_SHA2_BITS)}, as a literal", sqlstate="22023"
        )
    name = "sha256" if bits == "0" else f"sha{bits}"
    return f"pg_catalog.encode(pg_catalog.{name}({_bytes(call, 0)}), 'hex')"


_WIDTHS = {"smallint": "int2send", "integer": "int4send", "bigint": "int8send"}


def _fnv_hash(call: Call) -> str:
    """FNV-1a of 64 bits over the value's bytes (an integer's from its lowest on), from an optional seed."""
    kind = call.types[0]
    seed = f"({call.args[1]})::bigint" if len(call.args) > 1 else "NULL"
    if kind is not None and kind.is_integer:
        data = f"redshift.reverse_bytes(pg_catalog.{_WIDTHS[kind.name]}({call.args[0]}))"
    elif kind is not None and (kind.is_text or kind.name in ("unknown", "varbyte")):
        data = _bytes(call, 0)
    else:
        what = "a value of unknown type" if kind is None else kind.name.upper()
        raise refuse(call, f"how Redshift hashes {what} is not documented; cast it to VARCHAR or an integer")
    return f"redshift.fnv_hash({data}, {seed})"


def _murmur3(call: Call) -> str:
    """Murmur3A over the bytes that the Apache Iceberg specification gives each type (appendix B)."""
    kind = call.types[0]
    value = call.args[0]
    seed = f"({call.args[1]})::integer" if len(call.args) > 1 else "0"
    if kind is not None and (kind.is_text or kind.name in ("unknown", "varbyte")):
        data = _bytes(call, 0)
    elif kind is not None and kind.is_decimal:
        data = f"redshift.decimal_bytes({value})"
    elif kind is not None and (kind.is_integer or kind.name in _AS_LONG):
        number = _AS_LONG.get(kind.name, "({0})::bigint").format(value)
        data = f"redshift.reverse_bytes(pg_catalog.int8send({number}))"
    elif kind is not None and kind.is_float:
        # "Floating point values are converted to double" and -0 to 0, which adding 0 does.
        data = f"redshift.reverse_bytes(pg_catalog.float8send(({value})::double precision + 0))"
    else:
        what = "a value of unknown type" if kind is None else kind.name.upper()
        raise refuse(call, f"how {what} is hashed is not documented; cast it to VARCHAR or an integer")
    return f"redshift.murmur3_32({data}, {seed})"


_AS_LONG = {
    "boolean": "({0})::integer::bigint",
    "date": "(({0})::date - DATE '1970-01-01')::bigint",
    "time": "(EXTRACT(epoch FROM {0}) * 1000000)::bigint",
    "timestamp": "(EXTRACT(epoch FROM {0}) * 1000000)::bigint",
    "timestamptz": "(EXTRACT(epoch FROM {0}) * 1000000)::bigint",
}


def _farm(call: Call) -> str:
    kind = call.types[0]
    if kind is None or not (kind.is_text or kind.name in ("unknown", "varbyte")):
        raise refuse(call, "its argument is a VARCHAR or VARBYTE; cast it", sqlstate="42883")
    return f"redshift.farmfingerprint64({_bytes(call, 0)})"


def _checksum(call: Call) -> str:
    """Of a DECIMAL its digits without the point, as r_CHECKSUM prints 10920 for 109.20; of other types nothing is
    documented but the result's type."""
    kind = call.types[0]
    if kind is None or not kind.is_decimal or kind.scale is None:
        raise refuse(
            call, "how Redshift computes it of anything but a DECIMAL is not documented; use FNV_HASH"
        )
    return f"(({call.args[0]}) * {10**kind.scale})::bigint"


FUNCTIONS: tuple[Function, ...] = (
    Function("checksum", _checksum, BIGINT, 1, 1, source=page("r_CHECKSUM")),
    Function("md5", _md5, RedshiftType("varchar", length=32), 1, 1, source=page("r_MD5")),
    Function("sha", _sha1, RedshiftType("varchar", length=40), 1, 1, source=page("SHA")),
    Function("sha1", _sha1, RedshiftType("varchar", length=40), 1, 1, source=page("SHA1")),
    Function("func_sha1", _sha1, RedshiftType("varchar", length=40), 1, 1, source=page("FUNC_SHA1")),
    Function("sha2", _sha2, VARCHAR, 2, 2, source=page("SHA2")),
    Function("murmur3_32_hash", _murmur3, INTEGER, 1, 2, source=page("MURMUR3_32_HASH")),
    Function("farmfingerprint64", _farm, BIGINT, 1, 1, source=page("r_FARMFINGERPRINT64")),
    Function("fnv_hash", _fnv_hash, BIGINT, 1, 2, source=page("r_FNV_HASH")),
)
