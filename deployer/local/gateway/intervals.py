"""INTERVAL in the binary format.

PostgreSQL 8.0, from which Redshift descends, has no days in an interval: 8 bytes of time and 4 of months, where
today's has 4 bytes of days between them. redshift_connector (utils/type_utils.py, interval_recv_integer and
interval_send_integer) reads and sends these 12 bytes, the last 4 of them as two halves. A day is 24 hours there.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import replace

from deployer.local.gateway import codec
from deployer.local.gateway.errors import gateway_error
from deployer.local.gateway.sinks import Sink

INTERVAL_OID = 1186
_DAY = 86_400_000_000
_OURS = struct.Struct("!qii")
_REDSHIFT = struct.Struct("!qi")


def to_redshift(value: bytes) -> bytes:
    """PostgreSQL's binary form in Redshift's. Raises ServerError when the time does not fit."""
    time, days, months = _OURS.unpack(value)
    total = time + days * _DAY
    if not -(2**63) <= total < 2**63:
        raise gateway_error("interval out of range", "22008")
    return _REDSHIFT.pack(total, months)


def from_redshift(value: bytes) -> bytes:
    """The other way. What is not of Redshift's length stays as it is, for PostgreSQL to refuse."""
    if len(value) != _REDSHIFT.size:
        return value
    time, months = _REDSHIFT.unpack(value)
    return _OURS.pack(time, 0, months)


def bound(bind: codec.Bind, declared: Sequence[int]) -> codec.Bind:
    """The Bind message with binary interval parameters in PostgreSQL's form."""
    if INTERVAL_OID not in declared:
        return bind
    values = list(bind.values)
    for index, value in enumerate(values):
        code = bind.formats[index if len(bind.formats) > 1 else 0] if bind.formats else 0
        if code == 1 and value is not None and declared[index : index + 1] == (INTERVAL_OID,):
            values[index] = from_redshift(value)
    return replace(bind, values=tuple(values))


def sink_for(sink: Sink, columns: Sequence[codec.Column]) -> Sink:
    """`sink` itself, or around it what rewrites the columns that are intervals in the binary format."""
    places = [i for i, column in enumerate(columns) if column.type == INTERVAL_OID and column.format == 1]
    return _Rewritten(sink, places) if places else sink


class _Rewritten:
    """A sink that hands rows on with their intervals in Redshift's form."""

    def __init__(self, sink: Sink, places: list[int]) -> None:
        self._sink = sink
        self._places = places

    def columns(self, columns: Sequence[codec.Column]) -> None:
        self._sink.columns(columns)

    def rows(self, data: bytes, count: int) -> None:
        rows = []
        at = 0
        for _ in range(count):
            size = int.from_bytes(data[at + 1 : at + 5]) + 1
            values = list(codec.unpack_row(data[at + 5 : at + size]))
            for place in self._places:
                value = values[place]
                values[place] = None if value is None else to_redshift(value)
            rows.append(codec.pack_row(values))
            at += size
        self._sink.rows(b"".join(rows), count)

    def complete(self, tag: str) -> None:
        self._sink.complete(tag)

    def suspended(self) -> None:
        self._sink.suspended()
