"""The engine's end in the words that clients know, whoever notices it first."""

from __future__ import annotations

import pytest

from deployer.aws.resources.alert_machine import LOST_CONNECTION
from deployer.local.gateway.backend import ServerError
from deployer.local.gateway.errors import ENGINE_STOPPED, as_redshift


@pytest.mark.parametrize(
    "text",
    [
        "terminating connection due to unexpected postmaster exit",
        "postmaster exited during a parallel transaction",
    ],
)
def test_a_session_that_sees_the_main_process_die_says_what_the_gateway_says(text: str) -> None:
    said = {"S": "FATAL", "V": "FATAL", "C": "57P01"}
    told = as_redshift(ServerError(said | {"M": text, "F": "latch.c"}))
    assert told.fields == said | {"M": ENGINE_STOPPED}


def test_the_alerts_know_it_as_a_lost_connection() -> None:
    assert any(words in ENGINE_STOPPED.lower() for words in LOST_CONNECTION)
