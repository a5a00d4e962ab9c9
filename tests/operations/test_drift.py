from __future__ import annotations

import json
import threading

import pytest
from click.testing import CliRunner
from small_project import SmallProject

from deployer.cli.drift import drift as command
from deployer.errors import LeaseHeld, UsageError
from deployer.operations import drift as operations
from deployer.operations.baseline import baseline
from deployer.operations.deploy import deploy
from deployer.operations.drift import Drift, compare
from deployer.warehouse import lease
from deployer.warehouse.ledger import Deployed
from deployer.warehouse.session import Session


def drift(small: SmallProject, wait: float = 0.0) -> Drift:
    project = small.load()
    return operations.drift(project, project.environment("local"), wait=wait)


def test_what_was_done_by_hand_is_shown(
    small: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UsageError, match="nothing is deployed in local yet"):
        drift(small)
    small.procedure("shop.counts", "(n bigint)", "null;")
    project = small.load()
    deploy(project, project.environment("local"))
    assert drift(small) == Drift(5, (), ())

    # A file that waits for its deployment is no drift.
    small.view("shown.nothing_else", "select id from shop.sales where id > 2")
    small.view("shown.added", "select 1 as one")
    assert drift(small).items == ()

    session.execute("create or replace view shown.a_base as select id, amount from shop.sales where id = 7")
    session.execute("drop view shown.nothing_else")
    session.execute("create view shown.mine as select 2 as two")
    session.execute(
        "create or replace procedure shop.add_one(new_id bigint) as $$ begin null; end; $$ language plpgsql"
    )
    # Another direction of an argument is another definition.
    session.execute("drop procedure shop.counts(bigint)")
    session.execute(
        "create procedure shop.counts(inout n bigint) as $$\nbegin\n    null;\nend;\n$$ language plpgsql"
    )
    session.execute("create schema elsewhere")
    session.execute("create view elsewhere.mine as select 2 as two")
    found = drift(small)
    assert [(item.change, item.kind, item.name, item.path) for item in found.items] == [
        ("changed", "procedure", "shop.add_one", "procedures/shop/add_one.sql"),
        ("changed", "procedure", "shop.counts", "procedures/shop/counts.sql"),
        ("changed", "view", "shown.a_base", "procedures/shown/a_base.sql"),
        ("dropped", "view", "shown.nothing_else", "procedures/shown/nothing_else.sql"),
        ("created", "view", "shown.mine", ""),
    ]
    assert "+modes (b)" in found.items[1].diff
    assert found.items[2].diff.splitlines() == [
        "--- shown.a_base as deployed",
        "+++ shown.a_base now",
        "@@ -1 +1 @@",
        "-select id, amount from shop.sales",
        "+select id, amount from shop.sales where id = 7",
    ]

    monkeypatch.chdir(small.root)
    ran = CliRunner().invoke(command, [], standalone_mode=False)
    assert ran.return_value == 2
    assert (
        "changed by hand: view shown.a_base (procedures/shown/a_base.sql)\n    --- shown.a_base as"
        in ran.output
    )
    assert "5 objects differ from the last deployment" in ran.output
    ran = CliRunner().invoke(command, ["--json"], standalone_mode=False)
    assert ran.return_value == 2 and json.loads(ran.output)["items"][4]["name"] == "shown.mine"

    # Taken over into the files, it is no drift any more.
    session.execute("drop view elsewhere.mine")
    baseline(project, project.environment("local"), schemas=["shop", "shown"], force=True)
    assert [item.name for item in drift(small).items] == ["shown.nothing_else"]
    assert "id = 7" in small.file("shown.a_base").read_text()


def test_drift_is_read_under_the_lease(small: SmallProject, session: Session) -> None:
    project = small.load()
    deploy(project, project.environment("local"))
    held = lease.acquire(session)
    with pytest.raises(LeaseHeld, match="another deployment is at work"):
        drift(small)
    found: list[Drift] = []
    thread = threading.Thread(target=lambda: found.append(drift(small, wait=240)))
    thread.start()
    thread.join(timeout=1)
    assert thread.is_alive() and not found
    lease.release(session, held)
    thread.join(timeout=240)
    assert found[0].items == () and lease.holder(session) is None


def test_what_an_older_zeroshift_deployed_cannot_be_told() -> None:
    old = Deployed("view", "s.v", "", "procedures/s/v.sql", "", False, ())
    assert compare({"view s.v": old}, {}, {"view s.v": "select 1"}) == Drift(1, (), ("s.v",))
    assert compare({"view s.v": old}, {}, {}).items[0].change == "dropped"
