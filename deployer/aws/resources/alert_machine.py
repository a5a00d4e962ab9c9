"""The alert path: an express state machine that repeats what may pass by itself, and tells people of the rest.

EventBridge starts it for each statement of a schedule that ended FAILED or ABORTED. Its role is the one that ran the
statement, since nobody else may describe it (management guide, data-api). It waits for no run: an express execution has
five minutes. A repeated statement is a new one with its own event, and its name says which repetition of what it is:
PREFIX/SCHEDULE#NUMBER#FIRST-STATEMENT-ID. So a run that fails four times is one alert, by the first statement's id.

Events may come twice, and an execution may run again: a repetition's ClientToken is made of that id and number, and
who tells has put the id into a table first, under a condition. The execution that holds it may tell again (at least
once); when the message cannot be sent, the id is taken out, the execution fails, and an alarm tells of that.

Source: Step Functions Developer Guide, "Transforming data with JSONata", "Integrating with AWS services" (SDK
integrations, PascalCase), "Handling errors"; Redshift DG, SYS_PROCEDURE_CALL.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from deployer.project.schedules.calls import Warehouse
from deployer.warehouse.retry import TRANSIENT

REPEATS = 3
PAUSE = 15
"""Seconds before the first repetition, doubled for each later one."""
LOOKS = 12
LOOK_SECONDS = 5
REMEMBERED = 7 * 86400
"""How long the table knows whom it has told of, seconds. Events are delivered for a day at most."""

LOST_CONNECTION = (
    "terminating connection due to administrator command", "because of crash of another server process",
    "the database system is starting up", "the database system is in recovery mode",
    "the database system is shutting down", "connection to the warehouse was lost", "connection reset by peer",
    "server closed the connection unexpectedly",
)  # fmt: skip
"""PostgreSQL's texts of class 57 and libpq's of a broken connection: DescribeStatement tells no SQLSTATE. How the Data
API words a lost connection is not documented; what is not among these is told to people at once. Repeating is safe
although nobody knows whether the run went on: the warehouse's own guard does the same run once."""

_SDK = "arn:aws:states:::aws-sdk:"
_STEP = (
    "select trim(query_text) from sys_procedure_call where status <> 'success'"
    " and start_time between cast(:since as timestamp) and cast(:until as timestamp)"
    " order by start_time desc, query_id desc limit 1"
)
"""The innermost call that did not succeed is the one that began last. The view shows a user its own calls only, and
has no column that leads to the Data API's statement: the times do."""


def definition(environment: str, warehouse: Warehouse) -> str:
    """The machine's definition, JSON. ${TopicArn} and ${TableName} are filled in by CloudFormation."""
    states: dict[str, dict[str, Any]] = {
        "Event": {
            "Type": "Pass",
            "Assign": {
                "id": "{% $states.input.detail.statementId %}",
                "state": "{% $states.input.detail.state %}",
                "name": "{% $split($states.input.detail.statementName, '#')[0] %}",
                "attempt": "{% $number($split($states.input.detail.statementName & '#0', '#')[1]) %}",
                "root": "{% $contains($states.input.detail.statementName, '#')"
                " ? $split($states.input.detail.statementName, '#')[2] : $states.input.detail.statementId %}",
                "described": {},
                "sql": "",
                "error": "",
                "step": "not known",
                "looks": 0,
            },
            "Next": "Describe",
        },
        "Describe": _task(
            "redshiftdata:describeStatement",
            {"Id": "{% $id %}"},
            {
                "described": "{% $states.result %}",
                # A batch has its texts in its statements; its own error mostly holds the first of theirs.
                "sql": "{% $join($append([], [$states.result.QueryString, $states.result.SubStatements.QueryString]),"
                " '; ') %}",
                "error": "{% ($own := $exists($states.result.Error) ? $states.result.Error : '';"
                " $others := $distinct([$states.result.SubStatements.Error])[$not($contains($own, $))];"
                " $join($append($own = '' ? [] : [$own], $others), '; ')) %}",
            },
            "Judge",
            [_caught("Find", error="'it could not be described: ' & $states.errorOutput.Cause")],
        ),
        "Judge": {
            "Type": "Choice",
            "Choices": [
                {
                    "Condition": f"{{% $state = 'FAILED' and $attempt < {REPEATS}"
                    f" and $contains($lowercase($error), /{_transient()}/) %}}",
                    "Next": "Pause",
                }
            ],
            "Default": "Find",
        },
        "Pause": {
            "Type": "Wait",
            "Seconds": f"{{% {PAUSE} * $power(2, $attempt) %}}",
            "Next": "Kind",
        },
        "Kind": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $count($described.SubStatements) > 0 %}", "Next": "RepeatSeveral"},
            ],
            "Default": "Repeat",
        },
        "Repeat": _repeat("executeStatement", {"Sql": "{% $described.QueryString %}"}, warehouse),
        "RepeatSeveral": _repeat(
            "batchExecuteStatement",
            {"Sqls": "{% [$described.SubStatements.QueryString] %}", "ExecutionMode": "AUTO_COMMIT"},
            warehouse,
        ),
        "Repeated": {"Type": "Succeed"},
        **_finding(warehouse),
        **_telling(environment),
    }
    machine = {
        "Comment": "Repeats failed statements of schedules that may pass, and tells of the others",
        "QueryLanguage": "JSONata",
        "StartAt": "Event",
        "States": states,
    }
    return json.dumps(machine)


def _transient() -> str:
    """A regular expression of the texts of transient errors, in lower case."""
    words = [row.words for row in TRANSIENT if row.words]
    return "|".join(
        re.escape(text).replace("/", "\\/").replace("\\ ", " ") for text in (*words, *LOST_CONNECTION)
    )


def _repeat(action: str, sql: Mapping[str, Any], warehouse: Warehouse) -> dict[str, Any]:
    number = "$string($attempt + 1)"
    arguments = {
        **sql,
        **warehouse.members,
        "WithEvent": True,
        "StatementName": f"{{% $name & '#' & {number} & '#' & $root %}}",
        "ClientToken": f"{{% 'repeat-' & {number} & '-' & $root %}}",
    }
    failed = "$error & ' (it could not be repeated: ' & $states.errorOutput.Cause & ')'"
    return _task(f"redshiftdata:{action}", arguments, {}, "Repeated", [_caught("Find", error=failed)])


def _finding(warehouse: Warehouse) -> dict[str, dict[str, Any]]:
    """Ask the warehouse which step failed. When it cannot say, people are told without."""
    on = [_caught("Claim")]
    return {
        "Find": _task(
            "redshiftdata:executeStatement",
            {
                "Sql": _STEP,
                **warehouse.members,
                "Parameters": [
                    {"Name": "since", "Value": "{% $described.CreatedAt %}"},
                    {"Name": "until", "Value": "{% $described.UpdatedAt %}"},
                ],
                "StatementName": "zeroshift step of a failed statement",
                "ClientToken": "{% 'step-' & $id %}",
            },
            {"lookup": "{% $states.result.Id %}"},
            "Rest",
            on,
        ),
        "Rest": {"Type": "Wait", "Seconds": LOOK_SECONDS, "Next": "Look"},
        "Look": _task(
            "redshiftdata:describeStatement",
            {"Id": "{% $lookup %}"},
            {"looked": "{% $states.result.Status %}", "looks": "{% $looks + 1 %}"},
            "Found",
            on,
        ),
        "Found": {
            "Type": "Choice",
            "Choices": [
                {"Condition": "{% $looked = 'FINISHED' %}", "Next": "Read"},
                {
                    "Condition": f"{{% $looked in ['FAILED', 'ABORTED'] or $looks >= {LOOKS} %}}",
                    "Next": "Claim",
                },
            ],
            "Default": "Rest",
        },
        "Read": _task(
            "redshiftdata:getStatementResult",
            {"Id": "{% $lookup %}"},
            # A field has one member, StringValue.
            {"step": "{% $count($states.result.Records) > 0 ? $states.result.Records[0][0].* : $step %}"},
            "Claim",
            on,
        ),
    }


def _telling(environment: str) -> dict[str, dict[str, Any]]:
    # SNS takes 100 characters of ASCII without line ends as a subject (Publish).
    subject = "{% $substring(($state = 'ABORTED' ? 'cancelled: ' : 'failed: ') & $name, 0, 100) %}"
    lines = (
        "$name & ' has ' & ($state = 'ABORTED' ? 'been cancelled' : 'failed') &"
        " ($attempt > 0 ? ', and ' & $string($attempt) & ' repetition(s), too' : '') & '.'",
        "'Error: ' & ($error = '' ? 'none was told' : $error)",
        "'Step: ' & $step",
        "'Statement: ' & $sql",
        "'Run: ' & $root & ($root = $id ? '' : ', last tried as ' & $id)",
        f"'Look further: zeroshift status --env {environment}; zeroshift schedule history --env {environment}'",
    )
    message = " & '\\n' & ".join(lines)
    key = {"run": {"S": "{% $root %}"}}
    return {
        "Claim": _task(
            "dynamodb:putItem",
            {
                "TableName": "${TableName}",
                "Item": {
                    **key,
                    "teller": {"S": "{% $states.context.Execution.Name %}"},
                    "expires": {"N": f"{{% $string($floor($millis() / 1000) + {REMEMBERED}) %}}"},
                },
                "ConditionExpression": "attribute_not_exists(#run) OR #teller = :me",
                "ExpressionAttributeNames": {"#run": "run", "#teller": "teller"},
                "ExpressionAttributeValues": {":me": {"S": "{% $states.context.Execution.Name %}"}},
            },
            {},
            "Tell",
            [
                # The guide's prefix is the service's name in the SDK for Java, which it writes both ways.
                {
                    "ErrorEquals": [
                        "DynamoDb.ConditionalCheckFailedException", "DynamoDB.ConditionalCheckFailedException",
                    ],
                    "Next": "ToldBefore",
                },
                # Told twice is better than not at all.
                _caught("Tell"),
            ],
            # That the condition does not hold is an answer.
            retried=["DynamoDb.DynamoDbException", "States.Timeout"],
        ),
        "ToldBefore": {"Type": "Succeed"},
        "Tell": _task(
            "sns:publish",
            {"TopicArn": "${TopicArn}", "Subject": subject, "Message": f"{{% {message} %}}"},
            {},
            "Told",
            [_caught("Release")],
        ),
        "Told": {"Type": "Succeed"},
        "Release": _task(
            "dynamodb:deleteItem", {"TableName": "${TableName}", "Key": key}, {}, "NotTold", [_caught("NotTold")]
        ),
        "NotTold": {"Type": "Fail", "Error": "NotTold", "Cause": "{% 'nobody was told of the run ' & $root %}"},
    }  # fmt: skip


def _task(
    action: str,
    arguments: Mapping[str, Any],
    assign: Mapping[str, Any],
    following: str,
    catch: list[dict[str, Any]],
    retried: list[str] | None = None,
) -> dict[str, Any]:
    made: dict[str, Any] = {
        "Type": "Task",
        "Resource": f"{_SDK}{action}",
        "Arguments": dict(arguments),
        "TimeoutSeconds": 20,
        "Retry": [
            {
                "ErrorEquals": retried or ["States.TaskFailed"], "IntervalSeconds": 2, "MaxAttempts": 3,
                "BackoffRate": 2,
            }
        ],
        "Catch": catch,
        "Next": following,
    }  # fmt: skip
    return made | ({"Assign": dict(assign)} if assign else {})


def _caught(following: str, **assign: str) -> dict[str, Any]:
    made: dict[str, Any] = {"ErrorEquals": ["States.ALL"], "Next": following}
    return made | ({"Assign": {key: f"{{% {value} %}}" for key, value in assign.items()}} if assign else {})
