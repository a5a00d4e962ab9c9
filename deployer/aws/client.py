"""Every call to AWS goes through `Aws.call`: one place to check, to mask and to turn errors into sentences.

boto3 validates the parameters' names and types against AWS's models before it sends anything. Where the calls go is
boto3's business too: AWS_ENDPOINT_URL leads them to the local AWS.
"""

from __future__ import annotations

import ipaddress
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from urllib.parse import urlsplit

from deployer.errors import Unavailable, ZeroshiftError
from deployer.mask import mask
from deployer.project.environments import Remote

MARGIN_SECONDS = 300.0
"""How long before their end temporary credentials are asked for anew: what begins with them may take a while."""

_OWN_CREDENTIALS = (
    "AWS_ACCESS_KEY_ID",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
)

_SHOWS = {
    "AccessDenied": "its policy does not allow this: compare it with `zeroshift template --bootstrap`",
    "AccessDeniedException": "its policy does not allow this: compare it with `zeroshift template --bootstrap`",
    "UnauthorizedOperation": "its policy does not allow this: compare it with `zeroshift template --bootstrap`",
    "ExpiredToken": "log in again, e.g. `aws sso login`",
    "ExpiredTokenException": "log in again, e.g. `aws sso login`",
    "InvalidClientTokenId": "the credentials are not known to AWS: log in again, or set AWS_PROFILE",
    "UnrecognizedClientException": "the credentials are not known to AWS: log in again, or set AWS_PROFILE",
    "ThrottlingException": "AWS asks to slow down: wait a minute and repeat",
    "Throttling": "AWS asks to slow down: wait a minute and repeat",
}


class AwsError(ZeroshiftError):
    """AWS refused a call. `code` is AWS's own (AccessDenied, ValidationError, ...), `said` its words, masked."""

    def __init__(self, service: str, operation: str, code: str, said: str) -> None:
        hint = _SHOWS.get(code, "")
        super().__init__(
            f"AWS refused {service} {operation} ({code}): {said}" + (f"; {hint}" if hint else "")
        )
        self.code = code
        self.said = said


@dataclass(frozen=True)
class Endpoint:
    """An AWS that is not Amazon's: the local one of an environment of kind local, or another S3. Without keys they are
    found as boto3 finds them."""

    url: str
    access_key: str = ""
    secret_key: str = field(default="", repr=False)


class Aws:
    """AWS as one identity in one region: the caller, or the role `remote.owner` that the caller may assume."""

    def __init__(self, remote: Remote, endpoint: Endpoint | None = None) -> None:
        self.remote = remote
        self._endpoint = endpoint
        self._session: Any = None
        self._clients: dict[str, Any] = {}
        self._assumed: Mapping[str, Any] = {}
        self._assumed_until = 0.0
        self._identity: Mapping[str, str] | None = None

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        """One operation (`create_change_set`) of one service (`cloudformation`), and its response.

        Raises AwsError when AWS refuses, Unavailable when it cannot be reached or nobody is logged in.
        """
        if service != "sts":
            self.become_owner()
        return self._call(service, operation, parameters)

    def identity(self) -> str:
        """The ARN of whoever calls, before any role is assumed. It holds the account's id: not for printing."""
        return self._caller()["Arn"]

    def principal(self) -> str:
        """The caller as IAM policies name it: for a session of a role that is the role, without its path."""
        found = re.fullmatch(r"arn:([^:]+):sts::(\d+):assumed-role/([^/]+)/.*", self.identity())
        if found is None:
            return self.identity()
        return f"arn:{found.group(1)}:iam::{found.group(2)}:role/{found.group(3)}"

    def become_owner(self) -> None:
        """Assume `remote.owner`, where there is one and its last session is not good for another while.

        Raises AwsError when the caller may not.
        """
        if self.remote.owner and time.time() > self._assumed_until:
            self._assume(self.remote.owner)

    def pages(self, service: str, operation: str, key: str, **parameters: Any) -> Iterator[dict[str, Any]]:
        """The items under `key` of all pages of an operation that pages by NextToken."""
        token: dict[str, str] = {}
        while True:
            page = self.call(service, operation, **parameters, **token)
            yield from page.get(key, [])
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def is_local(self, service: str) -> bool:
        """Whether calls to `service` stay on this machine, as those to the local AWS do."""
        return is_loopback(urlsplit(str(self._client(service).meta.endpoint_url)).hostname or "")

    def role_arn(self, name: str) -> str:
        """The ARN of the caller's account's role `name`."""
        account, partition = self._caller()["Account"], self._caller()["Arn"].split(":")[1]
        return f"arn:{partition}:iam::{account}:role/{name}"

    def arn(self, service: str, resource: str) -> str:
        """The ARN of a resource of the caller's account in the environment's region. Not for printing."""
        account, partition = self._caller()["Account"], self._caller()["Arn"].split(":")[1]
        return f"arn:{partition}:{service}:{self.remote.region}:{account}:{resource}"

    def _caller(self) -> Mapping[str, str]:
        if self._identity is None:
            self._identity = self._call("sts", "get_caller_identity", {})
        return self._identity

    def _assume(self, role: str) -> None:
        """Take the owner's role on, unless the caller has it already, as a CI job of the deployer has."""
        # arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
        if f":assumed-role/{role}/" in self._caller()["Arn"]:
            # Its credentials are the caller's own, and boto3 renews those itself where they can be.
            self._assumed_until = math.inf
            return
        # With the caller's own credentials, not with those that the role has given last.
        self._assumed = {}
        self._clients.clear()
        answer = self._call(
            "sts",
            "assume_role",
            {
                "RoleArn": self.role_arn(role),
                "RoleSessionName": "zeroshift",
                # A role that was itself assumed may assume another for an hour at most (IAM User Guide,
                # id_roles_terms-and-concepts, "Role chaining").
                "DurationSeconds": 3600,
            },
        )
        self._assumed = answer["Credentials"]
        self._assumed_until = answer["Credentials"]["Expiration"].timestamp() - MARGIN_SECONDS
        self._clients.clear()

    def _call(self, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        import botocore.exceptions as failures
        from botocore.parsers import ResponseParserError

        shown = _camel(operation)
        try:
            answer: dict[str, Any] = getattr(self._client(service), operation)(**parameters)
            return answer
        except failures.ClientError as error:
            told = error.response.get("Error", {})
            said = mask(str(told.get("Message") or error), accounts=True)
            raise AwsError(service, shown, str(told.get("Code", "unknown")), _one_line(said)) from None
        except failures.ProfileNotFound:
            raise Unavailable(
                f"there is no AWS profile {self.remote.profile!r} on this machine; create it with"
                " `aws configure sso`, or set AWS_ACCESS_KEY_ID and its like"
            ) from None
        except (failures.NoCredentialsError, failures.PartialCredentialsError, failures.TokenRetrievalError):
            raise Unavailable(
                "there are no AWS credentials; log in with `aws sso login`, set AWS_PROFILE, or the key 'profile'"
            ) from None
        except (failures.BotoCoreError, ResponseParserError) as error:
            said = _one_line(mask(str(error), accounts=True))
            raise Unavailable(
                f"AWS {service} {shown} failed in {self.remote.region}: {said};"
                " check the network and the region, and repeat"
            ) from None

    def _client(self, service: str) -> Any:
        if service not in self._clients:
            from botocore.config import Config

            if self._session is None:
                own = self._endpoint or any(os.environ.get(name) for name in _OWN_CREDENTIALS)
                # The environment's own credentials win, so that CI needs no profile of that name.
                profile = None if own else self.remote.profile or None
                self._session = _session(profile, self.remote.region)
            keys = self._assumed
            if self._endpoint is not None and self._endpoint.access_key:
                keys = {
                    "AccessKeyId": self._endpoint.access_key,
                    "SecretAccessKey": self._endpoint.secret_key,
                }
            self._clients[service] = self._session.client(
                service,
                endpoint_url=self._endpoint.url if self._endpoint else None,
                aws_access_key_id=keys.get("AccessKeyId"),
                aws_secret_access_key=keys.get("SecretAccessKey"),
                aws_session_token=keys.get("SessionToken"),
                config=Config(
                    connect_timeout=10,
                    read_timeout=60,
                    retries={"mode": "standard", "max_attempts": 5},
                    user_agent_extra="zeroshift",
                    # A proxy is for the way out, not for this machine.
                    proxies={} if self._endpoint is not None else None,
                    # Another S3 has no host names for its buckets.
                    s3={"addressing_style": "path"} if self._endpoint is not None else None,
                ),
            )
        return self._clients[service]


def _session(profile: str | None, region: str) -> Any:
    """boto3's session, whose services' models are read once for the process: reading them takes longer than a call."""
    import boto3
    import botocore.session

    made = botocore.session.Session(profile=profile)
    made.register_component("data_loader", _models(made.get_config_variable("data_path")))
    return boto3.Session(botocore_session=made, profile_name=profile, region_name=region)


@cache
def _models(path: str | None) -> Any:
    """botocore's models: its own, and those of AWS_DATA_PATH."""
    from botocore.loaders import create_loader

    return create_loader(path)


def is_loopback(host: str) -> bool:
    """Whether `host` names this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _camel(operation: str) -> str:
    return "".join(part.capitalize() for part in operation.split("_"))


def _one_line(text: str) -> str:
    return " ".join(text.split())[:1000].rstrip(".:")
