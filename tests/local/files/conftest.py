"""lake: an S3 client of the local AWS beside the local Redshift, and an empty bucket "lake" in it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import boto3
import pytest

from deployer.local.aws.environment import LocalAws
from deployer.local.environment import LocalEnvironment

BUCKET = "lake"


@pytest.fixture(scope="session")
def s3(environment: LocalEnvironment) -> Iterator[Any]:
    aws = LocalAws(environment.home)
    status = aws.up()
    client = boto3.client(
        "s3",
        endpoint_url=status.endpoint_url,
        aws_access_key_id=status.access_key,
        aws_secret_access_key=status.secret_key,
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)
    yield client
    aws.down()


@pytest.fixture
def lake(s3: Any) -> Any:
    """The client; the bucket is empty."""
    for item in s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
        s3.delete_object(Bucket=BUCKET, Key=item["Key"])
    return s3


@pytest.fixture
def keys(lake: Any) -> Callable[[], list[str]]:
    return lambda: [item["Key"] for item in lake.list_objects_v2(Bucket=BUCKET).get("Contents", [])]


@pytest.fixture
def sql(connect: Callable[..., Any], fresh_database: Any) -> Callable[[str], Any]:
    """Runs a statement as the administrator; the rows, or None."""
    cursor = connect(autocommit=True).cursor()

    def run(text: str) -> Any:
        cursor.execute(text)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else None

    return run
