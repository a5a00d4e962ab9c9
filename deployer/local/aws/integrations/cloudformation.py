"""AWS::RDS::Integration for ministack's CloudFormation: runs inside of ministack and calls RDS through the front.

The rules are those of AWS's own handlers and schema of this type (github.com/aws-cloudformation/
aws-cloudformation-resource-providers-rds, aws-rds-integration): what only creation takes, which status is stable, that
the physical id is the ARN, what is waited for. Time is as short here as the integrations' own (see behaviour.py).
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from functools import cache
from typing import Any

TYPE = "AWS::RDS::Integration"
FRONT = "ZEROSHIFT_AWS_FRONT"
"""The environment variable with the front's URL."""

CREATE_ONLY = ("SourceArn", "TargetArn", "KMSKeyId", "AdditionalEncryptionContext")
_IN_PLACE = ("IntegrationName", "DataFilter", "Description")
_STABLE = ("active", "needs_attention")
_ON_THE_WAY = ("creating", "syncing", "modifying", *_STABLE)
_LOOK_SECONDS = 0.1
_CREATE_SECONDS = 600.0
_DELETE_SECONDS = 600.0
"""The handlers' own are 8 hours and 30 minutes. They are not shortened as behaviour.SECONDS are: three seconds of a
busy machine would then end a deletion that goes on."""


def install() -> None:
    """Teach ministack the type."""
    from ministack.services.cloudformation import changesets, drift, provisioners, stacks

    provisioners._RESOURCE_HANDLERS[TYPE] = {
        "create": _create,
        "update": _update,
        "delete": _delete,
        "import": _import,
    }
    provisioners._REPLACING_PROPERTIES[TYPE] = CREATE_ONLY
    provisioners._STACK_TAG_PROPERTY[TYPE] = ("Tags", "list")
    changesets._IMPORT_LOOKUPS[TYPE] = (("IntegrationArn",), _import_problem)
    drift._DRIFT_READERS[TYPE] = (_read, frozenset((*CREATE_ONLY, *_IN_PLACE, "Tags")))
    # The handlers wait and call back over HTTP, so they must not run on ministack's own thread.
    blocks = stacks._runs_on_worker_thread
    stacks._runs_on_worker_thread = lambda name: name == TYPE or blocks(name)


def _rds() -> Any:
    from ministack.core.responses import get_region

    return _client(get_region())


@cache
def _client(region: str) -> Any:
    import boto3

    # A session of its own: several resources are made at once, and making clients of one is not safe between threads.
    return boto3.session.Session().client("rds", endpoint_url=os.environ[FRONT], region_name=region)


def _create(logical_id: str, props: dict[str, Any], stack: str) -> tuple[str, dict[str, str]]:
    from ministack.services.cloudformation import provisioners

    rds = _rds()
    name = props.get("IntegrationName") or provisioners._physical_name(stack, logical_id, max_len=63)
    given = {key: props[key] for key in (*CREATE_ONLY, "DataFilter", "Description", "Tags") if key in props}
    arn = _told(lambda: rds.create_integration(IntegrationName=name, **given))["IntegrationArn"]
    try:
        return arn, _attributes(_stable(rds, arn))
    except ValueError:
        # The rollback of AWS deletes what was made so far, RetainExceptOnCreate or not; ministack would lose its id.
        _delete(arn, props)
        raise


def _update(
    physical_id: str, before: dict[str, Any], props: dict[str, Any], stack: str
) -> tuple[str, dict[str, str]]:
    rds = _rds()
    changed = {key: props[key] for key in _IN_PLACE if key in props and props.get(key) != before.get(key)}
    if changed:
        _told(lambda: rds.modify_integration(IntegrationIdentifier=physical_id, **changed))
        _stable(rds, physical_id)
    old, new = _tags(before), _tags(props)
    gone = sorted(set(old) - set(new))
    if gone:
        _told(lambda: rds.remove_tags_from_resource(ResourceName=physical_id, TagKeys=gone))
    if added := [{"Key": key, "Value": value} for key, value in new.items() if old.get(key) != value]:
        _told(lambda: rds.add_tags_to_resource(ResourceName=physical_id, Tags=added))
    return physical_id, _attributes(_described(rds, physical_id))


def _delete(physical_id: str, props: dict[str, Any]) -> None:
    from botocore.exceptions import ClientError

    rds = _rds()
    try:
        rds.delete_integration(IntegrationIdentifier=physical_id)
    except ClientError as error:
        if not _is_gone(error):
            raise ValueError(str(error)) from None
        return
    until = time.monotonic() + _DELETE_SECONDS
    while True:
        late = time.monotonic() > until
        try:
            rds.describe_integrations(IntegrationIdentifier=physical_id)
        except ClientError as error:
            if _is_gone(error):
                return
            raise ValueError(str(error)) from None
        if late:
            raise ValueError(f"{TYPE} did not stabilize: {physical_id} is still being deleted")
        time.sleep(_LOOK_SECONDS)


def _import(identifier: dict[str, str]) -> tuple[str, dict[str, str]]:
    found = _described(_rds(), identifier["IntegrationArn"])
    return found["IntegrationArn"], _attributes(found)


def _import_problem(arn: str) -> str | None:
    from botocore.exceptions import ClientError

    try:
        _rds().describe_integrations(IntegrationIdentifier=arn)
    except ClientError as error:
        return (
            f"Resource of type '{TYPE}' with identifier '{arn}' was not found."
            if _is_gone(error)
            else str(error)
        )
    return None


def _read(physical_id: str, props: dict[str, Any]) -> dict[str, Any] | None:
    """What is there, for the detection of drift."""
    from botocore.exceptions import ClientError

    try:
        return dict(_rds().describe_integrations(IntegrationIdentifier=physical_id)["Integrations"][0])
    except ClientError as error:
        if _is_gone(error):
            return None
        raise


def _stable(rds: Any, arn: str) -> dict[str, Any]:
    until = time.monotonic() + _CREATE_SECONDS
    while True:
        late = time.monotonic() > until
        found = _described(rds, arn)
        if found["Status"] in _STABLE:
            return found
        if found["Status"] not in _ON_THE_WAY:
            raise ValueError(f"Integration is in a state that cannot complete creation: {found['Status']}")
        if late:
            raise ValueError(f"{TYPE} did not stabilize: {arn} is still {found['Status']}")
        time.sleep(_LOOK_SECONDS)


def _described(rds: Any, arn: str) -> dict[str, Any]:
    found = _told(lambda: rds.describe_integrations(IntegrationIdentifier=arn))
    return dict(found["Integrations"][0])


def _attributes(found: dict[str, Any]) -> dict[str, str]:
    moment = found["CreateTime"].strftime("%Y-%m-%dT%H:%M:%S.%f+00:00")
    return {"IntegrationArn": found["IntegrationArn"], "CreateTime": moment}


def _tags(props: dict[str, Any]) -> dict[str, str]:
    return {tag["Key"]: tag.get("Value", "") for tag in props.get("Tags", [])}


def _is_gone(error: Any) -> bool:
    return bool(error.response["Error"]["Code"] == "IntegrationNotFoundFault")


def _told(call: Callable[[], Any]) -> Any:
    """The call's answer; its error as CloudFormation shows a resource's."""
    from botocore.exceptions import ClientError

    try:
        return call()
    except ClientError as error:
        raise ValueError(str(error)) from None
