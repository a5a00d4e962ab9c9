"""A plan as text for people, for a pull request and for GitHub."""

from __future__ import annotations

import json

import pytest

from deployer.cli import encode, plan_text
from deployer.operations.changes import Change
from deployer.operations.plan import Plan
from deployer.operations.plan_migrations import Problem

DIFF = "--- a/procedures/shown/a.sql\n+++ b/procedures/shown/a.sql\n@@ -3 +3 @@\n-select 1 as one\n+select 2 as one\n"

CHANGES = (
    Change(
        "apply",
        "migration",
        "0002_drop",
        "migrations/versions/0002_drop.py",
        14,
        ("drop table shop.x",),
        destructive="the table shop.x",
    ),
    Change(
        "create", "view", "shown.new", "procedures/shown/new.sql", 2, ("create ...",), diff="+++ all of it\n"
    ),
    Change(
        "replace",
        "view",
        "shown.a",
        "procedures/shown/a.sql",
        3,
        ('drop view "shown"."a"', "create or replace view shown.a as\nselect 2 as one"),
        diff=DIFF,
        reason="its columns change: 50% of | them",
    ),
    Change("modify", "AWS::SQS::Queue", "Dead"),
)


def made(*changes: Change, problems: tuple[Problem, ...] = (), orphans: tuple[str, ...] = ()) -> Plan:
    return Plan("small", "prod", changes, problems, orphans, 7, False, "sha256:1", (), "sha256:2")


def test_for_people() -> None:
    text = "".join(plan_text.lines(made(*CHANGES, orphans=("shown.gone",))))
    assert text.splitlines() == [
        "> apply migration 0002_drop  (migrations/versions/0002_drop.py:14)",
        "    destroys the table shop.x (--allow-destructive 0002_drop)",
        "    drop table shop.x;",
        "+ create view shown.new  (procedures/shown/new.sql:2)",
        "~ replace view shown.a  (procedures/shown/a.sql:3)",
        "    its columns change: 50% of | them",
        '    drop view "shown"."a";',
        *(f"    {line}" for line in DIFF.splitlines()),
        "~ modify AWS::SQS::Queue Dead",
        "",
        "plan for prod: apply 1 migration, create 1 view, replace 1 view, modify 1 AWS::SQS::Queue; 1 destroys"
        " something; 7 unchanged",
        "left over: shown.gone is deployed, but no longer in the project (--prune drops it)",
    ]


def test_colours_are_only_added() -> None:
    import click

    plain = "".join(plan_text.lines(made(*CHANGES)))
    coloured = "".join(plan_text.lines(made(*CHANGES), colours=True))
    assert coloured != plain and click.unstyle(coloured) == plain
    assert click.style("    +select 2 as one\n", fg="green") in coloured


def test_nothing_to_do_and_refused() -> None:
    assert "".join(plan_text.lines(made())) == "nothing to do: all 7 objects are as the project says\n"
    problem = Problem("edited", "0001", "it was edited", "migrations/versions/0001_x.py", 1, "accept it")
    text = "".join(plan_text.lines(made(problems=(problem,))))
    assert text == (
        "! migrations/versions/0001_x.py:1: it was edited\n    `zeroshift repair` would accept it\n\n"
        "a deployment into prod would refuse to begin\n"
    )


def test_for_a_pull_request() -> None:
    text = "".join(plan_text.markdown(made(*CHANGES, orphans=("shown.gone",))))
    assert (
        "| apply | migration `0002_drop` | `migrations/versions/0002_drop.py:14` | :warning: **destroys"
        in text
    )
    # A bar would end the cell.
    assert "50% of \\| them" in text
    assert f'```diff\ndrop view "shown"."a";\n{DIFF}```' in text
    assert "Left over in the warehouse: `shown.gone`." in text
    fence = Change("replace", "view", "shown.b", "b.sql", 1, (), diff="+```\n")
    assert "````diff\n+```\n````" in "".join(plan_text.markdown(made(fence)))


def test_a_comment_stays_within_what_github_takes() -> None:
    long = [Change("replace", "view", f"shown.v{n}", "v.sql", 1, (), diff="+x\n" * 5_000) for n in range(9)]
    text = "".join(plan_text.markdown(made(*long)))
    assert len(text) < 65_536
    assert "Too long to show here: view shown.v4, " in text


def test_for_github_beside_the_files() -> None:
    problem = Problem("unknown head", "0009", "the warehouse stands\nelsewhere")
    lines = list(plan_text.github_lines(made(*CHANGES, problems=(problem,))))
    assert lines[0].startswith("::error ") and "the warehouse stands%0Aelsewhere" in lines[0]
    assert lines[1].startswith("::warning file=migrations/versions/0002_drop.py,line=14,")
    assert lines[3].startswith("::notice file=procedures/shown/a.sql,line=3,")
    assert lines[3].endswith("::its columns change: 50%25 of | them\n")
    # What stands in no file is shown nowhere.
    assert len(lines) == 4


def test_no_secret_and_no_account_id_is_shown() -> None:
    migration = Change(
        "apply",
        "migration",
        "0003_user",
        "m.py",
        1,
        (
            "create user x password 'Hidden1234'",
            "create external schema s iam_role 'arn:aws:iam::123456789012:role/r'",
        ),
    )
    view = Change("replace", "view", "shown.a", "a.sql", 1, diff="+-- arn:aws:iam::123456789012:role/r\n")
    for shape in (plan_text.lines, plan_text.markdown):
        text = "".join(shape(made(migration, view)))
        assert "Hidden1234" not in text and "123456789012" not in text
        assert "create user x password '***';" in text


@pytest.mark.parametrize("text", ["plain", "ä \x1b[31m", "`"])
def test_json_holds_the_whole_plan(text: str) -> None:
    told = json.loads(encode.dump(made(Change("create", "view", text, diff=text))))
    assert told["changes"][0]["name"] == told["changes"][0]["diff"] == text
    assert (told["unchanged"], told["checksum"]) == (7, "sha256:2")
