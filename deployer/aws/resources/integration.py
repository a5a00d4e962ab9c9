"""The stack base's integrations, and what the stack run watches them with.

CloudFormation: AWS::RDS::Integration; source, target, key and encryption context can only be set when it is created.
"""

from __future__ import annotations

import re
from typing import Any

from deployer.aws import naming
from deployer.aws.scope import NAMESPACE_ID, RETAIN, Resources, Scope, arn
from deployer.project.schedules import cadence
from deployer.project.zero_etl_aws import AwsZeroEtl

KIND = "AWS::RDS::Integration"
LONGEST_NAME = 63
"""Of IntegrationName (botocore, rds CreateIntegration)."""
_METRICS = "AWS/Redshift"
"""The page that lists the metrics (management guide, zero-etl-using.metrics) names no namespace; this is the one of
Redshift's metrics in general (management guide, metrics-listing). An alarm on a wrong one has no data, which
AWS/Redshift metrics of a serverless warehouse that rests have at times, too: the event rule tells of failures beside
it."""


def logical_id(one: AwsZeroEtl) -> str:
    """Letters and digits. Two names never share one: a part begins with a capital, and names have no capitals."""
    words = re.findall(r"[0-9a-z]+", one.name)
    plain = re.fullmatch(r"[a-z0-9]+(_[a-z0-9]+)*", one.name) is not None
    made = "Integration" + "".join(word[:1].upper() + word[1:] for word in words)
    # A part that begins with a digit has no capital.
    plain = plain and not re.search(r"_[0-9]", one.name)
    return made if plain else f"{made}{naming.digest(one.name)}"


def id_output(one: AwsZeroEtl) -> str:
    """The output of base, and parameter of run, that has the integration's id."""
    return f"{logical_id(one)}Id"


def integration_name(scope: Scope, one: AwsZeroEtl) -> str:
    """Its name in RDS: letters, digits and single hyphens."""
    text = f"{scope.prefix}-{one.name.replace('_', '-')}"
    made = re.sub(r"-+", "-", text).strip("-")
    if made == text and len(made) <= LONGEST_NAME:
        return made
    return f"{made[: LONGEST_NAME - 9].rstrip('-')}-{naming.digest(text)}"


def target_arn(scope: Scope) -> dict[str, str]:
    """The namespace's ARN: with a colon for a cluster, with a slash for serverless (Aurora User Guide,
    zero-etl.creating)."""
    if scope.is_cluster:
        return arn("redshift", f"namespace:${{{NAMESPACE_ID}}}")
    return arn("redshift-serverless", f"namespace/${{{NAMESPACE_ID}}}")


def properties(scope: Scope, one: AwsZeroEtl) -> dict[str, Any]:
    """The resource's properties."""
    made: dict[str, Any] = {
        "IntegrationName": integration_name(scope, one),
        "SourceArn": arn("rds", f"cluster:{one.source}"),
        "TargetArn": target_arn(scope),
        "Tags": [{"Key": key, "Value": value} for key, value in sorted(one.tags.items())],
        "DataFilter": one.filter,
        "KMSKeyId": one.kms_key,
    }
    return {key: value for key, value in made.items() if value}


def integrations(scope: Scope) -> Resources:
    """One resource for each integration. It outlives its stack, but not a first deployment that failed."""
    return {
        logical_id(one): {"Type": KIND, **RETAIN, "Properties": properties(scope, one)}
        for one in scope.environment.integrations
    }


def outputs(scope: Scope) -> dict[str, Any]:
    """The integrations' ids, the last part of arn:aws:rds:REGION:ACCOUNT:integration:ID."""
    return {
        id_output(one): {
            "Value": {
                "Fn::Select": [6, {"Fn::Split": [":", {"Fn::GetAtt": [logical_id(one), "IntegrationArn"]}]}]
            }
        }
        for one in scope.environment.integrations
    }


def alarms(scope: Scope) -> Resources:
    """Of each integration: its lag, and tables that do not replicate. Management guide, zero-etl-using.metrics: one
    value a minute, dimension IntegrationId; IntegrationLag is in seconds."""
    made: Resources = {}
    for one in scope.environment.integrations:
        longest = cadence.max_lag(one, scope.eventbridge)
        made |= {
            f"{logical_id(one)}LagAlarm": _alarm(
                scope, one, "lag", "IntegrationLag", longest,
                f"The integration {one.name} is more than {longest} seconds behind its source",
            ),
            f"{logical_id(one)}TablesAlarm": _alarm(
                scope, one, "failed-tables", "IntegrationNumTablesFailedReplication", 0,
                f"Tables of the integration {one.name} do not replicate: zeroshift integration tables",
            ),
        }  # fmt: skip
    return made


def _alarm(
    scope: Scope, one: AwsZeroEtl, what: str, metric: str, threshold: int, description: str
) -> dict[str, Any]:
    topic = [{"Ref": "AlertTopicArn"}]
    return {
        "Type": "AWS::CloudWatch::Alarm",
        "Properties": {
            "AlarmName": f"{scope.prefix}-integration-{one.name.replace('_', '-')}-{what}",
            "AlarmDescription": description,
            "Namespace": _METRICS,
            "MetricName": metric,
            "Dimensions": [{"Name": "IntegrationId", "Value": {"Ref": id_output(one)}}],
            "Statistic": "Maximum",
            "Period": 300,
            # One value may be a cycle that was just about to end.
            "EvaluationPeriods": 3,
            "Threshold": threshold,
            "ComparisonOperator": "GreaterThanThreshold",
            # A warehouse that rests emits nothing: that is no alarm.
            "TreatMissingData": "notBreaching",
            "AlarmActions": topic,
            "OKActions": topic,
        },
    }


def rules(scope: Scope) -> Resources:
    """Of each integration: its events of severity Warning and Error, to the topic.

    Management guide, integration-event-notifications, lists what is told (REDSHIFT-INTEGRATION-EVENT-0000 and so on),
    but prints no event. One that was captured (facts of the project) has source aws.redshift, the integration's ARN
    as its resource and detail.severity. Its detail-type is not matched: by the page's categories there may be several.
    """
    made: Resources = {}
    for one in scope.environment.integrations:
        resource = arn("rds", f"integration:${{{id_output(one)}}}")
        made[f"{logical_id(one)}Rule"] = {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "Name": naming.rule(
                    scope.project, scope.environment, f"integration-{one.name.replace('_', '-')}"
                ),
                "Description": f"The integration {one.name} tells of a warning or an error",
                "State": "ENABLED",
                "EventPattern": {
                    "source": ["aws.redshift"],
                    "resources": [resource],
                    "detail": {"severity": ["Warning", "Error"]},
                },
                "Targets": [
                    {
                        "Id": "topic",
                        "Arn": {"Ref": "AlertTopicArn"},
                        "DeadLetterConfig": {"Arn": {"Ref": "DeadLetterQueueArn"}},
                    }
                ],
            },
        }
    return made
