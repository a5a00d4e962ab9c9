"""What is refused, and how: the model's shapes, combinations, limits, the protocol."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Any
from urllib.parse import urlsplit

import pytest
from data_api_client import WHERE, ended, refused
from patience import PATIENCE

from deployer.errors import Unavailable
from deployer.local.data_api import errors, limits, service
from deployer.local.data_api.executor import Executor
from deployer.local.data_api.model import service_model
from deployer.local.data_api.operations import Operations
from deployer.local.data_api.throttle import Throttle

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def raw(api: Any, new_client: Callable[..., Any]) -> Any:
    """A client that lets the server do the checking."""
    return new_client(api.url, parameter_validation=False, retries={"max_attempts": 0})


def test_every_operation_of_the_model_is_there(api: Any) -> None:
    assert set(api._operations.by_name) == service_model().operations


def test_exceptions_are_the_models() -> None:
    faults = service_model().faults()
    outside = {"ThrottlingException", "UnknownOperationException", "SerializationException",
               "MissingAuthenticationTokenException"}  # fmt: skip
    for kind in (errors.Invalid, errors.TooManyStatements, errors.TooManySessions, errors.TooManyWaiting,
                 errors.NotConnected, errors.TimedOut, errors.ApiError, errors.Throttled, errors.Unknown,
                 errors.Malformed, errors.Unsigned):  # fmt: skip
        error = kind("text")
        if error.code in outside:
            assert error.code not in faults
        else:
            assert (error.status == 500) == faults[error.code], error.code
    for batch in (False, True):
        error = errors.NotExecuted("text", "id", batch=batch)
        assert faults[error.code] and error.status == 500 and error.members == {"StatementId": "id"}
    assert not faults[errors.NotFound("text", "id").code]


@pytest.mark.parametrize(
    ("operation", "arguments", "message"),
    [
        ("execute_statement", {**WHERE}, "sql is required"),
        ("execute_statement", {"Sql": "", **WHERE}, "Sql holds no statement"),
        ("execute_statement", {"Sql": "select 1; select 2", **WHERE}, "Sql holds 2 statements"),
        ("execute_statement", {"Sql": "x" * 100_001, **WHERE}, "more than 100000 bytes"),
        ("execute_statement", {"Sql": "select 'a\0b'", **WHERE}, "sql must not contain the character U+0000"),
        ("execute_statement", {"Sql": "select '\ud800'", **WHERE}, "sql must not contain"),
        ("execute_statement", {"Sql": "select 1", "StatementName": "\ud800", **WHERE}, "statementName must not"),
        ("list_schemas", {"SchemaPattern": "\0", **WHERE}, "schemaPattern must not contain"),
        ("execute_statement", {"Sql": "select 1", "Database": "dev"}, "either ClusterIdentifier or WorkgroupName"),
        ("execute_statement", {"Sql": "select 1", "WorkgroupName": "abc"}, "database is required"),
        ("execute_statement", {"Sql": "select 1", "ClusterIdentifier": "abc", **WHERE}, "exclude each other"),
        ("execute_statement", {"Sql": "select 1", "DbUser": "me", **WHERE}, "DbUser cannot be given with Workgroup"),
        (
            "execute_statement",
            {"Sql": "select 1", "DbUser": "me", "ClusterIdentifier": "abc", "Database": "dev", "SecretArn": "s"},
            "DbUser and SecretArn exclude each other",
        ),
        ("execute_statement", {"Sql": "select 1", "WorkgroupName": "A_B", "Database": "dev"}, "workgroupName must sat"),
        ("execute_statement", {"Sql": "select 1", "ClientToken": "t" * 65, **WHERE}, "clientToken must have length"),
        ("execute_statement", {"Sql": "select 1", "ResultFormat": "XML", **WHERE}, "resultFormat must be one of"),
        ("execute_statement", {"Sql": "select 1", "WaitTimeSeconds": 31, **WHERE}, "waitTimeSeconds must have value"),
        ("execute_statement", {"Sql": "select 1", "StatementName": "n" * 2049, **WHERE}, "statementName must have"),
        (
            "execute_statement",
            {"Sql": "select 1", "SessionKeepAliveSeconds": 86401, **WHERE},
            "sessionKeepAliveSeconds must have value",
        ),
        (
            "execute_statement",
            {"Sql": "select :a", "Parameters": [{"name": "a", "value": ""}], **WHERE},
            "parameters.value must have length",
        ),
        (
            "execute_statement",
            {"Sql": "select :a", "Parameters": [{"name": "a-b", "value": "1"}], **WHERE},
            "parameters.name must satisfy",
        ),
        ("execute_statement", {"Sql": "select 1", "Parameters": [], **WHERE}, "parameters must have length"),
        (
            "execute_statement",
            {"Sql": "select ':a' -- :a", "Parameters": [{"name": "a", "value": "1"}], **WHERE},
            "Parameters list contains unused parameters. Unused parameters: [a]",
        ),
        (
            "execute_statement",
            {"Sql": "select :a", "Parameters": [{"name": "a", "value": "1"}] * 2, **WHERE},
            "the parameter a is given twice",
        ),
        ("batch_execute_statement", {"Sqls": [], **WHERE}, "sqls must have length greater"),
        ("batch_execute_statement", {"Sqls": ["select 1"] * 41, **WHERE}, "sqls must have length less"),
        ("batch_execute_statement", {"Sqls": ["select 1", ";"], **WHERE}, "Sql holds no statement"),
        ("describe_statement", {"Id": "no-id"}, "id must satisfy regex pattern:"),
        ("cancel_statement", {}, "id is required"),
        ("list_statements", {"MaxResults": 101}, "maxResults must have value less than or equal to 100"),
        ("list_statements", {"ClusterIdentifier": "a", "WorkgroupName": "abc"}, "exclude each other"),
        ("list_tables", {"WorkgroupName": "abc"}, "database is required"),
    ],
)  # fmt: skip
def test_validation(raw: Any, operation: str, arguments: dict[str, Any], message: str) -> None:
    code, told = refused(lambda: getattr(raw, operation)(**arguments))
    assert code == "ValidationException" and message in told


def test_a_member_of_the_wrong_type(raw: Any) -> None:
    assert refused(lambda: raw.execute_statement(Sql="select 1", WithEvent="yes", **WHERE)) == (
        "SerializationException",
        "withEvent must be a boolean",
    )


def test_unknown_members_are_ignored_as_services_do(api: Any) -> None:
    status, _, body = post(api.url, "RedshiftData.ListStatements", {"Nonsense": 1})
    assert status == 200 and "Statements" in body


def test_a_client_token_makes_a_request_happen_once(run: Run, client: Any, fresh_database: Any) -> None:
    run("create table t (n int)")
    arguments = {"Sql": "insert into t values (1)", "ClientToken": "rental-2026-11-21T08:00:00Z", **WHERE}
    first = client.execute_statement(**arguments)
    again = client.execute_statement(WaitTimeSeconds=30, **arguments)
    assert again["Id"] == first["Id"] and ended(client, again["Id"])["Status"] == "FINISHED"
    assert run("select n from t")["ResultRows"] == 1
    code, message = refused(lambda: client.execute_statement(**arguments | {"Sql": "select 2"}))
    assert code == "ValidationException" and "clientToken" in message


def test_a_second_request_with_a_token_waits_although_the_first_is_still_at_the_door(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    arguments = {"Sql": "select 1", "ClientToken": "door", "WaitTimeSeconds": 30, **WHERE}
    submit, others = Executor.submit, []

    def slow(self: Executor, statement_id: str) -> bool:
        # It is in the store already.
        others.append(threads.submit(client.execute_statement, **arguments))
        wait(others, 0.3)
        return submit(self, statement_id)

    monkeypatch.setattr(Executor, "submit", slow)
    with ThreadPoolExecutor(1) as threads:
        first = client.execute_statement(**arguments)
        second = others[0].result()
    assert second["Id"] == first["Id"] and second["Status"] == "FINISHED"


def test_a_client_token_is_kept_for_eight_hours(
    new_api: Callable[..., Any], new_client: Callable[..., Any], tmp_path: Any
) -> None:
    now = [1_800_000_000.0]
    api = new_api(clock=lambda: now[0])
    client = new_client(api.url)
    arguments = {"Sql": "select 1", "ClientToken": "t", **WHERE}
    first = client.execute_statement(WaitTimeSeconds=30, **arguments)["Id"]
    now[0] += 8 * 3600 - 1
    assert client.execute_statement(**arguments)["Id"] == first
    now[0] += 2
    assert client.execute_statement(**arguments)["Id"] != first


def test_too_many_active_statements(client: Any, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "ACTIVE_STATEMENTS", 0)
    code, _ = refused(lambda: client.execute_statement(Sql="select 1", **WHERE))
    assert code == "ActiveStatementsExceededException"


def test_requests_that_come_too_fast(new_api: Callable[..., Any], new_client: Callable[..., Any]) -> None:
    api = new_api(throttle=True)
    # However long the requests take, they come within one moment.
    real, api._throttle = api._throttle, Throttle(lambda: 0.0)
    impatient = new_client(api.url, retries={"max_attempts": 0})
    codes = []
    for _ in range(6):
        try:
            impatient.list_statements()
        except impatient.exceptions.ClientError as error:
            codes.append(error.response["Error"]["Code"])
    assert codes and set(codes) == {"ThrottlingException"}
    # As SDKs are, boto3 is patient by itself.
    api._throttle = real
    patient = new_client(api.url)
    for _ in range(6):
        patient.list_statements()


def test_the_rates_are_the_documented_ones() -> None:
    now = [0.0]
    throttle = Throttle(lambda: now[0])
    for operation, rate in (("ExecuteStatement", 30), ("DescribeStatement", 100), ("CancelStatement", 3)):
        for _ in range(rate):
            throttle.check(operation)
        with pytest.raises(errors.Throttled):
            throttle.check(operation)
    now[0] += 1 / 3 + 0.001
    throttle.check("CancelStatement")
    with pytest.raises(errors.Throttled):
        throttle.check("CancelStatement")


def post(url: str, target: str, body: Any, **headers: str) -> tuple[int, dict[str, str], dict[str, Any]]:
    address = urlsplit(url)
    assert address.hostname == "127.0.0.1" and address.port
    sent = {
        "X-Amz-Target": target,
        "Authorization": "AWS4-HMAC-SHA256 x",
        "Content-Type": "application/x-amz-json-1.1",
    }
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=PATIENCE)
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    connection.request(
        "POST", "/", data, sent | {name.replace("_", "-"): value for name, value in headers.items()}
    )
    answer = connection.getresponse()
    told = json.loads(answer.read() or b"{}")
    connection.close()
    return answer.status, {name.lower(): value for name, value in answer.getheaders()}, told


def test_the_protocol(api: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    status, headers, told = post(api.url, "RedshiftData.NoSuchThing", {})
    assert (status, told["__type"]) == (400, "UnknownOperationException")
    assert headers["x-amzn-errortype"] == "UnknownOperationException" and headers["x-amzn-requestid"]
    assert headers["content-type"] == "application/x-amz-json-1.1"
    assert post(api.url, "DynamoDB.ListTables", {})[2]["__type"] == "UnknownOperationException"
    for broken in (b"{", b"[" * 100_000, b'{"Id": "\xed\xa0\x80"}'):
        assert post(api.url, "RedshiftData.ListStatements", broken)[2]["__type"] == "SerializationException"
    assert post(api.url, "RedshiftData.ListStatements", [])[2]["__type"] == "SerializationException"
    status, _, told = post(api.url, "RedshiftData.ListStatements", {}, Host="evil.example")
    assert status == 400 and "not evil.example" in told["Message"]
    status, _, told = post(api.url, "RedshiftData.ListStatements", {}, Authorization="Basic x")
    assert (status, told["__type"]) == (403, "MissingAuthenticationTokenException")
    monkeypatch.setattr(limits, "REQUEST_BYTES", 1000)
    status, _, told = post(api.url, "RedshiftData.ListStatements", b" " * 1_000_000)
    assert (status, told["__type"]) == (400, "SerializationException")


def test_the_port(new_api: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    first = new_api()
    taken = urlsplit(first.url).port
    assert taken is not None
    with pytest.raises(Unavailable, match=f"port {taken} .ZEROSHIFT_DATA_API_PORT. is taken"):
        new_api(wanted=taken)
    monkeypatch.setattr(service, "DEFAULT_PORT", taken)
    second = new_api(wanted=None)
    assert urlsplit(second.url).port != taken
    second.stop()
    # Another process may be given a port that was free for a moment.
    for _ in range(5):
        last = urlsplit(second.url).port
        second.stop()
        second = new_api(wanted=None, fallback=last)
        if urlsplit(second.url).port == last:
            break
    else:
        raise AssertionError("the port of last time is never taken again")


def test_settings() -> None:
    assert service.settings({}) == {"wanted": None, "throttle": True}
    assert service.settings({"ZEROSHIFT_PORT": "0"})["wanted"] == 0
    told = service.settings({"ZEROSHIFT_DATA_API_PORT": "1234", "ZEROSHIFT_DATA_API_THROTTLE": "off"})
    assert told == {"wanted": 1234, "throttle": False}
    for name in ("ZEROSHIFT_DATA_API_PORT", "ZEROSHIFT_DATA_API_THROTTLE"):
        with pytest.raises(Unavailable, match=name):
            service.settings({name: "much"})


def test_a_mistake_of_ours_is_told_without_its_text(
    new_api: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> dict[str, Any]:
        raise RuntimeError("secret")

    monkeypatch.setattr(Operations, "list_statements", broken)
    api = new_api()
    status, _, told = post(api.url, "RedshiftData.ListStatements", {})
    assert (status, told["__type"]) == (500, "InternalServerException") and "secret" not in told["Message"]


def test_forty_statements_of_the_longest_kind_are_taken(run: Run) -> None:
    # 40 x 100,000 bytes, as far as the body's limit is concerned.
    sql = "select 1 -- " + "é" * 49_000
    assert run([sql] * 40)["Status"] == "FINISHED"
