"""What is repeated, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from deployer.errors import StatementFailed, Unavailable
from deployer.warehouse import retry


def failing(times: int, error: StatementFailed) -> Any:
    left = [times]

    def work() -> str:
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return "done"

    return work


@pytest.mark.parametrize("row", retry.TRANSIENT, ids=lambda row: row.sqlstate or row.words)
def test_every_row_of_the_table_is_retried(row: retry.Transient) -> None:
    error = StatementFailed(row.words.upper() or "no words", sqlstate=row.sqlstate)
    slept: list[float] = []
    assert retry.retrying(failing(2, error), recover=lambda: None, sleep=slept.append) == "done"
    assert slept == list(retry.PAUSES[:2])


def test_what_does_not_pass_is_not_retried() -> None:
    for error in (
        StatementFailed("syntax error", sqlstate="42601"),
        StatementFailed("lost", sqlstate="08006"),
    ):
        with pytest.raises(StatementFailed):
            retry.retrying(failing(1, error), sleep=lambda seconds: None)
    found = retry.retrying(
        failing(1, StatementFailed("lost", sqlstate="08006")),
        recover=lambda: "done before",
        sleep=lambda _: None,
    )
    assert found == "done before"


def test_what_fails_while_it_recovers_may_pass_as_well() -> None:
    """A server that is starting refuses the new connection, and the lost session's commit may be a conflict still."""
    lost = StatementFailed("the connection to the warehouse broke", sqlstate="08006")
    hindrances = [
        Unavailable("cannot connect: the database system is starting up"),
        StatementFailed("conflict", sqlstate="40001"),
    ]

    def recover() -> str | None:
        if hindrances:
            raise hindrances.pop(0)
        return found

    for found in ("done before", None):
        left = list(hindrances)
        assert retry.retrying(failing(1, lost), recover=recover, sleep=lambda _: None) == (found or "done")
        assert not hindrances
        hindrances += left
    # But not for ever, and nothing else.
    hindrances[:] = [Unavailable("cannot connect")] * 9
    with pytest.raises(Unavailable):
        retry.retrying(failing(1, lost), recover=recover, sleep=lambda _: None)
    assert len(hindrances) == 9 - len(retry.PAUSES)
    hindrances[:] = [StatementFailed("permission denied", sqlstate="42501")] * 2
    with pytest.raises(StatementFailed, match="permission denied"):
        retry.retrying(failing(1, lost), recover=recover, sleep=lambda _: None)
    assert len(hindrances) == 1
