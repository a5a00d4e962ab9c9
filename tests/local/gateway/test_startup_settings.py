"""Settings that a client asks for when it connects."""

from __future__ import annotations

from typing import Any

import pytest
from gateway_wire import Refusal, Wire

from deployer.local.environment import Status
from deployer.local.gateway import startup
from deployer.local.gateway.backend import ServerError


def shown(wire: Wire, name: str) -> str | None:
    return wire.rows(f"show {name}")[0][0]


def test_they_hold_from_the_beginning_and_are_what_reset_returns_to(fresh_database: Status) -> None:
    asked = {
        "TimeZone": "Asia/Tokyo",
        "search_path": "public, other",
        "driver_version": "any",
        "nothing": "x",
    }
    with Wire(fresh_database) as wire:
        wire.login(**asked, options="-c statement_timeout=600000 --query-group=a\\ b")
        # As Redshift does, it says what it has taken.
        assert wire.parameters["TimeZone"] == "Asia/Tokyo"
        assert [shown(wire, name) for name in ("timezone", "search_path", "statement_timeout", "query_group")] == [
            "Asia/Tokyo", "public, other", "10min", "a b",
        ]  # fmt: skip
        wire.query("set timezone to 'UTC'; reset timezone")
        assert shown(wire, "timezone") == "Asia/Tokyo"
    with Wire(fresh_database) as wire:
        wire.login()
        assert (wire.parameters["TimeZone"], shown(wire, "statement_timeout")) == ("UTC", "0")


def test_they_go_before_those_of_the_user(fresh_database: Status, engine: Any) -> None:
    with Wire(fresh_database) as wire:
        wire.login()
        wire.query("create user eve password 'Eveeee1234'")
    engine.execute("alter role eve set timezone to 'Europe/Berlin'")
    engine.execute("alter role eve set search_path to hers")
    with Wire(fresh_database) as wire:
        wire.login("Eveeee1234", user="eve", TimeZone="Asia/Tokyo")
        assert (shown(wire, "timezone"), shown(wire, "search_path")) == ("Asia/Tokyo", "hers")


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"TimeZone": "Nowhere"}, 'invalid value for parameter "TimeZone": "Nowhere"'),
        ({"options": "-c nothing=1"}, 'unrecognized configuration parameter "nothing"'),
        ({"options": "-c enable_nestloop=on"}, 'unrecognized configuration parameter "enable_nestloop"'),
        ({"options": "-c"}, "invalid command-line argument for server process: -c"),
    ],
)
def test_what_cannot_be_set(fresh_database: Status, parameters: dict[str, str], told: str) -> None:
    with Wire(fresh_database) as wire, pytest.raises(Refusal) as refused:
        wire.login(**parameters)
    assert (refused.value.fields["S"], refused.value.fields["M"]) == ("FATAL", told)


def test_a_value_cannot_bring_other_options() -> None:
    asked = startup.settings({"datestyle": "ISO -c enable_nestloop=on", "options": "-csearch_path=a\\\\\\ b"})
    assert asked == {"datestyle": "ISO -c enable_nestloop=on", "search_path": "a\\ b"}
    assert startup.options(asked) == "-c search_path=a\\\\\\ b -c datestyle=ISO\\ -c\\ enable_nestloop=on "
    with pytest.raises(ServerError):
        startup.settings({"options": "-c session_authorization=x"})
