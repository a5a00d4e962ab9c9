"""docs/local-redshift.md is held to the gateway, and every page to its links."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "local-redshift.md").read_text(encoding="utf-8")

Run = Callable[[str], Any]


@pytest.fixture
def run(fresh_database: None, connect: Callable[..., Any]) -> Run:
    connection = connect(autocommit=True)

    def run(sql: str) -> Any:
        cursor = connection.cursor()
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()] if cursor.description else None

    for statement in (
        "create table t (a integer, b decimal(12, 2), c varchar(3), d super) sortkey (a)",
        "insert into t select 1, 2.50, 'x', null",
        "create table u (a integer)",
    ):
        run(statement)
    return run


REFUSED = {
    "COMMENT ON CONSTRAINT": "comment on constraint k on t is 'x'",
    "scoped permissions": "grant select for tables in schema public to role r",
    "system permissions": "grant create user to role r",
    "paths in SUPER": "attach masking policy p on t (d.x) to public",
    "HyperLogLog": "select hll(a) from t",
    "63 bytes": f"select a as {'x' * 64} from t",
}


@pytest.mark.parametrize("named", REFUSED)
def test_what_the_page_calls_refused_is_refused(run: Run, named: str) -> None:
    assert named in PAGE
    with pytest.raises(Exception) as caught:
        run(REFUSED[named])
    told = caught.value.args[0]
    assert isinstance(told, dict) and told["C"] in ("0A000", "42601", "42622", "42883"), told


@pytest.mark.parametrize(
    "sql, expected",
    [
        ("select sum(b) / count(*) from t", "2.5000"),
        ("select avg(a) from t", "1"),
        ("select cast('äöü' as varchar(3))", "ä"),
        ("select count(*) from t where c = 'x  '", "1"),
        ("select datediff(week, '2024-01-07'::date, '2024-01-08'::date)", "1"),
        ("select extract(microsecond from getdate())", "0"),
    ],
)
def test_what_the_page_calls_emulated(run: Run, sql: str, expected: str) -> None:
    assert [str(value) for (value,) in run(sql)] == [expected]


def test_a_value_too_long_in_bytes_is_told_as_redshift_tells_it(run: Run) -> None:
    with pytest.raises(Exception, match=r"value too long for type character varying\(3\)"):
        run("insert into t (c) values ('äö')")


@pytest.mark.parametrize(
    "page", sorted(p.relative_to(ROOT).as_posix() for p in ROOT.glob("docs/**/*.md")) + ["README.md"]
)
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        if not target.startswith("http"):
            assert (ROOT / page).parent.joinpath(target).exists(), f"{page} links to {target}"
