from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.errors import Unsafe, UsageError
from deployer.project import contracts
from deployer.project.contracts import Contract

GOOD = """\
# What analysts rely on.
view = "presentation.sales"

[columns]
day = "date"
place = "character varying(40)"
amount = "numeric(12, 2)"
"Odd name" = "varchar"
"""


def read(directory: Path, text: str, name: str = "sales.contract.toml") -> Contract:
    (directory / name).write_text(text)
    return contracts.read(directory / name, directory)


def test_types_are_spelled_one_way(tmp_path: Path) -> None:
    contract = read(tmp_path, GOOD)
    assert contract.view == "presentation.sales"
    assert [(item.column, item.type, item.line) for item in contract.promises] == [
        ("day", "date", 5),
        ("place", "varchar(40)", 6),
        ("amount", "decimal(12,2)", 7),
        ("Odd name", "varchar", 8),
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("view = ", "sales.contract.toml:1: not valid TOML"),
        ("name = 1", "sales.contract.toml:1: unknown key 'name' in a contract; it has: view, columns"),
        ('[columns]\nday = "date"', 'sales.contract.toml:1: a contract begins with view = "schema.name"'),
        ('view = "sales"', 'sales.contract.toml:1: a contract begins with view = "schema.name"'),
        (
            '\nview = "presentation.other"\n',
            "sales.contract.toml:2: the contract of presentation.other must be called other.contract.toml",
        ),
        ('view = "presentation.sales"', "sales.contract.toml:1: a contract needs a table [columns]"),
        (
            GOOD.replace("numeric(12, 2)", "money"),
            "sales.contract.toml:7: 'money' is not a type of Redshift's",
        ),
        (GOOD.replace('"date"', "1"), "sales.contract.toml:5: the type of day must be a text"),
    ],
)
def test_a_wrong_file_is_refused_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UsageError) as error:
        read(tmp_path, text)
    assert str(error.value).startswith(message)


def test_a_view_has_one_contract(tmp_path: Path) -> None:
    for directory in ("a", "b"):
        (tmp_path / directory).mkdir()
        (tmp_path / directory / "sales.contract.toml").write_text(GOOD)
    with pytest.raises(
        UsageError, match=r"b/sales.contract.toml:1: presentation.sales has another contract, a/"
    ):
        contracts.read_all(tmp_path, tmp_path)


KEPT = {"day": "date", "place": "varchar(40)", "amount": "decimal(12,2)", "Odd name": "varchar(9)"}


@pytest.mark.parametrize(
    ("columns", "broken"),
    [
        (KEPT, []),
        (KEPT | {"new": "super"}, []),
        (dict(reversed(KEPT.items())), []),
        (
            KEPT | {"day": "timestamp"},
            ["presentation.sales.day is promised as date, but it is timestamp"],
        ),
        (
            KEPT | {"place": "varchar(80)"},
            ["presentation.sales.place is promised as varchar(40), but it is varchar(80)"],
        ),
        (
            KEPT | {"Odd name": "char(9)"},
            ["presentation.sales.Odd name is promised as varchar, but it is char(9)"],
        ),
        (
            {name: kind for name, kind in KEPT.items() if name != "amount"},
            ["presentation.sales.amount is promised as decimal(12,2), but there is no such column"],
        ),
    ],
)
def test_what_breaks_a_contract(tmp_path: Path, columns: dict[str, str], broken: list[str]) -> None:
    assert [item.message for item in contracts.breaks(read(tmp_path, GOOD), columns)] == broken


def test_a_length_that_nobody_tells_breaks_nothing_but_is_told(tmp_path: Path) -> None:
    contract = read(tmp_path, GOOD)
    columns = contracts.column_types([(name, "character varying", None, None, None) for name in ("place",)])
    assert columns == {"place": "varchar"}
    assert contracts.breaks(contract, KEPT | columns) == ()
    assert [item.column for item in contracts.untold(contract, KEPT | columns)] == ["place"]


def test_the_refusal_names_every_column_and_exits_with_3(tmp_path: Path) -> None:
    error = contracts.refusal(
        contracts.breaks(read(tmp_path, GOOD), {"day": "date", "Odd name": "varchar(1)"})
    )
    assert isinstance(error, Unsafe) and error.exit_code == 3
    assert "sales.contract.toml:6: presentation.sales.place is promised as varchar(40)" in str(error)
    assert "sales.contract.toml:7: presentation.sales.amount" in str(error)


def test_what_a_plan_would_break(tmp_path: Path) -> None:
    promised = {"presentation.sales": read(tmp_path, GOOD)}
    rows = [("day", "date", None, None, None), ("Odd name", "character varying", 3, None, None)]
    assert contracts.breaks_of(promised, {"presentation.other": []}, ["shop.gone"]) == ()
    assert [item.column for item in contracts.breaks_of(promised, {"presentation.sales": rows})] == [
        "place",
        "amount",
    ]
    assert len(contracts.breaks_of(promised, {}, ["presentation.sales"])) == 4


_TYPES = st.one_of(
    st.sampled_from(
        ["smallint", "integer", "bigint", "real", "double precision", "boolean", "date", "timestamp",
         "timestamptz", "super", "varchar"]
    ),
    st.integers(1, 65535).map("varchar({})".format),
    st.integers(1, 38).flatmap(lambda p: st.integers(0, min(p, 37)).map(lambda s: f"decimal({p},{s})")),
)  # fmt: skip
_NAMES = st.text(st.characters(blacklist_categories=("Cs", "Cc")), min_size=1, max_size=20)


@given(st.dictionaries(_NAMES, _TYPES, min_size=1, max_size=6))
def test_what_is_written_is_read_and_kept(
    tmp_path_factory: pytest.TempPathFactory, columns: dict[str, str]
) -> None:
    directory = tmp_path_factory.mktemp("contract")
    contracts.write(directory / "v.contract.toml", "presentation.v", columns)
    contract = contracts.read(directory / "v.contract.toml", directory)
    assert {item.column: item.type for item in contract.promises} == columns
    assert contracts.breaks(contract, columns) == ()
    for name in columns:
        without = {other: kind for other, kind in columns.items() if other != name}
        assert [item.column for item in contracts.breaks(contract, without)] == [name]


def test_a_contract_is_never_written_over(tmp_path: Path) -> None:
    contracts.write(tmp_path / "v.contract.toml", "presentation.v", {"a": "date"})
    with pytest.raises(UsageError, match="exists already; delete it to have it written anew"):
        contracts.write(tmp_path / "v.contract.toml", "presentation.v", {"b": "date"})
