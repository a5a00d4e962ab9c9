"""Security policies as code: planned, deployed, changed, detached, found by drift, and given to recreated views."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from small_project import SmallProject

from deployer.errors import Unsafe, UsageError
from deployer.operations.deploy import Deployment, deploy
from deployer.operations.drift import drift
from deployer.operations.plan import Plan, plan
from deployer.project.lint.run import lint
from deployer.warehouse.session import Session


def planned(small: SmallProject) -> Plan:
    project = small.load()
    return plan(project, project.environment("local"))


def deployed(small: SmallProject, *allow: str) -> Deployment:
    project = small.load()
    return deploy(project, project.environment("local"), allow=allow)


def write(small: SmallProject, name: str, text: str) -> Path:
    path = small.root / "procedures" / "security" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


BIG = "create rls policy only_big with (amount decimal(12, 2)) using (amount > 15);\n"
HIDE = "create masking policy hide_amount with (a decimal(12, 2)) using (0.00::decimal(12, 2));\n"
ROLES = "[role.reader]\nusage = ['shown']\nselect = ['shown.*']\n"
ATTACHED = (
    "\n[row_level_security.'shown.a_base']\npolicies = { only_big = ['role reader'] }\n"
    "\n[masking.'shop.sales']\namount = { policy = 'hide_amount', to = ['role reader'], priority = 5 }\n"
)


@pytest.fixture
def reads(
    small: SmallProject, session: Session, connect: Callable[..., Any]
) -> Callable[[str], list[tuple[Any, ...]]]:
    """Ask as a user who has the role `reader`, once it is there."""
    opened: list[Any] = []

    def ask(sql: str) -> list[tuple[Any, ...]]:
        if not opened:
            session.execute("create user ann password 'Ordinary-User-1'")
            session.execute("grant role reader to ann")
            opened.append(connect(autocommit=True, user="ann", password="Ordinary-User-1"))
        cursor = opened[0].cursor()
        cursor.execute(sql)
        return [tuple(row) for row in cursor.fetchall()]

    return ask


def test_policies_are_deployed_and_kept(
    small: SmallProject, session: Session, reads: Callable[[str], list[tuple[Any, ...]]]
) -> None:
    big = write(small, "only_big.sql", BIG)
    write(small, "hide_amount.sql", HIDE)
    write(small, "roles.toml", ROLES + ATTACHED)
    done = deployed(small)
    assert done.other[-5:] == (
        "create masking policy hide_amount",
        "create rls policy only_big",
        "attach rls policy only_big on shown.a_base to role reader",
        "attach masking policy hide_amount on shop.sales (amount) to role reader",
        "modify row level security on for shown.a_base",
    )
    assert planned(small).is_empty
    # RLS comes first, then the mask of the table under the view: DG "Considerations when using dynamic data masking".
    assert reads("select id, amount from shown.a_base") == []
    assert session.execute("select count(*) from shown.a_base").rows[0][0] == 2

    # A view with a policy is dropped and created anew: it comes back protected, in the same transaction.
    small.view("shown.a_base", "select id, amount, 1 as one from shop.sales")
    assert [change.action for change in planned(small).changes] == ["replace", "recreate"]
    deployed(small)
    assert reads("select id, amount from shown.a_base") == []
    assert planned(small).is_empty
    found = session.execute("select relname, grantee, is_rls_on from svv_rls_attached_policy").rows
    assert [list(row) for row in found] == [["a_base", "reader", True]]

    # The condition changes by ALTER; by hand, it is drift, and the next deployment puts it right.
    write(small, "only_big.sql", BIG.replace("> 15", ">= 0"))
    (change,) = planned(small).changes
    assert (change.title, change.statements) == (
        "modify rls policy only_big", ('alter rls policy "only_big" using (amount >= 0)',)
    )  # fmt: skip
    deployed(small)
    assert reads("select id, amount from shown.a_base order by id") == [(1, 0), (2, 0)]
    session.execute("alter rls policy only_big using (1 = 1)")
    project = small.load()
    items = drift(project, project.environment("local")).items
    assert [(item.change, item.kind, item.name) for item in items] == [("changed", "rls policy", "only_big")]
    assert [change.reason for change in planned(small).changes] == ["it was changed by hand"]
    deployed(small)

    # Other columns: another policy, attached where the old one was.
    write(small, "only_big.sql", "create rls policy only_big with (id bigint) using (id = 2);\n")
    (change,) = planned(small).changes
    assert change.action == "recreate" and not change.destructive
    deployed(small)
    assert reads("select id from shown.a_base") == [(2,)]

    # What protects less is refused unless it is named.
    big.unlink()
    write(small, "roles.toml", ROLES + ATTACHED.replace("policies = { only_big = ['role reader'] }", ""))
    loses = [change.name for change in planned(small).changes]
    assert loses == ["only_big on shown.a_base from role reader", "only_big"]
    with pytest.raises(Unsafe, match="only_big on shown.a_base from role reader"):
        deployed(small)
    deployed(small, *loses)
    assert reads("select id from shown.a_base") == [], "on without a policy: no row"
    write(
        small,
        "roles.toml",
        ROLES
        + ATTACHED.split("[masking")[0].replace(
            "policies = { only_big = ['role reader'] }", "enabled = false"
        ),
    )
    loses = [change.name for change in planned(small).changes]
    assert loses == ["hide_amount on shop.sales (amount) from role reader", "off for shown.a_base"]
    deployed(small, *loses)
    assert len(reads("select id from shown.a_base")) == 2
    assert planned(small).is_empty


def test_policies_of_others_are_left_alone(small: SmallProject, session: Session) -> None:
    deployed(small)
    session.execute("create rls policy theirs with (id bigint) using (id = 1)")
    session.execute("attach rls policy theirs on shop.sales to role reader")
    write(small, "only_big.sql", BIG)
    write(
        small, "roles.toml", "[row_level_security.'shop.sales']\npolicies = { only_big = ['role reader'] }\n"
    )
    assert deployed(small).other == (
        "create rls policy only_big",
        "attach rls policy only_big on shop.sales to role reader",
        "modify row level security on for shop.sales",
    )
    assert planned(small).is_empty
    found = session.execute("select polname from svv_rls_attached_policy order by 1").rows
    assert [row[0] for row in found] == ["only_big", "theirs"]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("other.sql", BIG, "so it must be called only_big.sql"),
        ("only_big.sql", "select 1;\n", "must be a `create rls policy`"),
        ("only_big.sql", BIG + "drop table shop.sales;\n", ":2: behind a policy stands only"),
        ("only_big.sql", "create rls policy only_big using (a = );\n", "syntax error"),
        ("p.toml", "[masking.'shop.sales']\namount = { policy = 'nosuch', to = ['public'] }\n",
         "there is no masking policy"),
        ("p.toml", "[masking.sales]\n", "a policy is on schema.table"),
        ("p.toml", "[masking.'shop.sales']\namount = { policy = 'x', to = ['group g'] }\n", "must list whom"),
        ("p.toml", "[row_level_security.'shop.sales']\nconjunction = 'xor'\n", "is not one of: and, or"),
        ("p.toml", "[row_level_security.'shop.sales']\nfoo = 1\n", "foo"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    from deployer.project import policies

    small = SmallProject(tmp_path)
    write(small, name, text)
    project = small.load()
    with pytest.raises(UsageError, match=r"procedures/security/\S+:\d+: ") as caught:
        policies.read_all(project.procedures, project.root)
    assert message in str(caught.value)
    if "there is no masking policy" not in message:
        found = [one for one in lint(tmp_path).findings if "security" in one.path]
        assert found, "lint finds it too"
