"""The archive's bucket and role: what the stack made, or what zeroshift.toml names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from deployer.aws import naming, stacks
from deployer.aws.client import Aws, AwsError
from deployer.mask import mask
from deployer.operations.archive.place import BUCKET_OUTPUT, ROLE_OUTPUT, folder
from deployer.operations.doctor.caller import no_aws
from deployer.operations.doctor.model import Check, Examination, missing, ok, unknown
from deployer.project.archive import files
from deployer.project.archive.model import Policy
from deployer.project.environments import CLUSTER, LOCAL

_BLOCKS = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")


def checks(seen: Examination) -> Iterator[Check]:
    """Nothing without an AWS side, or without a policy in procedures/archive."""
    if not seen.has_aws or not files.load(seen.project.root):
        return
    if seen.aws is None:
        yield no_aws("archive")
        return
    outputs = stacks.outputs(seen.aws, naming.stack(seen.project, seen.environment, "base"))
    if ROLE_OUTPUT not in outputs:
        if seen.deployed:
            yield missing("bucket and role", "the stack base has none yet", f"zeroshift deploy {seen.env}")
        else:
            yield ok("bucket and role", "not there yet: the first deployment makes them")
        return
    yield from _bucket(seen.aws, outputs[BUCKET_OUTPUT])
    if seen.environment.archive.bucket:
        # Ours is in the stack's region, and has the policies' rules from it; one that exists has its owner's.
        yield from region(seen.aws, outputs[BUCKET_OUTPUT])
        yield _lifecycle(seen, seen.aws, outputs[BUCKET_OUTPUT])
    if seen.environment.kind != LOCAL:
        yield _role(seen, seen.aws, outputs[ROLE_OUTPUT])


def _bucket(aws: Aws, name: str) -> Iterator[Check]:
    try:
        aws.call("s3", "list_objects_v2", Bucket=name, MaxKeys=1)
    except AwsError as error:
        yield missing(
            "bucket", mask(f"{name}: {error.said}"), "create it, or let the deployer list, read and write it"
        )
        return
    yield ok("bucket", mask(f"{name} can be listed"))
    for label, operation, judge, mend in (
        ("versioning", "get_bucket_versioning", _is_versioned, "put-bucket-versioning"),
        ("encryption", "get_bucket_encryption", _is_encrypted, "put-bucket-encryption"),
        ("public access", "get_public_access_block", _is_closed, "put-public-access-block"),
    ):
        yield _setting(aws, name, label, operation, judge, mend)


def region(aws: Aws, bucket: str) -> Iterator[Check]:
    """Whether the bucket is in the warehouse's region: COPY from Parquet takes no REGION ("COPY from columnar data
    formats"), nor does an external table's location ("CREATE EXTERNAL TABLE")."""
    try:
        found = aws.call("s3", "head_bucket", Bucket=bucket).get("BucketRegion", "")
    except AwsError:
        # It was listed a moment ago: what is wrong will be told there the next time.
        return
    # An S3 that is not Amazon's may not tell.
    if found and found != aws.remote.region:
        yield missing(
            "region",
            mask(
                f"{bucket} is in {found}, the warehouse in {aws.remote.region}: COPY of Parquet would refuse it"
            ),
            "name a bucket of the warehouse's region in zeroshift.toml",
        )


def _lifecycle(seen: Examination, aws: Aws, bucket: str) -> Check:
    """Whether the bucket has rules for what the policies say of storage class and expiry."""
    try:
        rules = aws.call("s3", "get_bucket_lifecycle_configuration", Bucket=bucket).get("Rules", [])
    except AwsError as error:
        if "AccessDenied" in error.code:
            return unknown("lifecycle", error.said, "allow the deployer to read the bucket's settings")
        # NoSuchLifecycleConfiguration.
        rules = []
    start = folder(seen.project, seen.environment)
    lacking = [
        policy.name
        for policy in files.load(seen.project.root)
        if (policy.storage_class or policy.expire_days)
        and not any(_has_rule(rule, f"{start}{policy.name}/", policy) for rule in rules)
    ]
    if not lacking:
        return ok("lifecycle", "the policies' rules are there")
    return missing(
        "lifecycle",
        f"no rule of the bucket moves or expires what these policies say: {', '.join(lacking)}",
        mask(
            f"aws s3api put-bucket-lifecycle-configuration --bucket {bucket} ... (all rules that it has, too)"
        ),
    )


def _has_rule(rule: Mapping[str, Any], prefix: str, policy: Policy) -> bool:
    """Whether the rule, by itself, does with all objects of the prefix what the policy says."""
    # The prefix of old rules stands outside of a filter; a filter with tags or sizes leaves objects out.
    found = rule.get("Filter") or {"Prefix": rule.get("Prefix", "")}
    if rule.get("Status") != "Enabled" or set(found) - {"Prefix"}:
        return False
    moves = {(one.get("StorageClass"), one.get("Days")) for one in rule.get("Transitions", [])}
    return (
        prefix.startswith(found.get("Prefix", ""))
        and (not policy.storage_class or (policy.storage_class, policy.transition_days) in moves)
        and (not policy.expire_days or rule.get("Expiration", {}).get("Days") == policy.expire_days)
    )


def _setting(aws: Aws, bucket: str, label: str, operation: str, judge: Any, mend: str) -> Check:
    command = mask(f"aws s3api {mend} --bucket {bucket} ...")
    try:
        answer = aws.call("s3", operation, Bucket=bucket)
    except AwsError as error:
        if "AccessDenied" in error.code:
            return unknown(label, error.said, "allow the deployer to read the bucket's settings")
        # S3 answers with an error where nothing is set (NoSuchPublicAccessBlockConfiguration and its like).
        answer = {}
    found: str = judge(answer)
    return missing(label, found, command) if found else ok(label, "as it should be")


def _is_versioned(answer: dict[str, Any]) -> str:
    return "" if answer.get("Status") == "Enabled" else "off: a deleted file cannot be brought back"


def _is_encrypted(answer: dict[str, Any]) -> str:
    rules = answer.get("ServerSideEncryptionConfiguration", {}).get("Rules", [])
    return "" if rules else "no default encryption is set"


def _is_closed(answer: dict[str, Any]) -> str:
    found = answer.get("PublicAccessBlockConfiguration", {})
    open_ = [name for name in _BLOCKS if not found.get(name)]
    return f"not blocked: {', '.join(open_)}" if open_ else ""


def _role(seen: Examination, aws: Aws, role: str) -> Check:
    """Whether an administrator has attached the role to the warehouse, without which UNLOAD and COPY cannot use it."""
    shown = role.rpartition("/")[2]
    try:
        attached = _attached(seen, aws)
    except AwsError as error:
        return unknown("role", f"whether {shown} is attached to the warehouse: {error.said}")
    if any(role in one for one in attached):
        return ok("role", f"{shown} is attached to the warehouse")
    if seen.environment.kind == CLUSTER:
        identifier = aws.remote.identifier
        command = (
            f"aws redshift modify-cluster-iam-roles --cluster-identifier {identifier} --add-iam-roles ..."
        )
    else:
        command = (
            "aws redshift-serverless update-namespace --namespace-name ... --iam-roles ... (all that it has)"
        )
    return missing("role", f"{shown} is not attached to the warehouse", command)


def _attached(seen: Examination, aws: Aws) -> list[str]:
    """What the warehouse says of its roles; for serverless each is a text that holds the ARN (botocore,
    redshift-serverless Namespace.iamRoles)."""
    name = aws.remote.identifier
    if seen.environment.kind == CLUSTER:
        found = aws.call("redshift", "describe_clusters", ClusterIdentifier=name)["Clusters"]
        return [str(one["IamRoleArn"]) for one in found[0].get("IamRoles", [])]
    workgroup = aws.call("redshift-serverless", "get_workgroup", workgroupName=name)["workgroup"]
    namespace = aws.call("redshift-serverless", "get_namespace", namespaceName=workgroup["namespaceName"])[
        "namespace"
    ]
    return [str(one) for one in namespace.get("iamRoles", [])]
