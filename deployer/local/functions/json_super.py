"""JSON functions on strings, and functions of the SUPER type.

Source: https://docs.aws.amazon.com/redshift/latest/dg/json-functions.html, Type_Info_Functions.html,
c_Array_Functions.html, Object_Functions.html and each function's page.
SUPER is the domain redshift.super over json: the compact text that JSON_SERIALIZE gives.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from deployer.local.functions.api import Call, Function
from deployer.local.functions.render import integer, literal, page, refuse, text
from deployer.sql.names import quote_literal
from deployer.sql.parse.nodes import Literal
from deployer.sql.types import BOOLEAN, INTEGER, SUPER, VARCHAR, RedshiftType

VARBYTE = RedshiftType("varbyte")


def as_super(call: Call, index: int) -> str:
    """Argument `index` as SUPER, the way INSERT and ARRAY convert scalars.

    Numbers, booleans, strings and NULL convert; dates and times do not (limitations-super).
    """
    kind = call.types[index]
    value = call.args[index]
    if kind is None:
        raise refuse(call, f"the type of argument {index + 1} cannot be told; cast it")
    if kind.name == "super":
        return f"({value})::redshift.super"
    if kind.is_text or kind.name == "unknown":
        return f"redshift.super_of_text(({value})::text)"
    if kind.is_numeric or kind.name == "boolean":
        return f"redshift.super_of_json(pg_catalog.to_json({value}))"
    raise refuse(call, f"could not convert type {kind.name} to super", sqlstate="42846")


def super_argument(call: Call, index: int) -> str:
    """Argument `index`, which has to be SUPER."""
    kind = call.types[index]
    if kind is not None and kind.name not in ("super", "unknown"):
        raise refuse(call, f"argument {index + 1} is {kind.name.upper()}, not SUPER", sqlstate="42883")
    return f"({call.args[index]})::redshift.super"


def _of_super(pattern: str) -> Callable[[Call], str]:
    def renderer(call: Call) -> str:
        return pattern.format(*(super_argument(call, i) for i in range(len(call.args))))

    return renderer


def _null_if_invalid(call: Call, index: int) -> str:
    return f"({call.args[index]})::boolean" if len(call.args) > index else "false"


def _path(call: Call) -> str:
    """JSON_EXTRACT_PATH_TEXT(json, 'key' [, ...] [, null_if_invalid])."""
    args = list(range(1, len(call.args)))
    last = call.types[-1]
    invalid = "false"
    if last is not None and last.name == "boolean":
        invalid = f"({call.args[-1]})::boolean"
        args.pop()
    if not args:
        raise refuse(call, "it takes a JSON string and at least one path element", sqlstate="42883")
    if len(args) > 5:
        raise refuse(call, "it takes at most five path elements", sqlstate="42883")
    keys = ", ".join(text(call, i) for i in args)
    return f"redshift.json_extract_path_text({text(call, 0)}, ARRAY[{keys}], {invalid})"


def _element(call: Call) -> str:
    args = f"{text(call, 0)}, {integer(call, 1)}, {_null_if_invalid(call, 2)}"
    return f"redshift.json_extract_array_element_text({args})"


def _length(call: Call) -> str:
    return f"redshift.json_array_length({text(call, 0)}, {_null_if_invalid(call, 1)})"


def _array(call: Call) -> str:
    if not call.args:
        return "'[]'::redshift.super"
    return (
        f"redshift.super_array(ARRAY[{', '.join(as_super(call, i) for i in range(len(call.args)))}]::json[])"
    )


def _object(call: Call) -> str:
    if len(call.args) % 2:
        raise refuse(call, "it takes pairs of a key and a value", sqlstate="42883")
    if not call.args:
        return "'{}'::redshift.super"
    keys = ", ".join(text(call, i) for i in range(0, len(call.args), 2))
    values = ", ".join(as_super(call, i) for i in range(1, len(call.args), 2))
    return f"redshift.super_object(ARRAY[{keys}]::text[], ARRAY[{values}]::json[])"


_PATH = re.compile(r'"((?:[^"]|"")*)"(\.|$)')


def _steps(call: Call, index: int) -> str:
    """A path of OBJECT_TRANSFORM, '"a"."b"', as an array of its parts."""
    path = literal(call, index)
    parts, at = [], 0
    while path is not None and (match := _PATH.match(path, at)) is not None:
        parts.append(match[1].replace('""', '"'))
        at = match.end()
        if not match[2]:
            return f"ARRAY[{', '.join('E' + quote_literal(part) for part in parts)}]::text[]"
    raise refuse(
        call, """a path is a string constant of parts in double quotes, such as '"a"."b"'""", sqlstate="22023"
    )


def _transform(call: Call) -> str:
    """OBJECT_TRANSFORM(input KEEP path, ... SET path, value, ...); the parser puts the number of kept paths second.

    Without KEEP and SET it is the input, and "contains the path values from input that were specified in KEEP and the
    pairs that were specified in SET" otherwise.
    """
    kept = int(call.nodes[1].value) if len(call.nodes) > 1 and isinstance(call.nodes[1], Literal) else 0
    source, first = super_argument(call, 0), 2 + kept
    if (len(call.args) - first) % 2:
        raise refuse(call, "SET takes pairs of a path and a value", sqlstate="42601")
    if len(call.args) <= 2:
        return source
    steps = [f"redshift.object_kept({source}, {{0}}, {_steps(call, i)})" for i in range(2, first)]
    steps += [
        f"redshift.json_put({{0}}, {_steps(call, i)}, {as_super(call, i + 1)}::json)"
        for i in range(first, len(call.args), 2)
    ]
    result = "'{}'::json"
    for step in steps:
        result = step.replace("{0}", result)
    return f"redshift.object_transformed({source}, {result})"


def _subarray(call: Call) -> str:
    size = integer(call, 2) if len(call.args) > 2 else "NULL"
    return f"redshift.subarray({super_argument(call, 0)}, {integer(call, 1)}, {size})"


def _split(call: Call) -> str:
    delimiter = text(call, 1) if len(call.args) > 1 else "','"
    return f"redshift.split_to_array({text(call, 0)}, {delimiter})"


def _on_text(pattern: str) -> Callable[[Call], str]:
    return lambda call: pattern.format(*(text(call, i) for i in range(len(call.args))))


_KINDS = (
    # function, test on redshift.super_kind and friends, page
    ("is_array", "r_is_array"),
    ("is_bigint", "r_is_bigint"),
    ("is_boolean", "r_is_boolean"),
    ("is_char", "r_is_char"),
    ("is_decimal", "r_is_decimal"),
    ("is_float", "r_is_float"),
    ("is_integer", "r_is_integer"),
    ("is_object", "r_is_object"),
    ("is_scalar", "r_is_scalar"),
    ("is_smallint", "r_is_smallint"),
    ("is_varchar", "r_is_varchar"),
)

FUNCTIONS: tuple[Function, ...] = (
    Function("json_extract_path_text", _path, VARCHAR, 2, 7, source=page("JSON_EXTRACT_PATH_TEXT")),
    Function(
        "json_extract_array_element_text",
        _element,
        VARCHAR,
        2,
        3,
        source=page("JSON_EXTRACT_ARRAY_ELEMENT_TEXT"),
    ),
    Function("json_array_length", _length, INTEGER, 1, 2, source=page("JSON_ARRAY_LENGTH")),
    Function(
        "is_valid_json", _on_text("redshift.is_valid_json({0})"), BOOLEAN, 1, 1, source=page("IS_VALID_JSON")
    ),
    Function(
        "is_valid_json_array",
        _on_text("redshift.is_valid_json_array({0})"),
        BOOLEAN,
        1,
        1,
        source=page("IS_VALID_JSON_ARRAY"),
    ),
    Function(
        "can_json_parse",
        _on_text("redshift.can_json_parse({0})"),
        BOOLEAN,
        1,
        1,
        source=page("CAN_JSON_PARSE"),
    ),
    Function("json_parse", _on_text("redshift.json_parse({0})"), SUPER, 1, 1, source=page("JSON_PARSE")),
    Function(
        "json_serialize",
        _of_super("redshift.json_serialize({0})"),
        VARCHAR,
        1,
        1,
        source=page("JSON_SERIALIZE"),
    ),
    Function(
        "json_serialize_to_varbyte",
        # A VARBYTE has room for the largest SUPER, a VARCHAR has not (developer guide, VARBYTE type).
        _of_super("pg_catalog.convert_to(({0})::text, 'UTF8')"),
        VARBYTE,
        1,
        1,
        source=page("JSON_SERIALIZE_TO_VARBYTE"),
    ),
    Function(
        "json_typeof", _of_super("redshift.json_typeof({0})"), VARCHAR, 1, 1, source=page("r_json_typeof")
    ),
    Function("json_size", _of_super("redshift.json_size({0})"), INTEGER, 1, 1, source=page("r_json_size")),
    Function(
        "get_array_length",
        _of_super("redshift.get_array_length({0})"),
        INTEGER,
        1,
        1,
        source=page("get_array_length"),
    ),
    Function("array", _array, SUPER, 0, source=page("r_array")),
    Function(
        "array_concat",
        _of_super("redshift.array_concat({0}, {1})"),
        SUPER,
        2,
        2,
        source=page("r_array_concat"),
    ),
    Function(
        "array_flatten", _of_super("redshift.array_flatten({0})"), SUPER, 1, 1, source=page("array_flatten")
    ),
    Function(
        "lower_attribute_names",
        _of_super("redshift.renamed_attributes({0}, false)::redshift.super"),
        SUPER,
        1,
        1,
        source=page("r_lower_attribute_names"),
    ),
    Function(
        "upper_attribute_names",
        _of_super("redshift.renamed_attributes({0}, true)::redshift.super"),
        SUPER,
        1,
        1,
        source=page("r_upper_attribute_names"),
    ),
    Function("subarray", _subarray, SUPER, 2, 3, source=page("r_subarray")),
    Function("split_to_array", _split, SUPER, 1, 2, source=page("split_to_array")),
    Function("object_transform", _transform, SUPER, 1, source=page("r_object_transform_function")),
    Function("object", _object, SUPER, 0, source=page("r_object_function")),
    *(
        Function(name, _of_super(f"redshift.{name}({{0}})"), BOOLEAN, 1, 1, source=page(where))
        for name, where in _KINDS
    ),
    Function(
        "decimal_precision",
        _of_super("redshift.decimal_precision({0})"),
        INTEGER,
        1,
        1,
        source=page("r_decimal_precision"),
    ),
    Function(
        "decimal_scale",
        _of_super("redshift.decimal_scale({0})"),
        INTEGER,
        1,
        1,
        source=page("r_decimal_scale"),
    ),
)
