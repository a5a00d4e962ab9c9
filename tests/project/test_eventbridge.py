"""eventbridge/: what files may say, what is sent for them, and what lint finds in them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from lint_examples import findings

from deployer.errors import UsageError
from deployer.project.lint.run import lint
from deployer.project.schedules import calls, files
from deployer.project.schedules.model import Eventbridge, Schedule

ROOT = Path(__file__).resolve().parents[2]
CALL = "statement = \"call ops.run_rental(timestamp '<aws.scheduler.scheduled-time>', 'full')\"\n"
HOURLY = f'expression = "rate(1 hour)"\n{CALL}'
EVERY = 'targets = ["log"]\n[pattern]\nsource = ["a"]\n'
ALARM = 'namespace = "AWS/SQS"\nmetric = "NumberOfMessagesSent"\nthreshold = 1\ndimensions = { QueueName = "q" }\n'


def written(root: Path, kind: str, text: str, name: str = "x") -> Path:
    path = root / "eventbridge" / kind / f"{name}.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_project_without_the_directory_has_nothing(tmp_path: Path) -> None:
    assert files.load(tmp_path) == Eventbridge() and files.load(tmp_path).is_empty


def test_a_schedule_s_defaults_and_keys(tmp_path: Path) -> None:
    written(tmp_path, "schedules", HOURLY)
    text = (
        'expression = "cron(0 5 ? * MON *)"\ntimezone = "Asia/Tokyo"\nstatement = """\ncall a.b()\n;"""\n'
        "enabled = false\nwindow_minutes = 15\n"
        'start = 2026-01-01T00:00:00+01:00\nretry_attempts = 0\npipeline = "rental"\n'
    )
    written(tmp_path, "schedules", text, "y.z_1")
    plain, full = files.load(tmp_path).schedules
    assert (plain.name, plain.timezone, plain.enabled, plain.window, plain.attempts) == (
        "x",
        "UTC",
        True,
        0,
        10,
    )
    assert (full.name, full.timezone, full.enabled, full.window, full.attempts) == (
        "y.z_1",
        "Asia/Tokyo",
        False,
        15,
        0,
    )
    assert (full.statement, full.pipeline) == ("call a.b()", "rental")
    assert full.start == datetime(2025, 12, 31, 23, tzinfo=UTC)


@pytest.mark.parametrize(
    "kind, text, line, told",
    [
        ("schedules", 'expression = "rate(1 hour)"\n', 1, "the file lacks the key 'statement'"),
        ("schedules", f"{HOURLY}window = 5\n", 3, "unknown key 'window' in the file; it knows: description,"),
        ("schedules", f"{HOURLY}window_minutes = 1441\n", 3, "must be a whole number from 0 to 1440, not 1441"),
        ("schedules", f"{HOURLY}enabled = 1\n", 3, "enabled of the file must be true or false, not 1"),
        ("schedules", f"{HOURLY}start = 2026-01-01T00:00:00\n", 3, "00:00Z, not 2026-01-01T00:00:00"),
        ("schedules", f'{HOURLY}end = "soon"\n', 3, "as 2026-01-01T00:00:00Z, not 'soon'"),
        ("schedules", "expression = \n", 1, "not valid TOML"),
        ("rules", 'targets = ["log"]\n', 1, "lacks the table [pattern]"),
        ("rules", EVERY.replace('"log"', '"mail"'), 1, "must be a list of alert, log, topic"),
        ("rules", EVERY.replace('"log"', '"log", "log"'), 1, "must name each once"),
        ("alarms", ALARM.replace("1\n", '"1"\n'), 3, "threshold must be a number, not '1'"),
        ("alarms", f'statistic = "Mean"\n{ALARM}', 1, "statistic 'Mean' of the file is not one of: SampleCount"),
        ("alarms", f"period = 90\n{ALARM}", 1, "must be a multiple of 60 seconds"),
        ("alarms", f"period = 86400\nperiods = 2\n{ALARM}", 2, "must be a whole number from 1 to 1, not 2"),
    ],
)  # fmt: skip
def test_a_file_that_is_wrong_is_told_with_its_line(
    tmp_path: Path, kind: str, text: str, line: int, told: str
) -> None:
    written(tmp_path, kind, text)
    with pytest.raises(UsageError) as caught:
        files.load(tmp_path)
    assert str(caught.value).startswith(f"eventbridge/{kind}/x.toml:{line}: ") and told in str(caught.value)
    (finding,) = lint(tmp_path).findings
    assert (finding.code, finding.path, finding.line) == ("ZS001", f"eventbridge/{kind}/x.toml", line)


def test_a_name_that_scheduler_does_not_take(tmp_path: Path) -> None:
    written(tmp_path, "schedules", HOURLY, "n" * 65)
    with pytest.raises(
        UsageError,
        match="the name in AWS: 1 to 64 letters, digits, hyphens, dots or underscores, not 'n{65}'",
    ):
        files.load(tmp_path)


def test_the_call_is_the_same_for_each_attempt_of_one_time_and_never_for_another() -> None:
    warehouse = calls.Warehouse("dev", workgroup="wg")
    short, long = Schedule("hourly", "rate(1 hour)", "UTC", "call a.b()"), "s" * 64
    made = calls.call(short, "zeroshift-x-prod", warehouse)
    assert made.operation == "ExecuteStatement"
    given = json.loads(made.input)
    assert given == {
        "Sql": "call a.b()", "WorkgroupName": "wg", "Database": "dev", "StatementName": "zeroshift-x-prod/hourly",
        "WithEvent": True, "ClientToken": given["ClientToken"],
    }  # fmt: skip
    assert given["ClientToken"].endswith("-<aws.scheduler.scheduled-time>")
    tokens = {
        calls.client_token(*names) for names in (("p", long), ("q", long), ("p", f"{long[:-1]}t"), ("p", "s"))
    }
    assert len(tokens) == 4
    assert {len(calls.with_time(token)) for token in tokens if len(token) > 60} == {64}

    batch = calls.call(short, "p", calls.Warehouse("dev", cluster="c"), ("set query_group to 'x'",))
    assert (batch.operation, batch.given["ExecutionMode"]) == ("BatchExecuteStatement", "AUTO_COMMIT")
    assert (
        batch.given["Sqls"] == ["set query_group to 'x'", "call a.b()"]
        and batch.given["ClusterIdentifier"] == "c"
    )


def test_the_next_times_are_those_of_the_zone() -> None:
    nightly = Schedule("n", "cron(30 2 * * ? *)", "Europe/Berlin", "call a.b()")
    times = calls.next_times(nightly, datetime(2027, 3, 26, 12, tzinfo=UTC), 3)
    assert [f"{moment:%m-%d %H:%M %z}" for moment in times] == [
        "03-27 02:30 +0100", "03-29 02:30 +0200", "03-30 02:30 +0200",
    ]  # fmt: skip
    ends = Schedule("n", "rate(1 days)", "UTC", "x", end=datetime(2027, 1, 3, tzinfo=UTC))
    assert len(calls.next_times(ends, datetime(2027, 1, 1, tzinfo=UTC))) == 2
    once = Schedule("n", "at(2027-01-05T00:00:00)", "UTC", "x", end=datetime(2027, 1, 3, tzinfo=UTC))
    assert len(calls.next_times(once, datetime(2027, 1, 1, tzinfo=UTC))) == 1


def codes(text: str) -> list[str]:
    return sorted({finding.code for finding in findings(text)})


@pytest.mark.parametrize(
    "changed, to, code",
    [
        ("rate(1 hour)", "rate(1 fortnight)", "ZS801"),
        ("rate(1 hour)", "cron(0 0 31 2 ? *)", "ZS801"),
        (")'", ")'", ""),
        ("ops.run_rental", "ops.run_rentals", "ZS802"),
        ("ops.run_rental", "run_rental", "ZS802"),
        ("call ops.run_rental(timestamp '<aws.scheduler.scheduled-time>', 'full')", "select 1", "ZS802"),
        ("call ops", "call ops.run_rental(null, null); call ops", "ZS802"),
        ("'full'", "current_date", "ZS802"),
        ("timestamp '<aws.scheduler.scheduled-time>'", "true", "ZS802"),
        ("'full'", "'<aws.scheduler.now>'", "ZS803"),
        ("'full'", f"'{'x' * 100_000}'", "ZS803"),
        ("timestamp '<aws.scheduler.scheduled-time>'", "null", "ZS805"),
    ],
)
def test_what_lint_finds_in_a_schedule(changed: str, to: str, code: str) -> None:
    found = codes(HOURLY.replace(changed, to))
    assert (code in found) if code else found == []


@pytest.mark.parametrize(
    "more, code",
    [
        ("window_minutes = 1440\n", "ZS804"),
        ("retry_max_age = 28799\n", ""),
        ("retry_max_age = 28800\n", "ZS804"),
        ("retry_max_age = 28800\nretry_attempts = 0\n", ""),
        ("start = 2027-01-02T00:00:00Z\nend = 2027-01-01T00:00:00Z\n", "ZS801"),
        ("end = 1960-01-01T00:00:00Z\n", "ZS801"),
        ('pipeline = "rental"\n', ""),
        ('pipeline = "rentl"\n', "ZS802"),
        ("# lint: ignore ZS804 because it is idempotent\nretry_max_age = 28800\n", ""),
    ],
)
def test_what_lint_finds_in_its_other_keys(more: str, code: str) -> None:
    assert codes(HOURLY + more) == ([code] if code else [])


def test_a_skipped_time_is_told_unless_every_hour_has_one() -> None:
    berlin = HOURLY + 'timezone = "Europe/Berlin"\n'
    (found,) = findings(berlin.replace("rate(1 hour)", "cron(30 0,2 * * ? *)"))
    assert found.code == "ZS806" and "02:30 does not exist in Europe/Berlin" in found.message
    for fine in ("cron(30 3 * * ? *)", "cron(30 * * * ? *)", "cron(30 2 ? * MON *)"):
        assert codes(berlin.replace("rate(1 hour)", fine)) == []


ALERT = (
    'targets = ["alert"]\n[pattern]\nsource = ["aws.redshift-data"]\n[pattern.detail]\nstate = ["FAILED"]\n'
    'statementName = [{ prefix = "${prefix}/" }]\n'
)


@pytest.mark.parametrize(
    "text, told",
    [
        (ALERT, ""),
        (ALERT.replace('"FAILED"', '"FAILED", "FINISHED"'), "with state FAILED or ABORTED"),
        (ALERT.replace("${prefix}/", "rental"), "with the prefix ${prefix}/"),
        (EVERY.replace('["a"]', '[{ begins = "a" }]'), "source: begins is no filter"),
        (EVERY.replace('["a"]', "[]"), "source must be a list of values"),
        (EVERY.replace('["a"]', "[{ prefix = 3 }]"), "source: prefix takes a string, not 3"),
        (EVERY.replace('["a"]', '[{ prefix = { equals-ignore-case = "a" } }]'), ""),
        (EVERY.replace('["a"]', '[{ suffix = { prefix = "a" } }]'), "suffix takes a string"),
        (EVERY.replace('["a"]', '[{ exists = "yes" }]'), "source: exists takes true or false, not 'yes'"),
        (EVERY.replace('["a"]', '[{ numeric = [">", 0, "<=", 5.5] }]'), ""),
        (EVERY.replace('["a"]', '[{ numeric = [">", "a"] }]'), "numeric takes one or two comparisons"),
        (EVERY.replace('["a"]', "[{ numeric = 3 }]"), "numeric takes one or two comparisons"),
        (EVERY.replace('["a"]', '[{ anything-but = { suffix = ["a", "b"] } }]'), ""),
        (
            EVERY.replace('["a"]', '[{ anything-but = ["a", 1] }]'),
            "anything-but takes strings only, or numbers only",
        ),
        (
            EVERY.replace('["a"]', '[{ anything-but = { numeric = [">", 0] } }]'),
            "anything-but takes values, or one of",
        ),
        (f"{EVERY}detail = {{}}\n", "detail is empty"),
        (EVERY.replace('"a"', f'"{"a" * 5000}"'), "EventBridge takes 4096"),
    ],
)
def test_what_lint_finds_in_a_rule(text: str, told: str) -> None:
    found = findings(text)
    assert [(one.code, told in one.message) for one in found] == ([("ZS807", True)] if told else [])


@pytest.mark.parametrize(
    "changed, to, told",
    [
        ("", "", ""),
        ("NumberOfMessagesSent", "MessagesSent", "AWS/SQS has no metric MessagesSent"),
        ("QueueName", "Queue", "have the dimension QueueName"),
        ('"q"', '"${queue}"', "is none of ${group}"),
        ("AWS/SQS", "Mine", ""),
    ],
)
def test_what_lint_finds_in_an_alarm(changed: str, to: str, told: str) -> None:
    found = findings(ALARM.replace(changed, to))
    assert [(one.code, told in one.message) for one in found] == ([("ZS808", True)] if told else [])


def test_our_own_files() -> None:
    own = files.load(ROOT)
    assert [schedule.name for schedule in own.schedules] == [
        "rental-fresh",
        "rental-hourly",
        "rental-nightly",
    ]
    assert [rule.name for rule in own.rules] == ["failed-statements", "finished-statements"]
    assert lint(ROOT, [ROOT / "eventbridge"]).files == len(files.files(ROOT)) == 11


@pytest.mark.parametrize("name", ["schedule/x.toml", "x.toml", "rules/deep/x.toml"])
def test_a_file_that_nobody_reads_is_told(tmp_path: Path, name: str) -> None:
    path = tmp_path / "eventbridge" / name
    path.parent.mkdir(parents=True)
    path.write_text(HOURLY)
    with pytest.raises(UsageError, match=re.escape(f"eventbridge/{name}: nobody reads this file")):
        files.load(tmp_path)
    for given in ([], [path], [tmp_path / "eventbridge"]):
        (found,) = lint(tmp_path, given).findings
        assert (found.path, found.code) == (
            f"eventbridge/{name}",
            "ZS001",
        ) and "nobody reads" in found.message
