"""INTERVAL in binary, as redshift_connector reads and sends it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redshift_connector.utils.type_utils import interval_recv_integer, interval_send_integer

from deployer.local.gateway import intervals
from deployer.local.gateway.backend import ServerError


@given(st.integers(-(10**15), 10**15), st.integers(-(10**4), 10**4), st.integers(0, 2**15 - 1))
def test_the_driver_reads_what_is_sent(micros: int, days: int, months: int) -> None:
    sent = intervals.to_redshift(intervals._OURS.pack(micros, days, months))
    read = interval_recv_integer(sent, 0, len(sent))
    total = micros + days * 86_400_000_000
    if months:
        assert (read.microseconds, read.days, read.months) == (total, 0, months)
    else:
        assert read == timedelta(microseconds=total)
    assert intervals._OURS.unpack(intervals.from_redshift(sent)) == (total, 0, months)


def test_what_is_no_interval_is_left_to_postgresql() -> None:
    assert intervals.from_redshift(b"short") == b"short"
    with pytest.raises(ServerError, match="interval out of range"):
        intervals.to_redshift(intervals._OURS.pack(2**63 - 1, 1, 0))


def test_through_the_driver(connect: Callable[..., Any], fresh_database: object) -> None:
    cursor = connect(autocommit=True).cursor()
    cursor.execute(
        "select interval '2 days 03:04:05.5' as a, 7 as b, interval '1 hour' * 30 as c, null::interval as d, 'x' as e"
    )
    assert [column[0] for column in cursor.description] == ["a", "b", "c", "d", "e"]
    half = timedelta(days=2, hours=3, minutes=4, seconds=5, microseconds=500_000)
    assert tuple(cursor.fetchone()) == (half, 7, timedelta(hours=30), None, "x")
    cursor.execute("select interval '1 year 2 months'")
    (value,) = cursor.fetchone()
    assert value.months == 14
    assert interval_send_integer(half) == intervals.to_redshift(intervals._OURS.pack(11_045_500_000, 2, 0))
    cursor.execute("select date '2026-01-01' + %s", (timedelta(days=1, hours=2),))
    assert str(cursor.fetchone()[0]) == "2026-01-02 02:00:00"
