"""Objects in S3: the local AWS's, or those behind ZEROSHIFT_S3_ENDPOINT.

The client is boto3, as everywhere. With the local AWS the role that a statement names is really assumed, so that its
policies decide where the local AWS enforces them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from deployer.local.aws.environment import ACCESS_KEY, AWS_DIRECTORY, SECRET_KEY, health, read
from deployer.sql.refused import Refused

ENDPOINT = "ZEROSHIFT_S3_ENDPOINT"
REGION = "us-east-1"
_DELETE_AT_ONCE = 1000
"""Keys in one DeleteObjects."""


@dataclass(frozen=True)
class Object:
    """One object: its place and size in bytes."""

    bucket: str
    key: str
    size: int

    @property
    def url(self) -> str:
        return f"s3://{self.bucket}/{self.key}"


class Storage:
    """S3 as one role sees it. Every method raises Refused with S3's own words."""

    def __init__(self, client: Any) -> None:
        self._client = client

    def list(self, bucket: str, prefix: str) -> list[Object]:
        """The objects whose keys begin with `prefix`, in the order of their keys."""
        found: list[Object] = []
        with _told(bucket):
            for page in self._client.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
                found += [Object(bucket, item["Key"], item["Size"]) for item in page.get("Contents", [])]
        return found

    def size(self, bucket: str, key: str) -> int | None:
        """The size of an object; None if there is none."""
        # Asked by listing: HeadObject of a missing key needs ListBucket, too, to be told from a forbidden one.
        return next((found.size for found in self.list(bucket, key) if found.key == key), None)

    def read(self, bucket: str, key: str) -> bytes:
        """A small object, whole."""
        with _told(bucket):
            body: bytes = self._client.get_object(Bucket=bucket, Key=key)["Body"].read()
        return body

    def download(self, bucket: str, key: str, target: IO[bytes]) -> None:
        with _told(bucket):
            self._client.download_fileobj(bucket, key, target)

    def put(self, bucket: str, key: str, data: bytes, kms_key: str | None) -> None:
        with _told(bucket):
            self._client.put_object(Bucket=bucket, Key=key, Body=data, **_encryption(kms_key))

    def upload(self, path: Path, bucket: str, key: str, kms_key: str | None) -> None:
        """Put a file there, in parts if it is large."""
        with _told(bucket):
            self._client.upload_file(str(path), bucket, key, ExtraArgs=_encryption(kms_key))

    def delete(self, objects: Sequence[Object]) -> None:
        """Remove objects of one bucket."""
        for start in range(0, len(objects), _DELETE_AT_ONCE):
            part = objects[start : start + _DELETE_AT_ONCE]
            with _told(part[0].bucket):
                answer = self._client.delete_objects(
                    Bucket=part[0].bucket, Delete={"Objects": [{"Key": item.key} for item in part]}
                )
            for error in answer.get("Errors", []):
                raise Refused(
                    f"S3ServiceException: {error.get('Message', error['Code'])}, deleting {error['Key']}",
                    sqlstate="XX000",
                )


class Connector:
    """Makes the Storage of a role, for a home's local AWS or the endpoint that the environment names."""

    def __init__(self, home: Path) -> None:
        self._directory = home / AWS_DIRECTORY

    def __call__(self, role: str) -> Storage:
        """`role` is "default" or the ARNs of a chain of roles. Raises Refused when there is no S3."""
        from botocore.config import Config

        config = Config(retries={"mode": "standard", "max_attempts": 5}, s3={"addressing_style": "path"})
        named = os.environ.get(ENDPOINT)
        if named:
            # Credentials as boto3 finds them: there is no role to be assumed at an endpoint that is not AWS's.
            return Storage(_client("s3", endpoint_url=named, region_name=_region(), config=config))
        state = read(self._directory)
        if state is None or not health(state.url):
            raise Refused(
                "there is no S3 here: start the local AWS with `zeroshift local aws`, or set"
                f" {ENDPOINT} before `zeroshift local up`",
                sqlstate="58000",
            )
        keys: dict[str, str | None] = {
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
            "aws_session_token": None,
        }
        for arn in [] if role == "default" else role.split(","):
            sts = _client("sts", endpoint_url=state.url, region_name=REGION, config=config, **keys)
            with _told(arn):
                given = sts.assume_role(RoleArn=arn, RoleSessionName="RedshiftIamRoleSession")["Credentials"]
            keys = {
                "aws_access_key_id": given["AccessKeyId"],
                "aws_secret_access_key": given["SecretAccessKey"],
                "aws_session_token": given["SessionToken"],
            }
        return Storage(_client("s3", endpoint_url=state.url, region_name=REGION, config=config, **keys))


_making = threading.Lock()


def _client(service: str, **given: Any) -> Any:
    """A client, one at a time: statements of several sessions ask at once, and making clients of one session of boto3's
    is not safe between threads (boto3's guide, "Multithreading or multiprocessing with sessions")."""
    import boto3

    with _making:
        return boto3.client(service, **given)


def _region() -> str:
    return os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or REGION


def _encryption(kms_key: str | None) -> dict[str, str]:
    """SSE-S3 is what UNLOAD does by default; "auto" leaves it to the bucket's own key."""
    if kms_key == "auto":
        return {}
    if kms_key is not None:
        return {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": kms_key}
    return {"ServerSideEncryption": "AES256"}


@contextmanager
def _told(about: str) -> Iterator[None]:
    """Turn what boto3 raises into a Refused in the words that Redshift uses."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        raise _refused(error, about) from error
    except (BotoCoreError, Boto3Error) as error:
        if isinstance(error.__context__, ClientError):
            # What boto3's transfers wrap.
            raise _refused(error.__context__, about) from error
        raise Refused(f"S3 does not answer ({type(error).__name__}): {about}", sqlstate="58030") from error


def _refused(error: Any, about: str) -> Refused:
    told = error.response.get("Error", {})
    return Refused(
        f"S3ServiceException: {told.get('Message', error)} ({told.get('Code', '?')}): {about}",
        sqlstate="XX000",
    )


def entries(storage: Storage, bucket: str, key: str, manifest: dict[str, Any]) -> Iterator[Object]:
    """The objects that a manifest names. Raises Refused for a wrong one and for a mandatory file that is missing."""
    listed = manifest.get("entries")
    if not isinstance(listed, list):
        raise Refused(f"the manifest s3://{bucket}/{key} has no list of entries", sqlstate="XX000")
    for number, entry in enumerate(listed, 1):
        url = entry.get("url") if isinstance(entry, dict) else None
        if not isinstance(url, str) or not url.startswith("s3://") or "/" not in url[5:]:
            raise Refused(f"entry {number} of the manifest s3://{bucket}/{key} has no url", sqlstate="XX000")
        place, _, name = url[5:].partition("/")
        size = storage.size(place, name)
        if size is not None:
            yield Object(place, name, size)
        elif entry.get("mandatory", False):
            raise Refused(f"the manifest's mandatory file {url} does not exist", sqlstate="XX000")
