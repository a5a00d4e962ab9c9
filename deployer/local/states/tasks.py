"""What a Task calls: AWS SDK integrations of the services that the alert path uses, and SNS's own integration.

Source: Developer Guide, "Integrating with AWS services" (arn:aws:states:::aws-sdk:SERVICE:ACTION, members in
PascalCase, errors as SERVICE.EXCEPTION, after the names of the AWS SDK for Java) and "Publishing Amazon SNS messages".
An exception that a service's model does not have, such as the Data API's throttling, is that SDK's general one:
RedshiftData.RedshiftDataException.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from deployer.local.events.targets import Published
from deployer.local.states.errors import RUNTIME, TASK_FAILED, StatesError
from deployer.mask import mask

_SERVICES = {
    "redshiftdata": ("redshift-data", "RedshiftData"),
    "sns": ("sns", "Sns"),
    "sqs": ("sqs", "Sqs"),
    "cloudwatch": ("cloudwatch", "CloudWatch"),
    "dynamodb": ("dynamodb", "DynamoDb"),
}
"""A service as resources name it, as boto3 does, and as errors do."""

_RESOURCE = re.compile(r"arn:aws:states:::(aws-sdk:)?([a-z0-9]+):([A-Za-z0-9]+)")


class AwsTasks:
    """By boto3: `client` makes a client of a service."""

    def __init__(self, client: Callable[[str], Any], published: Published = lambda *_: None) -> None:
        self._client, self._published = client, published

    def call(self, resource: str, arguments: Any) -> Any:
        """Raises StatesError, also for what is refused by name."""
        match = _RESOURCE.fullmatch(resource)
        if match is None or match.group(2) not in _SERVICES:
            raise StatesError(RUNTIME, f"the local Step Functions does not call {resource}")
        sdk, service, action = match.groups()
        if sdk is None and (service, action) != ("sns", "publish"):
            raise StatesError(RUNTIME, f"the local Step Functions does not call {resource}")
        name, shown = _SERVICES[service]
        operation = action[:1].upper() + action[1:]
        client = self._client(name)
        given = _given(
            client, operation, dict(arguments) if isinstance(arguments, Mapping) else arguments, sdk
        )
        answer = self._called(client, shown, operation, given)
        if (service, action) == ("sns", "publish"):
            self._published(given.get("TopicArn", ""), given.get("Subject", ""), given["Message"])
        return answer

    def _called(self, client: Any, shown: str, operation: str, given: Any) -> Any:
        import botocore.exceptions
        from botocore import xform_name

        try:
            answer = getattr(client, xform_name(operation))(**given)
        except botocore.exceptions.ClientError as error:
            told = error.response.get("Error", {})
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
            cause = f"{told.get('Message', error)} (Service: {shown}, Status Code: {status})"
            name = _error(client, shown, str(told.get("Code", "")))
            raise StatesError(name, mask(cause), task=True) from None
        except botocore.exceptions.BotoCoreError as error:
            raise StatesError(TASK_FAILED, mask(f"{type(error).__name__}: {error}"), task=True) from None
        answer.pop("ResponseMetadata", None)
        return _outward(answer, client.meta.service_model.operation_model(operation).output_shape)


def _given(client: Any, operation: str, arguments: Any, sdk: str | None) -> dict[str, Any]:
    """The arguments, after botocore's model. Step Functions looks at their names when a machine is made."""
    from botocore.validate import ParamValidator

    names = client.meta.service_model.operation_names
    if operation not in names or not isinstance(arguments, dict):
        raise StatesError(RUNTIME, f"{operation} is no call, or its arguments are no object")
    if sdk is None and not isinstance(arguments.get("Message", ""), str):
        # SNS's own integration takes JSON as a message.
        arguments["Message"] = json.dumps(arguments["Message"], ensure_ascii=False)
    shape = client.meta.service_model.operation_model(operation).input_shape
    given: dict[str, Any] = _inward(arguments, shape, operation)
    report = ParamValidator().validate(given, shape)
    if report.has_errors():
        raise StatesError(RUNTIME, f"{operation}: {report.generate_report()}".replace("\n", "; "))
    return given


def _inward(value: Any, shape: Any, place: str) -> Any:
    """Arguments with members as the model spells them: in a state machine all are in PascalCase. Keys of maps stay."""
    if shape.type_name == "structure" and isinstance(value, Mapping):
        spelled = {name[:1].upper() + name[1:]: name for name in shape.members}
        unknown = [key for key in value if key not in spelled]
        if unknown:
            raise StatesError(RUNTIME, f"{place} has no {', '.join(unknown)}; it has {', '.join(spelled)}")
        return {
            spelled[key]: _inward(one, shape.members[spelled[key]], f"{place}.{key}")
            for key, one in value.items()
        }
    if shape.type_name == "map" and isinstance(value, Mapping):
        return {key: _inward(one, shape.value, f"{place}.{key}") for key, one in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [_inward(one, shape.member, place) for one in value]
    return value


def _outward(value: Any, shape: Any) -> Any:
    """An answer as state machines see it: members in PascalCase, times as text."""
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if shape is not None and shape.type_name == "structure" and isinstance(value, Mapping):
        return {
            key[:1].upper() + key[1:]: _outward(one, shape.members.get(key)) for key, one in value.items()
        }
    if shape is not None and shape.type_name == "map" and isinstance(value, Mapping):
        return {key: _outward(one, shape.value) for key, one in value.items()}
    if shape is not None and shape.type_name == "list" and isinstance(value, list):
        return [_outward(one, shape.member) for one in value]
    return value


def _error(client: Any, shown: str, code: str) -> str:
    names = {shape.name for shape in client.meta.service_model.error_shapes}
    names |= {shape.metadata.get("error", {}).get("code") for shape in client.meta.service_model.error_shapes}
    if code not in names or not code:
        return f"{shown}.{shown}Exception"
    return f"{shown}.{code if code.endswith('Exception') else code + 'Exception'}"
