"""A warehouse that is away while AWS makes an integration: sessions come back, and the lease is kept over it."""

from __future__ import annotations

import threading

import pytest

from deployer.errors import StatementFailed, Unavailable
from deployer.local.environment import Status
from deployer.operations import integration_part
from deployer.operations.warehouses import target_of
from deployer.warehouse import lease
from deployer.warehouse.session import CONNECTION_LOST, Session


def cut(session: Session, status: Status) -> None:
    """End the session's connection from outside, as a warehouse that is modified does."""
    process = session.execute("select pg_backend_pid()").rows[0][0]
    with Session(target_of(status)) as other:
        other.execute(f"select pg_terminate_backend({int(process)})")


def test_a_session_that_broke_is_opened_again(status: Status) -> None:
    with Session(target_of(status)) as session:
        cut(session, status)
        integration_part.reach(session, lambda _: None)
        assert session.execute("select 1").rows == ((1,),)


def test_a_warehouse_that_stays_away_is_given_up_in_time(
    status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    with Session(target_of(status)) as session:

        def lost(*_: object) -> None:
            raise StatementFailed("the connection broke", sqlstate=CONNECTION_LOST)

        def away() -> None:
            raise Unavailable("cannot connect")

        monkeypatch.setattr(session, "execute", lost)
        monkeypatch.setattr(session, "reopen", away)
        monkeypatch.setattr(integration_part, "AWAY_SECONDS", 0.01)
        monkeypatch.setattr(integration_part.time, "sleep", lambda _: None)
        with pytest.raises(Unavailable, match="cannot connect"):
            integration_part.reach(session, said.append)
    assert said == ["waiting for the warehouse, which AWS is modifying"]


def test_the_lease_is_renewed_again_when_the_warehouse_is_back(
    status: Status, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second connection fails at first; what keeps the lease asks again, and does not give up."""
    renewed, tried = threading.Event(), []

    class Second:
        def __init__(self, target: object) -> None:
            tried.append(target)
            if len(tried) < 3:
                raise Unavailable("the warehouse is being modified")

        def execute(self, sql: str) -> None:
            renewed.set()

        def close(self) -> None:
            pass

    with Session(target_of(status)) as session:
        monkeypatch.setattr(lease, "_RENEW_EVERY", 0.01)
        monkeypatch.setattr(lease, "Session", Second)
        with lease.kept(session, lease.Lease("0")):
            assert renewed.wait(120)
    assert len(tried) == 3
