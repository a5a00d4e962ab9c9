"""Planning and deploying stacks on the local AWS."""

from __future__ import annotations

import os
import threading
from dataclasses import replace
from typing import Any

import pytest
from aws_cloud import TOML, Cloud

from deployer.aws import changesets, scope, stacks
from deployer.aws.changesets import Planned, ResourceChange
from deployer.aws.client import Aws, AwsError
from deployer.aws.stacks import Stack, StackFailed
from deployer.errors import Unavailable, Unsafe
from deployer.local.environment import Status
from deployer.operations import stacks as operations
from deployer.operations.deploy import deploy
from deployer.operations.drift import drift

BASE = [
    ("create", "AWS::SNS::Subscription", "AlertSubscription1"),
    ("create", "AWS::SNS::Topic", "AlertTopic"),
    ("create", "AWS::SQS::Queue", "DeadLetterQueue"),
    ("create", "AWS::IAM::Role", "RunnerRole"),
    ("create", "usage limit", "daily emit-metric"),
]


def quiet(_: str) -> None:
    """Progress that nobody reads."""


def shown(changes: tuple[Any, ...]) -> list[tuple[str, str, str]]:
    return sorted(((item.action, item.kind, item.name) for item in changes), key=lambda item: item[2].lower())


def stack(cloud: Cloud, **resources: dict[str, Any]) -> Stack:
    """A stack of a test's own resources, under the environment's name for the run stack."""
    return Stack(cloud.stack("run"), {"Resources": resources}, tags={"team": "data"})


def queue(name: str, **properties: Any) -> dict[str, Any]:
    return {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": name, **properties}}


def topic(name: str) -> dict[str, Any]:
    return {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": name}}


def bucket(name: str, after: str | None = None) -> dict[str, Any]:
    made = {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": name}}
    return made if after is None else made | {"DependsOn": after}


def test_a_plan_says_everything_and_leaves_nothing_behind(cloud: Cloud) -> None:
    found = operations.changes(cloud.project, cloud.prod)
    assert shown(found) == sorted(BASE, key=lambda item: item[2].lower())
    assert all(item.path == "zeroshift.toml" and not item.destructive for item in found)
    assert stacks.describe(cloud.aws, cloud.stack()) is None
    assert ("cloudformation", "delete_change_set") in cloud.calls
    assert ("cloudformation", "execute_change_set") not in cloud.calls
    assert ("redshift-serverless", "create_usage_limit") not in cloud.calls


def test_a_deployment_does_what_was_planned_and_then_nothing_is_left_to_do(cloud: Cloud) -> None:
    told: list[str] = []
    planned = operations.plan(cloud.project, cloud.prod)
    done = operations.apply_base(cloud.project, cloud.prod, planned, told.append)
    assert shown(done.changes) == shown(planned.changes)
    assert "AWS::SQS::Queue DeadLetterQueue CREATE_COMPLETE" in told
    assert told[-2] == f"AWS::CloudFormation::Stack {cloud.stack()} CREATE_COMPLETE"
    assert operations.apply_run(cloud.project, cloud.prod, planned).changes == ()

    assert operations.changes(cloud.project, cloud.prod) == ()
    assert not list(
        cloud.aws.pages("cloudformation", "list_change_sets", "Summaries", StackName=cloud.stack())
    )
    found = stacks.describe(cloud.aws, cloud.stack())
    assert found is not None
    assert {item["Key"]: item["Value"] for item in found["Tags"]} == {
        "team": "data",
        "zeroshift:project": "shop",
        "zeroshift:environment": "prod",
        "zeroshift:part": "base",
    }
    role = stacks.outputs(cloud.aws, cloud.stack())["RunnerRoleArn"]
    assert ":role/zeroshift/shop-prod/" in role


def test_what_has_moved_since_the_plan_is_refused(cloud: Cloud) -> None:
    planned = operations.plan(cloud.project, cloud.prod)
    operations.apply_base(cloud.project, cloud.prod)
    with pytest.raises(Unsafe, match=r"zeroshift-shop-prod-base is no longer what it was .* plan again"):
        operations.apply_base(cloud.project, cloud.prod, planned)

    later = operations.plan(cloud.project, cloud.prod)
    cloud.write(TOML.replace("data@example.com", "ops@example.com"))
    with pytest.raises(Unsafe):
        operations.apply_base(cloud.project, cloud.prod, later)
    assert shown(operations.changes(cloud.project, cloud.prod))[0][2] == "AlertSubscription1"


def test_a_usage_limit_follows_the_file_and_others_are_left_alone(cloud: Cloud) -> None:
    operations.apply_base(cloud.project, cloud.prod)
    cloud.write(TOML + "\n[env.prod.cost]\nusage_limit_rpu_hours = 10\n")
    (change,) = operations.changes(cloud.project, cloud.prod)
    assert (change.action, change.kind, change.reason) == ("modify", "usage limit", "from 64 to 10 RPU hours")
    moved = operations.plan(cloud.project, cloud.prod)
    operations.apply_base(cloud.project, cloud.prod, moved)
    assert operations.changes(cloud.project, cloud.prod) == ()
    with pytest.raises(Unsafe, match="usage limit has changed since this was planned"):
        operations.apply_base(cloud.project, cloud.prod, moved)
    cloud.write(TOML + "\n[env.prod.cost]\nusage_limit_rpu_hours = 0\n")
    assert operations.changes(cloud.project, cloud.prod) == ()


def test_a_replacement_is_destructive_and_one_of_data_is_refused_always(cloud: Cloud) -> None:
    changesets.apply(cloud.aws, stack(cloud, T=topic("shop-a"), Q=queue("shop-q")), quiet)

    planned = changesets.plan(cloud.aws, stack(cloud, T=topic("shop-b"), Q=queue("shop-q")))
    assert planned.changes == (ResourceChange("Modify", "AWS::SNS::Topic", "T", "True", ("TopicName",)),)
    (change,) = operations._changes(planned)
    assert (change.action, change.name) == ("replace", "T")
    assert change.destructive == "the present AWS::SNS::Topic T, which is deleted for a new one"

    for act in (
        lambda wanted: changesets.refuse_data_loss(changesets.plan(cloud.aws, wanted)),
        lambda wanted: changesets.apply(cloud.aws, wanted, quiet),
    ):
        with pytest.raises(Unsafe) as caught:
            act(stack(cloud, T=topic("shop-a"), Q=queue("shop-r")))
        assert "changing QueueName would replace AWS::SQS::Queue Q by an empty one" in str(caught.value)
        assert caught.value.exit_code == 3
    assert cloud.aws.call("sqs", "get_queue_url", QueueName="shop-q")

    policy = cloud.aws.call("cloudformation", "get_stack_policy", StackName=cloud.stack("run"))
    assert '"Action": "Update:Replace"' in policy["StackPolicyBody"]
    assert "LogicalResourceId/Q" in policy["StackPolicyBody"]


def test_what_a_template_no_longer_has_is_removed_and_data_only_let_go(cloud: Cloud) -> None:
    kept = {**queue("shop-kept"), **scope.RETAIN}
    changesets.apply(cloud.aws, stack(cloud, T=topic("shop-t"), U=topic("shop-u"), Q=kept), quiet)
    planned = changesets.plan(cloud.aws, stack(cloud, T=topic("shop-t")))
    told = {item.name: item for item in operations._changes(planned)}
    assert told["U"].destructive == "the AWS::SNS::Topic U, which is deleted"
    assert told["Q"].destructive == ""
    assert told["Q"].reason == "it holds data: it leaves the stack and stays in the account"
    changesets.apply(cloud.aws, stack(cloud, T=topic("shop-t")), quiet)
    assert cloud.aws.call("sqs", "get_queue_url", QueueName="shop-kept")

    # Nothing at all belongs into it: the stack goes.
    gone = Stack(cloud.stack("run"), None)
    planned = changesets.plan(cloud.aws, gone)
    assert planned.action == "delete"
    assert [(item.action, item.logical_id) for item in planned.changes] == [("Remove", "T")]
    changesets.apply(cloud.aws, gone, quiet, planned)
    assert changesets.plan(cloud.aws, gone) == Planned(gone, "none")
    changesets.apply(cloud.aws, gone, quiet)
    cloud.aws.call(
        "sqs",
        "delete_queue",
        QueueUrl=cloud.aws.call("sqs", "get_queue_url", QueueName="shop-kept")["QueueUrl"],
    )


def test_a_failed_creation_names_the_first_cause_and_the_next_deployment_clears_it_away(cloud: Cloud) -> None:
    cloud.aws.call(
        "s3",
        "create_bucket",
        Bucket="shop-taken",
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )
    wanted = stack(cloud, T=topic("shop-t"), B=bucket("shop-taken", after="T"), C=bucket("shop-c", after="B"))
    with pytest.raises(StackFailed) as caught:
        changesets.apply(cloud.aws, wanted, quiet)
    assert "zeroshift-shop-prod-run ended at ROLLBACK_COMPLETE: AWS::S3::Bucket B: " in str(caught.value)
    assert "shop-taken" in str(caught.value)
    assert "everything is as it was before; mend it and deploy again" in str(caught.value)

    assert [item.logical_id for item in changesets.plan(cloud.aws, wanted).changes] == ["B", "C", "T"]
    mended = stack(cloud, T=topic("shop-t"))
    told: list[str] = []
    planned = changesets.plan(cloud.aws, mended)
    changesets.apply(cloud.aws, mended, told.append, planned)
    assert told[0] == "clearing away zeroshift-shop-prod-run, whose creation had failed"
    assert stacks.status(cloud.aws, cloud.stack("run")) == "CREATE_COMPLETE"
    cloud.aws.call("s3", "delete_bucket", Bucket="shop-taken")


def test_a_failed_update_is_brought_back_and_named(cloud: Cloud) -> None:
    changesets.apply(cloud.aws, stack(cloud, Q=queue("shop-q", MessageRetentionPeriod=3600)), quiet)
    cloud.aws.call(
        "s3",
        "create_bucket",
        Bucket="shop-taken",
        CreateBucketConfiguration={"LocationConstraint": "eu-central-1"},
    )
    wanted = stack(cloud, Q=queue("shop-q", MessageRetentionPeriod=7200), B=bucket("shop-taken", after="Q"))
    with pytest.raises(StackFailed, match=r"ended at UPDATE_ROLLBACK_COMPLETE: AWS::S3::Bucket B: "):
        changesets.apply(cloud.aws, wanted, quiet)
    url = cloud.aws.call("sqs", "get_queue_url", QueueName="shop-q")["QueueUrl"]
    found = cloud.aws.call(
        "sqs", "get_queue_attributes", QueueUrl=url, AttributeNames=["MessageRetentionPeriod"]
    )
    assert found["Attributes"] == {"MessageRetentionPeriod": "3600"}
    cloud.aws.call("s3", "delete_bucket", Bucket="shop-taken")
    # It can be planned and deployed from there.
    changesets.apply(cloud.aws, stack(cloud, Q=queue("shop-q", MessageRetentionPeriod=7200)), quiet)


def test_drift_names_what_somebody_changed_by_hand(cloud: Cloud) -> None:
    operations.apply_base(cloud.project, cloud.prod)
    assert operations.drifted(cloud.project, cloud.prod) == ()
    name = stacks.outputs(cloud.aws, cloud.stack())["DeadLetterQueueArn"].rpartition(":")[2]
    url = cloud.aws.call("sqs", "get_queue_url", QueueName=name)["QueueUrl"]
    cloud.aws.call("sqs", "set_queue_attributes", QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    (found,) = operations.drifted(cloud.project, cloud.prod)
    assert (found.stack, found.logical_id, found.status) == (cloud.stack(), "DeadLetterQueue", "MODIFIED")
    assert [(item.property, item.expected, item.actual) for item in found.differences] == [
        ("/MessageRetentionPeriod", "1209600", "60")
    ]


def test_destroy_asks_first_goes_backwards_and_names_what_it_leaves(cloud: Cloud) -> None:
    operations.apply_base(cloud.project, cloud.prod)
    changesets.apply(cloud.aws, stack(cloud, T=topic("shop-t")), quiet)
    with pytest.raises(Unsafe, match=r"zeroshift-shop-prod-run and zeroshift-shop-prod-base .* say --yes"):
        operations.destroy(cloud.project, cloud.prod, yes=False)
    done = operations.destroy(cloud.project, cloud.prod, yes=True)
    assert [item.name for item in done.changes] == [cloud.stack("run"), cloud.stack("base")]
    (left,) = done.left
    assert left.startswith("AWS::SQS::Queue DeadLetterQueue (")
    assert "000000000000" not in left
    assert operations.destroy(cloud.project, cloud.prod, yes=True).changes == ()


def test_a_killed_plan_is_swept_by_a_later_one(cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = stack(cloud, T=topic("shop-t"))
    with monkeypatch.context() as patched:
        patched.setattr(changesets, "_remove", lambda *_: None)
        changesets.plan(cloud.aws, wanted)
    assert stacks.status(cloud.aws, cloud.stack("run")) == stacks.REVIEWED

    changesets.plan(cloud.aws, wanted)
    assert stacks.status(cloud.aws, cloud.stack("run")) == stacks.REVIEWED, (
        "it may belong to a plan that runs"
    )
    monkeypatch.setattr(changesets, "STALE", changesets.STALE * -1)
    changesets.plan(cloud.aws, wanted)
    assert stacks.status(cloud.aws, cloud.stack("run")) == stacks.ABSENT


@pytest.mark.slow
def test_plans_at_once_do_not_take_the_reviewed_stack_from_each_other(cloud: Cloud) -> None:
    wanted = stack(cloud, T=topic("shop-t"))
    failures: list[BaseException] = []

    def plan() -> None:
        try:
            for _ in range(3):
                assert len(changesets.plan(Aws(cloud.aws.remote), wanted).changes) == 1
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=plan) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert stacks.status(cloud.aws, cloud.stack("run")) == stacks.ABSENT


def _until_call(count: int, act: Any) -> bool:
    """Run `act` in a child that dies, as by kill -9, before its call number `count`; whether it got that far."""
    child = os.fork()
    if child == 0:
        made = 0
        real = Aws._call

        def dying(self: Aws, *arguments: Any) -> Any:
            nonlocal made
            made += 1
            if made > count:
                os._exit(9)
            return real(self, *arguments)

        Aws._call = dying  # type: ignore[method-assign]
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9


def _kill_everywhere(cloud: Cloud, counts: list[int]) -> int:
    """Kill a deployment after each number of calls, deploy again, and compare with an undisturbed one."""
    first = stack(cloud, T=topic("shop-t"), Q=queue("shop-q"))
    second = stack(
        cloud, T=topic("shop-t"), Q=queue("shop-q", MessageRetentionPeriod=3600), U=topic("shop-u")
    )
    deaths = 0
    for count in counts:
        for before, wanted in ((None, first), (first, second)):
            if before is not None:
                changesets.apply(cloud.aws, before, quiet)
            deaths += _until_call(
                count, lambda wanted=wanted: changesets.apply(Aws(cloud.aws.remote), wanted, quiet)
            )
            changesets.apply(cloud.aws, wanted, quiet)
            assert changesets.plan(cloud.aws, wanted) == Planned(wanted, "none")
            held = cloud.aws.pages(
                "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=wanted.name
            )
            assert wanted.template is not None
            assert {item["LogicalResourceId"] for item in held} == set(wanted.template["Resources"])
        stacks.delete(cloud.aws, first.name, quiet)
    return deaths


def test_a_killed_deployment_is_taken_up_again(cloud: Cloud) -> None:
    assert _kill_everywhere(cloud, [5]) == 2


@pytest.mark.slow
def test_a_deployment_killed_after_any_of_its_calls_is_taken_up_again(cloud: Cloud) -> None:
    assert _kill_everywhere(cloud, list(range(1, 16))) > 20


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (
            "UPDATE_IN_PROGRESS",
            "is being changed just now (UPDATE_IN_PROGRESS); wait for it to end and repeat",
        ),
        ("UPDATE_ROLLBACK_FAILED", "aws cloudformation continue-update-rollback --stack-name"),
        ("DELETE_FAILED", "is stuck at DELETE_FAILED; look at its events"),
    ],
)
def test_a_state_that_nothing_can_be_planned_on_is_explained(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch, state: str, says: str
) -> None:
    monkeypatch.setattr(stacks, "status", lambda *_: state)
    with pytest.raises(Unavailable) as caught:
        changesets.plan(cloud.aws, stack(cloud, T=topic("shop-t")))
    assert says in str(caught.value)


def test_a_template_that_cloudformation_refuses_is_told_in_its_words(cloud: Cloud) -> None:
    with pytest.raises((StackFailed, AwsError), match=r"AWS::No::Such"):
        changesets.plan(cloud.aws, stack(cloud, X={"Type": "AWS::No::Such", "Properties": {}}))
    assert stacks.status(cloud.aws, cloud.stack("run")) == stacks.ABSENT


def test_equal_plans_have_equal_fingerprints_and_others_do_not(cloud: Cloud) -> None:
    wanted = stack(cloud, T=topic("shop-t"))
    change = ResourceChange("Add", "AWS::SNS::Topic", "T")
    planned = Planned(wanted, "create", (change,))
    assert planned.fingerprint == Planned(wanted, "create", (replace(change, properties=("X",)),)).fingerprint
    others = [
        Planned(wanted, "update", (change,)),
        Planned(wanted, "create", (replace(change, replacement="True"),)),
        Planned(replace(wanted, parameters={"A": "1"}), "create", (change,)),
        Planned(stack(cloud, T=topic("shop-s")), "create", (change,)),
    ]
    assert planned.fingerprint not in {item.fingerprint for item in others}


def test_drift_of_the_stacks_is_told_with_that_of_the_warehouse(cloud: Cloud, fresh_database: Status) -> None:
    """By the commands, from a deployment of nothing but the stacks."""
    (cloud.root / "migrations" / "versions").mkdir(parents=True)
    (cloud.root / "procedures").mkdir()
    # The administrator deploys here; what its role may do is not what this is about.
    cloud.write(
        TOML.replace(
            'region = "eu-central-1"',
            'region = "eu-central-1"\ncredentials = "secret"\nsecret = "redshift!shop-admin"',
        )
    )
    done = deploy(cloud.project, cloud.prod)
    assert "create AWS::SQS::Queue DeadLetterQueue" in done.other
    assert drift(cloud.project, cloud.prod).items == ()
    again = deploy(cloud.project, cloud.prod)
    assert again.did_nothing
    name = stacks.outputs(cloud.aws, cloud.stack())["DeadLetterQueueArn"].rpartition(":")[2]
    url = cloud.aws.call("sqs", "get_queue_url", QueueName=name)["QueueUrl"]
    cloud.aws.call("sqs", "set_queue_attributes", QueueUrl=url, Attributes={"MessageRetentionPeriod": "60"})
    (found,) = drift(cloud.project, cloud.prod).items
    assert (found.change, found.kind, found.name) == ("changed", "AWS::SQS::Queue", "DeadLetterQueue")
    assert found.diff == "-/MessageRetentionPeriod: 1209600\n+/MessageRetentionPeriod: 60"
