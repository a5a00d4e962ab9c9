"""The masking function, on what AWS and Redshift really say."""

from __future__ import annotations

import pytest

from deployer.mask import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        (
            "User: arn:aws:sts::123456789012:assumed-role/ci/job is not authorized",
            "User: arn:aws:sts::***:assumed-role/ci/job is not authorized",
        ),
        ("arn:aws-us-gov:sqs:us-gov-west-1:123456789012:dlq", "arn:aws-us-gov:sqs:us-gov-west-1:***:dlq"),
        ("arn:aws:iam::aws:policy/ReadOnlyAccess", "arn:aws:iam::aws:policy/ReadOnlyAccess"),
        ("arn:aws:s3:::bucket-123456789012", "arn:aws:s3:::bucket-123456789012"),
        ("copy t from 's3://b' iam_role 'arn:aws:iam::123456789012:role/r'",
         "copy t from 's3://b' iam_role 'arn:aws:iam::***:role/r'"),
        ("create user x password 'it''s me' valid until 'infinity'",
         "create user x password '***' valid until 'infinity'"),
        ("access_key_id 'AKIAIOSFODNN7EXAMPLE' secret_access_key 'abc/def'",
         "access_key_id '***' secret_access_key '***'"),
        ("key ASIAIOSFODNN7EXAMPLE has expired", "key *** has expired"),
        ("redshift://admin:s3cr3t@host:5439/dev", "redshift://admin:***@host:5439/dev"),
        ("host=x password=abc dbname=dev", "host=x password=*** dbname=dev"),
        ('{"DbUser": "IAM:me", "DbPassword": "abc"}', '{"DbUser": "IAM:me", "DbPassword": ***}'),
        ("insert into t values (123456789012)", "insert into t values (123456789012)"),
        ("select password from users", "select password from users"),
        ("denied for 'me' (using password: YES) (1045)", "denied for 'me' (using password: YES) (1045)"),
        ("password: YESTERDAY", "password: ***"),
    ],
)  # fmt: skip
def test_secrets_and_accounts_go_and_nothing_else(text: str, masked: str) -> None:
    assert mask(text) == masked
    assert mask(masked) == masked


def test_bare_account_ids_go_from_what_aws_says() -> None:
    assert mask("the account 123456789012 has no quota", accounts=True) == "the account *** has no quota"
    assert mask("request 1a2b-123456789012-ff", accounts=True) == "request 1a2b-123456789012-ff"


def test_the_account_in_the_archives_bucket_is_taken_out() -> None:
    assert (
        mask("s3://zeroshift-rental-prod-archive-123456789012/x")
        == "s3://zeroshift-rental-prod-archive-***/x"
    )
    assert mask("archive-1234567890123 id-123456789012") == "archive-1234567890123 id-123456789012"
