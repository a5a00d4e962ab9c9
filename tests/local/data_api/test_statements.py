"""ExecuteStatement, BatchExecuteStatement and what is told about them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from data_api_client import WHERE, ended, refused

Run = Callable[..., dict[str, Any]]

EVENT = """create table event(eventid integer not null distkey, venueid smallint not null, catid smallint not null,
    dateid smallint not null sortkey, eventname varchar(200), starttime timestamp)"""


def test_a_statement_from_its_submission_to_its_result(client: Any) -> None:
    told = client.execute_statement(Sql="select 1 as one", StatementName="first", **WHERE)
    assert told["Status"] in ("SUBMITTED", "PICKED", "STARTED", "FINISHED")
    assert (told["Database"], told["WorkgroupName"], told["DbUser"]) == ("dev", "rental", "admin")
    found = ended(client, told["Id"])
    assert found["Status"] == "FINISHED"
    assert found["QueryString"] == "select 1 as one"
    assert (found["HasResultSet"], found["ResultRows"], found["ResultSize"]) == (True, 1, 1)
    assert found["Duration"] > 0 and found["RedshiftPid"] > 0 and found["RedshiftQueryId"] == -1
    assert found["CreatedAt"] <= found["UpdatedAt"]
    result = client.get_statement_result(Id=told["Id"])
    assert result["Records"] == [[{"longValue": 1}]] and result["TotalNumRows"] == 1
    assert result["ColumnMetadata"][0]["label"] == "one"


def test_the_guides_example_of_parameters(run: Run, client: Any, fresh_database: Any) -> None:
    assert run(EVENT)["Status"] == "FINISHED"
    inserted = run(
        "insert into event values(:eventid, :venueid::smallint, :catid, :dateid, :eventname, :starttime)",
        {"eventid": "1", "venueid": "1", "catid": "1", "dateid": "1", "eventname": "event 1",
         "starttime": "2022-02-22"},
    )  # fmt: skip
    assert (inserted["Status"], inserted["ResultRows"], inserted["HasResultSet"]) == ("FINISHED", 1, False)
    again = run(
        "insert into event values(:id, :id::smallint, :id, :id, :eventname, :starttime) /*this is comment, and it"
        " won't apply parameterization for :id, :eventname or :starttime here*/",
        {"eventname": "event 2", "starttime": "2022-02-22", "id": "2"},
    )
    assert again["Status"] == "FINISHED"
    asked = run("select * from event where eventid=:id", {"id": "1"})
    assert asked["QueryParameters"] == [{"name": "id", "value": "1"}]
    result = client.get_statement_result(Id=asked["Id"])
    assert result["Records"] == [
        [{"longValue": 1}, {"longValue": 1}, {"longValue": 1}, {"longValue": 1}, {"stringValue": "event 1"},
         {"stringValue": "2022-02-22 00:00:00.0"}]
    ]  # fmt: skip
    shown = {column["name"]: column for column in result["ColumnMetadata"]}
    assert shown["eventid"] == {
        "isCaseSensitive": False, "isCurrency": False, "isSigned": True, "label": "eventid", "length": 0,
        "name": "eventid", "nullable": 0, "precision": 10, "scale": 0, "schemaName": "public", "tableName": "event",
        "typeName": "int4",
    }  # fmt: skip
    assert shown["eventname"] == {
        "isCaseSensitive": True, "isCurrency": False, "isSigned": False, "label": "eventname", "length": 0,
        "name": "eventname", "nullable": 1, "precision": 200, "scale": 0, "schemaName": "public",
        "tableName": "event", "typeName": "varchar",
    }  # fmt: skip
    assert shown["starttime"] == {
        "isCaseSensitive": False, "isCurrency": False, "isSigned": False, "label": "starttime", "length": 0,
        "name": "starttime", "nullable": 1, "precision": 29, "scale": 6, "schemaName": "public",
        "tableName": "event", "typeName": "timestamp",
    }  # fmt: skip
    wrong = run("SELECT :colname, FROM event", {"colname": "eventname"})
    assert wrong["Status"] == "FAILED" and wrong["QueryString"] == "SELECT :colname, FROM event"
    assert wrong["Error"].startswith('ERROR: syntax error at or near "FROM"')
    assert wrong["Error"].endswith("\n  Position: 12")


def test_an_error_of_sql_is_a_status_and_no_exception(run: Run) -> None:
    found = run("select * from nowhere")
    assert found["Status"] == "FAILED"
    assert found["Error"] == 'ERROR: relation "nowhere" does not exist\n  Position: 15'
    assert (found["HasResultSet"], found["ResultRows"], found["ResultSize"]) == (False, -1, -1)


def test_a_procedure_with_commits_runs_by_itself_but_not_in_a_transaction(
    run: Run, fresh_database: Any
) -> None:
    assert run("create table t (n int)")["Status"] == "FINISHED"
    body = "begin insert into t values (m); commit; insert into t values (m + 1); end;"
    created = run(f"create procedure p(m int) as $$ {body} $$ language plpgsql")
    assert created["Status"] == "FINISHED", created
    assert run("call p(:m)", {"m": "1"})["Status"] == "FINISHED"
    failed = run(["call p(5)"])
    assert failed["Status"] == "FAILED"
    assert failed["Error"].startswith("Query #1 failed with ERROR: ")
    assert "top-level call" in failed["Error"]
    counted = run("select count(*) from t")
    assert counted["ResultRows"] == 1


def test_a_batch_is_one_transaction(run: Run, client: Any, fresh_database: Any) -> None:
    done = run(["create table t (n int)", "insert into t values (1), (2)", "select n from t order by n"])
    assert done["Status"] == "FINISHED" and done["ExecutionMode"] == "TRANSACTION"
    assert [part["Status"] for part in done["SubStatements"]] == ["FINISHED"] * 3
    assert [part["Id"] for part in done["SubStatements"]] == [f"{done['Id']}:{n}" for n in (1, 2, 3)]
    assert [part["HasResultSet"] for part in done["SubStatements"]] == [False, False, True]
    assert done["HasResultSet"] and "QueryString" not in done
    assert done["ResultRows"] == 4
    rows = client.get_statement_result(Id=f"{done['Id']}:3")
    assert rows["Records"] == [[{"longValue": 1}], [{"longValue": 2}]]
    assert refused(lambda: client.get_statement_result(Id=done["Id"])) == (
        "ValidationException",
        "BatchExecuteStatement result can only be retrieved with sub-statement id.",
    )
    one = client.describe_statement(Id=f"{done['Id']}:2")
    assert (one["QueryString"], one["ResultRows"]) == ("insert into t values (1), (2)", 2)

    failed = run(["insert into t values (3)", "select 1/0", "insert into t values (4)"])
    assert failed["Status"] == "FAILED" and failed["Error"] == "Query #2 failed with ERROR: division by zero"
    assert [part["Status"] for part in failed["SubStatements"]] == ["FINISHED", "FAILED", "ABORTED"]
    assert failed["SubStatements"][1]["Error"] == "ERROR: division by zero"
    assert run("select n from t")["ResultRows"] == 2


def test_a_batch_in_auto_commit_goes_on_after_a_failure(run: Run, fresh_database: Any) -> None:
    done = run(
        [
            "create table t (n int)",
            "insert into t values (:one)",
            "select 1/0",
            "insert into t values (:two)",
        ],
        {"one": "1", "two": "2"},
        ExecutionMode="AUTO_COMMIT",
    )
    assert done["ExecutionMode"] == "AUTO_COMMIT" and done["Status"] == "FAILED"
    assert [part["Status"] for part in done["SubStatements"]] == [
        "FINISHED",
        "FINISHED",
        "FAILED",
        "FINISHED",
    ]
    assert done["Error"] == "Query #3 failed with ERROR: division by zero"
    assert run("select n from t")["ResultRows"] == 2


def test_statements_leave_nothing_to_those_after_them(run: Run, client: Any, fresh_database: Any) -> None:
    for _ in range(3):
        assert run("select 1")["Status"] == "FINISHED"
        assert run("set search_path to nowhere")["Status"] == "FINISHED"
        path = client.get_statement_result(Id=run("show search_path")["Id"])["Records"][0][0]["stringValue"]
        assert "nowhere" not in path
    assert run("create temp table passing (n int)")["Status"] == "FINISHED"
    assert run("begin")["Status"] == "FINISHED"
    assert run("create table kept (n int)")["Status"] == "FINISHED"
    assert run("select n from kept")["Status"] == "FINISHED"
    assert "does not exist" in run("select n from passing")["Error"]


def test_a_named_user_runs_the_statement(client: Any, api: Any, status: Any) -> None:
    found = client.execute_statement(
        Sql="select current_user", ClusterIdentifier="warehouse-1", Database="dev", DbUser=status.user,
        WaitTimeSeconds=30,
    )  # fmt: skip
    assert found["ClusterIdentifier"] == "warehouse-1" and found["DbUser"] == status.user
    told = client.execute_statement(
        Sql="select 1", ClusterIdentifier="warehouse-1", Database="dev", DbUser="nobody", WaitTimeSeconds=30
    )
    assert told["Status"] == "FAILED"
    error = client.describe_statement(Id=told["Id"])["Error"]
    assert error == 'FATAL: password authentication failed for user "nobody"'
