"""The state machine that environments deploy, executed: real statements, real table, real topic."""

from __future__ import annotations

import json
from typing import Any

import pytest
from scheduler_place import Place

from deployer.aws.resources.alert_machine import REPEATS, definition
from deployer.local.states.interpreter import SUCCEEDED
from deployer.project.schedules.calls import Warehouse

FAILED = {
    "source": ["aws.redshift-data"],
    "detail": {"state": ["FAILED", "ABORTED"], "statementName": [{"prefix": "p/"}]},
}


@pytest.fixture
def mail(place: Place) -> str:
    """The queue behind the topic to which the deployed machine tells."""
    topic, queue = place.topic("alerts")
    table = f"told-{place.region}"
    place.client("dynamodb").create_table(
        TableName=table, BillingMode="PAY_PER_REQUEST", KeySchema=[{"AttributeName": "run", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "run", "AttributeType": "S"}],
    )  # fmt: skip
    text = definition("local", Warehouse("dev", workgroup="rental"))
    filled = text.replace("${TopicArn}", topic).replace("${TableName}", table)
    place.rule(FAILED, place.machine(json.loads(filled)))
    return queue


def bodies(place: Place, mail: str) -> list[str]:
    return [one["Body"] for one in place.messages(mail)]


def test_an_error_that_stays_is_told_once_with_its_text(place: Place, mail: str) -> None:
    place.copies = lambda event: 2
    place.schedule("bad", "select * from nowhere.nothing", input={"StatementName": "p/bad"})
    place.schedule("other", "select * from nowhere.else", input={"StatementName": "other"})
    place.run(hours=1)
    (told,) = bodies(place, mail)
    assert "p/bad has failed." in told and 'relation "nowhere.nothing" does not exist' in told
    assert "select * from nowhere.nothing" in told
    ended = place.service.executions.ended()
    assert [one.status for one in ended] == [SUCCEEDED] * 2, ended
    assert {one.trail[-1] for one in ended} == {"Told", "ToldBefore"}


def test_an_error_that_may_pass_is_repeated_and_heals(
    place: Place, mail: str, connect: Any, fresh_database: Any
) -> None:
    """A serialization failure by its text, until a table says otherwise."""
    cursor = connect(autocommit=True).cursor()
    cursor.execute("create schema heals")
    cursor.execute("create table heals.tries (n int)")
    cursor.execute(
        "create or replace procedure heals.run(given int) nonatomic as $$ declare tried int; begin"
        " insert into heals.tries values (given); select count(*) into tried from heals.tries;"
        " if tried < 3 then raise exception 'ERROR: 1023 Serializable isolation violation on table'; end if; end;"
        " $$ language plpgsql"
    )
    place.schedule("heals", "call heals.run(1)", input={"StatementName": "p/heals"})
    place.run(hours=1)
    cursor.execute("select count(*) from heals.tries")
    assert cursor.fetchone()[0] == 3, place.service.executions.ended()
    assert not bodies(place, mail)
    place.schedule("stays", "call heals.never(1)", "cron(0 2 * * ? *)", input={"StatementName": "p/stays"})
    cursor.execute(
        "create or replace procedure heals.never(given int) as $$ begin"
        " raise exception 'ERROR: 1023 Serializable isolation violation on table'; end; $$ language plpgsql"
    )
    place.run(hours=1)
    (told,) = bodies(place, mail)
    assert f"and {REPEATS} repetition(s), too" in told and "Serializable isolation violation" in told
    assert "Step: CALL heals.never(1)" in told
