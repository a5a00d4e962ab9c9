"""[env.local.zero_etl.<name>]: what is read, and what is refused with file and line."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployer.data_filter import DataFilter, FilterError
from deployer.errors import UsageError
from deployer.project import config

HEAD = '[project]\nname = "x"\n[env.local]\nkind = "local"\n[env.local.zero_etl.rental]\n'


def load(tmp_path: Path, lines: str) -> config.Environment:
    (tmp_path / "zeroshift.toml").write_text(HEAD + lines)
    return config.load(tmp_path).environment("local")


def test_a_source_and_its_defaults(tmp_path: Path) -> None:
    (one,) = load(
        tmp_path, 'source = "mysql://me%40here@db.example:3307/rental"\npassword_env = "PW"\n'
    ).zero_etl
    assert (one.name, one.host, one.port, one.user, one.database) == (
        "rental", "db.example", 3307, "me@here", "rental",
    )  # fmt: skip
    assert (one.landing, one.password_env, one.filter.text, one.refresh_interval) == (
        "rental_landing", "PW", "include: rental.*", 0,
    )  # fmt: skip


def test_the_local_source(tmp_path: Path) -> None:
    (one,) = load(tmp_path, 'source = "local"\n').zero_etl
    assert one.is_local
    assert (one.truncatecolumns, one.acceptinvchars, one.query_all_states) == (False, False, False)
    (one,) = load(
        tmp_path, 'source = "local"\ntruncatecolumns = true\nacceptinvchars = true\nquery_all_states = true\n'
    ).zero_etl
    assert (one.truncatecolumns, one.acceptinvchars, one.query_all_states) == (True, True, True)
    assert (one.database, one.filter.text, one.landing) == ("rental", "include: rental.*", "rental_landing")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            'source = "local"\npassword_env = "PW"',
            r'zeroshift.toml:7: source = "local" makes its own password',
        ),
        ('source = "mysql://me:secret@db/rental"', r"zeroshift.toml:6: source holds a password"),
        ('source = "oracle://me@db/rental"', r"source must be a URL like"),
        ('source = "postgresql://me@db"', r"must name the database"),
        (
            'source = "postgresql://me@db/rental"\nfilter = "include: rental.*"',
            r"a pattern names database.schema.table",
        ),
        ('source = "mysql://db/rental"', r"source must be a URL like"),
        ('source = "mysql://me@db/a/b"', r"source must be a URL like"),
        ('source = "mysql://me@db:port/a"', r"source must be a URL like"),
        (
            'source = "mysql://me@db/a"\nfilter = "inclde: a.*"',
            r"zeroshift.toml:7: the data filter has 'inclde: a",
        ),
        ('source = "mysql://me@db/a"\nlanding = "Rental"', r"a database's name in lower case"),
        (
            'source = "mysql://me@db/a"\nlanding = "dev"',
            r"landing 'dev' is a database that the warehouse has anyhow",
        ),
        (
            'source = "mysql://me@db/a"\n[env.local.zero_etl.b]\nsource = "local"\nlanding = "rental_landing"',
            r"landing 'rental_landing' of b is that of rental, too",
        ),
        ('source = "mysql://me@db/a"\npassword_env = "A"\npassword_file = "b"', r"exclude each other"),
        ('source = "mysql://me@db/a"\nrefresh_interval = 432001', r"whole number from 0 to 432000"),
        ('source = "mysql://me@db/a"\nhistory_mode = "off"', r"history_mode"),
    ],
)
def test_refusals(tmp_path: Path, lines: str, told: str) -> None:
    with pytest.raises(UsageError, match=told) as caught:
        load(tmp_path, lines + "\n")
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "place", "passes"),
    [
        ("include: *.*", ("a", "b"), True),
        ("include: a.*", ("b", "b"), False),
        ("include: a.b", ("a", "bc"), False),
        ("exclude: a.b", ("a", "c"), False),
        ("include: a.*, exclude: a.b", ("a", "b"), False),
        ("include: a.*, exclude: a.b", ("a", "c"), True),
        ("include: a.*, exclude: a.b, include: a.b", ("a", "b"), True),
        (r"include: a./log_\d+/", ("a", "log_12"), True),
        (r"include: a./log_\d+/", ("a", "log_12x"), False),
        ("INCLUDE: a./x, y/", ("a", "x, y"), True),
    ],
)
def test_the_last_pattern_that_matches_wins(text: str, place: tuple[str, str], passes: bool) -> None:
    assert DataFilter.parse(text).lets_through(*place) is passes


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("a.b", "begins with include: or exclude:"),
        ("include: a", "names database.table"),
        ("include: a.[bc]", r"holds '\['"),
        ("include: a./+/", "regular expression"),
        ("include: a." + "b" * 256, "256 are the most"),
        (", ".join(["include: a.b"] * 100), "99 are the most"),
    ],
)
def test_filters_that_aws_would_not_take(text: str, told: str) -> None:
    with pytest.raises(FilterError, match=told):
        DataFilter.parse(text)
