"""The archive's bucket and role: made by the stack base on the local AWS, seen by doctor, found by `archive`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from aws_cloud import TOML, Cloud

from deployer.aws import templates
from deployer.aws.client import Aws
from deployer.aws.resources.archive import deployer_statements
from deployer.aws.scope import scope
from deployer.errors import Unavailable
from deployer.operations import stacks as operations
from deployer.operations.archive.place import place
from deployer.operations.doctor import archive as doctor
from deployer.operations.doctor.model import MISSING, OK, Examination
from deployer.operations.progress import silent

POLICY = (
    'table = "shop.sales"\nperiod = "day"\nkeep = "2 years"\nstorage_class = "STANDARD_IA"\ntransition_days = 60\n'
    'expire_days = 400\nkms_key = "0f8fad5b-d9cb-469f-a165-70867728950e"\n'
)


@pytest.fixture
def archived(cloud: Cloud) -> Iterator[Cloud]:
    """The project with a policy."""
    cloud.clear()
    (cloud.root / "procedures" / "archive").mkdir(parents=True)
    (cloud.root / "procedures" / "archive" / "sold.toml").write_text(POLICY)
    yield cloud
    cloud.clear()


def resources(cloud: Cloud) -> dict[str, Any]:
    body = templates.template(cloud.project, cloud.prod, "base")
    assert body is not None
    found: dict[str, Any] = body["Resources"]
    return found


def named(cloud: Cloud, bucket: str) -> None:
    cloud.write(TOML + f'\n[env.prod.archive]\nbucket = "{bucket}"\n')


def looked(cloud: Cloud) -> dict[str, str]:
    seen = Examination(cloud.project, cloud.prod, silent, Aws(cloud.prod.remote), deployed=True)  # type: ignore[arg-type]
    return {check.name: check.state for check in doctor.checks(seen)}


def test_nothing_is_made_without_a_policy(cloud: Cloud) -> None:
    assert not [name for name in resources(cloud) if name.startswith("Archive")]


def test_what_the_template_says(archived: Cloud) -> None:
    made = resources(archived)
    properties = made["ArchiveBucket"]["Properties"]
    assert made["ArchiveBucket"]["DeletionPolicy"] == "RetainExceptOnCreate"
    assert properties["VersioningConfiguration"] == {"Status": "Enabled"}
    assert set(properties["PublicAccessBlockConfiguration"].values()) == {True}
    assert properties["LifecycleConfiguration"]["Rules"][1] == {
        "Id": "sold", "Status": "Enabled", "Prefix": "zeroshift-shop-prod/sold/", "ExpirationInDays": 400,
        "Transitions": [{"StorageClass": "STANDARD_IA", "TransitionInDays": 60}],
    }  # fmt: skip
    (policy,) = made["ArchiveRole"]["Properties"]["Policies"]
    allowed = [action for item in policy["PolicyDocument"]["Statement"] for action in item["Action"]]
    assert "s3:PutObject" in allowed and "kms:GenerateDataKey" in allowed and "glue:CreateTable" in allowed
    assert not [action for action in allowed if "*" in action or action.startswith("s3:Delete")]
    # UNLOAD encrypts the manifest with the policy's key, too, and the deployer reads it.
    assert "kms:Decrypt" in str(deployer_statements(scope(archived.project, archived.prod)))

    named(archived, "a-lake-of-ours")
    made = resources(archived)
    assert "ArchiveBucket" not in made and "a-lake-of-ours" in str(made["ArchiveRole"])


@pytest.mark.slow
def test_the_local_aws_makes_it_and_doctor_looks(archived: Cloud) -> None:
    with pytest.raises(
        Unavailable, match="zeroshift-shop-prod-base has no archive role yet: `zeroshift deploy --env prod`"
    ):
        place(archived.project, archived.prod)
    assert looked(archived) == {"bucket and role": MISSING}
    planned = operations.plan(archived.project, archived.prod)
    operations.apply_base(archived.project, archived.prod, planned)
    found = place(archived.project, archived.prod)
    assert found.role.startswith("arn:aws:iam::") and found.folder == "zeroshift-shop-prod/"
    found.bucket.put("zeroshift-shop-prod/x", b"1")
    assert [item.size for item in found.bucket.list("zeroshift-shop-prod/")] == [1]
    states = looked(archived)
    assert states == {
        "bucket": OK, "versioning": OK, "encryption": OK, "public access": OK, "role": MISSING,
    }  # fmt: skip
    archived.aws.call(
        "s3",
        "put_bucket_versioning",
        Bucket=found.bucket.name,
        VersioningConfiguration={"Status": "Suspended"},
    )
    assert looked(archived)["versioning"] == MISSING
    found.bucket.delete(["zeroshift-shop-prod/x"])


@pytest.mark.slow
def test_a_bucket_that_exists_is_only_checked(archived: Cloud) -> None:
    named(archived, "a-lake-of-ours")
    planned = operations.plan(archived.project, archived.prod)
    operations.apply_base(archived.project, archived.prod, planned)
    assert looked(archived)["bucket"] == MISSING
    archived.aws.call(
        "s3", "create_bucket", Bucket="a-lake-of-ours",
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )  # fmt: skip
    far = Aws(replace(archived.aws.remote, region="us-west-2"))
    far.call(
        "s3",
        "create_bucket",
        Bucket="far-away",
        CreateBucketConfiguration={"LocationConstraint": "us-west-2"},
    )
    assert [check.state for check in doctor.region(archived.aws, "far-away")] == [MISSING]
    assert list(doctor.region(archived.aws, "a-lake-of-ours")) == []
    states = looked(archived)
    assert states["bucket"] == OK and states["versioning"] == states["lifecycle"] == MISSING
    rule: dict[str, Any] = {
        "ID": "ours", "Status": "Enabled", "Filter": {"Prefix": "zeroshift-shop-prod/"}, "Expiration": {"Days": 400},
        "Transitions": [{"Days": 60, "StorageClass": "STANDARD_IA"}],
    }  # fmt: skip
    for other, state in (
        ({"Expiration": {"Days": 30}}, MISSING),
        ({"Status": "Disabled"}, MISSING),
        ({}, OK),
    ):
        archived.aws.call(
            "s3", "put_bucket_lifecycle_configuration", Bucket="a-lake-of-ours",
            LifecycleConfiguration={"Rules": [rule | other]},
        )  # fmt: skip
        assert looked(archived)["lifecycle"] == state
    assert place(archived.project, archived.prod).bucket.name == "a-lake-of-ours"
