"""A small project with an archive: its tables, policies, and how to ask the warehouse."""

from __future__ import annotations

import shutil
from datetime import date
from typing import Any

from small_project import REPOSITORY, SmallProject

from deployer.aws.storage import Bucket
from deployer.operations.archive import run as operations
from deployer.operations.archive.place import place
from deployer.operations.archive.run import Archived
from deployer.operations.deploy import deploy
from deployer.warehouse.session import Session

TODAY = date(2024, 3, 15)

KINDS = (
    "id bigint, amount decimal(38, 10), price decimal(12, 2), day date, at timestamp, at_zone timestamptz, clock time,"
    " raw_bytes varbyte(100), doc super, name varchar(300), code char(3), yes boolean, ratio double precision,"
    " part real, small smallint"
)

DELETING = 'table = "shop.closed"\nperiod = "day"\nkeep = "1 month"\nafter = "delete"\n'


class ArchiveProject:
    """The small project with the repository's archive, and a table of every type."""

    def __init__(self, small: SmallProject) -> None:
        self.small = small
        (small.root / "procedures" / "archive").mkdir(parents=True)
        shutil.copy(
            REPOSITORY / "procedures" / "archive" / "run_policy.sql", small.root / "procedures" / "archive"
        )
        text = (REPOSITORY / "migrations" / "versions" / "0006_archive.py").read_text()
        text = text.replace('down_revision = "0005"', 'down_revision = "0001"')
        (small.root / "migrations" / "versions" / "0006_archive.py").write_text(text)
        small.migration("0007", "0006", f"create table shop.closed ({KINDS})")

    def policy(self, name: str, text: str) -> None:
        (self.small.root / "procedures" / "archive" / f"{name}.toml").write_text(text)

    def deploy(self) -> None:
        project = self.small.load()
        deploy(project, project.environment("local"), wait=240)

    def run(self, *names: str, as_of: date = TODAY) -> Archived:
        project = self.small.load()
        return operations.run(project, project.environment("local"), names, as_of=as_of, wait=240)

    @property
    def bucket(self) -> Bucket:
        project = self.small.load()
        return place(project, project.environment("local")).bucket

    def keys(self) -> list[str]:
        return [item.key for item in self.bucket.list("")]


ROWS = (
    "(1, 1234567890123456789012345678.1234567891, 10.50, '2024-01-31', '2024-01-31 23:59:59.999999',"
    " '2024-01-31 10:00:00+02', '10:11:12.5', 'abc', json_parse('{\"a\": 2.50}'), 'é|\"x\"\\\\n', 'ab',"
    " true, 0.1, 1.5, 1)",
    "(2, null, null, '2024-01-01', null, null, null, null, null, null, null, null, null, null, null)",
    "(3, -1, -2, '2023-12-31', '0001-01-01', '1970-01-01 00:00:00+00', '00:00:00', '', json_parse('[]'), '', '',"
    " false, 0, 0, -2)",
    "(4, 0, 0, '2024-02-29', '2024-02-29', '2024-02-29', '00:00:00', '', json_parse('null'), 'kept', 'x',"
    " true, 1, 1, 3)",
    "(5, 0, 0, null, null, null, null, null, null, 'no day', null, null, null, null, null)",
)


def fill(session: Session) -> None:
    """Five rows: three that are closed in March when a month is kept, one that is not, one without a day."""
    for row in ROWS:
        session.execute(f"insert into shop.closed values {row}")


def rows(session: Session, table: str = "shop.closed") -> list[tuple[Any, ...]]:
    """All rows, the SUPER as text, by id."""
    found = session.execute(
        "select id, amount, price, day, at, at_zone, clock, to_hex(raw_bytes), json_serialize(doc), name, code, yes,"
        f" ratio, part, small from {table} order by id"
    )
    return [tuple(row) for row in found.rows]
