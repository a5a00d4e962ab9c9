"""Any table of supported types, archived and restored, is equal row for row; others read the files, too."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from archive_project import ArchiveProject
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from small_project import SmallProject

from deployer.errors import Unsafe
from deployer.local.environment import LocalEnvironment, Status
from deployer.operations.archive import restore
from deployer.operations.warehouses import target_of
from deployer.sql.names import quote_literal
from deployer.warehouse.session import Session

DAYS = st.dates(date(1, 1, 1), date(9999, 12, 31))
INSTANTS = st.datetimes().map(lambda value: f"'{value:%H:%M:%S.%f}'")
TEXTS = st.text(st.characters(exclude_characters="\x00", exclude_categories=("Cs",)), max_size=20)


def decimals(digits: int, scale: int) -> st.SearchStrategy[str]:
    unit = 10**scale

    def text(number: int) -> str:
        whole, part = divmod(abs(number), unit)
        return f"{'-' if number < 0 else ''}{whole}.{part:0{scale}d}"

    return st.integers(1 - 10**digits, 10**digits - 1).map(text)


KINDS: dict[str, st.SearchStrategy[str]] = {
    "smallint": st.integers(-(2**15), 2**15 - 1).map(str),
    "integer": st.integers(-(2**31), 2**31 - 1).map(str),
    "bigint": st.integers(-(2**63) + 1, 2**63 - 1).map(str),
    "decimal(38, 10)": decimals(38, 10),
    "decimal(38, 0)": st.integers(-(10**38) + 1, 10**38 - 1).map(str),
    "decimal(12, 2)": decimals(12, 2),
    "real": st.floats(width=32, allow_nan=False, allow_infinity=False).map(repr),
    "double precision": st.floats(allow_nan=False, allow_infinity=False, allow_subnormal=False).map(repr),
    "boolean": st.sampled_from(["true", "false"]),
    "varchar(400)": TEXTS.map(quote_literal),
    "char(5)": st.text("abc ", max_size=5).map(quote_literal),
    "date": DAYS.map(lambda day: f"'{day.isoformat()}'"),
    "timestamp": st.datetimes().map(lambda value: f"'{value.isoformat(' ')}'"),
    "timestamptz": st.datetimes().filter(lambda value: 1 < value.year < 9999).map(
        lambda value: f"'{value.isoformat(' ')}+00'"
    ),
    "time": INSTANTS,
    "timetz": INSTANTS.map(lambda text: f"{text[:-1]}+00'"),
    "varbyte(200)": st.binary(max_size=50).map(lambda data: f"from_hex('{data.hex()}')"),
    "super": st.recursive(
        st.none() | st.booleans() | st.integers(-(2**31), 2**31) | TEXTS,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
        max_leaves=5,
    ).map(lambda value: f"json_parse({quote_literal(_json(value))})"),
}  # fmt: skip


def _json(value: object) -> str:
    import json

    return json.dumps(value, ensure_ascii=False)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[str], list[list[str]]]:
    kinds = draw(st.lists(st.sampled_from(sorted(KINDS)), min_size=1, max_size=8))
    values = st.tuples(*[st.just("null") | KINDS[kind] for kind in kinds]).map(list)
    return kinds, draw(st.lists(values, max_size=6))


@pytest.fixture(scope="module")
def archive(
    tmp_path_factory: pytest.TempPathFactory, environment: LocalEnvironment, make_empty: Any
) -> Iterator[ArchiveProject]:
    """Deployed once: the examples make and drop their own tables."""
    make_empty()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ZEROSHIFT_HOME", str(environment.home))
        made = ArchiveProject(SmallProject(tmp_path_factory.mktemp("archive") / "project"))
        made.deploy()
        yield made


@pytest.fixture(scope="module")
def asked(archive: ArchiveProject, status: Status) -> Iterator[Session]:
    with Session(target_of(status)) as opened:
        yield opened


def _shown(kinds: list[str]) -> str:
    """A select list that gives each value as text or as the driver's own, exactly."""
    parts = ["id"]
    for number, kind in enumerate(kinds):
        name = f"c{number}"
        parts.append({"super": f"json_serialize({name})", "varbyte(200)": f"to_hex({name})"}.get(kind, name))
    return ", ".join(parts)


_DAY = [date(2004, 1, 1)]


def round_trip(archive: ArchiveProject, session: Session, kinds: list[str], rows: list[list[str]]) -> str:
    """Archive a table of these rows as a snapshot, bring it back into another one, compare; gives the run's name."""
    session.execute("drop table if exists shop.one")
    session.execute("drop table if exists shop.again")
    defined = "".join(f", c{number} {kind}" for number, kind in enumerate(kinds))
    session.execute(f"create table shop.one (id integer{defined})")
    for number, row in enumerate(rows):
        session.execute(f"insert into shop.one values ({', '.join([str(number), *row])})")
    # A day and a policy of its own: nothing that an example before has archived counts.
    _DAY[0] += timedelta(days=1)
    name = f"one_{_DAY[0]:%Y%m%d}"
    archive.policy(name, 'table = "shop.one"\n')
    (outcome,) = archive.run(name, as_of=_DAY[0]).outcomes
    assert outcome.run is not None and outcome.run.row_count == len(rows)
    project = archive.small.load()
    done = restore.restore(
        project, project.environment("local"), outcome.run.archive_run, into="shop.again", wait=30
    )
    assert done.rows == len(rows)
    shown = _shown(kinds)
    before = session.execute(f"select {shown} from shop.one order by id").rows
    assert session.execute(f"select {shown} from shop.again order by id").rows == before
    (archive.small.root / "procedures" / "archive" / f"{name}.toml").unlink()
    return outcome.run.archive_run


@pytest.mark.slow
@pytest.mark.timeout(1800)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(table=tables())
def test_any_table_comes_back_equal(
    archive: ArchiveProject, asked: Session, table: tuple[list[str], list[list[str]]]
) -> None:
    round_trip(archive, asked, *table)


@pytest.mark.slow
def test_every_type_at_once_with_no_row_and_with_one(archive: ArchiveProject, asked: Session) -> None:
    kinds = sorted(KINDS)
    round_trip(archive, asked, kinds, [])
    round_trip(archive, asked, kinds, [["null"] * len(kinds)])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_super_of_sixteen_megabytes(archive: ArchiveProject, asked: Session) -> None:
    """The largest there is (developer guide, SUPER type: 16,000,000 bytes)."""
    text = "é" * 7_999_000
    asked.execute("drop table if exists shop.large")
    asked.execute("create table shop.large (doc super)")
    asked.execute("insert into shop.large values (json_parse(%s))", ('{"text": "' + text + '"}',))
    archive.policy("large", 'table = "shop.large"\n')
    (outcome,) = archive.run("large", as_of=date(2023, 1, 1)).outcomes
    assert outcome.run is not None
    project = archive.small.load()
    asked.execute("drop table if exists shop.large_again")
    restore.restore(project, project.environment("local"), "large", into="shop.large_again", wait=30)
    # JSON_SERIALIZE gives 65,535 bytes at most.
    shown = "select json_size(doc), md5(json_serialize_to_varbyte(doc)) from shop.large"
    found = asked.execute(f"{shown}_again").rows
    assert found == asked.execute(shown).rows and found[0][0] > 15_990_000
    # The view shows the text of what an external table's column has room for, and does not fail.
    cut = asked.execute(
        "select json_typeof(doc), octet_length(cast(doc as varchar(65535))) from archive.all_large"
    ).rows
    assert cut[0][0] == "string" and 65_500 < cut[0][1] <= 65_535


@pytest.mark.slow
def test_null_partitions_and_other_readers(archive: ArchiveProject, asked: Session, tmp_path: Path) -> None:
    asked.execute("drop table if exists shop.parts")
    asked.execute("create table shop.parts (id integer, city varchar(40), amount decimal(38, 4))")
    asked.execute(
        "insert into shop.parts values (1, 'Köln/1', 1.5), (2, null, 99999999999999999999999999999999.9999)"
    )
    archive.policy("parts", 'table = "shop.parts"\npartition = ["city"]\n')
    (outcome,) = archive.run("parts", as_of=date(2023, 1, 2)).outcomes
    assert outcome.run is not None
    files = [key for key in archive.keys() if outcome.run.archive_run in key and key.endswith(".parquet")]
    assert sorted(key.rsplit("/", 2)[1] for key in files) == [
        "city=Köln%2F1",
        "city=__HIVE_DEFAULT_PARTITION__",
    ]
    found = []
    for number, key in enumerate(files):
        data = archive.bucket.read(key)
        assert data is not None
        table = parquet.ParquetFile(io.BytesIO(data)).read()
        assert table.column_names == ["id", "city", "amount", "archive_period"]
        path = tmp_path / f"{number}.parquet"
        path.write_bytes(data)
        found += duckdb.sql(f"select * from read_parquet('{path}', hive_partitioning = false)").fetchall()
    assert sorted(found) == [
        (1, "Köln/1", Decimal("1.5000"), date(2023, 1, 2)),
        (2, None, Decimal("99999999999999999999999999999999.9999"), date(2023, 1, 2)),
    ]
    assert asked.execute("select id, city, archive_period from archive.all_parts order by 1").rows == (
        (1, "Köln/1", date(2023, 1, 2)), (2, None, date(2023, 1, 2)),
    )  # fmt: skip


@pytest.mark.slow
def test_a_type_that_cannot_come_back_is_refused(archive: ArchiveProject, asked: Session) -> None:
    asked.execute("drop table if exists shop.spans")
    asked.execute("create table shop.spans (id integer, archive_period date)")
    archive.policy("spans", 'table = "shop.spans"\n')
    with pytest.raises(Unsafe, match="archive_period, which is the archive's own name"):
        archive.run("spans")
    (archive.small.root / "procedures" / "archive" / "spans.toml").unlink()
