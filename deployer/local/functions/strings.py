"""String functions.

Source: https://docs.aws.amazon.com/redshift/latest/dg/String_functions_header.html and each function's page.
Positions and lengths count characters, except where a name says bytes.
"""

from __future__ import annotations

from deployer.local.functions.api import Call, Function, Types
from deployer.local.functions.render import integer, literal, page, refuse, strings, text
from deployer.sql.types import BIGINT, INTEGER, MAX_VARCHAR, VARCHAR, RedshiftType

_BYTES = "varbyte"


def _binary(call: Call, index: int = 0) -> bool:
    kind = call.types[index] if index < len(call.types) else None
    return kind is not None and kind.name == _BYTES


def _length(call: Call) -> str:
    if _binary(call):
        return f"pg_catalog.length(({call.args[0]})::bytea)"
    return f"pg_catalog.length({text(call, 0)})"


def _octet_length(call: Call) -> str:
    if _binary(call):
        return f"pg_catalog.length(({call.args[0]})::bytea)"
    return f"pg_catalog.octet_length({text(call, 0)})"


def _substring(call: Call) -> str:
    if _binary(call):
        value = f"({call.args[0]})::bytea"
    else:
        value = text(call, 0)
    tail = "".join(f", {integer(call, i)}" for i in range(1, len(call.args)))
    return f"pg_catalog.substring({value}{tail})"


def _substring_result(types: Types) -> RedshiftType | None:
    kind = types[0]
    return kind if kind is not None and kind.name == _BYTES else _varchar_like(types)


def _varchar_like(types: Types) -> RedshiftType | None:
    """VARCHAR of the first argument's length, as the result is never longer."""
    kind = types[0]
    if kind is not None and kind.is_text and kind.length is not None:
        return RedshiftType("varchar", length=kind.length)
    return VARCHAR


def _concat(call: Call) -> str:
    if _binary(call, 0) or _binary(call, 1):
        # A password and its salt, in r_CREATE_USER: a string beside a VARBYTE is its bytes.
        first, second = (
            f"({call.args[i]})::bytea"
            if _binary(call, i)
            else f"pg_catalog.convert_to({text(call, i)}, 'UTF8')"
            for i in (0, 1)
        )
        return f"({first} || {second})"
    return f"({text(call, 0)} || {text(call, 1)})"


def _concat_result(types: Types) -> RedshiftType | None:
    left, right = types
    if any(kind is not None and kind.name == _BYTES for kind in types):
        return RedshiftType(_BYTES)
    if left is not None and right is not None and left.length is not None and right.length is not None:
        return RedshiftType("varchar", length=min(left.length + right.length, MAX_VARCHAR))
    return VARCHAR


def _reverse(call: Call) -> str:
    return f"pg_catalog.reverse({text(call, 0)})"


def _pad(name: str) -> Function:
    return Function(
        name, strings(f"redshift.fits(pg_catalog.{name}({{args}}))", 1), VARCHAR, 2, 3, source=page("r_LPAD")
    )


def _side(name: str) -> Function:
    return Function(
        name, strings(f"redshift.{name}_part({{args}})", 1), _varchar_like, 2, 2, source=page("r_LEFT")
    )


def _trim(name: str, where: str) -> Function:
    pattern = f"pg_catalog.{'btrim' if name == 'trim' else name}({{args}})"
    return Function(name, strings(pattern), _varchar_like, 1, 2, source=page(where))


def _length_of(name: str) -> Function:
    return Function(name, _length, INTEGER, 1, 1, source=page("r_LEN"))


def _regexp_flags(call: Call, index: int, allowed: str) -> str:
    """The parameters argument, checked when it is a literal; 'c' when it is missing."""
    if index >= len(call.args):
        return "''"
    value = literal(call, index)
    if value is None:
        raise refuse(call, "the parameters must be a string literal", sqlstate="42601")
    unknown = [letter for letter in value if letter not in allowed]
    if unknown:
        raise refuse(call, f"unknown parameter {unknown[0]!r}: use {', '.join(allowed)}", sqlstate="22023")
    return "'i'" if "i" in value and "c" not in value[value.rindex("i") :] else "''"


def _from(call: Call, index: int) -> str:
    return integer(call, index) if index < len(call.args) else "1"


def _regexp_count(call: Call) -> str:
    flags = _regexp_flags(call, 3, "icp")
    return f"redshift.regexp_count({text(call, 0)}, {text(call, 1)}, {_from(call, 2)}, {flags})"


def _extracts(call: Call, index: int) -> str:
    """Whether the `e` parameter asks for the first subexpression, as a SQL boolean."""
    return "true" if index < len(call.args) and "e" in (literal(call, index) or "") else "false"


def _regexp_instr(call: Call) -> str:
    flags = _regexp_flags(call, 5, "icpe")
    option = integer(call, 4) if len(call.args) > 4 else "0"
    args = f"{text(call, 0)}, {text(call, 1)}, {_from(call, 2)}, {_from(call, 3)}, {option}"
    return f"redshift.regexp_instr({args}, {flags}, {_extracts(call, 5)})"


def _regexp_substr(call: Call) -> str:
    flags = _regexp_flags(call, 4, "icpe")
    args = f"{text(call, 0)}, {text(call, 1)}, {_from(call, 2)}, {_from(call, 3)}"
    return f"redshift.regexp_substr({args}, {flags}, {_extracts(call, 4)})"


def _regexp_replace(call: Call) -> str:
    flags = _regexp_flags(call, 4, "icp")
    replacement = text(call, 2) if len(call.args) > 2 else "''"
    pcre = "true" if len(call.args) > 4 and "p" in (literal(call, 4) or "") else "false"
    args = f"{text(call, 0)}, {text(call, 1)}, {replacement}, {_from(call, 3)}"
    return f"redshift.regexp_replace({args}, {flags}, {pcre})"


def _strtol(call: Call) -> str:
    return f"redshift.strtol({text(call, 0)}, {integer(call, 1)})"


FUNCTIONS: tuple[Function, ...] = (
    *(_length_of(name) for name in ("len", "length", "char_length", "character_length", "textlen")),
    Function("octet_length", _octet_length, INTEGER, 1, 1, source=page("r_OCTET_LENGTH")),
    Function("octetindex", strings("redshift.octetindex({args})"), INTEGER, 2, 2, source=page("OCTETINDEX")),
    Function("strpos", strings("pg_catalog.strpos({args})"), INTEGER, 2, 2, source=page("r_STRPOS")),
    Function("charindex", strings("pg_catalog.strpos({1}, {0})"), INTEGER, 2, 2, source=page("r_CHARINDEX")),
    Function("position", strings("pg_catalog.strpos({1}, {0})"), INTEGER, 2, 2, source=page("r_POSITION")),
    Function("ascii", strings("pg_catalog.ascii({args})"), INTEGER, 1, 1, source=page("r_ASCII")),
    Function("chr", lambda call: f"redshift.chr({integer(call, 0)})", VARCHAR, 1, 1, source=page("r_CHR")),
    Function("concat", _concat, _concat_result, 2, 2, source=page("r_CONCAT")),
    Function("upper", strings("redshift.upper({args})"), _varchar_like, 1, 1, source=page("r_UPPER")),
    Function("lower", strings("redshift.lower({args})"), _varchar_like, 1, 1, source=page("r_LOWER")),
    Function("initcap", strings("redshift.initcap({args})"), _varchar_like, 1, 1, source=page("r_INITCAP")),
    _side("left"),
    _side("right"),
    Function("substring", _substring, _substring_result, 2, 3, source=page("r_SUBSTRING")),
    Function("substr", _substring, _substring_result, 2, 3, source=page("r_SUBSTR")),
    _pad("lpad"),
    _pad("rpad"),
    _trim("trim", "r_TRIM"),
    _trim("btrim", "r_BTRIM"),
    _trim("ltrim", "r_LTRIM"),
    _trim("rtrim", "r_RTRIM"),
    Function(
        "replace",
        strings("redshift.fits(pg_catalog.replace({args}))"),
        VARCHAR,
        3,
        3,
        source=page("r_REPLACE"),
    ),
    Function(
        "translate", strings("pg_catalog.translate({args})"), _varchar_like, 3, 3, source=page("r_TRANSLATE")
    ),
    Function(
        "split_part",
        strings("redshift.split_part({args})", 2),
        _varchar_like,
        3,
        3,
        source=page("SPLIT_PART"),
    ),
    Function("repeat", strings("redshift.repeat({args})", 1), VARCHAR, 2, 2, source=page("r_REPEAT")),
    Function("replicate", strings("redshift.repeat({args})", 1), VARCHAR, 2, 2, source=page("r_REPLICATE")),
    Function("reverse", _reverse, _varchar_like, 1, 1, source=page("r_REVERSE")),
    Function(
        "quote_ident", strings("redshift.quote_ident({args})"), VARCHAR, 1, 1, source=page("r_QUOTE_IDENT")
    ),
    Function(
        "quote_literal",
        strings("pg_catalog.quote_literal({args})"),
        VARCHAR,
        1,
        1,
        source=page("r_QUOTE_LITERAL"),
    ),
    Function("bpcharcmp", strings("redshift.bpcharcmp({args})"), INTEGER, 2, 2, source=page("r_BPCHARCMP")),
    Function(
        "bttext_pattern_cmp",
        strings("redshift.bpcharcmp({args})"),
        INTEGER,
        2,
        2,
        source=page("r_BTTEXT_PATTERN_CMP"),
    ),
    Function(
        "soundex",
        strings("redshift.soundex({args})"),
        RedshiftType("varchar", length=4),
        1,
        1,
        source=page("SOUNDEX"),
    ),
    Function("difference", strings("redshift.difference({args})"), INTEGER, 2, 2, source=page("DIFFERENCE")),
    Function("regexp_count", _regexp_count, INTEGER, 2, 4, source=page("REGEXP_COUNT")),
    Function("regexp_instr", _regexp_instr, INTEGER, 2, 6, source=page("REGEXP_INSTR")),
    Function("regexp_substr", _regexp_substr, VARCHAR, 2, 5, source=page("REGEXP_SUBSTR")),
    Function("regexp_replace", _regexp_replace, VARCHAR, 2, 5, source=page("REGEXP_REPLACE")),
    Function("strtol", _strtol, BIGINT, 2, 2, source=page("r_STRTOL")),
    Function("crc32", strings("redshift.crc32({args})"), VARCHAR, 1, 1, source=page("crc32-function")),
)
