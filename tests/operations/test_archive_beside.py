"""What else is at work beside an archive run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from archive_project import DELETING, TODAY, ArchiveProject, fill
from small_project import SmallProject

from deployer.errors import Unsafe
from deployer.operations.archive import due, look
from deployer.operations.archive import run as operations
from deployer.project.archive import files
from deployer.warehouse import archive_ledger as ledger
from deployer.warehouse.session import Session

CHECK = """-- Purpose: Refuse while a run is noted in shop.held.
create or replace procedure archive.check_horizon(of_table varchar(255), period_column varchar(128), horizon_day date)
as $$
declare
    found_run varchar(64);
begin
    select max(run) into found_run from shop.held;
    if found_run is not null then
        raise exception 'lease held: run % is at work', found_run;
    end if;
end;
$$ language plpgsql;
"""


@pytest.mark.slow
def test_a_pipeline_at_work_holds_up_what_deletes_and_nothing_else(
    small: SmallProject, session: Session
) -> None:
    archive = ArchiveProject(small)
    archive.policy("old", DELETING)
    archive.small.migration("0008", "0007", "create table shop.held (run varchar(64))")
    procedures = archive.small.root / "procedures" / "archive"
    (procedures / "check_horizon.sql").write_text(CHECK, encoding="utf-8")
    archive.deploy()
    fill(session)
    session.execute("insert into shop.held values ('night')")
    project = archive.small.load()
    local = project.environment("local")
    with pytest.raises(
        operations.PipelineRuns, match=r"old.toml:4: .*run night is at work; wait for it"
    ) as held:
        operations.run(project, local, as_of=TODAY)
    assert held.value.exit_code == 4 and ledger.runs(session) == () and ledger.horizons(session) == {}
    archive.policy("tables", 'table = "shop.held"\n')
    done = operations.run(project, local, as_of=TODAY)
    assert {one.policy: one.state for one in done.outcomes} == {"old": operations.HELD, "tables": "archived"}
    said: list[str] = []

    def progress(text: str) -> None:
        if "old: waiting: " in text:
            session.execute("delete from shop.held")
        said.append(text)

    done = operations.run(project, local, ["old"], as_of=TODAY, wait=300, progress=progress)
    assert [one.state for one in done.outcomes] == ["archived"]
    assert sum("old: waiting: " in text for text in said) == 1
    # In AWS the bucket's name ends in the account, which nothing that people read may show.
    for table in ("archive.runs", "archive.partitions"):
        session.execute(f"update {table} set location = 's3://shop-prod-archive-123456789012/old/'")
    listed = look.listed(project, local)
    assert {one.location for one in (*listed.runs, *listed.partitions)} == {"s3://shop-prod-archive-***/old/"}


def test_who_is_not_shown_masks_may_not_delete(small: SmallProject, session: Session) -> None:
    session.execute("create schema sold")
    session.execute("create table sold.closed (id bigint, day date)")
    session.execute("create user ann_archives password 'Ordinary-User-1'")
    session.execute("grant usage on schema sold to ann_archives")
    session.execute("grant select, delete on sold.closed to ann_archives")

    def seen(after: str) -> int:
        text = DELETING.replace("shop.", "sold.").replace('"delete"', f'"{after}"')
        policy = files.parse(text, small.root / "procedures" / "archive" / "old.toml", Path("old.toml"))
        with Session(replace(session.target, user="ann_archives", password="Ordinary-User-1")) as ann:
            return len(due.columns_of(ann, policy))

    assert seen("keep") == 2
    with pytest.raises(
        Unsafe,
        match=r"old.toml:4: whether .* of sold.closed from ann_archives is shown to superusers and",
    ):
        seen("delete")
    session.execute("create masking policy hide_id with (id bigint) using (0::bigint)")
    session.execute("grant role sys:secadmin to ann_archives")
    assert seen("delete") == 2
    session.execute("attach masking policy hide_id on sold.closed (id) to ann_archives")
    with pytest.raises(
        Unsafe, match=r"old.toml:1: the masking policy hide_id hides values of sold.closed from"
    ):
        seen("keep")
