"""The query protocol of our own services, held against botocore's serializer and parser."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

import pytest
from botocore.parsers import create_parser
from botocore.serialize import create_serializer
from hypothesis import given
from hypothesis import strategies as st

from deployer.local.aws import query

# What XML 1.0 can hold; botocore sends everything else, too, and real services refuse it.
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"),
    max_size=20,
)
FILLED = TEXT.filter(bool)
TAG = st.fixed_dictionaries({"Key": TEXT, "Value": TEXT})


def sent(service: str, operation: str, parameters: dict[str, Any]) -> bytes:
    """The form that boto3 sends."""
    model = query.model(service).operation_model(operation)
    request = create_serializer("query").serialize_to_request(parameters, model)
    return urlencode(request["body"]).encode()


def read(service: str, operation: str, status: int, body: bytes) -> dict[str, Any]:
    """What boto3 makes of an answer."""
    model = query.model(service).operation_model(operation)
    answer = {"status_code": status, "headers": {}, "body": body}
    parsed = create_parser("query").parse(answer, model.output_shape)
    parsed.pop("ResponseMetadata", None)
    return dict(parsed)


@given(
    st.fixed_dictionaries(
        {
            "SourceArn": st.just("arn:aws:rds:eu-central-1:123456789012:cluster:shop"),
            "TargetArn": st.just("arn:aws:redshift-serverless:eu-central-1:123456789012:namespace/x"),
            "IntegrationName": st.just("rental"),
        },
        optional={
            "Tags": st.lists(TAG, max_size=3),
            "AdditionalEncryptionContext": st.dictionaries(FILLED, TEXT, max_size=3),
            "Description": TEXT,
        },
    )
)
def test_a_request_is_read_as_it_was_meant(parameters: dict[str, Any]) -> None:
    got = query.parse("rds", "CreateIntegration", sent("rds", "CreateIntegration", parameters))
    # A form cannot tell an empty map from none.
    assert {key: value for key, value in got.items() if value or key != "AdditionalEncryptionContext"} == {
        key: value for key, value in parameters.items() if value or key != "AdditionalEncryptionContext"
    }


@given(
    st.lists(
        st.fixed_dictionaries(
            {"IntegrationName": TEXT, "Tags": st.lists(TAG, max_size=2), "Status": st.just("active")},
            optional={
                "AdditionalEncryptionContext": st.dictionaries(FILLED, TEXT, min_size=1, max_size=2),
                "Errors": st.lists(
                    st.fixed_dictionaries({"ErrorCode": TEXT, "ErrorMessage": TEXT}), max_size=2
                ),
            },
        ),
        max_size=3,
    )
)
def test_an_answer_is_read_as_it_was_meant(integrations: list[dict[str, Any]]) -> None:
    body = query.answer(
        "rds", "DescribeIntegrations", {"Integrations": [{**one, "until": 1} for one in integrations]}
    )
    assert read("rds", "DescribeIntegrations", 200, body) == {"Integrations": integrations}


@given(TEXT)
def test_an_error_is_read_as_it_was_meant(message: str) -> None:
    told = query.fault("redshift", "ConflictPolicyUpdateFault", message)
    parsed = read("redshift", "PutResourcePolicy", told.status, query.error("redshift", told))
    assert (told.status, parsed["Error"]["Code"]) == (409, "ConflictPolicyUpdateFault")
    assert (parsed["Error"].get("Message") or "") == message


def test_pages_neither_double_nor_hide() -> None:
    items = [{"key": f"{number:03}"} for number in range(50)]
    first, marker = query.page(items, {"MaxRecords": 20}, "key")
    del items[19], items[0]
    items.insert(0, {"key": "000a"})
    second, marker = query.page(items, {"MaxRecords": 20} | marker, "key")
    third, marker = query.page(items, {"MaxRecords": 20} | marker, "key")
    assert [one["key"] for one in [*first, *second, *third]] == [f"{number:03}" for number in range(50)]
    assert marker == {}


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"Action=DescribeIntegrations&Version=1&Nonsense=1", "InvalidParameterCombination"),
        (b"Action=DescribeIntegrations&MaxRecords=many", "InvalidParameterValue"),
        (b"Action=DescribeIntegrations&IntegrationIdentifier=a%20b", "InvalidParameterValue"),
        (b"Action=DescribeIntegrations&Filters.Filter.1.Values.Value.1=x", "InvalidParameterValue"),
    ],
)
def test_what_the_model_does_not_allow_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(query.Refused) as caught:
        query.parse("rds", "DescribeIntegrations", body)
    assert caught.value.code == code
    with pytest.raises(query.Refused) as caught:
        query.parse("rds", "DeleteIntegration", b"Action=DeleteIntegration")
    assert caught.value.code == "MissingParameter"
