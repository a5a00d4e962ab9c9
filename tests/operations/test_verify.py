from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from small_project import SmallProject

from deployer.cli.verify import verify as command
from deployer.errors import StatementFailed, Unsafe, UsageError
from deployer.operations import plan as plans
from deployer.operations import verify as operations
from deployer.operations.deploy import deploy
from deployer.operations.verify import Finding, Verification
from deployer.project import contracts
from deployer.warehouse.session import Session


def deployed(small: SmallProject) -> None:
    project = small.load()
    deploy(project, project.environment("local"))


def verify(small: SmallProject, *, write_contracts: bool = False) -> Verification:
    project = small.load()
    return operations.verify(project, project.environment("local"), write_contracts=write_contracts)


def told(found: Verification) -> list[tuple[str, str, str, int]]:
    return [(item.severity, item.message, item.path, item.line) for item in found.findings]


def contract(small: SmallProject, name: str, **columns: str) -> Path:
    path = small.file(name).with_suffix(".contract.toml")
    path.unlink(missing_ok=True)
    contracts.write(path, name, columns)
    return path


def test_nothing_to_verify_before_the_first_deployment(small: SmallProject) -> None:
    with pytest.raises(UsageError, match="nothing is deployed in local yet; `zeroshift deploy` does it"):
        verify(small)


def test_views_are_selected_and_contracts_compared(
    small: SmallProject, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    small.migration("0002", "0001", "create schema presentation")
    late = small.view("shown.late", "select id, amount from shop.sales with no schema binding")
    small.view("presentation.sales", "select id, amount, 'x' as mark from shop.sales")
    promise = contract(small, "shown.totals", sales="bigint", amount="decimal(38,2)")
    contract(small, "shown.late", id="bigint", amount="numeric(12,2)")
    deployed(small)

    found = verify(small)
    assert (found.views, found.contracts, found.calls) == (5, 2, 0)
    assert found.passed
    assert told(found) == [
        (
            "warning",
            "presentation.sales has no contract; `zeroshift verify --write-contracts` writes it",
            "",
            0,
        )
    ]

    # Contracts are written for presentation views that have none, and hold from then on.
    found = verify(small, write_contracts=True)
    assert found.written == ("procedures/presentation/sales.contract.toml",)
    assert found.findings == () and found.contracts == 3
    assert contracts.read(small.root / found.written[0], small.root).promises[1].type == "decimal(12,2)"
    assert verify(small, write_contracts=True).written == ()

    # What a deployment asks inside its transaction, and what it verifies afterwards.
    assert operations.after_deploy(session, small.load()).findings == ()
    contract(small, "shown.totals", sales="integer", gone="date")
    kept = contracts.read(promise, small.root)
    with session.transaction():
        broken = operations.broken(session, [kept])
    with pytest.raises(Unsafe, match=r"totals.contract.toml:6: shown.totals.gone is promised as date"):
        raise contracts.refusal(broken)
    where = "procedures/shown/totals.contract.toml"
    assert told(operations.after_deploy(session, small.load())) == [
        ("error", "shown.totals.sales is promised as integer, but it is bigint", where, 5),
        ("error", "shown.totals.gone is promised as date, but there is no such column", where, 6),
    ]

    # A late-binding view breaks when a table changes under it, and nobody is told before.
    contract(small, "shown.totals", sales="bigint")
    session.execute("drop view shown.totals")
    session.execute("drop view shown.a_base")
    session.execute("alter table shop.sales rename column amount to price")
    found = verify(small)
    assert not found.passed
    assert [(item.check, item.name) for item in found.findings] == [
        ("view", "shown.a_base"), ("view", "shown.late"), ("view", "shown.totals"),
        ("contract", "shown.late"), ("contract", "shown.late"), ("contract", "shown.totals"),
    ]  # fmt: skip
    assert found.findings[1] == Finding(
        "error",
        "view",
        "shown.late",
        found.findings[1].message,
        str(late.relative_to(small.root)),
        1,
    )
    assert 'shown.late cannot be selected: late-binding view "shown.late": column "amount"' in (
        found.findings[1].message
    )

    # Inside a transaction the warehouse's own words are told, never "current transaction is aborted".
    promised = contracts.read_all(small.load().procedures, small.root)
    with pytest.raises(StatementFailed, match='column "amount"'), session.transaction():
        operations.broken(session, [promised["shown.late"]])
    with session.transaction():
        gone = operations.broken(session, [promised["shown.totals"]])
    assert [item.found for item in gone] == [None]

    # The command: exit code 1, one line each.
    monkeypatch.chdir(small.root)
    ran = CliRunner().invoke(command, [], standalone_mode=False)
    assert ran.return_value == 1
    assert "\nfailed: 5 views selected, 3 contracts compared, 0 calls followed\n" in ran.output
    assert "error: procedures/shown/late.sql:1: shown.late cannot be selected: " in ran.output
    assert '"severity": "error"' in CliRunner().invoke(command, ["--json"], standalone_mode=False).output


def test_a_plan_that_would_break_a_contract_is_refused(small: SmallProject) -> None:
    contract(small, "shown.totals", sales="bigint", amount="decimal(38,2)")
    deployed(small)
    small.view("shown.totals", "select count(*) as sales, max(id) as amount, 1 as more from shown.a_base")
    project = small.load()
    for refused in (plans.plan, deploy):
        with pytest.raises(
            Unsafe, match=r"totals.contract.toml:6: shown.totals.amount is promised as decimal\(38,2\), but"
        ):
            refused(project, project.environment("local"))
    # Dropping the view breaks all of it.
    small.file("shown.totals").unlink()
    with pytest.raises(
        Unsafe, match=r"shown.totals.sales is promised as bigint, but there is no such column"
    ):
        plans.plan(project, project.environment("local"), prune=True)
    # A column more breaks nothing.
    small.view("shown.totals", "select 1 as more, count(*) as sales, sum(amount) as amount from shown.a_base")
    plans.plan(project, project.environment("local"))


CALLS = (
    # the call in the body of shop.caller, and what verify says of it ("" when it is right)
    ("shop.add_one(number)", ""),
    ("shop.add_one(small + 1)", ""),
    ("shop.add_one('7')", ""),
    ("shop.add_one(null)", ""),
    ("shop.add_one(label.number)", ""),
    ("shop.add_one(dateadd(month, 1, today)::date - today)", ""),
    ("shop.add_one(typed)", ""),
    ("shop.add_one(typed_again)", ""),
    ("shop.overloaded(today)", ""),
    ("shop.overloaded(number)", ""),
    ("shop.both(number, total)", ""),
    ("shop.nothing()", "calls shop.nothing, which does not exist"),
    ("shop.add_one()", "calls shop.add_one(), but it exists only with (bigint)"),
    ("shop.add_one(today)", "calls shop.add_one(date), but it exists only with (bigint)"),
    (
        "shop.overloaded(flag)",
        "calls shop.overloaded(boolean), but it exists only with (bigint), (date)",
    ),
    (
        "shop.overloaded(null)",
        "calls shop.overloaded(unknown), which fits more than one of its overloads equally; cast",
    ),
    ("shop.both(1, 2)", "argument 2 of shop.both (result) is INOUT: it must be passed a variable, not 2"),
    (
        "shop.both(1, total + 1)",
        "argument 2 of shop.both (result) is INOUT: it must be passed a variable, not total + 1",
    ),
    ("shop.both(1, fixed)", "argument 2 of shop.both (result) is INOUT: fixed is a CONSTANT and cannot take its value"),
    ("shop.gives(number)", "calls shop.gives, which has OUT arguments: a nested call needs INOUT"),
    ("shop.add_one(row.id)", "? calls shop.add_one: cannot tell the type of argument 1 before it runs"),
    ("shop.add_one(nobody)", "? calls shop.add_one: cannot tell the type of argument 1 before it runs"),
    ("add_one(number)", "? calls add_one without a schema: cannot tell which one the search path finds"),
)  # fmt: skip


def test_every_call_is_followed(small: SmallProject, session: Session) -> None:
    for name, arguments in (
        ("shop.overloaded", "(a bigint)"),
        ("shop.both", "(a bigint, inout result decimal(12, 2))"),
        ("shop.gives", "(a bigint, out b bigint)"),
        ("shop.other", "()"),
    ):
        small.procedure(name, arguments, "null;")
    calls = "\n".join(f"call {call};" for call, _ in CALLS)
    path = small.file("shop.caller")
    path.write_text(
        "-- Purpose: calls.\ncreate or replace procedure shop.caller(number bigint, today date)\nas $$\n<<label>>\n"
        "declare\n    number bigint;\n    small smallint;\n    total decimal(12, 2);\n    flag boolean;\n"
        "    fixed constant decimal(12, 2) := 1;\n    row record;\n    typed shop.sales.id%type;\n"
        "    typed_again typed%type;\nbegin\n"
        f"{calls}\nexecute 'call shop.other(1)';\nexecute 'call ' || number;\nend;\n$$ language plpgsql;\n"
    )
    deployed(small)
    # A second signature, as somebody would leave it behind by hand.
    session.execute("create procedure shop.overloaded(a date) as $$ begin null; end; $$ language plpgsql")
    found = verify(small)
    assert found.calls == len(CALLS) + 2
    first = path.read_text().splitlines().index("begin") + 2
    wanted = [
        ("cannot tell" if message.startswith("?") else "error", message.removeprefix("? "), first + number)
        for number, (_, message) in enumerate(CALLS)
        if message
    ]
    last = first + len(CALLS)
    wanted.append(("error", "calls shop.other(integer), but it exists only with ()", last))
    wanted.append(
        (
            "cannot tell",
            "calls a procedure by text that is put together as it runs: cannot tell which",
            last + 1,
        )
    )
    assert [(item.severity, item.message, item.line) for item in found.findings] == [
        (severity, f"shop.caller {message}", line) for severity, message, line in wanted
    ]
    assert {item.path for item in found.findings} == {"procedures/shop/caller.sql"}

    # The warehouse's own body counts: where the checkout has another one, the line is the body's.
    path.write_text(path.read_text().replace("calls", "callers").replace("call shop.nothing();", ""))
    assert (
        "error",
        "shop.caller (line 23 of its body) calls shop.nothing, which does not exist",
        "",
        0,
    ) in told(verify(small))
