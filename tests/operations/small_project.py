"""A project of three views and a procedure, for tests of deploying."""

from __future__ import annotations

import shutil
from pathlib import Path

from deployer.project import config
from deployer.project.config import Project

REPOSITORY = Path(__file__).resolve().parents[2]

MIGRATION = '''\
"""{title}."""

from __future__ import annotations

from alembic import op

revision = "{revision}"
down_revision = {down!r}
branch_labels = None
depends_on = None


def upgrade() -> None:
{body}
'''


class SmallProject:
    """Files in a directory, and how to change them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        (root / "migrations" / "versions").mkdir(parents=True)
        shutil.copy(REPOSITORY / "migrations" / "env.py", root / "migrations" / "env.py")
        (root / "zeroshift.toml").write_text('[project]\nname = "small"\n\n[env.local]\nkind = "local"\n')
        self.migration(
            "0001",
            None,
            "create schema shop",
            "create schema shown",
            "create table shop.sales (id bigint not null, amount decimal(12, 2)) distkey (id) sortkey (id)",
            "insert into shop.sales (id, amount) values (1, 10.50), (2, 20.25)",
            "create role reader",
            "grant usage on schema shown to role reader",
        )
        self.view("shown.a_base", "select id, amount from shop.sales")
        self.view("shown.totals", "select count(*) as sales, sum(amount) as amount from shown.a_base")
        self.view("shown.nothing_else", "select id from shop.sales where id > 1")
        self.procedure("shop.add_one", "(new_id bigint)", "insert into shop.sales (id) values (new_id);")

    def migration(self, revision: str, down: str | None, *statements: str) -> Path:
        body = "\n".join(f"    op.execute({statement!r})" for statement in statements)
        path = self.root / "migrations" / "versions" / f"{revision}_step.py"
        path.write_text(MIGRATION.format(title="A step", revision=revision, down=down, body=body))
        return path

    def file(self, name: str) -> Path:
        schema, bare = name.split(".")
        path = self.root / "procedures" / schema / f"{bare}.sql"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def view(self, name: str, query: str, *, after: str = "") -> Path:
        path = self.file(name)
        path.write_text(f"-- Purpose: a view.\ncreate or replace view {name} as\n{query}\n;\n{after}")
        return path

    def procedure(self, name: str, arguments: str, body: str) -> Path:
        path = self.file(name)
        path.write_text(
            "-- Purpose: a procedure.\n"
            f"create or replace procedure {name}{arguments}\nas $$\nbegin\n    {body}\n"
            "end;\n$$ language plpgsql;\n"
        )
        return path

    def load(self) -> Project:
        return config.load(self.root)
