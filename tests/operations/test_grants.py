from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from small_project import SmallProject

from deployer.errors import StatementFailed, Unavailable, UsageError
from deployer.operations import grants
from deployer.operations.changes import Change
from deployer.operations.deploy import deploy
from deployer.operations.progress import silent
from deployer.project import objects
from deployer.warehouse.session import Session


class House:
    """A deployed small project, and what its security files would do."""

    def __init__(self, small: SmallProject, session: Session) -> None:
        self.small = small
        self.session = session

    def declare(self, text: str, name: str = "roles") -> None:
        path = self.small.root / "procedures" / "security" / f"{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def plan(self) -> tuple[Change, ...]:
        project = self.small.load()
        return grants.changes(self.session, project, objects.read_all(project.procedures, project.root))

    def apply(self) -> tuple[Change, ...]:
        """Apply what is planned; afterwards there is nothing left to do."""
        with self.session.transaction():
            made = self.plan()
            grants.apply(self.session, self.small.load(), made, silent)
        assert self.plan() == ()
        return made

    def lines(self, made: tuple[Change, ...]) -> list[str]:
        return [change.title for change in made]


@pytest.fixture
def house(small: SmallProject, session: Session) -> House:
    project = small.load()
    deploy(project, project.environment("local"))
    return House(small, session)


@pytest.fixture
def login(house: House, connect: Callable[..., Any]) -> Callable[[str], Callable[[str], Any]]:
    def as_user(role: str) -> Callable[[str], Any]:
        house.session.execute(f"create user u_{role} password 'Secret123'")
        house.session.execute(f"grant role {role} to u_{role}")
        cursor = connect(user=f"u_{role}", password="Secret123", autocommit=True).cursor()

        def ask(sql: str) -> Any:
            cursor.execute(sql)
            return [tuple(row) for row in cursor.fetchall()] if cursor.description else None

        return ask

    return as_user


EVERYTHING = """\
[role.lead]
member_of = ["reader"]

[role.reader]
usage = ["shown"]
select = ["shown.*"]

[role.reader.future]
select = ["shown"]

[role.runner]
usage = ["shop"]
execute = ["shop.add_one"]
insert = ["shop.sales"]

[role.runner.future]
execute = ["shop"]
"""


def test_everything_that_is_declared_is_granted_once_and_in_order(house: House) -> None:
    house.declare(EVERYTHING)
    made = house.apply()
    assert house.lines(made) == [
        "create role lead",
        "create role runner",
        "grant role reader to role lead",
        "grant usage on schema shop to role runner",
        "grant select on shown.* to role reader",
        "grant insert on shop.sales to role runner",
        "grant execute on shop.add_one to role runner",
        "grant select on future tables of admin in shown to role reader",
        "grant execute on future procedures of admin in shop to role runner",
    ]
    assert [(change.path, change.line) for change in made][:3] == [
        ("procedures/security/roles.toml", 1),
        ("procedures/security/roles.toml", 11),
        ("procedures/security/roles.toml", 2),
    ]
    assert made[4].statements == (
        'grant select on "shown"."a_base", "shown"."nothing_else", "shown"."totals" to role "reader"',
    )
    assert made[4].reason == "for a_base, nothing_else, totals"
    assert made[6].statements == ('grant execute on procedure "shop"."add_one"(bigint) to role "runner"',)
    assert not any(change.destructive for change in made)


def test_rights_are_those_of_the_files(house: House, login: Callable[[str], Callable[[str], Any]]) -> None:
    house.declare(EVERYTHING)
    house.apply()
    lead, runner = login("lead"), login("runner")
    assert lead("select sales from shown.totals") == [(2,)]
    with pytest.raises(Exception, match="permission denied"):
        lead("select id from shop.sales")
    with pytest.raises(Exception, match="does not exist"):
        lead("call shop.add_one(7)")
    runner("call shop.add_one(7)")
    with pytest.raises(Exception, match="permission denied"):
        runner("select sales from shown.totals")
    with pytest.raises(Exception, match="permission denied"):
        runner("select id from shop.sales")
    # Default privileges: what is made later is readable at once, and a new procedure is not open to everybody.
    house.session.execute("create table shown.later (a int)")
    house.session.execute("create procedure shop.later() as $$ begin null; end; $$ language plpgsql")
    assert lead("select a from shown.later") == []
    runner("call shop.later()")
    house.session.execute("grant usage on schema shop to role lead")
    with pytest.raises(Exception, match="permission denied for procedure later"):
        lead("call shop.later()")
    assert house.plan() == ()


def test_what_is_no_longer_declared_is_revoked_if_this_project_granted_it(house: House) -> None:
    house.declare(EVERYTHING)
    house.apply()
    house.session.execute("grant select on shop.sales to role reader")
    house.session.execute("grant usage on schema shop to role lead")
    house.declare("[role.reader]\nselect = ['shown.totals']\n")
    made = house.apply()
    assert house.lines(made) == [
        "revoke execute on future procedures of admin in shop from role runner",
        "revoke select on future tables of admin in shown from role reader",
        "revoke execute on shop.add_one(bigint) from role runner",
        "revoke select on shown.a_base from role reader",
        "revoke select on shown.nothing_else from role reader",
        "revoke insert on shop.sales from role runner",
        "revoke usage on schema shop from role runner",
        "revoke role reader from role lead",
    ]
    assert not any(change.destructive for change in made)
    assert {change.reason for change in made} == {"it is no longer declared"}
    assert house.session.execute(
        "select relation_name, identity_name from svv_relation_privileges"
        " where identity_type = 'role' order by 1"
    ).rows == (("sales", "reader"), ("totals", "reader"))
    # What somebody grants again by hand is theirs.
    house.session.execute("grant select on shown.a_base to role reader")
    assert house.plan() == ()


def test_what_others_granted_goes_only_where_the_grantee_is_managed(house: House) -> None:
    for sql in (
        "create role other",
        "create role sub",
        "grant select on shop.sales to role reader",
        "grant select on shown.totals to role other",
        "grant truncate on shop.sales to role reader",
        "grant execute on procedure shop.add_one(bigint) to role reader",
        "grant role sub to role reader",
        "alter default privileges in schema shop grant insert on tables to role reader",
        "alter default privileges grant delete on tables to role reader",
    ):
        house.session.execute(sql)
    house.declare("[role.reader]\nusage = ['shown']\n")
    assert house.plan() == ()
    house.declare("[role.reader]\nusage = ['shown']\nmanaged = ['shown']\n")
    assert house.plan() == ()
    house.declare("[role.reader]\nmanaged = ['shop', 'shown']\n")
    assert house.lines(house.plan()) == [
        "revoke insert on future tables of admin in shop from role reader",
        "revoke execute on shop.add_one(bigint) from role reader",
        "revoke select on shop.sales from role reader",
        "revoke usage on schema shown from role reader",
    ]
    house.declare("# All of it.\n[role.reader]\nmanaged = ['*']\n")
    made = house.apply()
    assert len(made) == 6
    assert {(change.path, change.line, change.destructive, change.reason) for change in made} == {
        (
            "procedures/security/roles.toml",
            2,
            "access that this project did not grant",
            "it is not declared, and role reader is managed",
        )
    }
    # TRUNCATE no file can declare, and nobody declares the role "other".
    assert house.session.execute(
        "select privilege_type, identity_name from svv_relation_privileges where identity_type = 'role' order by 1"
    ).rows == (("SELECT", "other"), ("TRUNCATE", "reader"))


def test_grants_in_the_files_of_objects_are_left_alone(house: House) -> None:
    house.small.view(
        "shown.totals",
        "select count(*) as sales from shown.a_base",
        after="grant select on shown.totals to role reader;\ngrant all on shown.totals to role auditor;\n",
    )
    for sql in (
        "create role auditor",
        "grant select on shown.totals to role reader",
        "grant insert on shown.totals to role reader",
        "grant delete on shown.totals to role auditor",
    ):
        house.session.execute(sql)
    house.declare("[role.reader]\nmanaged = ['shown']\nusage = ['shown']\n[role.auditor]\nmanaged = ['*']\n")
    assert house.lines(house.apply()) == ["revoke insert on shown.totals from role reader"]


def test_groups_users_and_public(house: House) -> None:
    house.session.execute("create user ann password 'Secret123'")
    house.declare(
        "[group.old]\nselect = ['shown.totals']\n[user.ann]\nmember_of = ['reader']\nselect = ['shown.totals']\n"
        "[public]\nusage = ['shown']\n[public.future]\nselect = ['shown']\ncreated_by = ['ann']\n"
    )
    made = house.apply()
    assert house.lines(made) == [
        "create group old",
        "grant role reader to user ann",
        "grant usage on schema shown to public",
        "grant select on shown.totals to group old",
        "grant select on shown.totals to user ann",
        "grant select on future tables of ann in shown to public",
    ]
    assert made[-1].statements == (
        'alter default privileges for user "ann" in schema "shown" grant select on tables to public',
    )
    house.declare("")
    assert len(house.apply()) == 5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[user.nobody]\nusage = ['shown']\n", "roles.toml:1: there is no user nobody in the warehouse"),
        ("[role.a]\nmember_of = ['b']\n", "roles.toml:2: there is no role b; declare"),
        (
            "[role.a]\nexecute = ['shop.nothing']\n",
            "roles.toml:2: neither the project nor the warehouse has the procedure shop.nothing",
        ),
        (
            "[role.a]\nexecute = ['shop.add_one(varchar)']\n",
            r"the procedure shop.add_one\(varchar\); there is add_one\(bigint\)",
        ),
    ],
)
def test_what_cannot_be_granted_is_told_with_its_line(house: House, text: str, message: str) -> None:
    house.declare(text)
    with pytest.raises(UsageError, match=message):
        house.plan()


def test_a_refused_statement_names_the_line(house: House) -> None:
    house.declare("[role.reader]\nselect = [\n  'shown.totals',\n  'shop.nothing',\n]\n")
    with pytest.raises(StatementFailed, match="nothing") as caught, house.session.transaction():
        grants.apply(house.session, house.small.load(), house.plan(), silent)
    assert caught.value.where == "procedures/security/roles.toml:4"
    # All or nothing.
    assert len(house.plan()) == 2


def test_overloads_and_types_in_any_spelling(house: House) -> None:
    house.small.procedure(
        "shop.many", "(a timestamp, b varchar(20), c numeric(5,2), d double precision)", "null;"
    )
    house.declare(
        "[role.reader]\nexecute = ['shop.many(timestamp without time zone, text, decimal, float8)']\n"
    )
    assert house.plan()[0].statements == (
        'grant execute on procedure "shop"."many"(timestamp, varchar, decimal, double precision) to role "reader"',
    )
    project = house.small.load()
    deploy(project, project.environment("local"), providers=())
    assert house.apply()[0].statements == (
        'grant execute on procedure "shop"."many"(timestamp without time zone, character varying, numeric,'
        ' double precision) to role "reader"',
    )


def test_what_came_by_a_declared_default_privilege_stays(house: House) -> None:
    house.declare(
        "[role.reader]\nmanaged = ['*']\nusage = ['shown']\nselect = ['shown.totals']\n"
        "[role.reader.future]\nselect = ['shown']\n"
    )
    house.apply()
    house.session.execute("create table shown.later (a int)")
    house.session.execute("grant insert on shown.later to role reader")
    # A view of the project that is still to come gets it too: nothing is planned for it.
    house.small.view("shown.zzz", "select 1 as a")
    assert house.lines(house.plan()) == ["revoke insert on shown.later from role reader"]


def test_who_cannot_see_what_it_grants_is_told(house: House) -> None:
    for sql in (
        "create user owner password 'Secret123'",
        "alter schema shown owner to owner",
        "grant usage on schema zeroshift_deploy to owner",
        "grant select on zeroshift_deploy.grants to owner",
    ):
        house.session.execute(sql)
    house.declare("[role.reader]\ncreate = ['shown']\n")
    target = replace(house.session.target, user="owner", password="Secret123")
    with Session(target) as owner:
        told = House(house.small, owner)
        with (
            pytest.raises(Unavailable, match="does not show owner what was just granted"),
            owner.transaction(),
        ):
            grants.apply(owner, house.small.load(), told.plan(), silent)
    assert len(house.plan()) == 1


def test_a_coming_view_has_its_default_privileges(house: House) -> None:
    house.declare("[role.reader]\nselect = ['shown.*']\n[role.reader.future]\nselect = ['shop']\n")
    house.apply()
    house.small.view("shown.zzz", "select 1 as a")
    assert house.lines(house.plan()) == ["grant select on shown.* to role reader"]
    house.session.execute("alter default privileges in schema shown grant select on tables to role reader")
    assert house.plan() == ()
