from __future__ import annotations

from pathlib import Path

import pytest
from small_project import SmallProject

from deployer.errors import StatementFailed, Unsafe
from deployer.operations.deploy import Deployment, deploy
from deployer.operations.plan import Plan, plan
from deployer.warehouse.session import Session


def planned(small: SmallProject) -> Plan:
    project = small.load()
    return plan(project, project.environment("local"))


def deployed(small: SmallProject, *allow: str) -> Deployment:
    project = small.load()
    return deploy(project, project.environment("local"), allow=allow)


def declare(small: SmallProject, text: str) -> Path:
    path = small.root / "procedures" / "security" / "roles.toml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def readable(session: Session, who: str = "reader") -> list[str]:
    found = session.execute(
        "select relation_name from svv_relation_privileges where identity_name = %s order by 1", (who,)
    )
    return [row[0] for row in found.rows]


ALL = "[role.reader]\nmanaged = ['shown', 'shop']\nusage = ['shown']\nselect = ['shown.*']\n"


def test_objects_come_with_their_grants(small: SmallProject, session: Session) -> None:
    declare(small, ALL + "[role.runner]\nusage = ['shop']\nexecute = ['shop.*']\n")
    # Before the first migration the role does not exist, and is going to be made by that migration.
    shown = [change.title for change in planned(small).changes]
    assert shown[0] == "apply migration 0001_step"
    assert shown[-2:] == ["grant select on shown.* to role reader", "grant execute on shop.* to role runner"]
    done = deployed(small)
    assert "grant select on shown.* to role reader" in done.other
    assert readable(session) == ["a_base", "nothing_else", "totals"]
    assert planned(small).is_empty
    assert deployed(small).did_nothing

    # A new view, one whose columns change with its dependents, and a table that a migration makes: all in one go.
    small.view("shown.fresh", "select 1 as one")
    small.view("shown.a_base", "select id from shop.sales")
    small.view("shown.totals", "select count(*) as sales from shown.a_base")
    small.migration("0002", "0001", "create table shown.kept (a int)")
    done = deployed(small)
    assert done.other == ("grant select on shown.* to role reader",)
    assert [change.reason for change in done.changes if change.kind == "grant"] == ["for fresh, kept"]
    assert readable(session) == ["a_base", "fresh", "kept", "nothing_else", "totals"]
    assert planned(small).is_empty

    # Nothing but a migration: that there is more to grant shows only after it.
    small.migration("0003", "0002", "create table shown.more (a int)")
    assert [change.title for change in planned(small).changes] == ["apply migration 0003_step"]
    assert deployed(small).other == ("grant select on shown.* to role reader",)
    assert "more" in readable(session) and planned(small).is_empty

    # Another signature: the procedure is another one.
    small.procedure("shop.add_one", "(new_id bigint, note varchar(10))", "null;")
    deployed(small)
    assert session.execute(
        "select argument_types from svv_function_privileges where identity_name = 'runner'"
    ).rows == (("bigint, character varying",),)
    assert planned(small).is_empty


def test_a_grant_that_is_refused_takes_the_objects_back(small: SmallProject, session: Session) -> None:
    deployed(small)
    small.view("shown.fresh", "select 1 as one")
    declare(small, "[role.reader]\nselect = ['shown.fresh', 'shown.nowhere']\n")
    with pytest.raises(StatementFailed, match="nowhere") as caught:
        deployed(small)
    assert caught.value.where == "procedures/security/roles.toml:2"
    assert session.execute("select count(*) from pg_views where viewname = 'fresh'").rows == ((0,),)
    assert readable(session) == []


def test_what_others_granted_is_revoked_only_when_it_is_allowed(
    small: SmallProject, session: Session
) -> None:
    declare(small, ALL)
    deployed(small)
    session.execute("grant select on shop.sales to role reader")
    session.execute("create role nobody_declares")
    session.execute("grant select on shop.sales to role nobody_declares")
    (change,) = planned(small).destructive
    assert change.name == "select on shop.sales from role reader"
    with pytest.raises(
        Unsafe,
        match="grant select on shop.sales from role reader loses access that this project did not grant;"
        " to go on, say --allow-destructive 'select on shop.sales from role reader'; nothing was changed",
    ):
        deployed(small)
    assert "sales" in readable(session)
    done = deployed(small, change.name)
    assert done.other == ("revoke select on shop.sales from role reader",)
    assert readable(session) == ["a_base", "nothing_else", "totals"]
    assert readable(session, "nobody_declares") == ["sales"]
    # What the project itself granted goes without asking.
    declare(small, ALL.replace("shown.*", "shown.totals"))
    deployed(small)
    assert readable(session) == ["totals"]


def test_a_grant_by_hand_that_a_declaration_covers_is_not_ours(small: SmallProject, session: Session) -> None:
    deployed(small)
    session.execute("grant select on shown.totals to role reader")
    declare(small, "[role.reader]\nselect = ['shown.totals']\n")
    assert planned(small).is_empty
    declare(small, "[role.reader]\n")
    assert deployed(small).did_nothing
    assert readable(session) == ["totals"]
