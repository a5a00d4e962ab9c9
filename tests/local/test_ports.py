"""Ports that stay a server's."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from deployer.local import ports


def test_a_lasting_port_is_none_that_the_kernel_gives_away(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given = tmp_path / "range"
    monkeypatch.setattr(ports, "_RANGE", given)
    given.write_text("20000\t60999\n")
    with socket.socket() as server:
        server.bind((ports.HOST, ports.lasting_port()))
        port = server.getsockname()[1]
        assert 12_000 <= port < 20_000
        assert ports.bound(port) is None
    assert ports.bound(port) == port
    # A kernel that has all of them.
    given.write_text("1024\t65535\n")
    assert ports.lasting_port() >= 1024
