"""The namespace's resource policy: merging never loses a statement, and ends."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from model_checks import check_request, check_response

from deployer.aws import namespace_policy
from deployer.aws.client import Aws, AwsError
from deployer.aws.namespace_policy import Wanted, lacking, merge, statements
from deployer.errors import Unavailable, Unsafe
from deployer.project.environments import Remote

NAMESPACE = (
    "arn:aws:redshift-serverless:eu-central-1:000000000000:namespace/11111111-2222-3333-4444-555555555555"
)
RENTAL = Wanted(
    NAMESPACE, "arn:aws:rds:eu-central-1:000000000000:cluster:rental", "arn:aws:iam::000000000000:root"
)
SHOP = Wanted(NAMESPACE, "arn:aws:rds:eu-central-1:000000000000:cluster:shop", RENTAL.principal)
INBOUND, CREATE = statements(RENTAL)

names = st.sampled_from(["a", "b", namespace_policy.INBOUND, RENTAL.source, SHOP.source, NAMESPACE, "*"])
values = st.one_of(names, st.lists(names, max_size=3))
someone_s = st.one_of(
    st.sampled_from([*statements(RENTAL), *statements(SHOP)]),
    st.fixed_dictionaries(
        {"Effect": st.sampled_from(["Allow", "Deny"])},
        optional={
            "Sid": names,
            "Principal": st.one_of(st.just("*"), st.dictionaries(st.sampled_from(["AWS", "Service"]), values)),
            "Action": values, "NotAction": values, "Resource": values, "NotResource": values,
            "Condition": st.dictionaries(st.sampled_from(["StringEquals", "ArnEquals", "Bool"]),
                                         st.dictionaries(st.sampled_from(["aws:SourceArn", "x"]), values)),
        },
    ),
)  # fmt: skip
documents = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"Statement": st.one_of(someone_s, st.lists(someone_s, max_size=4))},
        optional={"Version": st.just("2012-10-17"), "Id": names},
    ),
)
wanteds = st.lists(st.sampled_from([RENTAL, SHOP]), max_size=3)


@settings(max_examples=300, deadline=None)
@given(documents, wanteds)
def test_merging_keeps_every_statement_and_is_done_after_once(
    present: dict[str, Any] | None, wanted: list[Wanted]
) -> None:
    before = json.dumps(present)
    made = merge(present, wanted)
    assert json.dumps(present) == before
    there = (present or {}).get("Statement", [])
    there = there if isinstance(there, list) else [there]
    assert made["Statement"][: len(there)] == there
    assert {key: value for key, value in made.items() if key != "Statement"} == {
        key: value for key, value in (present or {"Version": "2012-10-17"}).items() if key != "Statement"
    }
    assert not lacking(made, wanted)
    assert merge(made, wanted) == made


@settings(max_examples=300, deadline=None)
@given(documents)
def test_what_counts_as_covered_allows_as_much(present: dict[str, Any] | None) -> None:
    """Whatever lets a statement be left out allows that source, whatever else it allows."""
    missing = lacking(present, [RENTAL])
    there = (present or {}).get("Statement", [])
    there = there if isinstance(there, list) else [there]
    for wanted in (INBOUND, CREATE):
        if wanted in missing:
            continue
        covering = [item for item in there if namespace_policy._covers(item, wanted)]
        assert covering
        for item in covering:
            assert item["Effect"] == "Allow"
            assert wanted["Action"] in item["Action"]
            assert "NotResource" not in item and "NotPrincipal" not in item


@pytest.mark.parametrize(
    ("change", "covered"),
    [
        ({}, True),
        ({"Sid": "theirs", "Action": ["redshift:x", namespace_policy.INBOUND.upper()]}, True),
        ({"Condition": {"ArnEquals": {"AWS:SourceArn": [SHOP.source, RENTAL.source]}}}, True),
        ({"Effect": "Deny"}, False),
        ({"Condition": {"StringEquals": {"aws:SourceArn": SHOP.source}}}, False),
        ({"Condition": {"StringEquals": {"aws:SourceArn": RENTAL.source, "aws:SourceAccount": "1"}}}, False),
        ({"Condition": {"StringNotEquals": {"aws:SourceArn": RENTAL.source}}}, False),
        ({"Principal": {"AWS": "redshift.amazonaws.com"}}, False),
        ({"Resource": NAMESPACE + "0"}, False),
        ({"NotResource": "x"}, False),
    ],
)
def test_a_statement_is_not_added_where_another_allows_it(change: dict[str, Any], covered: bool) -> None:
    present = {"Statement": [INBOUND | change, CREATE]}
    assert (lacking(present, [RENTAL]) == []) is covered


class Service(Aws):
    """Redshift's two operations as documented, held against botocore's models."""

    def __init__(self, policy: object = None) -> None:
        super().__init__(Remote("x", "dev", "eu-central-1"))
        self.policy = policy if policy is None or isinstance(policy, str) else json.dumps(policy)
        self.puts = 0
        self.keeps = True

    def call(self, service: str, operation: str, **parameters: Any) -> dict[str, Any]:
        check_request(service, operation, parameters)
        assert parameters["ResourceArn"] == NAMESPACE
        if operation == "get_resource_policy" and self.policy is None:
            raise AwsError(service, operation, "ResourceNotFoundFault", "no policy")
        if operation == "put_resource_policy":
            self.puts += 1
            if self.keeps:
                self.policy = parameters["Policy"]
        told = parameters.get("Policy", self.policy)
        answer = {"ResourcePolicy": {"ResourceArn": NAMESPACE, "Policy": told}}
        check_response(service, operation, answer)
        return answer


def test_a_first_policy_is_the_management_guide_s_two_statements() -> None:
    service = Service()
    namespace_policy.put(service, NAMESPACE, [RENTAL], None)
    assert json.loads(service.policy or "") == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Principal": {"Service": "redshift.amazonaws.com"},
                "Action": "redshift:AuthorizeInboundIntegration",
                "Resource": NAMESPACE,
                "Condition": {"StringEquals": {"aws:SourceArn": RENTAL.source}},
            },
            {
                "Effect": "Allow",
                "Principal": {"AWS": "arn:aws:iam::000000000000:root"},
                "Action": "redshift:CreateInboundIntegration",
                "Resource": NAMESPACE,
            },
        ],
    }
    namespace_policy.put(service, NAMESPACE, [RENTAL], None)
    assert service.puts == 1


def test_a_policy_that_changed_since_the_plan_is_not_overwritten() -> None:
    theirs = {"Version": "2012-10-17", "Statement": [*statements(SHOP)]}
    service = Service(theirs)
    with pytest.raises(Unsafe, match="has changed since this was planned"):
        namespace_policy.put(service, NAMESPACE, [RENTAL], None)
    assert json.loads(service.policy or "") == theirs
    namespace_policy.put(service, NAMESPACE, [RENTAL], theirs)
    assert json.loads(service.policy or "")["Statement"] == [*statements(SHOP), INBOUND]


def test_a_put_that_does_not_stay_is_said() -> None:
    service = Service()
    service.keeps = False
    with pytest.raises(Unavailable, match="was put, but reads otherwise"):
        namespace_policy.put(service, NAMESPACE, [RENTAL], None)


def test_a_policy_that_is_none_is_not_replaced() -> None:
    service = Service("{not json")
    with pytest.raises(Unavailable, match="is no JSON"):
        namespace_policy.put(service, NAMESPACE, [RENTAL], None)
    assert service.puts == 0
