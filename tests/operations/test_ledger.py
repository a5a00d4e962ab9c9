"""The ledger: live state, history with the files' texts, and warehouses that an older zeroshift deployed into."""

from __future__ import annotations

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_project import SmallProject

from deployer.errors import StatementFailed
from deployer.operations.deploy import Deployment, deploy
from deployer.warehouse import catalog, chunks, ledger, ledger_tables
from deployer.warehouse.session import Session


def run(small: SmallProject, *, prune: bool = False) -> Deployment:
    project = small.load()
    return deploy(project, project.environment("local"), prune=prune, allow=("shown.totals",))


@given(st.text(alphabet=st.sampled_from("aé€\U0001f600\n"), max_size=200))
def test_a_text_is_cut_between_characters_and_comes_together_again(text: str) -> None:
    long = text * 700
    parts = chunks.cut(long)
    assert all(len(part.encode()) <= chunks.PART_BYTES for part in parts)
    rows = [("key", number, part) for number, part in enumerate(parts)]
    assert chunks.joined(reversed(rows)) == {"key": long}


def test_what_another_session_creates_just_now_is_no_error() -> None:
    """Of two first deployments one waits for the other's row of the catalog, and finds a conflict or a duplicate."""

    class Racing:
        said = [("40001", "conflict with concurrent transaction"), ("42P07", "relation already exists")]

        def execute(self, statement: str) -> None:
            state, words = self.said.pop(0)
            raise StatementFailed(words, sqlstate=state)

    racing = Racing()
    ledger_tables.create(cast(Session, racing), "create table if not exists t (id bigint)")
    assert not racing.said
    racing.said.append(("42501", "permission denied"))
    with pytest.raises(StatementFailed, match="permission denied"):
        ledger_tables.create(cast(Session, racing), "create table if not exists t (id bigint)")


def test_every_deployment_keeps_the_files_as_they_were(small: SmallProject, session: Session) -> None:
    run(small)
    first = small.file("shown.totals").read_text()
    # Longer than one VARCHAR, and with characters of several bytes at every possible cut.
    second = first + f"-- {'é€' * 40_000}\n"
    small.file("shown.totals").write_text(second)
    run(small)
    small.file("shown.totals").unlink()
    run(small, prune=True)
    newest, middle, oldest = ledger.deployments(session)
    assert [item.status for item in (newest, middle, oldest)] == ["done"] * 3
    assert [item.objects for item in (newest, middle, oldest)] == [1, 1, 4]
    assert (oldest.id, middle.id, newest.id) == (1, 2, 3)
    assert ledger.source(session, oldest.id)["view shown.totals"] == first
    assert ledger.source(session, middle.id)["view shown.totals"] == second
    assert "view shown.totals" not in ledger.source(session)
    assert set(ledger.source(session)) == set(ledger.read(session)) == set(ledger.live(session))


def test_what_is_read_back_is_what_the_catalog_says(small: SmallProject, session: Session) -> None:
    run(small)
    small.procedure("shop.add_one", "(new_id bigint)", "insert into shop.sales (id) values (new_id + 1);")
    run(small)
    found = {
        key: text for key, text in catalog.definitions(session).items() if not key.startswith("view pg_")
    }
    assert ledger.live(session) == found
    assert "new_id + 1" in found["procedure shop.add_one"]
    session.execute("create or replace view shown.nothing_else as select id from shop.sales where id > 7")
    assert catalog.definition(session, "view", "shown.nothing_else") != found["view shown.nothing_else"]
    assert catalog.definition(session, "view", "shown.absent") is None


def test_one_overload_is_told_from_another(small: SmallProject, session: Session) -> None:
    run(small)
    session.execute(
        "create procedure shop.add_one(a varchar(10), b timestamp) as $$ begin null; end; $$ language plpgsql"
    )
    both = catalog.definition(session, "procedure", "shop.add_one")
    ours = catalog.definition(session, "procedure", "shop.add_one", "(bigint)")
    theirs = catalog.definition(session, "procedure", "shop.add_one", "(varchar, timestamp)")
    assert both is not None and ours is not None and theirs is not None
    assert ours in both and theirs in both and ours != theirs
    assert both != ledger.live(session)["procedure shop.add_one"]


def test_a_failed_deployment_is_in_the_log_and_changed_no_source(
    small: SmallProject, session: Session
) -> None:
    run(small)
    before = ledger.source(session)
    small.migration("0002", "0001", "create table shop.sales (id bigint)")
    with pytest.raises(StatementFailed):
        run(small)
    assert [item.status for item in ledger.deployments(session)] == ["failed", "done"]
    assert ledger.source(session) == before


def test_one_that_was_killed_is_marked_by_the_next(small: SmallProject, session: Session) -> None:
    run(small)
    session.execute(f"update {ledger.SCHEMA}.deployments set status = 'running', finished_at = null")
    small.view("shown.totals", "select count(*) as sales from shown.a_base")
    run(small)
    assert [item.status for item in ledger.deployments(session)] == ["done", "abandoned"]


def test_a_warehouse_of_an_older_zeroshift_is_upgraded_in_place(
    small: SmallProject, session: Session
) -> None:
    run(small)
    rows = ledger.read(session)
    # Version 0.1 had objects, lease and migrations, and nothing else.
    for table in ("deployments", "history", "definitions", "applied", "steps"):
        session.execute(f"drop table {ledger.SCHEMA}.{table}")
    assert ledger.read(session) == rows
    assert (ledger.deployments(session), ledger.source(session), ledger.live(session)) == ((), {}, {})
    small.view("shown.nothing_else", "select id from shop.sales where id > 0")
    assert run(small).replaced == ("shown.nothing_else",)
    # The texts of what did not change are taken from the files, whose checksums agree.
    assert set(ledger.source(session)) == set(rows) == set(ledger.live(session))
    assert ledger.deployments(session)[0].objects == 1
