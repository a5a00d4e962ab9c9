"""Histories through `local load` and `call ops.run_rental`: every presentation table equals the oracle's.

spec/rental_metrics.md section 5: incremental = full, idempotent, whole or not at all, accounted.
"""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings

from oracle.histories import Step, histories
from oracle.known import HISTORIES
from oracle.play import play
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


@settings(_SETTINGS, max_examples=25)
@given(histories())
def test_random_histories(warehouse: Warehouse, history: list[Step]) -> None:
    play(warehouse, history)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@settings(_SETTINGS, max_examples=400)
@given(histories(max_rounds=9))
def test_many_random_histories(warehouse: Warehouse, history: list[Step]) -> None:
    play(warehouse, history)
