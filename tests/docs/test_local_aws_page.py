"""docs/local-aws.md says what the local AWS answers: calls, times, orders, and an example that works."""

from __future__ import annotations

import re
from pathlib import Path

from deployer import aurora
from deployer.local.aws.faults import Faults
from deployer.local.aws.integrations.behaviour import SECONDS, Behaviour
from deployer.local.aws.integrations.rds import Rds
from deployer.local.aws.integrations.redshift import Redshift
from deployer.local.aws.integrations.store import Store
from deployer.local.aws.integrations.target import Targets

TEXT = (Path(__file__).parents[2] / "docs/local-aws.md").read_text()


def row(first: str) -> list[str]:
    """The cells of the table's line that begins so."""
    line = next(line for line in TEXT.splitlines() if line.startswith(f"| {first} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_calls(tmp_path: Path) -> None:
    (tmp_path / "aws").mkdir()
    store, targets = Store(tmp_path), Targets(lambda _: [], lambda _: [])
    for name, service in (
        ("`rds`", Rds(store, targets, lambda *_: None, "000000000000")),
        ("`redshift`", Redshift(store, targets)),
    ):
        assert set(re.findall(r"[A-Z]\w{8,}", row(name)[1])) == set(service._operations)


def test_times() -> None:
    assert {status: float(row(status)[1].removesuffix(" s")) for status in SECONDS} == SECONDS


def test_the_parameters_of_the_example_are_what_a_source_needs() -> None:
    given = dict(re.findall(r"ParameterName=(\w+),ParameterValue=(\w+)", TEXT))
    assert all(one.holds(given.get(one.name)) for one in aurora.PARAMETERS[aurora.MYSQL])
    assert aurora.is_supported(aurora.MYSQL, re.findall(r"--engine-version (\S+)", TEXT)[0])


def test_the_orders_can_be_given(tmp_path: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    exec(code, {"home": tmp_path})
    assert Faults(tmp_path).take("rds", "CreateIntegration")
    assert Behaviour(tmp_path).is_held("rental", "creating")
