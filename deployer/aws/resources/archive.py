"""The stack base's archive: a bucket, and the role that the warehouse unloads to it and reads it with.

Nothing of it without policies in procedures/archive. A bucket that zeroshift.toml names is somebody else's: it is not
touched, and only the role is made. Source: CloudFormation, AWS::S3::Bucket; Redshift Management Guide,
copy-unload-iam-role; Redshift Database Developer Guide, c-spectrum-iam-policies.
"""

from __future__ import annotations

from typing import Any

from deployer.aws import naming
from deployer.aws.resources import base
from deployer.aws.scope import RETAIN, Resources, Scope, allow, arn, document, sub
from deployer.project.archive import files
from deployer.project.archive.model import Policy

RECOVERY_DAYS = 30
"""How long a deleted or overwritten object can be brought back."""
_UNFINISHED_DAYS = 7

_GLUE = [
    f"glue:{action}{thing}"
    for thing in ("Database", "Table", "Partition")
    for action in ("Create", "Get", "Update", "Delete")
    if (action, thing) not in (("Update", "Database"), ("Delete", "Database"))
] + [
    "glue:GetDatabases", "glue:GetTables", "glue:GetPartitions", "glue:BatchCreatePartition", "glue:BatchGetPartition",
]  # fmt: skip


def policies(scope: Scope) -> tuple[Policy, ...]:
    """The project's archive policies."""
    return files.load(scope.project.root)


def bucket_name(scope: Scope) -> str:
    """The bucket's name, the account in it: names are one for all of AWS. A text for Fn::Sub, at most 63 characters.

    It is ours and not CloudFormation's, so that policies can be written over it before it is there.
    """
    return scope.environment.archive.bucket or (
        f"{naming.limited(scope.prefix.lower(), 40)}-archive-${{AWS::AccountId}}"
    )


def bucket_arn(scope: Scope, rest: str = "") -> dict[str, str]:
    """The bucket's ARN, which has neither region nor account."""
    return sub(f"arn:${{AWS::Partition}}:s3:::{bucket_name(scope)}{rest}")


def bucket(scope: Scope) -> Resources:
    """The bucket: versioned, encrypted, closed to the public, by TLS alone. It outlives its stack."""
    found = policies(scope)
    if not found or scope.environment.archive.bucket:
        return {}
    properties = {
        "BucketName": sub(bucket_name(scope)),
        "VersioningConfiguration": {"Status": "Enabled"},
        "BucketEncryption": {
            "ServerSideEncryptionConfiguration": [
                {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
            ]
        },
        "PublicAccessBlockConfiguration": dict.fromkeys(
            ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
        ),
        "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
        "LifecycleConfiguration": {
            "Rules": [*_housekeeping(), *(_rule(scope, one) for one in found if _moves(one))]
        },
    }
    plain = {
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [bucket_arn(scope), bucket_arn(scope, "/*")],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    return {
        "ArchiveBucket": {"Type": "AWS::S3::Bucket", **RETAIN, "Properties": properties},
        "ArchiveBucketPolicy": {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": {"Ref": "ArchiveBucket"}, "PolicyDocument": document(plain)},
        },
    }


def _housekeeping() -> list[dict[str, Any]]:
    return [
        {
            "Id": "housekeeping",
            "Status": "Enabled",
            "NoncurrentVersionExpiration": {"NoncurrentDays": RECOVERY_DAYS},
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": _UNFINISHED_DAYS},
        }
    ]


def _moves(policy: Policy) -> bool:
    return bool(policy.storage_class or policy.expire_days)


def _rule(scope: Scope, policy: Policy) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Id": policy.name,
        "Status": "Enabled",
        "Prefix": f"{scope.prefix}/{policy.name}/",
    }
    if policy.storage_class:
        made["Transitions"] = [
            {"StorageClass": policy.storage_class, "TransitionInDays": policy.transition_days}
        ]
    if policy.expire_days:
        made["ExpirationInDays"] = policy.expire_days
    return made


def role(scope: Scope) -> Resources:
    """What the warehouse reads and writes the archive as. It may not delete: nothing is unloaded with CLEANPATH.

    Redshift assumes it for serverless and for clusters under either of its names (management guide,
    redshift-iam-authentication-access-control, "serverless"). An administrator attaches it to the warehouse.
    """
    if not policies(scope):
        return {}
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": ["redshift.amazonaws.com", "redshift-serverless.amazonaws.com"]},
        "Action": "sts:AssumeRole",
    }
    return {
        "ArchiveRole": base.bounded_role(
            scope, "Unloads to the archive and reads it", [trust], "archive", role_statements(scope)
        )
    }


def role_statements(scope: Scope) -> list[dict[str, Any]]:
    """What the role may; also what it may at most."""
    found = policies(scope)
    if not found:
        return []
    made = [
        allow(["s3:GetBucketLocation", "s3:ListBucket", "s3:ListBucketVersions"], bucket_arn(scope)),
        allow(["s3:GetObject", "s3:PutObject"], bucket_arn(scope, f"/{scope.prefix}/*")),
    ]
    keys = _keys(found)
    if keys:
        made.append(allow(["kms:Decrypt", "kms:GenerateDataKey"], keys))
    if scope.environment.archive.spectrum:
        database = naming.glue_database(scope.project, scope.environment)
        things = ("catalog", f"database/{database}", f"table/{database}/*")
        made.append(allow(_GLUE, [arn("glue", thing) for thing in things]))
    return made


def _keys(found: tuple[Policy, ...]) -> list[dict[str, Any]]:
    """The ARNs of the policies' KMS keys."""
    return [arn("kms", f"key/{key}") for key in sorted({one.kms_key for one in found if one.kms_key})]


def outputs(scope: Scope) -> dict[str, Any]:
    """What `zeroshift archive` asks for: where to, and as whom."""
    if not policies(scope):
        return {}
    return {
        "ArchiveBucketName": {"Value": sub(bucket_name(scope))},
        "ArchiveRoleArn": {"Value": {"Fn::GetAtt": ["ArchiveRole", "Arn"]}},
    }


def deployer_statements(scope: Scope) -> list[dict[str, Any]]:
    """What `zeroshift archive` and doctor need of the deployer."""
    if not policies(scope):
        return []
    reads = (
        "GetBucketPublicAccessBlock GetBucketVersioning GetEncryptionConfiguration GetLifecycleConfiguration"
        " ListBucket"
    )
    made = [
        allow([f"s3:{action}" for action in reads.split()], bucket_arn(scope)),
        allow(["s3:DeleteObject", "s3:GetObject", "s3:PutObject"], bucket_arn(scope, f"/{scope.prefix}/*")),
    ]
    keys = _keys(policies(scope))
    if keys:
        # "If MANIFEST is specified, the manifest file is also encrypted" (UNLOAD, ENCRYPTED): it is read and compared.
        made.append(allow(["kms:Decrypt"], keys))
    if not scope.is_cluster:
        # Whether the role is attached to it. Its id is not known beforehand.
        made.append(allow(["redshift-serverless:GetNamespace"], arn("redshift-serverless", "namespace/*")))
    return made


def cloudformation_statements(scope: Scope) -> list[dict[str, Any]]:
    """What the bucket takes: the actions that the types' schemas name, as far as the template uses them."""
    if not policies(scope) or scope.environment.archive.bucket:
        return []
    actions = (
        "CreateBucket DeleteBucket DeleteBucketPolicy GetBucketOwnershipControls GetBucketPolicy"
        " GetBucketPublicAccessBlock GetBucketTagging GetBucketVersioning GetEncryptionConfiguration"
        " GetLifecycleConfiguration ListBucket PutBucketOwnershipControls PutBucketPolicy"
        " PutBucketPublicAccessBlock PutBucketTagging PutBucketVersioning PutEncryptionConfiguration"
        " PutLifecycleConfiguration"
    )
    return [allow([f"s3:{action}" for action in actions.split()], bucket_arn(scope))]
