"""The namespaces of the local AWS as targets of integrations: serverless ones, there are no clusters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployer.local.aws.query import Refused
from deployer.local.aws.workgroup_settings import CASE_SENSITIVITY


class Targets:
    """Asks the redshift-serverless service of the local AWS."""

    def __init__(
        self, namespaces: Callable[[str], list[dict[str, Any]]], workgroups: Callable[[str], Any]
    ) -> None:
        self._namespaces, self._workgroups = namespaces, workgroups

    def find(self, arn: str, region: str) -> dict[str, Any]:
        """The namespace. CreateIntegration has no error for its lack in the model: InvalidParameterValue."""
        found = self.look_up(arn, region)
        if found is None:
            raise Refused(
                "InvalidParameterValue", "The target is no Redshift Serverless namespace of this Region."
            )
        return found

    def look_up(self, arn: str, region: str) -> dict[str, Any] | None:
        """The namespace of this ARN, or None."""
        return next((one for one in self._namespaces(region) if one["namespaceArn"] == arn), None)

    def problems(self, namespace: dict[str, Any], region: str) -> list[dict[str, str]]:
        """Why an integration into it fails: management guide, zero-etl-using.troubleshooting, "Creation of the
        integration failed" without case sensitivity. The error's code is ours; the guide shows none."""
        for workgroup in self._workgroups(region):
            if workgroup["namespaceName"] != namespace["namespaceName"]:
                continue
            given = {
                one["parameterKey"]: one["parameterValue"] for one in workgroup.get("configParameters", [])
            }
            if given.get(CASE_SENSITIVITY, "").lower() in ("true", "on"):
                return []
            break
        else:
            return [{"ErrorCode": "NoWorkgroup", "ErrorMessage": "The target namespace has no workgroup."}]
        return [
            {
                "ErrorCode": "CaseSensitivityOff",
                "ErrorMessage": f"{CASE_SENSITIVITY} of the target data warehouse is not true.",
            }
        ]
