"""The service model of redshift-data as botocore ships it, and the check of requests against it.

Read from botocore's files directly: importing botocore costs a tenth of a second, which the daemon's start would pay.
"""

from __future__ import annotations

import gzip
import importlib.util
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from deployer.errors import Unavailable
from deployer.local.data_api.errors import Invalid, Malformed

SERVICE = "redshift-data"

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


class ServiceModel:
    """One version of a service's model. `target_prefix` comes before the operation's name in X-Amz-Target."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._shapes: Mapping[str, Any] = document["shapes"]
        self._operations: Mapping[str, Any] = document["operations"]
        self.target_prefix: str = document["metadata"]["targetPrefix"]

    @property
    def operations(self) -> frozenset[str]:
        return frozenset(self._operations)

    def check(self, operation: str, request: Mapping[str, Any]) -> None:
        """Raise Invalid or Malformed unless `request` fits the operation's input.

        Members that the model does not have are ignored, as services of this protocol do.
        """
        self._check(self._operations[operation]["input"]["shape"], request, "")

    def faults(self) -> dict[str, bool]:
        """The names of all exceptions, and whether each is the service's fault."""
        return {
            name: bool(shape.get("fault")) for name, shape in self._shapes.items() if shape.get("exception")
        }

    def _check(self, name: str, value: Any, where: str) -> None:
        shape = self._shapes[name]
        kind = shape["type"]
        if kind == "structure":
            self._structure(shape, value, where)
        elif kind == "list":
            if not isinstance(value, list):
                raise Malformed(f"{where} must be a list")
            _size(where, "length", len(value), shape)
            for item in value:
                self._check(shape["member"]["shape"], item, where)
        elif kind == "string":
            _text(shape, value, where)
        elif kind == "boolean":
            if not isinstance(value, bool):
                raise Malformed(f"{where} must be a boolean")
        elif kind in ("integer", "long"):
            if isinstance(value, bool) or not isinstance(value, int):
                raise Malformed(f"{where} must be an integer")
            _size(where, "value", value, shape)
        else:
            raise AssertionError(f"no request has a {kind}")

    def _structure(self, shape: Mapping[str, Any], value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise Malformed(f"{where or 'the request'} must be an object")
        for member in shape.get("required", ()):
            if value.get(member) is None:
                raise Invalid(f"{_path(where, member)} is required")
        for member, target in shape["members"].items():
            if value.get(member) is not None:
                self._check(target["shape"], value[member], _path(where, member))


def _path(where: str, member: str) -> str:
    # The service's own messages write members with a small first letter ("id must satisfy regex pattern: ...").
    name = member[:1].lower() + member[1:]
    return f"{where}.{name}" if where else name


def _text(shape: Mapping[str, Any], value: Any, where: str) -> None:
    if not isinstance(value, str):
        raise Malformed(f"{where} must be a string")
    if _UNSTORABLE.search(value):
        # No text of a warehouse holds either, so a statement with them could only break its connection.
        raise Invalid(f"{where} must not contain the character U+0000 or half of a surrogate pair")
    _size(where, "length", len(value), shape)
    if "enum" in shape and value not in shape["enum"]:
        raise Invalid(f"{where} must be one of: {', '.join(shape['enum'])}")
    if "pattern" in shape and not re.fullmatch(shape["pattern"], value):
        raise Invalid(f"{where} must satisfy regex pattern: {shape['pattern']}")


def _size(where: str, what: str, number: int, shape: Mapping[str, Any]) -> None:
    if "min" in shape and number < shape["min"]:
        raise Invalid(f"{where} must have {what} greater than or equal to {shape['min']}")
    if "max" in shape and number > shape["max"]:
        raise Invalid(f"{where} must have {what} less than or equal to {shape['max']}")


@cache
def service_model() -> ServiceModel:
    """The newest version of the model that the installed botocore has. Raises Unavailable."""
    found = importlib.util.find_spec("botocore")
    if found is None or not found.submodule_search_locations:
        raise Unavailable("botocore is not installed: pip install boto3")
    for version in sorted(Path(found.submodule_search_locations[0], "data", SERVICE).glob("*"), reverse=True):
        for path in sorted(version.glob("service-2.json*")):
            packed = path.read_bytes()
            return ServiceModel(json.loads(gzip.decompress(packed) if path.suffix == ".gz" else packed))
    raise Unavailable(f"the installed botocore knows no {SERVICE}: pip install --upgrade boto3")
