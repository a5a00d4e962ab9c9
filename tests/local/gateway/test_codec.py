"""The message codec: whatever is packed comes back, however the bytes arrive."""

from __future__ import annotations

import socket
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.local.gateway import codec
from deployer.local.gateway.codec import Bind, Body, Column, Disconnected, Malformed, Stream

words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
values = st.one_of(st.none(), st.binary(max_size=30))
oids = st.integers(0, 2**32 - 1)
int16s = st.integers(-(2**15), 2**15 - 1)


@given(words, words, st.lists(oids, max_size=5))
def test_parse_comes_back(name: str, sql: str, types: list[int]) -> None:
    assert codec.unpack_parse(codec.pack_parse(name, sql, types)[5:]) == (name, sql, tuple(types))


@given(words, words, st.lists(values, max_size=6), st.data())
def test_bind_comes_back(portal: str, statement: str, bound: list[bytes | None], data: st.DataObject) -> None:
    formats = data.draw(st.sampled_from([(), (1,), tuple(i % 2 for i in range(len(bound)))]))
    results = data.draw(st.lists(st.integers(0, 1), max_size=4))
    bind = Bind(portal, statement, formats, tuple(bound), tuple(results))
    if len(formats) in (0, 1, len(bound)):
        assert codec.unpack_bind(bind.pack()[5:]) == bind


@given(
    st.lists(st.builds(Column, words, oids, int16s, oids, int16s, st.integers(-(2**31), 2**31 - 1), int16s))
)
def test_columns_come_back(columns: list[Column]) -> None:
    assert codec.unpack_columns(codec.pack_columns(columns)[5:]) == tuple(columns)


@given(st.lists(values, max_size=10))
def test_row_comes_back(row: list[bytes | None]) -> None:
    assert codec.unpack_row(codec.pack_row(row)[5:]) == tuple(row)


@given(st.dictionaries(st.sampled_from("SVCMDHPW"), words.filter(bool)))
def test_error_fields_come_back(fields: dict[str, str]) -> None:
    assert codec.unpack_fields(codec.pack_fields(b"E", fields)[5:]) == fields


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_called_malformed(data: bytes) -> None:
    for unpack in (
        codec.unpack_parse,
        codec.unpack_bind,
        codec.unpack_columns,
        codec.unpack_row,
        codec.unpack_startup,
    ):
        try:
            unpack(data)
        except Malformed:
            pass


@given(
    st.lists(st.tuples(st.sampled_from([b"D", b"C", b"Z"]), st.binary(max_size=300)), max_size=30), st.data()
)
def test_stream_cuts_messages_however_they_arrive(
    messages: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    whole = b"".join(codec.message(kind, body) for kind, body in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    ours, theirs = socket.socketpair()
    with ours, theirs:
        pieces = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]

        def send() -> None:
            for piece in pieces:
                theirs.sendall(piece)
            theirs.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        stream = Stream(ours)
        seen: list[tuple[bytes, bytes]] = []
        while True:
            rows, count = stream.rows()
            at = 0
            for _ in range(count):
                size = int.from_bytes(rows[at + 1 : at + 5]) + 1
                seen.append((rows[at : at + 1], rows[at + 5 : at + size]))
                at += size
            assert at == len(rows)
            try:
                seen.append(stream.next())
            except Disconnected:
                break
        sender.join()
    assert seen == messages


def test_a_message_beyond_the_limit_is_malformed() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.sendall(b"Q" + (codec.MAX_MESSAGE + 1).to_bytes(4))
        with pytest.raises(Malformed):
            Stream(ours).next()


def test_body_refuses_a_field_that_is_cut_off() -> None:
    with pytest.raises(Malformed):
        Body(b"\0\0\0").int32()
    with pytest.raises(Malformed):
        Body(b"no end").text()
