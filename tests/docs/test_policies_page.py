"""docs/policies.md is followed: its files are written, deployed, and read by an analyst."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployer.local.environment import LocalEnvironment, Status
from deployer.operations.deploy import deploy
from deployer.operations.plan import plan
from deployer.project import config

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "policies.md").read_text(encoding="utf-8")


def test_the_page(
    tmp_path: Path,
    environment: LocalEnvironment,
    fresh_database: Status,
    connect: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ZEROSHIFT_HOME", str(environment.home))
    admin = connect(autocommit=True)
    for statement in (
        "create schema shop",
        "create role analyst",
        "grant usage on schema shop to role analyst",
        "create table shop.guests (id int, mail varchar(100), created_at timestamp)",
        "insert into shop.guests values (1, 'old@x.org', '2023-05-01'), (2, 'new@x.org', '2024-05-01')",
        "grant select on shop.guests to role analyst",
        "create user ann password 'Ordinary-User-1'",
        "grant role analyst to ann",
    ):
        admin.cursor().execute(statement)
    (tmp_path / "zeroshift.toml").write_text('[project]\nname = "page"\n\n[env.local]\nkind = "local"\n')
    (tmp_path / "migrations" / "versions").mkdir(parents=True)
    security = tmp_path / "procedures" / "security"
    security.mkdir(parents=True)
    blocks = re.findall(r"```sql\n(.*?)```", PAGE, re.S)
    names = re.findall(r"`procedures/security/(\w+\.sql)`", PAGE)
    assert len(blocks) == len(names) == 2
    for name, block in zip(names, blocks, strict=True):
        (security / name).write_text(block)
    (block,) = re.findall(r"```toml\n(.*?)```", PAGE, re.S)
    (security / "policies.toml").write_text(block)
    project = config.load(tmp_path)
    here = project.environment("local")
    deploy(project, here, allow=())
    ann = connect(autocommit=True, user="ann", password="Ordinary-User-1").cursor()
    ann.execute("select id, mail from shop.guests")
    assert [tuple(row) for row in ann.fetchall()] == [(2, "hidden")]
    assert plan(project, here).is_empty
    # The name that the page gives to --allow-destructive.
    (security / "policies.toml").write_text(block.replace('only_recent = ["role analyst"]', ""))
    (name,) = re.findall(r'--allow-destructive "([^"]+)"', PAGE)
    assert [change.name for change in plan(project, here).destructive] == [name]
