"""procedures/archive/*.toml: what a policy may say, what is closed when, and when deleting is safe."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lint_examples import findings

from deployer.errors import UsageError
from deployer.project.archive import files, safety
from deployer.project.archive.model import Policy, start_of

ROOT = Path(__file__).resolve().parents[2]
PATH = Path("procedures/archive/sold.toml")
PERIOD = 'table = "shop.sold"\nperiod = "day"\nkeep = "2 years"\n'


def read(text: str) -> Policy:
    return files.parse(text, PATH, PATH)


def test_the_repository_keeps_everything() -> None:
    found = {policy.table: policy for policy in files.load(ROOT)}
    assert "curated.bookings" in found and "metrics.occupancy_rate_monthly" in found
    assert found["raw.bookings"].is_snapshot
    assert {policy.after for policy in found.values()} == {"keep"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('period = "day"\n', "sold.toml:1: the file lacks the key 'table'"),
        ('table = "sold"\n', "sold.toml:1: table of the file must be schema.table in small letters, not 'sold'"),
        ('table = "shop.sold"\nperiod = "day"\n', "sold.toml:1: the file lacks the key 'keep'"),
        ('table = "shop.sold"\nkeep = "1 day"\n', "sold.toml:2: keep belongs to a policy with a period"),
        (PERIOD.replace("2 years", "some years"), "sold.toml:3: keep of the file must be a number of days, months"),
        (PERIOD + 'after = "burn"\n', "sold.toml:4: after 'burn' of the file is not one of: keep, delete"),
        ('table = "shop.sold"\nafter = "delete"\n', 'sold.toml:2: after = "delete" needs a period'),
        (PERIOD + 'after = "delete"\nexpire_days = 9\n', 'expire_days and after = "delete" would'),
        (PERIOD + 'storage_class = "GLACIER"\n', "sold.toml:4: storage_class 'GLACIER' of the file is not one of"),
        (PERIOD + 'storage_class = "STANDARD_IA"\ntransition_days = 3\n', "toml:5: S3 moves nothing to STANDARD_IA"),
        (PERIOD + "transition_days = 3\n", "sold.toml:4: transition_days needs a storage_class"),
        (PERIOD + 'partition = ["archive_period"]\n', "sold.toml:4: partition must name each column once"),
        (PERIOD + 'kms_key = "arn:aws:kms:eu-central-1:1:key/x"\n', "toml:4: kms_key of the file must be"),
        (PERIOD + 'colour = "red"\n', "sold.toml:4: unknown key 'colour' in the file"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(text: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(text)
    assert message in str(caught.value)


@given(
    st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(0, 500), st.sampled_from(["day", "month", "year"]),
    st.sampled_from(["day", "month", "year"]),
)  # fmt: skip
def test_what_is_closed(today: date, keep: int, keep_unit: str, unit: str) -> None:
    policy = replace(read(PERIOD), keep=keep, keep_unit=keep_unit, unit=unit)
    closed = policy.closed_before(today)
    assert closed == start_of(closed, unit) and closed <= start_of(today, unit)
    # It never goes back as time goes on, and keeping more closes less.
    assert policy.closed_before(today + timedelta(days=1)) >= closed
    assert replace(policy, keep=keep + 1).closed_before(today) <= closed


def test_a_month_that_has_just_ended() -> None:
    policy = replace(read(PERIOD), keep=1, keep_unit="month", unit="month")
    assert str(policy.closed_before(date(2024, 2, 29))) == "2024-01-01"
    assert str(policy.closed_before(date(2024, 3, 1))) == "2024-02-01"
    assert str(replace(policy, unit="day").closed_before(date(2024, 3, 31))) == "2024-02-29"


def procedure(directory: Path, name: str, body: str) -> None:
    path = directory / "procedures" / "shop" / f"{name}.sql"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        f"create procedure shop.{name}() as $$ begin {body} end; $$ language plpgsql;", encoding="utf-8"
    )


def test_deleting_needs_writers_that_know_the_horizon(tmp_path: Path) -> None:
    policy = read(PERIOD + 'after = "delete"\n')
    assert list(safety.problems(policy, tmp_path)) == []
    procedure(tmp_path, "other", "-- insert into shop.sold\n insert into shop.sold_too (id) values (1);")
    assert list(safety.problems(policy, tmp_path)) == []
    procedure(tmp_path, "blind", 'insert into "shop" . sold (id) values (1);')
    (problem,) = safety.problems(policy, tmp_path)
    assert problem.startswith("procedures/shop/blind.sql writes shop.sold and does not read archive.horizons")
    procedure(
        tmp_path,
        "blind",
        "insert into shop.sold (id) select 1 from archive.horizons where horizon < '2024-01-01';",
    )
    assert list(safety.problems(policy, tmp_path)) == []
    # It may ask another procedure, which asks another one.
    procedure(tmp_path, "far", "call shop.between(day); insert into shop.sold (id) values (1);")
    procedure(tmp_path, "between", "call shop.blind();")
    assert list(safety.problems(policy, tmp_path)) == []
    procedure(tmp_path, "between", "call shop.other();")
    assert [problem.split()[0] for problem in safety.problems(policy, tmp_path)] == [
        "procedures/shop/far.sql"
    ]
    (tmp_path / "procedures" / "shop" / "far.sql").unlink()
    (problem,) = safety.problems(replace(policy, table="curated.listing_locations"), tmp_path)
    assert "never deleted" in problem
    # The view of another policy of this table would lack the rows; that of a snapshot has days of its own.
    (tmp_path / "procedures" / "archive").mkdir()
    (tmp_path / "procedures" / "archive" / "days.toml").write_text('table = "shop.sold"\n')
    (tmp_path / "procedures" / "archive" / f"{policy.name}.toml").write_text(PERIOD)
    assert list(safety.problems(policy, tmp_path)) == []
    (tmp_path / "procedures" / "archive" / "kept.toml").write_text(PERIOD)
    (problem,) = safety.problems(policy, tmp_path)
    assert problem.startswith("kept.toml archives shop.sold, too") and "archive.all_kept" in problem


def test_lint_finds_the_same() -> None:
    sold = "create table shop.sold (id integer, day date, note super);"
    text = PERIOD + 'partition = ["note"]\n'
    assert [(one.code, one.line, one.message) for one in findings(text, sold)] == [
        ("ZS901", 4, "partition: shop.sold.note is super")
    ]
    assert [one.message for one in findings(PERIOD)] == [
        "no migration creates shop.sold, and no file is a view of that name"
    ]
    blind = "create procedure shop.fill() as $$ begin insert into shop.sold (id) values (1); end; $$ language plpgsql;"
    deleting = PERIOD + 'after = "delete"\n'
    (found,) = findings(deleting, sold, blind)
    assert (found.code, found.line) == ("ZS902", 4) and "shop.fill writes shop.sold" in found.message
    seeing = blind.replace("values (1)", "select 1 from archive.horizons where horizon < current_date")
    assert findings(deleting, sold, seeing) == []
    check = (
        "create procedure archive.check_horizon(of_table varchar(255), of_period varchar(128), day date) as $$ begin"
        " if of_table <> 'shop.bought' then raise exception '% stays, also before %', of_table, day; end if;"
        " end; $$ language plpgsql;"
    )
    (found,) = findings(deleting, sold, check)
    assert (found.code, found.line) == ("ZS902", 4)
    assert found.message == "archive.check_horizon refuses it: shop.sold stays, also before <day>"
    assert findings(deleting, sold, check.replace("bought", "sold")) == []
    assert findings(PERIOD, sold, check) == []
    (found,) = findings("table = 3\n")
    assert found.code == "ZS003" or found.message.startswith("table of the file must be")
