"""Holds every call to AWS against botocore's own model of it: the request before, the response after.

boto3 checks names, types and required members itself; enums, patterns and lengths it leaves to the service, and of a
response it checks nothing.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Mapping
from typing import Any

import botocore.session
from botocore.model import Shape
from botocore.validate import ParamValidator

_LOADED = botocore.session.get_session()
_TYPES: Mapping[str, Any] = {
    "string": str,
    "integer": int,
    "long": int,
    "boolean": bool,
    "timestamp": datetime.datetime,
    "float": (int, float),
    "double": (int, float),
}

# The events of a stack itself carry the status of a stack, which the model of an event's status does not list.
_BEYOND_THE_MODEL = set(_LOADED.get_service_model("cloudformation").shape_for("StackStatus").metadata["enum"])


def operation(service: str, method: str) -> Any:
    """botocore's model of an operation, by the name of its method; AssertionError when there is none."""
    model = _LOADED.get_service_model(service)
    by_method = {botocore.xform_name(name): name for name in model.operation_names}
    assert method in by_method, f"{service} has no operation {method}"
    return model.operation_model(by_method[method])


def check_request(service: str, method: str, parameters: Mapping[str, Any]) -> None:
    shape = operation(service, method).input_shape
    if shape is None:
        assert not parameters
        return
    report = ParamValidator().validate(parameters, shape)
    assert not report.has_errors(), f"{service} {method}: {report.generate_report()}"
    _check(parameters, shape, f"{service} {method}", request=True)


def check_response(service: str, method: str, answer: Mapping[str, Any]) -> None:
    shape = operation(service, method).output_shape
    told = {key: value for key, value in answer.items() if key != "ResponseMetadata"}
    if shape is None:
        assert not told
        return
    _check(told, shape, f"{service} {method}", request=False)


def _check(value: Any, shape: Shape, where: str, *, request: bool) -> None:
    if shape.type_name == "structure":
        for key, item in value.items():
            assert key in shape.members, f"{where} has no member {key}"
            _check(item, shape.members[key], f"{where}.{key}", request=request)
    elif shape.type_name == "list":
        for item in value:
            _check(item, shape.member, where, request=request)
    elif shape.type_name == "map":
        for item in value.values():
            _check(item, shape.value, where, request=request)
    elif shape.name in ("policyDocumentType", "TemplateBody") and isinstance(value, dict) and not request:
        # boto3 decodes IAM's documents and stacks' templates (botocore.handlers, json_decode_policies and
        # json_decode_template_body).
        return
    else:
        if shape.type_name in _TYPES:
            assert isinstance(value, _TYPES[shape.type_name]), (
                f"{where} is {value!r}, not a {shape.type_name}"
            )
        enum = shape.metadata.get("enum")
        assert not enum or value in enum or (not request and value in _BEYOND_THE_MODEL), (
            f"{where} is {value!r}, not one of {enum}"
        )
        pattern = shape.metadata.get("pattern")
        if request and pattern and isinstance(value, str):
            # Java's classes of letters, separators and numbers, which Python's re does not have.
            pattern = re.sub(r"\\p\{[A-Z]\}", r"\\w\\s", pattern)
            assert re.search(pattern, value), f"{where} is {value!r}, which does not match {pattern}"
