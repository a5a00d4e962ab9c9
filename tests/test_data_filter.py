"""Data filters: which tables they let through, and what AWS would refuse."""

from __future__ import annotations

import pytest

from deployer.data_filter import DataFilter, FilterError


def test_the_last_pattern_that_matches_wins() -> None:
    chosen = DataFilter.parse("include: rental.*, exclude: rental./tmp_.*/, include: rental.tmp_kept")
    assert chosen.lets_through("rental", "bookings")
    assert not chosen.lets_through("rental", "tmp_a")
    assert chosen.lets_through("rental", "tmp_kept")
    assert not chosen.lets_through("other", "bookings")


def test_postgresql_has_three_parts() -> None:
    chosen = DataFilter.parse('include: "Rental".*.*, exclude: Rental.audit./.*_log/', parts=3)
    assert chosen.lets_through("Rental", "public", "bookings")
    assert not chosen.lets_through("Rental", "audit", "a_log")
    assert chosen.lets_through("Rental", "audit", "a")
    assert not chosen.lets_through("rental", "public", "bookings")
    with pytest.raises(ValueError, match="3 parts, not 2"):
        chosen.lets_through("Rental", "bookings")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("include: rental.bookings", "a pattern names database.schema.table"),
        ("include: /r.*/.public.t", "regular expression for the database"),
        ("include: *.*.*", "names no database"),
        ("exclude: rental.public.t", "names no database"),
    ],
)
def test_what_a_filter_of_postgresql_must_be(text: str, told: str) -> None:
    with pytest.raises(FilterError, match=told):
        DataFilter.parse(text, parts=3)
