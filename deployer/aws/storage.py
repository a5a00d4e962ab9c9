"""Objects in S3, as the deployer sees them: manifests, sizes, and what is to be deleted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from deployer.aws.client import Aws, AwsError
from deployer.errors import UsageError

_DELETE_AT_ONCE = 1000
"""Keys in one DeleteObjects (S3 API reference)."""


@dataclass(frozen=True)
class Stored:
    """An object: its key and its size in bytes."""

    key: str
    size: int


class Bucket:
    """One bucket. Every method raises AwsError or Unavailable."""

    def __init__(self, aws: Aws, name: str) -> None:
        self._aws = aws
        self.name = name

    def url(self, key: str) -> str:
        return f"s3://{self.name}/{key}"

    def key(self, url: str) -> str:
        """The key of an object of this bucket; raises UsageError for another's."""
        start = f"s3://{self.name}/"
        if not url.startswith(start):
            raise UsageError(
                f"{url} is not in the bucket {self.name}, which this environment archives to: name the bucket of that"
                " time as 'bucket' in [env.<name>.archive]"
            )
        return url.removeprefix(start)

    def list(self, prefix: str) -> Iterator[Stored]:
        """The objects whose keys begin with `prefix`, in the order of their keys."""
        token: dict[str, str] = {}
        while True:
            page = self._aws.call("s3", "list_objects_v2", Bucket=self.name, Prefix=prefix, **token)
            for item in page.get("Contents", []):
                yield Stored(str(item["Key"]), int(item["Size"]))
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def read(self, key: str) -> bytes | None:
        """A small object, whole; None when there is none."""
        try:
            body: bytes = self._aws.call("s3", "get_object", Bucket=self.name, Key=key)["Body"].read()
        except AwsError as error:
            if error.code == "NoSuchKey":
                return None
            raise
        return body

    def put(self, key: str, data: bytes) -> None:
        self._aws.call("s3", "put_object", Bucket=self.name, Key=key, Body=data)

    def delete(self, keys: Sequence[str]) -> None:
        """Delete objects; one that is gone already is no error. On a versioned bucket their versions stay."""
        for start in range(0, len(keys), _DELETE_AT_ONCE):
            some = [{"Key": key} for key in keys[start : start + _DELETE_AT_ONCE]]
            answer = self._aws.call(
                "s3", "delete_objects", Bucket=self.name, Delete={"Objects": some, "Quiet": True}
            )
            for error in answer.get("Errors", []):
                raise AwsError("s3", "DeleteObjects", str(error.get("Code")), str(error.get("Message")))
