"""Histories through `local load` and `call ops.run_rental`: every presentation table equals the oracle's.

spec/rental_metrics.md section 5: incremental = full, idempotent, whole or not at all, accounted.
"""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from oracle.closing import Close, closing_histories
from oracle.histories import Step, histories
from oracle.known import BASE, HISTORIES, STAY
from oracle.oracle import Oracle
from oracle.play import compare, play
from oracle.source import Version, snapshot
from oracle.warehouse import Warehouse

# A history's failure is worth a minute of shrinking, the ordinary case is worth none of hypothesis's clock.
_SETTINGS = settings(
    deadline=None,
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    phases=[Phase.explicit, Phase.reuse, Phase.generate, Phase.shrink],
)


@pytest.mark.parametrize("name", HISTORIES)
def test_known_history(warehouse: Warehouse, name: str) -> None:
    play(warehouse, HISTORIES[name])


def test_what_lands_out_of_order_is_read(warehouse: Warehouse) -> None:
    """Changes within the look-back before the newest one seen, which landed only after a run had read it."""
    warehouse.restore()
    oracle = Oracle()
    first, noon, late = datetime(2024, 1, 10), datetime(2024, 1, 20, 12), datetime(2024, 1, 20, 11, 55)
    base = snapshot(*BASE, STAY, replace(STAY, booking_id=2, user_id=2))
    changed = snapshot(*BASE, replace(STAY, user_id=3), replace(STAY, booking_id=2, user_id=2))
    for target in (warehouse, oracle):
        target.load(base, first)
        target.load(changed, noon)
        assert target.run(noon) == "published"
    new = Version(replace(STAY, booking_id=9, user_id=9), late)
    warehouse.land("bookings", new)
    oracle.landing.tables["bookings"].append(new)
    assert warehouse.run(noon) == oracle.run(noon) == "published"
    compare(warehouse, oracle, "a booking that landed late")
    warehouse.end("bookings", 2, late)
    oracle.landing.tables["bookings"] = [
        replace(v, deleted=late) if v.row.booking_id == 2 else v for v in oracle.landing.tables["bookings"]
    ]
    assert warehouse.run(noon) == oracle.run(noon) == "published"
    compare(warehouse, oracle, "a deletion that landed late")


@settings(_SETTINGS, max_examples=5)
@given(histories())
def test_random_histories(warehouse: Warehouse, history: list[Step]) -> None:
    play(warehouse, history)


@settings(_SETTINGS, max_examples=3)
@given(closing_histories())
def test_random_histories_with_an_archive(warehouse: Warehouse, history: list[Step | Close]) -> None:
    play(warehouse, history)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(_SETTINGS, max_examples=int(os.environ.get("ZEROSHIFT_CLOSING_HISTORIES", "8")))
@given(closing_histories(max_rounds=9))
def test_many_random_histories_with_an_archive(warehouse: Warehouse, history: list[Step | Close]) -> None:
    play(warehouse, history)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(_SETTINGS, max_examples=int(os.environ.get("ZEROSHIFT_HISTORIES", "100")))
@given(histories(max_rounds=9))
def test_many_random_histories(warehouse: Warehouse, history: list[Step]) -> None:
    play(warehouse, history)
