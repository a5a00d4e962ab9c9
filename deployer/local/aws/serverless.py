"""The redshift-serverless API of the local AWS: namespaces, workgroups, credentials and usage limits.

Requests are held against botocore's own model of the service. A workgroup's endpoint is the local Redshift, and
credentials are those of a real user of it, made at the first call. What is not here is refused by name.
Parameters that only change capacity or networks are taken and forgotten: there is nothing behind them.
"""

from __future__ import annotations

import json
import os
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from deployer.errors import ZeroshiftError
from deployer.local.aws.environment import ACCESS_KEY, AWS_DIRECTORY, SECRET_KEY
from deployer.local.aws.front import Call
from deployer.local.aws.query import model
from deployer.local.aws.users import Users
from deployer.local.aws.workgroup_settings import CASE_SENSITIVITY, merged

ACCOUNT = "000000000000"
STATE_FILE = "redshift-serverless.json"
ALWAYS = "local"
"""The workgroup that is there from the start: the one of an environment of kind local."""


class Refused(Exception):
    """An error of the service: its code, as in the model, and a message."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _missing(what: str, name: str) -> Refused:
    return Refused("ResourceNotFoundException", f"The {what} {name} does not exist.")


class Serverless:
    """The service. Its state is one file, written after every change."""

    content_type = "application/x-amz-json-1.1"

    def __init__(self, home: Path, backend: str) -> None:
        self._path = home / AWS_DIRECTORY / STATE_FILE
        self._backend = backend
        self._users = Users(home, backend)
        self._lock = threading.RLock()
        self.is_target: Callable[[str], bool] = lambda arn: False
        """Whether an integration goes into the namespace of this ARN."""
        self.is_modifying: Callable[[str], bool] = lambda arn: False
        """Whether one is being created into it: then the warehouse is "Modifying" (Aurora guide, zero-etl.creating)."""
        try:
            self._state: dict[str, Any] = json.loads(self._path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            self._state = {"namespaces": {}, "workgroups": {}, "limits": {}}

    def takes(self, operation: str, body: bytes) -> bool:
        """All calls: what is not here is refused by name."""
        return True

    def handle(self, call: Call) -> tuple[int, bytes]:
        """One call's HTTP status and answer."""
        operations: dict[str, Callable[[dict[str, Any], Call], dict[str, Any]]] = {
            "CreateNamespace": self._create_namespace,
            "ListNamespaces": lambda given, call: _listed("namespaces", self.namespaces(call.region), given),
            "ListWorkgroups": self._list_workgroups,
            "UpdateWorkgroup": self._update_workgroup,
            "GetNamespace": lambda given, call: {"namespace": self._shown(self._namespace(given, call))},
            "UpdateNamespace": self._update_namespace,
            "DeleteNamespace": self._delete_namespace,
            "CreateWorkgroup": self._create_workgroup,
            "GetWorkgroup": lambda given, call: {"workgroup": self._workgroup(given, call)},
            "DeleteWorkgroup": self._delete_workgroup,
            "GetCredentials": self._credentials,
            "CreateUsageLimit": self._create_limit,
            "GetUsageLimit": lambda given, call: {"usageLimit": self._limit(given)},
            "ListUsageLimits": self._list_limits,
            "UpdateUsageLimit": self._update_limit,
            "DeleteUsageLimit": self._delete_limit,
        }
        try:
            if call.operation not in operations:
                raise Refused("ValidationException", f"the local AWS does not support {call.operation} yet")
            given = _checked(call)
            with self._lock:
                answer = operations[call.operation](given, call)
                self._save()
            return 200, json.dumps(answer).encode()
        except Refused as error:
            return 400, json.dumps({"__type": error.code, "message": str(error)}).encode()
        except ZeroshiftError as error:
            return 400, json.dumps({"__type": "ValidationException", "message": str(error)}).encode()

    def _save(self) -> None:
        temporary = self._path.with_suffix(".new")
        temporary.write_text(json.dumps(self._state, indent=1), encoding="utf-8")
        os.replace(temporary, self._path)

    # -- namespaces -------------------------------------------------------------------------------------------

    def _create_namespace(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        name, admin = given["namespaceName"], given.get("adminUsername", "admin")
        if name == ALWAYS or _key(call, name) in self._state["namespaces"]:
            raise Refused("ConflictException", f"The namespace {name} already exists.")
        if admin != "admin" or "adminUserPassword" in given:
            raise Refused(
                "ValidationException",
                "the local Redshift's administrator is admin, with a password of its own: leave adminUsername and"
                " adminUserPassword away, and read it from the secret of manageAdminPassword",
            )
        if given.get("dbName", "dev") != "dev":
            raise Refused("ValidationException", "the local Redshift has the one database dev")
        made = _new_namespace(name, admin, call)
        if given.get("manageAdminPassword"):
            made["adminPasswordSecretArn"] = self._admin_secret(call, name, admin)
        self._state["namespaces"][_key(call, name)] = made
        return {"namespace": self._shown(made)}

    def _shown(self, namespace: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in namespace.items() if value is not None}

    def _admin_secret(self, call: Call, name: str, admin: str) -> str:
        """The secret that AWS keeps of a managed administrator: redshift!NAMESPACE-ADMIN (management guide,
        redshift-secrets-manager-integration)."""
        client = self._client("secretsmanager", call.region)
        content = json.dumps({"username": admin, "password": self._users.admin_password()})
        secret = f"redshift!{name}-{admin}"
        try:
            return str(client.create_secret(Name=secret, SecretString=content)["ARN"])
        except client.exceptions.ResourceExistsException:
            return str(client.put_secret_value(SecretId=secret, SecretString=content)["ARN"])

    def namespaces(self, region: str) -> list[dict[str, Any]]:
        """All namespaces of a Region, by their names."""
        with self._lock:
            self._always(region)
            return [self._shown(self._state["namespaces"][key]) for key in self._keys("namespaces", region)]

    def workgroups(self, region: str) -> list[dict[str, Any]]:
        """All workgroups of a Region, by their names; without their endpoints, which would start the warehouse."""
        with self._lock:
            self._always(region)
            return [self._state["workgroups"][key] for key in self._keys("workgroups", region)]

    def _keys(self, what: str, region: str) -> list[str]:
        return sorted(key for key in self._state[what] if key.startswith(f"{region}/"))

    def _always(self, region: str) -> None:
        """The namespace and the workgroup that are there from the start."""
        call = Call("", region, "", "", b"")
        key, namespaces, workgroups = _key(call, ALWAYS), self._state["namespaces"], self._state["workgroups"]
        if key in namespaces and "configParameters" in workgroups.get(key, {}):
            return
        on = [{"parameterKey": CASE_SENSITIVITY, "parameterValue": "true"}]
        namespaces.setdefault(key, _new_namespace(ALWAYS, "admin", call))
        workgroups[key] = self._new_workgroup(ALWAYS, ALWAYS, call, on) | workgroups.get(key, {})
        self._save()

    def _namespace(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        self._always(call.region)
        found: dict[str, Any] | None = self._state["namespaces"].get(_key(call, given["namespaceName"]))
        if found is None:
            raise _missing("namespace", given["namespaceName"])
        return found

    def _update_namespace(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        """Roles are kept, all of them as the request has them; what the local warehouse cannot change is refused."""
        found = self._namespace(given, call)
        kept = {"namespaceName", "iamRoles", "defaultIamRoleArn"}
        if others := sorted(given.keys() - kept):
            raise Refused(
                "ValidationException", f"the local AWS does not change {', '.join(others)} of a namespace"
            )
        for key in ("iamRoles", "defaultIamRoleArn"):
            if key in given:
                found[key] = given[key]
        return {"namespace": self._shown(found)}

    def _delete_namespace(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        """A namespace goes, the local Redshift's data stay: `zeroshift local reset --yes` empties it."""
        found = self._namespace(given, call)
        if any(
            item["namespaceName"] == found["namespaceName"]
            for key, item in self._state["workgroups"].items()
            if key.startswith(f"{call.region}/")
        ):
            raise Refused("ConflictException", "There is a workgroup with this namespace: delete it first.")
        if self.is_target(found["namespaceArn"]):
            # Management guide, zero-etl.reqs-lims: integrations must be deleted before their warehouse.
            raise Refused(
                "ConflictException", "The namespace is the target of an integration: delete that first."
            )
        if "adminPasswordSecretArn" in found:
            self._client("secretsmanager", call.region).delete_secret(
                SecretId=found["adminPasswordSecretArn"], ForceDeleteWithoutRecovery=True
            )
        del self._state["namespaces"][_key(call, found["namespaceName"])]
        return {"namespace": self._shown(found | {"status": "DELETING"})}

    def _client(self, service: str, region: str) -> Any:
        import boto3

        return boto3.client(
            service,
            endpoint_url=self._backend,
            region_name=region,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )

    # -- workgroups -------------------------------------------------------------------------------------------

    def _create_workgroup(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        name = given["workgroupName"]
        self._namespace({"namespaceName": given["namespaceName"]}, call)
        if name == ALWAYS or _key(call, name) in self._state["workgroups"]:
            raise Refused("ConflictException", f"The workgroup {name} already exists.")
        self._state["workgroups"][_key(call, name)] = self._new_workgroup(
            name, given["namespaceName"], call, given.get("configParameters", [])
        )
        return {"workgroup": self._workgroup({"workgroupName": name}, call)}

    def _new_workgroup(
        self, name: str, namespace: str, call: Call, parameters: list[dict[str, str]]
    ) -> dict[str, Any]:
        identifier = str(uuid.uuid4())
        return {
            "workgroupName": name,
            "workgroupId": identifier,
            "workgroupArn": _arn(call, f"workgroup/{identifier}"),
            "namespaceName": namespace,
            "status": "AVAILABLE",
            "creationDate": time.time(),
            "configParameters": merged([], parameters),
        }

    def _workgroup(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        return self._with_endpoint(self._stored(given, call), call)

    def _stored(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        self._always(call.region)
        found: dict[str, Any] | None = self._state["workgroups"].get(_key(call, given["workgroupName"]))
        if found is None:
            raise _missing("workgroup", given["workgroupName"])
        return found

    def _with_endpoint(self, found: dict[str, Any], call: Call) -> dict[str, Any]:
        host, port = self._users.endpoint()
        namespace = self._namespace({"namespaceName": found["namespaceName"]}, call)
        status = "MODIFYING" if self.is_modifying(namespace["namespaceArn"]) else found["status"]
        return {**found, "status": status, "port": port, "endpoint": {"address": host, "port": port}}

    def _list_workgroups(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        found = [self._with_endpoint(one, call) for one in self.workgroups(call.region)]
        return _listed("workgroups", found, given)

    def _update_workgroup(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        """configParameters are kept; the others change nothing here. One setting in one request (API reference)."""
        found = self._stored(given, call)
        settings = [key for key in given if key != "workgroupName"]
        if len(settings) > 1:
            raise Refused(
                "ValidationException", f"One request can update one setting, not {', '.join(settings)}."
            )
        shown = self._with_endpoint(found, call)
        if shown["status"] != "AVAILABLE":
            raise Refused(
                "ConflictException", f"The workgroup {given['workgroupName']} is {shown['status']}."
            )
        if "configParameters" in given:
            found["configParameters"] = merged(found.get("configParameters", []), given["configParameters"])
        return {"workgroup": self._with_endpoint(found, call)}

    def _delete_workgroup(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        found = self._workgroup(given, call)
        del self._state["workgroups"][_key(call, found["workgroupName"])]
        limits = self._state["limits"]
        for identifier in [
            key for key, item in limits.items() if item["resourceArn"] == found["workgroupArn"]
        ]:
            del limits[identifier]
        return {"workgroup": found | {"status": "DELETING"}}

    def _credentials(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        if "workgroupName" not in given:
            raise Refused("ValidationException", "the local AWS knows workgroups by their name only")
        self._workgroup({"workgroupName": given["workgroupName"]}, call)
        seconds = given.get("durationSeconds", 900)
        if not 900 <= seconds <= 3600:
            raise Refused("ValidationException", "durationSeconds must be between 900 and 3600.")
        user, password, until = self._users.credentials(call.identity or "IAM:root", seconds)
        return {"dbUser": user, "dbPassword": password, "expiration": until, "nextRefreshTime": until}

    # -- usage limits -----------------------------------------------------------------------------------------

    def _create_limit(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        arns = {item["workgroupArn"] for item in self._state["workgroups"].values()}
        if given["resourceArn"] not in arns:
            raise _missing("resource", given["resourceArn"])
        if given["amount"] <= 0:
            raise Refused("ValidationException", "The amount must be a positive number.")
        identifier = str(uuid.uuid4())
        made = {
            "resourceArn": given["resourceArn"],
            "usageType": given["usageType"],
            "amount": given["amount"],
            # The defaults of the API reference.
            "period": given.get("period", "monthly"),
            "breachAction": given.get("breachAction", "log"),
            "usageLimitId": identifier,
            "usageLimitArn": _arn(call, f"usagelimit/{identifier}"),
        }
        same = ("resourceArn", "usageType", "period", "breachAction")
        if any(all(item[key] == made[key] for key in same) for item in self._state["limits"].values()):
            raise Refused("ConflictException", "There is a usage limit of this kind already.")
        self._state["limits"][identifier] = made
        return {"usageLimit": made}

    def _limit(self, given: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] | None = self._state["limits"].get(given["usageLimitId"])
        if found is None:
            raise _missing("usage limit", given["usageLimitId"])
        return found

    def _list_limits(self, given: dict[str, Any], call: Call) -> dict[str, Any]:
        keys = [key for key in ("resourceArn", "usageType") if key in given]
        found = [
            item
            for item in self._state["limits"].values()
            if all(item[key] == given[key] for key in keys) and f":{call.region}:" in item["usageLimitArn"]
        ]
        return {"usageLimits": found}

    def _update_limit(self, given: dict[str, Any], _: Call) -> dict[str, Any]:
        found = self._limit(given)
        found |= {key: given[key] for key in ("amount", "breachAction") if key in given}
        return {"usageLimit": found}

    def _delete_limit(self, given: dict[str, Any], _: Call) -> dict[str, Any]:
        found = self._limit(given)
        del self._state["limits"][given["usageLimitId"]]
        return {"usageLimit": found}


def _new_namespace(name: str, admin: str, call: Call) -> dict[str, Any]:
    identifier = str(uuid.uuid4())
    return {
        "namespaceName": name,
        "namespaceId": identifier,
        "namespaceArn": _arn(call, f"namespace/{identifier}"),
        "adminUsername": admin,
        "dbName": "dev",
        "status": "AVAILABLE",
        "creationDate": time.time(),
    }


def _listed(what: str, found: list[dict[str, Any]], given: dict[str, Any]) -> dict[str, Any]:
    """One page of a list; a token is the place of the first that was not told."""
    try:
        start = int(given.get("nextToken", "0"))
    except ValueError:
        raise Refused("ValidationException", "The nextToken is not one that was given out.") from None
    end = start + given.get("maxResults", 100)
    return {what: found[start:end]} | ({"nextToken": str(end)} if end < len(found) else {})


def _key(call: Call, name: str) -> str:
    return f"{call.region}/{name}"


def _arn(call: Call, rest: str) -> str:
    return f"arn:aws:redshift-serverless:{call.region}:{ACCOUNT}:{rest}"


def _checked(call: Call) -> dict[str, Any]:
    """The request, after botocore's model of it: known and required members, types, lengths."""
    from botocore.validate import ParamValidator

    given: dict[str, Any] = json.loads(call.body or b"{}")
    shape = model("redshift-serverless").operation_model(call.operation).input_shape
    report = ParamValidator().validate(given, shape)
    if report.has_errors():
        raise Refused("ValidationException", report.generate_report())
    for key, value in given.items():
        allowed = shape.members[key].metadata.get("enum")
        if allowed and value not in allowed:
            raise Refused("ValidationException", f"{key} must be one of {', '.join(allowed)}")
    return given
