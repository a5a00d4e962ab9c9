"""docs/local-replication-postgresql.md says what replication of a PostgreSQL does: types, settings, its slot."""

from __future__ import annotations

import re
from pathlib import Path

from deployer.local.replication.postgres import source, types
from deployer.local.replication.settings import Settings
from deployer.project import config

PAGE = Path(__file__).parents[2] / "docs/local-replication-postgresql.md"
TEXT = PAGE.read_text()

NAMES = {
    "smallint": "int2", "integer": "int4", "bigint": "int8", "real": "float4", "double precision": "float8",
    "boolean": "bool", "timestamp with time zone": "timestamptz", "time with time zone": "timetz",
    "bit varying": "varbit", "integer[]": "_int4", "text[]": "_text",
}  # fmt: skip
MODIFIERS = {
    "numeric(12,2)": ("numeric", (12 << 16 | 2) + types.HEADER),
    "char(5)": ("bpchar", 5 + types.HEADER),
    "varchar(20)": ("varchar", 20 + types.HEADER),
    "bit(9)": ("bit", 9),
    "interval year to month": ("interval", 0x0006 << 16 | 0xFFFF),
    "interval day to second": ("interval", 0x1C08 << 16 | 0xFFFF),
}


def test_types() -> None:
    lines = TEXT[TEXT.index("| source | landing |") :].split("\n\n")[0].splitlines()[2:]
    documented = {}
    for line in lines:
        sources, landing = (cell.strip() for cell in line.strip("|").split("|"))
        for each in re.split(r", (?![^(]*\))", sources):
            documented[MODIFIERS.get(each, (NAMES.get(each, each), -1))] = landing.lower()
    assert {
        (name, modifier): types.landing_type(name, modifier) for name, modifier in documented
    } == documented
    known = {name for name, _ in documented}
    assert set(types._FIXED) <= known
    assert known - set(types._FIXED) == {"numeric", "bpchar", "interval", "_int4", "_text"}


def test_the_example(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", TEXT, re.DOTALL)
    assert example is not None
    (tmp_path / "zeroshift.toml").write_text(
        '[project]\nname = "x"\n[env.local]\nkind = "local"\n' + example[1]
    )
    (one,) = config.load(tmp_path).environment("local").zero_etl
    assert (one.is_postgres, one.port, one.database) == (True, 5432, "rental")
    assert one.filter.lets_through("rental", "public", "bookings")
    assert not one.filter.lets_through("rental", "audit", "bookings")


def test_slots_and_publications_are_called_so() -> None:
    slot = source.slot_name(Settings("rental", "", 0, "", "", "", "", "", is_postgres=True), 17)
    assert slot.startswith("zeroshift_rental_") and "like 'zeroshift_%'" in TEXT
    assert f"create publication {source.PUBLICATION} for all tables" in TEXT
