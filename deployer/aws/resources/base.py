"""The stack base: the role that runs, the queue of what was not delivered, the topic that tells people.

What only schedules need (the topic's key and policies, the role that starts the alert path) is left out without them.
"""

from __future__ import annotations

from typing import Any

from deployer.aws import naming
from deployer.aws.scope import DAY, RETAIN, Resources, Scope, allow, arn, document, iam_arn, warehouse_access
from deployer.project.schedules.calls import SEVERAL

_ACCOUNT = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}
_TOPIC = {"Ref": "AlertTopic"}
_QUEUE = {"Fn::GetAtt": ["DeadLetterQueue", "Arn"]}
_KEY = {"Fn::GetAtt": ["AlertKey", "Arn"]}


def runner(scope: Scope) -> Resources:
    """The schedules' role: it sends statements, as the database role `runner`, and sets aside what it could not
    deliver. The alert path acts as it too, since nobody else may describe its statements.

    Trusted are Scheduler for this environment's group alone, and Step Functions for the alert path's machine alone
    (Scheduler User Guide, cross-service-confused-deputy-prevention: SourceArn is the schedule group's ARN; Step
    Functions Developer Guide, procedure-create-iam-role: the state machine's).
    """
    trust = [_trust("scheduler.amazonaws.com", arn("scheduler", f"schedule-group/{scope.prefix}"))]
    statements = [*warehouse_access(scope), allow(["sqs:SendMessage"], _QUEUE)]
    if not scope.is_quiet:
        machine = naming.alert_machine(scope.project, scope.environment)
        trust.append(_trust("states.amazonaws.com", arn("states", f"stateMachine:{machine}")))
        statements += _run_statements(scope)
    return {
        "RunnerRole": bounded_role(
            scope,
            "Calls the pipelines' entry procedures on schedule",
            trust,
            "run",
            statements,
            # Redshift makes the IAM role a member of these database roles at log-in (management guide,
            # redshift-iam-access-federated-db-roles).
            Tags=[{"Key": "RedshiftDbRoles", "Value": scope.remote.runner}],
        )
    }


def _run_statements(scope: Scope) -> list[dict[str, Any]]:
    table = naming.told_table(scope.project, scope.environment)
    made = [
        # They take no resource. The condition statement-owner-iam-userid is left out: its value holds the session's
        # name, and Scheduler's session is not the state machine's. The service shows a role its own statements only
        # (management guide, data-api).
        allow(["redshift-data:DescribeStatement", "redshift-data:GetStatementResult"], "*"),
        allow(["sns:Publish"], _TOPIC),
        # Whoever publishes to an encrypted topic needs its key (SNS Developer Guide, sns-key-management).
        allow(["kms:Decrypt", "kms:GenerateDataKey"], _KEY),
        allow(["dynamodb:DeleteItem", "dynamodb:PutItem"], arn("dynamodb", f"table/{table}")),
    ]
    if any(scope.call(schedule).target == SEVERAL for schedule in scope.eventbridge.schedules):
        made.append(allow(["redshift-data:BatchExecuteStatement"], warehouse_access(scope)[0]["Resource"]))
    return made


def dead_letters(scope: Scope) -> Resources:
    """Calls that Scheduler, and events that EventBridge could not deliver. A standard queue: Scheduler takes no other
    (Scheduler User Guide, configuring-schedule-dlq). Its messages are the only trace of a missed run, so it counts as
    holding data. Scheduler sends as the schedules' role; EventBridge needs the queue's own policy."""
    made: Resources = {
        "DeadLetterQueue": {
            "Type": "AWS::SQS::Queue",
            **RETAIN,
            "Properties": {"MessageRetentionPeriod": 14 * DAY, "SqsManagedSseEnabled": True},
        }
    }
    if not scope.is_quiet:
        send = _service("events.amazonaws.com", ["sqs:SendMessage"], _QUEUE, _rules(scope))
        made["DeadLetterQueuePolicy"] = {
            "Type": "AWS::SQS::QueuePolicy",
            "Properties": {"Queues": [{"Ref": "DeadLetterQueue"}], "PolicyDocument": document(send)},
        }
    return made


def alerts(scope: Scope) -> Resources:
    """The topic that people are told by. Each address has to confirm its subscription by e-mail."""
    properties: dict[str, Any] = {"DisplayName": scope.prefix}
    made: Resources = {"AlertTopic": {"Type": "AWS::SNS::Topic", "Properties": properties}}
    for number, address in enumerate(scope.remote.alerts, start=1):
        made[f"AlertSubscription{number}"] = {
            "Type": "AWS::SNS::Subscription",
            "Properties": {"TopicArn": _TOPIC, "Protocol": "email", "Endpoint": address},
        }
    if not scope.is_quiet:
        properties["KmsMasterKeyId"] = {"Ref": "AlertKey"}
        made["AlertTopicPolicy"] = {
            "Type": "AWS::SNS::TopicPolicy",
            "Properties": {
                "Topics": [_TOPIC],
                "PolicyDocument": document(
                    _service("events.amazonaws.com", ["sns:Publish"], _TOPIC, _rules(scope)),
                    _service("cloudwatch.amazonaws.com", ["sns:Publish"], _TOPIC, _alarms(scope)),
                ),
            },
        }
    return made


def topic_key(scope: Scope) -> Resources:
    """The topic's own key: the one that AWS manages for SNS lets neither EventBridge nor CloudWatch publish (SNS
    Developer Guide, sns-key-management, "Enable compatibility between event sources ... and encrypted topics")."""
    if scope.is_quiet:
        return {}
    uses = ["kms:Decrypt", "kms:GenerateDataKey*"]
    account = iam_arn("root")
    administrator = {
        "Effect": "Allow", "Principal": {"AWS": account}, "Action": "kms:*", "Resource": "*",
    }  # fmt: skip
    return {
        "AlertKey": {
            "Type": "AWS::KMS::Key",
            **RETAIN,
            "Properties": {
                "Description": f"Messages of {scope.prefix}'s alerts",
                "EnableKeyRotation": True,
                "KeyPolicy": document(
                    # So that IAM policies of the account may allow its use at all (KMS Developer Guide,
                    # key-policy-default). In a key's policy the resource is the key itself.
                    administrator,
                    _service("events.amazonaws.com", uses, "*"),
                    _service("cloudwatch.amazonaws.com", uses, "*"),
                ),
            },
        }
    }


def starter(scope: Scope) -> Resources:
    """The role that EventBridge starts the alert path as."""
    if scope.is_quiet:
        return {}
    machine = naming.alert_machine(scope.project, scope.environment)
    start = allow(["states:StartExecution"], arn("states", f"stateMachine:{machine}"))
    trust = [_trust("events.amazonaws.com", _rules(scope))]
    return {"StarterRole": bounded_role(scope, "Starts the alert path", trust, "start", [start])}


def outputs(scope: Scope) -> dict[str, Any]:
    """What the stack run, and people, need to know of base."""
    made = {
        "RunnerRoleArn": {"Value": {"Fn::GetAtt": ["RunnerRole", "Arn"]}},
        "DeadLetterQueueArn": {"Value": _QUEUE},
        "AlertTopicArn": {"Value": _TOPIC},
    }
    if not scope.is_quiet:
        made["StarterRoleArn"] = {"Value": {"Fn::GetAtt": ["StarterRole", "Arn"]}}
    return made


def bounded_role(
    scope: Scope,
    description: str,
    trust: list[dict[str, Any]],
    name: str,
    statements: list[dict[str, Any]],
    **more: Any,
) -> dict[str, Any]:
    """A role under the environment's path, with its boundary and one policy."""
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "Path": naming.role_path(scope.project, scope.environment),
            "Description": description,
            "AssumeRolePolicyDocument": document(*trust),
            "PermissionsBoundary": iam_arn(
                f"policy/{naming.runner_boundary(scope.project, scope.environment)}"
            ),
            "Policies": [{"PolicyName": name, "PolicyDocument": document(*statements)}],
            **more,
        },
    }


def _trust(service: str, source: object) -> dict[str, Any]:
    return {
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
        "Condition": {**_ACCOUNT, "ArnLike": {"aws:SourceArn": source}},
    }


def _service(service: str, actions: list[str], resource: object, source: object = None) -> dict[str, Any]:
    """What a service may do, for this account's resources only."""
    condition: dict[str, Any] = dict(_ACCOUNT)
    if source is not None:
        condition["ArnLike"] = {"aws:SourceArn": source}
    return {"Principal": {"Service": service}, **allow(actions, resource, condition)}


def _rules(scope: Scope) -> dict[str, str]:
    return arn("events", f"rule/{scope.prefix}-*")


def _alarms(scope: Scope) -> dict[str, str]:
    return arn("cloudwatch", f"alarm:{scope.prefix}-*")
