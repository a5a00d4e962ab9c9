"""Hash functions.

Source: https://docs.aws.amazon.com/redshift/latest/dg/hash-functions.html and each function's page.
"""

from __future__ import annotations

from deployer.local.functions.api import Call, Function
from deployer.local.functions.render import literal, page, refuse, text
from deployer.sql.types import BIGINT, VARCHAR, RedshiftType

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


FUNCTIONS: tuple[Function, ...] = (
    Function("md5", _md5, RedshiftType("varchar", length=32), 1, 1, source=page("r_MD5")),
    Function("sha", _sha1, RedshiftType("varchar", length=40), 1, 1, source=page("SHA")),
    Function("sha1", _sha1, RedshiftType("varchar", length=40), 1, 1, source=page("SHA1")),
    Function("func_sha1", _sha1, RedshiftType("varchar", length=40), 1, 1, source=page("FUNC_SHA1")),
    Function("sha2", _sha2, VARCHAR, 2, 2, source=page("SHA2")),
    Function("fnv_hash", _fnv_hash, BIGINT, 1, 2, source=page("r_FNV_HASH")),
)
