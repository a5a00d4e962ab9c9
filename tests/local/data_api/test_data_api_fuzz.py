"""Random statements through the Data API: each comes to an end, and none ends in an internal error."""

from __future__ import annotations

import random
from typing import Any

import pytest
from botocore.exceptions import ClientError
from data_api_client import END, WHERE
from data_api_client import ended as ended_by_id
from fuzz.grammar import SETUP as MORE
from fuzz.grammar import Grammar
from fuzz.mangled import DANGEROUS, SEEDS, mangled
from seeds import count, seed

from deployer.local.environment import Status
from deployer.local.support import SETUP


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_random_statements(client: Any, fresh_database: Status) -> None:
    rng = random.Random(seed(5))
    grammar, found = Grammar(rng), []
    first = client.execute_statement(Sql=SETUP[0], SessionKeepAliveSeconds=600, **WHERE)
    session = first["SessionId"]
    assert ended(client, first)["Status"] == "FINISHED"
    for statement in (*SETUP[1:], *MORE):
        assert (
            ended(client, client.execute_statement(Sql=statement, SessionId=session))["Status"] == "FINISHED"
        )
    for _ in range(count(250)):
        sql = grammar.statement() if rng.random() < 0.7 else mangled(rng, SEEDS)
        values = [{"name": f"p{n}", "value": rng.choice(("1", "x", "2024-01-01", " "))} for n in range(2)]
        given = {"Parameters": values[: rng.randint(1, 2)]} if rng.random() < 0.3 else {}
        if given:
            sql = sql.replace(" 1", " :p0", 1).replace(" 'x'", " :p1", 1)
        if DANGEROUS.search(sql) or not sql.strip():
            continue
        try:
            several = rng.random() < 0.2
            if several:
                told = client.batch_execute_statement(Sqls=[sql, "select 1"], SessionId=session)
            else:
                told = client.execute_statement(Sql=sql, SessionId=session, **given)
            seen = ended(client, told)
            if seen["Status"] not in END or "internal error" in seen.get("Error", ""):
                found.append((sql, seen))
            elif seen["HasResultSet"] and not several:
                client.get_statement_result(Id=told["Id"])
        except ClientError as error:
            # Refused at the door, by a rule of the service's.
            if error.response["Error"]["Code"] not in ("ValidationException", "ResourceNotFoundException"):
                found.append((sql, str(error)))
        seen = ended(client, client.execute_statement(Sql="rollback", SessionId=session))
    assert found == []


def ended(client: Any, told: dict[str, Any]) -> dict[str, Any]:
    """What has become of a statement, when it has come to its end."""
    return ended_by_id(client, told["Id"])
