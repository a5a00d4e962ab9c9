"""MERGE ... REMOVE DUPLICATES (DG r_MERGE), and ANALYZE and VACUUM without a table."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_wire import Wire

from deployer.local.environment import Status
from deployer.local.gateway import codec


@pytest.fixture
def admin(fresh_database: Status) -> Iterator[Wire]:
    with Wire(fresh_database) as wire:
        wire.login().query("create schema m; set search_path to m")
        yield wire


def test_the_guide_s_simplified_mode(admin: Wire) -> None:
    admin.query(
        "create table target (id int, name char(10)); create table source (id int, name char(10));"
        "insert into target values (30, 'Tony'), (11, 'Alice'), (23, 'Bill'), (23, 'Nikki');"
        "insert into source values (23, 'David'), (22, 'Clarence'), (22, 'Again')"
    )
    assert "E" not in admin.kinds("merge into target using source on target.id = source.id remove duplicates")
    # "When multiple rows in target_table match the same row in source_table, the duplicate rows are removed."
    assert admin.rows("select id, trim(name) from target order by 1, 2") == [
        ("11", "Alice"), ("22", "Again"), ("22", "Clarence"), ("23", "David"), ("30", "Tony"),
    ]  # fmt: skip
    admin.query("insert into source values (30, 'A'), (30, 'B')")
    told = admin.error("merge into target using source s on target.id = s.id remove duplicates")
    assert (told["C"], told["M"]) == ("21000", "Found multiple matches to update the same tuple.")
    assert admin.rows("select count(*) from target where id = 30") == [("1",)]


def test_its_requirements_hold(admin: Wire) -> None:
    admin.query("create table target (id int, name char(10)); create table source (id int)")
    assert (
        admin.error("merge into target using source on target.id = source.id remove duplicates")["C"]
        == "42601"
    )
    told = admin.error("merge into target using target t on target.id = t.id remove duplicates")
    assert "cannot reference target table" in told["M"]


def test_maintenance_of_everything_tells_nothing_of_the_engine(admin: Wire) -> None:
    admin.query(
        "create user ann password 'Ordinary-User-1'; create table mine (a int); grant usage on schema m to ann"
    )
    with Wire(admin.status) as wire:
        ann = wire.login("Ordinary-User-1", user="ann")
        for sql in ("analyze", "vacuum"):
            for one in (admin, ann):
                one.send(codec.message(b"Q", codec.text(sql)))
                told = b"".join(data for kind, data in one.until() if kind in (b"N", b"E"))
                assert b"pg_" not in told and b"query_history" not in told, told
        ann.send(codec.message(b"Q", codec.text("analyze m.mine")))
        assert any(
            b'permission denied to analyze "mine"' in data for kind, data in ann.until() if kind == b"N"
        )
