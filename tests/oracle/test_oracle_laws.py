"""The laws of spec section 5 on the oracle itself, over the random histories of test_laws.py."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings

from oracle.histories import Load, Resync, Run, Step, histories
from oracle.oracle import Oracle
from oracle.record import Record, curate

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def play(oracle: Oracle, step: Step) -> None:
    match step:
        case Load():
            oracle.load(step.source, step.at)
        case Resync():
            oracle.resync(step.table, step.at)
        case Run():
            oracle.run(step.as_of, step.mode, publish_fails=step.publish_fails)


@quick
@given(histories())
def test_the_record_does_not_depend_on_when_runs_happen(history: list[Step]) -> None:
    """Without a copy anew, what many runs merge step by step is what one run merges at the end."""
    oracle = Oracle()
    for step in history:
        if not isinstance(step, Resync):
            play(oracle, step)
            oracle.record.merge(oracle.landing)
    once = Record()
    once.merge(oracle.landing)
    assert oracle.record == once


@quick
@given(histories())
def test_versions_of_a_listing_follow_one_another(history: list[Step]) -> None:
    oracle = Oracle()
    for step in history:
        play(oracle, step)
        for versions in oracle.record.versions.values():
            for version, following in zip(versions, versions[1:], strict=False):
                assert version.valid_to is not None and version.valid_to <= following.valid_from
            assert all(v.valid_to is None or v.valid_from < v.valid_to for v in versions)


@quick
@given(histories())
def test_numbers_agree_with_one_another(history: list[Step]) -> None:
    oracle = Oracle()
    for step in history:
        play(oracle, step)
    if oracle.published is None:
        return
    curated, as_of = oracle.published.curated, oracle.published.as_of
    for *_, available, booked, rate, overbooked in oracle.rows("occupancy_rate_monthly"):
        assert 0 <= overbooked <= booked <= available and 0 <= rate <= 1
    stays = [b for b in curated.bookings if b.is_stay and b.booking_date <= as_of]
    placed = [b for b in stays if b.apartment_id in curated.locations]
    assert sum(row[3] for row in oracle.rows("popular_locations_weekly")) == len(placed)
    assert sum(row[2] for row in oracle.rows("bookings_per_user_weekly")) == len(stays)
    again = curate(oracle.landing, oracle.record)
    accounted = len(again.bookings) + len({key for key, _ in again.rejected_bookings})
    assert accounted == len(oracle.landing.present("bookings"))
