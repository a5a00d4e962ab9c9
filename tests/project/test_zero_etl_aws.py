"""[env.<name>.zero_etl.<name>] of an environment in AWS: what is read, what is refused, what follows the schedules."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.errors import UsageError
from deployer.project import config
from deployer.project.schedules import cadence
from deployer.project.schedules.model import Eventbridge, Schedule
from deployer.project.zero_etl_aws import AwsZeroEtl

HEAD = """\
[project]
name = "x"
[env.prod]
kind = "serverless"
workgroup = "analytics"
database = "dev"
region = "eu-central-1"
admin_secret = "redshift!shop-admin"
[env.prod.zero_etl.rental]
"""
POSTGRESQL = 'source = "c"\nengine = "aurora-postgresql"\ndatabase = "shop"\n'


def load(tmp_path: Path, lines: str) -> tuple[AwsZeroEtl, ...]:
    (tmp_path / "zeroshift.toml").write_text(HEAD + lines)
    return config.load(tmp_path).environment("prod").integrations


def test_a_source_and_its_defaults(tmp_path: Path) -> None:
    (one,) = load(tmp_path, 'source = "rental-cluster"\n')
    assert one == AwsZeroEtl("rental", "rental-cluster", "rental_landing", line=9)
    assert one.history_mode and not one.truncatecolumns and one.refresh_interval is None


def test_everything_that_can_be_said(tmp_path: Path) -> None:
    (one,) = load(
        tmp_path,
        POSTGRESQL
        + 'filter = "include: shop.public.*, exclude: shop.public./tmp.*/"\nkms_key = "alias/zero-etl"\n'
        'landing = "shop_in"\nhistory_mode = false\nrefresh_interval = 120\ntruncatecolumns = true\n'
        "acceptinvchars = true\nquery_all_states = true\nmax_lag = 600\n"
        'connection = "postgresql://reader@db.example"\npassword_env = "PW"\n'
        '[env.prod.zero_etl.rental.tags]\nteam = "data"\n',
    )
    assert (one.database, one.landing, one.kms_key) == ("shop", "shop_in", "alias/zero-etl")
    assert (one.history_mode, one.truncatecolumns, one.acceptinvchars) == (False, True, True)
    assert one.query_all_states
    assert one.tags == {"team": "data"}
    assert one.connection is not None
    assert (one.connection.host, one.connection.port, one.connection.user) == ("db.example", 5432, "reader")


def test_aurora_postgresql_gets_the_filter_that_aws_demands(tmp_path: Path) -> None:
    (one,) = load(tmp_path, POSTGRESQL)
    assert one.filter == "include: shop.*.*"


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("", "lacks the key 'source'"),
        ('source = "arn:aws:rds:x:1:cluster:c"', "toml:10: source .* an Aurora cluster's identifier, not its ARN"),
        ('source = "c"\nlanding = "Up"', "toml:11: landing .* must be a database's name in lower case"),
        ('source = "c"\nengine = "mysql"', "toml:11: engine 'mysql' .* aurora-mysql, aurora-postgresql"),
        ('source = "c"\nengine = "aurora-postgresql"', "lacks the key 'database'"),
        ('source = "c"\ndatabase = "shop"', "toml:11: database is for Aurora PostgreSQL"),
        ('source = "c"\nfilter = "include: a.(b)"', "toml:11: the data filter holds '\\('"),
        (POSTGRESQL + 'filter = "include: shop.*"', "database.schema.table"),
        (POSTGRESQL + 'filter = "include: other.*.*"', "names the database other"),
        (POSTGRESQL + 'filter = "include: /sh.p/.a.b"', "regular expression for the database, which must be named"),
        (POSTGRESQL + 'filter = "include: shop./a**/.b"', "the regular expression /a\\*\\*/, which is none"),
        ('source = "c"\nlanding = "dev"', "toml:11: landing 'dev' is a database that the warehouse has anyhow"),
        ('source = "c"\nkms_key = "arn:aws:kms:x"', "toml:11: kms_key .* not its ARN"),
        ('source = "c"\nrefresh_interval = 432001', "toml:11: refresh_interval"),
        ('source = "c"\nhistory_mode = 1', "toml:11: history_mode .* true or false"),
        ('source = "c"\nconnection = "mysql://me:secret@db"', "toml:11: connection holds a password"),
        ('source = "c"\nconnection = "postgresql://me@db"', "toml:11: connection must be a URL like \"mysql://"),
        ('source = "c"\nconnection = "mysql://me@db/shop"', "without a password and without a database"),
        ('source = "c"\npassword_env = "PW"', "toml:11: password_env goes with the key 'connection'"),
        ('source = "c"\nhistory = true', "toml:11: unknown key 'history'"),
        ('source = "c"\n[env.prod.zero_etl.rental.tags]\n"aws:x" = "y"', "toml:12: tag 'aws:x'"),
        ('source = "c"\n[env.prod.zero_etl.other]\nsource = "c"', "toml:12: source 'c' of other is that of rental"),
        ('source = "c"\n[env.prod.zero_etl.Rental]\nsource = "d"', "toml:11: the integration's name 'Rental'"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, lines: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        load(tmp_path, lines)
    assert "secret" not in str(refused.value)


def schedule(expression: str, **more: object) -> Schedule:
    given = {"statement": "call ops.run_rental(null, 'incremental')", "pipeline": "rental"} | more
    return Schedule("s", expression, "Europe/Berlin", **given)  # type: ignore[arg-type]


ONE = AwsZeroEtl("rental", "c", "rental_landing", line=9)


@pytest.mark.parametrize(
    ("schedules", "seconds"),
    [
        ([schedule("rate(1 hour)")], 1800),
        # The quickest of them counts, and one that is switched off does not.
        ([schedule("cron(5 * * * ? *)"), schedule("cron(30 2 * * ? *)")], 1800),
        ([schedule("rate(1 minute)", enabled=False), schedule("rate(1 day)")], 43200),
        # A statement tells its pipeline, too.
        ([schedule("rate(10 minutes)", pipeline="")], 300),
        ([schedule("rate(1 minute)")], 60),
        ([schedule("cron(0 3 1 * ? *)")], 432_000),
    ],
)
def test_the_refresh_interval_follows_the_schedule(schedules: list[Schedule], seconds: int) -> None:
    made = Eventbridge(schedules=tuple(schedules))
    assert cadence.refresh_interval(ONE, made) == seconds
    assert cadence.max_lag(ONE, made) == 2 * seconds + 900


@pytest.mark.parametrize(
    "schedules",
    [[], [schedule("rate(1 hour)", pipeline="", statement="call ops.assert_fresh('rental', 1)")],
     [schedule("at(2030-01-01T00:00:00)")]],
)  # fmt: skip
def test_without_a_schedule_the_interval_must_be_said(schedules: list[Schedule]) -> None:
    with pytest.raises(UsageError, match="zeroshift.toml:9: the integration rental needs refresh_interval"):
        cadence.refresh_interval(ONE, Eventbridge(schedules=tuple(schedules)))
