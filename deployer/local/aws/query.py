"""AWS's query protocol, after botocore's own models: reads requests, holds them against the model, writes answers.

A request is a form (Action, Version, and members like Tags.Tag.1.Key), an answer is XML. botocore's models name
every member, wrapper and type, so nothing here knows a service. Names: smithy.io "AWS query protocol".
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

_COMMON = {"Action", "Version"}


class Refused(Exception):
    """An error of a service: its code, as in the model, a message, and the HTTP status."""

    def __init__(self, code: str, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.code = code
        self.status = status


@cache
def model(service: str) -> Any:
    """botocore's model of a service."""
    import botocore.session

    return botocore.session.get_session().get_service_model(service)


def fault(service: str, name: str, message: str) -> Refused:
    """An error by the name of its shape: code and status are the model's."""
    error = model(service).shape_for(name).metadata["error"]
    return Refused(error["code"], message, int(error["httpStatusCode"]))


def operation_of(body: bytes) -> str:
    """The operation that a form asks for, or ""."""
    found = re.search(rb"(?:^|&)Action=(\w+)", body)
    return found.group(1).decode() if found else ""


def parse(service: str, operation: str, body: bytes) -> dict[str, Any]:
    """The request's parameters, held against the model; raises Refused.

    The codes are those of the API references' "Common Errors"; values that break a pattern, a length or a list of
    values are InvalidParameterValue there.
    """
    from botocore.validate import ParamValidator

    form = dict(parse_qsl(body.decode(), keep_blank_values=True))
    shape = model(service).operation_model(operation).input_shape
    given, used = _structure(shape, form, "")
    unknown = sorted(set(form) - used - _COMMON)
    if unknown:
        raise Refused("InvalidParameterCombination", f"{operation} does not take the parameter {unknown[0]}.")
    for name in shape.required_members:
        if name not in given:
            raise Refused("MissingParameter", f"The request must contain the parameter {name}.")
    report = ParamValidator().validate(given, shape)
    if report.has_errors():
        raise Refused("InvalidParameterValue", report.generate_report())
    _check(shape, given)
    return given


def answer(service: str, operation: str, content: Mapping[str, Any]) -> bytes:
    """The XML of an answer; `content` may hold more than the model has members, which is not sent."""
    shape = model(service).operation_model(operation).output_shape
    inner = ""
    if shape is not None:
        wrapper = shape.serialization.get("resultWrapper", f"{operation}Result")
        inner = f"<{wrapper}>{_members(shape, content)}</{wrapper}>"
    namespace = model(service).metadata["xmlNamespace"]
    return (
        f'<{operation}Response xmlns="{namespace}">{inner}<ResponseMetadata><RequestId>{uuid.uuid4()}</RequestId>'
        f"</ResponseMetadata></{operation}Response>"
    ).encode()


def error(service: str, refused: Refused) -> bytes:
    """The XML of an error."""
    kind = "Sender" if refused.status < 500 else "Receiver"
    namespace = model(service).metadata["xmlNamespace"]
    return (
        f'<ErrorResponse xmlns="{namespace}"><Error><Type>{kind}</Type><Code>{escape(refused.code)}</Code>'
        f"<Message>{escape(str(refused))}</Message></Error><RequestId>{uuid.uuid4()}</RequestId></ErrorResponse>"
    ).encode()


def page(
    items: list[dict[str, Any]], given: Mapping[str, Any], key: str
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """The asked part of `items`, which are sorted by `key`, and the Marker of the rest.

    MaxRecords is 20 to 100, default 100; a marker is where to go on, not a number, so that what is made or deleted in
    between neither doubles nor hides anything.
    """
    most = given.get("MaxRecords", 100)
    if not 20 <= most <= 100:
        raise Refused(
            "InvalidParameterValue", f"Invalid value {most} for MaxRecords. Must be between 20 and 100."
        )
    after = given.get("Marker", "")
    left = [item for item in items if item[key] > after] if after else items
    return left[:most], {"Marker": left[most - 1][key]} if len(left) > most else {}


def _structure(shape: Any, form: Mapping[str, str], prefix: str) -> tuple[dict[str, Any], set[str]]:
    """A structure's members out of the form, and the form's names that they were made of."""
    found: dict[str, Any] = {}
    used: set[str] = set()
    for name, member in shape.members.items():
        value, names = _value(member, form, prefix + str(member.serialization.get("name", name)))
        if names:
            found[name] = value
            used |= names
    return found, used


def _value(shape: Any, form: Mapping[str, str], name: str) -> tuple[Any, set[str]]:
    if shape.type_name == "structure":
        return _structure(shape, form, f"{name}.")
    if shape.type_name == "list":
        between = (
            ""
            if shape.serialization.get("flattened")
            else f".{shape.member.serialization.get('name', 'member')}"
        )
        items, used = [], {name} & set(form)
        for number in range(1, len(form) + 1):
            value, names = _value(shape.member, form, f"{name}{between}.{number}")
            if not names:
                break
            items.append(value)
            used |= names
        return items, used
    if shape.type_name == "map":
        entries, used = {}, set()
        for number in range(1, len(form) + 1):
            key, value = f"{name}.entry.{number}.key", f"{name}.entry.{number}.value"
            if key not in form:
                break
            entries[form[key]] = form.get(value, "")
            used |= {key, value} & set(form)
        return entries, used
    if name not in form:
        return None, set()
    return _scalar(shape, form[name], name), {name}


def _scalar(shape: Any, text: str, name: str) -> Any:
    if shape.type_name in ("integer", "long"):
        try:
            return int(text)
        except ValueError:
            raise Refused("InvalidParameterValue", f"{name} must be a whole number.") from None
    if shape.type_name == "boolean":
        return text == "true"
    return text


def _check(shape: Any, value: Any, name: str = "") -> None:
    """Patterns, greatest lengths and lists of values, which botocore leaves to the service."""
    if shape.type_name == "structure":
        for key, item in value.items():
            _check(shape.members[key], item, key)
    elif shape.type_name == "list":
        for item in value:
            _check(shape.member, item, name)
    elif shape.type_name == "string":
        limits = shape.metadata
        if len(value) > limits.get("max", len(value)):
            raise Refused("InvalidParameterValue", f"{name} must be at most {limits['max']} characters long.")
        pattern = limits.get("pattern")
        if pattern and not re.fullmatch(pattern, value):
            raise Refused("InvalidParameterValue", f"{name} must satisfy the regular expression {pattern}.")
        if limits.get("enum") and value not in limits["enum"]:
            raise Refused("InvalidParameterValue", f"{name} must be one of {', '.join(limits['enum'])}.")


def _members(shape: Any, content: Mapping[str, Any]) -> str:
    return "".join(
        _element(str(member.serialization.get("name", name)), member, content[name])
        for name, member in shape.members.items()
        if content.get(name) is not None
    )


def _element(name: str, shape: Any, value: Any) -> str:
    if shape.type_name == "structure":
        return f"<{name}>{_members(shape, value)}</{name}>"
    if shape.type_name == "list":
        inner = str(shape.member.serialization.get("name", "member"))
        items = "".join(_element(inner, shape.member, item) for item in value)
        return f"<{name}>{items}</{name}>"
    if shape.type_name == "map":
        entries = "".join(
            f"<entry><key>{escape(key)}</key><value>{escape(item)}</value></entry>"
            for key, item in value.items()
        )
        return f"<{name}>{entries}</{name}>"
    if shape.type_name == "timestamp":
        moment = datetime.fromtimestamp(value, UTC)
        return f"<{name}>{moment.strftime('%Y-%m-%dT%H:%M:%S.%f')[:-3]}Z</{name}>"
    if shape.type_name == "boolean":
        return f"<{name}>{'true' if value else 'false'}</{name}>"
    return f"<{name}>{escape(str(value))}</{name}>"
