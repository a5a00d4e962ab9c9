"""The `aws` command of the pages' walks, over botocore's models: an operation or option that AWS does not have fails.

Knows what the pages use: SERVICE OPERATION with options for text, numbers, flags and lists of structures in shorthand,
file://, SERVICE wait WAITER, --query with dots and indexes, --output text.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import boto3
import botocore.session
from botocore import xform_name


def main(words: list[str]) -> None:
    # The command has two names for S3; s3api is the one that is the API's.
    service, verb, rest = {"s3api": "s3"}.get(words[0], words[0]), words[1], words[2:]
    client = boto3.client(service)
    if verb == "wait":
        waiter = client.get_waiter(rest[0].replace("-", "_"))
        # As long as AWS's own, which waits 30 seconds each time.
        waiter.config.delay, waiter.config.max_attempts = 0.2, 150 * waiter.config.max_attempts
        waiter.wait(**options(service, None, rest[1:])[0])
        return
    names = botocore.session.get_session().get_service_model(service).operation_names
    operation = {xform_name(name, "-"): name for name in names}[verb]
    parameters, query = options(service, operation, rest)
    answer = getattr(client, xform_name(operation))(**parameters)
    if query:
        print(picked(answer, query))


def options(service: str, operation: str | None, words: list[str]) -> tuple[dict[str, Any], str]:
    """The parameters, and what --query asks for."""
    model = botocore.session.get_session().get_service_model(service)
    shape = model.operation_model(operation).input_shape if operation else None
    members = (
        {xform_name(name, "-"): (name, member) for name, member in shape.members.items()} if shape else {}
    )
    found: dict[str, Any] = {}
    query = ""
    at = 0
    while at < len(words):
        option = words[at].removeprefix("--")
        assert words[at].startswith("--"), f"{words[at]} is no option"
        values = []
        at += 1
        while at < len(words) and not words[at].startswith("--"):
            values.append(words[at])
            at += 1
        if option == "query":
            query = values[0]
        elif option == "output":
            assert values == ["text"]
        elif shape is None:
            found["".join(part.capitalize() for part in option.split("-"))] = values[0]
        elif option not in members and option.removeprefix("no-") in members:
            found[members[option.removeprefix("no-")][0]] = False
        else:
            name, member = members[option]
            found[name] = value(member, values)
    return found, query


def value(shape: Any, given: list[str]) -> Any:
    if shape.type_name == "boolean":
        assert not given
        return True
    if shape.type_name == "list":
        if shape.member.type_name == "structure":
            return [dict(part.split("=", 1) for part in item.split(",")) for item in given]
        return given
    (text,) = given
    if text.startswith("file://"):
        return Path(text.removeprefix("file://")).read_text(encoding="utf-8")
    return int(text) if shape.type_name in ("integer", "long") else text


def picked(answer: Any, query: str) -> Any:
    for part in query.split("."):
        name, *indexes = re.findall(r"\w+", part)
        answer = answer[name]
        for index in indexes:
            answer = answer[int(index)]
    return answer


if __name__ == "__main__":
    main(sys.argv[1:])
