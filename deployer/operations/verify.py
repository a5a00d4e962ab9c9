"""`zeroshift verify`: whether what is deployed works, without running any of it.

Every view is selected with WHERE FALSE: a late-binding view is not checked by Redshift before it is queried (Database
Developer Guide, "CREATE VIEW"), and a bound one may have lost the rights of its owner. Every contract is compared with
its view's columns, every CALL in a procedure with the procedures there are (`calls`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deployer.errors import StatementFailed, UsageError
from deployer.operations import calls
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project import contracts, objects
from deployer.project.config import Environment, Project
from deployer.project.contracts import Break, Contract
from deployer.project.objects import Object, line_at
from deployer.sql.names import Name
from deployer.warehouse import catalog, ledger, routines
from deployer.warehouse.session import CONNECTION_LOST, Session

ERROR, WARNING, UNKNOWN = "error", "warning", "cannot tell"
_PROBE = "zeroshift_column_probe"


@dataclass(frozen=True)
class Finding:
    """Something that verify found. `severity`: error (it fails), warning, or cannot tell.

    `check` is view, contract or call; `name` the view or procedure. `path` and `line` are where it is written in this
    checkout, empty and 0 when the warehouse holds something else than the checkout.
    """

    severity: str
    check: str
    name: str
    message: str
    path: str = ""
    line: int = 0


@dataclass(frozen=True)
class Verification:
    """What was looked at, how many of each, and what was found. `written`: new contract files."""

    views: int
    contracts: int
    calls: int
    findings: tuple[Finding, ...]
    written: tuple[str, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing fails; warnings and what cannot be told do not count."""
        return not any(finding.severity == ERROR for finding in self.findings)


def verify(
    project: Project,
    environment: Environment,
    *,
    write_contracts: bool = False,
    progress: Progress = silent,
) -> Verification:
    """Look at everything that is deployed in `environment`; reads only.

    `write_contracts` writes a contract for every presentation view that has none. Raises UsageError when nothing is
    deployed, or a file of the project is wrong.
    """
    files = {item.name: item for item in objects.read_all(project.procedures, project.root)}
    with Session(target(project, environment, progress)) as session:
        deployed = ledger.read(session) if ledger.exists(session) else {}
        if not deployed:
            raise UsageError(f"nothing is deployed in {environment.name} yet; `zeroshift deploy` does it")
        names = sorted(item.name for item in deployed.values() if item.kind == "view")
        written = _write_contracts(session, project, names, files) if write_contracts else ()
        promised = contracts.read_all(project.procedures, project.root)
        progress(f"selecting from {len(names)} views")
        found = [*check_views(session, names, files), *check_contracts(session, names, promised)]
        progress("checking the calls of all procedures")
        procedures = {item.name for item in deployed.values() if item.kind == "procedure"}
        count, wrong = _check_calls(session, procedures, files)
        return Verification(len(names), len(promised), count, tuple(found + wrong), written)


def after_deploy(
    session: Session,
    project: Project,
    files: Mapping[str, Object] | None = None,
    promised: Mapping[str, Contract] | None = None,
) -> Verification:
    """What a deployment verifies when it has committed: every presentation view, and its contract.

    `files` and `promised` are the project's objects by name and its contracts, where the caller has read them already.
    """
    if files is None:
        files = {item.name: item for item in objects.read_all(project.procedures, project.root)}
    if promised is None:
        promised = contracts.read_all(project.procedures, project.root)
    deployed = ledger.read(session)
    names = sorted(
        item.name
        for item in deployed.values()
        if item.kind == "view" and (_is_presentation(item.name) or item.name in promised)
    )
    found = [*check_views(session, names, files), *check_contracts(session, names, promised)]
    return Verification(len(names), len(promised), 0, tuple(found))


def check_views(session: Session, names: Iterable[str], files: Mapping[str, Object]) -> list[Finding]:
    """Select from each view with WHERE FALSE, and say which ones fail."""
    found = []
    for name in names:
        try:
            session.execute(f"select * from {_sql(name)} where false")
        except StatementFailed as error:
            if error.sqlstate == CONNECTION_LOST:
                raise
            path = str(files[name].path) if name in files else ""
            state = f" (SQLSTATE {error.sqlstate})" if error.sqlstate else ""
            found.append(
                Finding(
                    ERROR, "view", name, f"{name} cannot be selected: {error}{state}", path, 1 if path else 0
                )
            )
    return found


def check_contracts(
    session: Session, names: Iterable[str], promised: Mapping[str, Contract]
) -> list[Finding]:
    """Compare the contracts with the deployed views called `names`; name the presentation views without one."""
    listed = set(names)
    found = []
    there = columns_of(session, promised)
    for view, contract in sorted(promised.items()):
        found += [
            Finding(ERROR, "contract", view, item.message, str(item.path), item.line)
            for item in contracts.breaks(contract, there[view])
        ]
        found += [
            Finding(
                UNKNOWN,
                "contract",
                view,
                f"{view}.{item.column} is promised as {item.type}; the local catalog does not tell its length",
                str(contract.path),
                item.line,
            )
            for item in contracts.untold(contract, there[view])
        ]
    for name in sorted(listed - set(promised)):
        if _is_presentation(name):
            message = f"{name} has no contract; `zeroshift verify --write-contracts` writes it"
            found.append(Finding(WARNING, "contract", name, message))
    return found


def broken(session: Session, promised: Iterable[Contract]) -> list[Break]:
    """The promises that the warehouse's views do not keep as they stand in this session's transaction.

    So a plan or a deployment asks inside its transaction, before it commits, and raises `contracts.refusal`.
    """
    by_view = {contract.view: contract for contract in promised}
    there = columns_of(session, by_view, in_transaction=True)
    return [item for view in sorted(by_view) for item in contracts.breaks(by_view[view], there[view])]


def columns_of(
    session: Session, views: Iterable[str], *, in_transaction: bool = False
) -> dict[str, dict[str, str]]:
    """Views' columns and their types, as contracts write them; none for a view that does not exist or is broken.

    In a transaction a broken view raises StatementFailed: the warehouse has ended the transaction by then.
    """
    wanted = set(views)
    if not wanted:
        return {}
    schemas = sorted({view.partition(".")[0] for view in wanted})
    found = session.execute(
        "select table_schema, table_name, column_name, data_type, character_maximum_length, numeric_precision,"
        f" numeric_scale from svv_columns where table_schema in ({', '.join(['%s'] * len(schemas))})"
        " order by table_schema, table_name, ordinal_position",
        schemas,
    )
    rows: dict[str, list[tuple[object, ...]]] = {view: [] for view in wanted}
    for schema, name, *column in found.rows:
        if f"{schema}.{name}" in wanted:
            rows[f"{schema}.{name}"].append(tuple(column))
    types = {view: contracts.column_types(listed) for view, listed in rows.items()}
    silent_about = [view for view, columns in types.items() if not columns]
    if silent_about:
        exists = catalog.view_names(session)
        for view in silent_about:
            if view in exists:
                types[view] = _late_columns(session, view, in_transaction)
    return types


def _late_columns(session: Session, view: str, in_transaction: bool) -> dict[str, str]:
    """The columns of a late-binding view that the catalog is silent about (the local one is): a table made of it has
    them.
    """
    try:
        session.execute(f"create temp table {_PROBE} as select * from {_sql(view)} where false", where=view)
    except StatementFailed as error:
        if in_transaction or error.sqlstate == CONNECTION_LOST:
            raise
        return {}
    found = session.execute(
        "select column_name, data_type, character_maximum_length, numeric_precision, numeric_scale"
        " from svv_columns where table_name = %s order by ordinal_position",
        (_PROBE,),
    )
    session.execute(f"drop table {_PROBE}")
    return contracts.column_types(found.rows)


def _check_calls(
    session: Session, deployed: set[str], files: Mapping[str, Object]
) -> tuple[int, list[Finding]]:
    every = routines.procedures(session)
    count, problems = calls.check(session, every, [item for item in every if item.name in deployed])
    found = []
    for problem in problems:
        path, line = _place(problem, files)
        body_line = "" if path else f" (line {_body_line(problem)} of its body)"
        found.append(
            Finding(
                ERROR if problem.certain else UNKNOWN,
                "call",
                problem.routine.name,
                f"{problem.routine.name}{body_line} {problem.message}",
                path,
                line,
            )
        )
    return count, found


def _body_line(problem: calls.CallProblem) -> int:
    """As the warehouse's errors count: from the line after the opening $$."""
    body = problem.routine.body
    return line_at(body, problem.at) - body.startswith("\n")


def _place(problem: calls.CallProblem, files: Mapping[str, Object]) -> tuple[str, int]:
    """File and line of a problem, when the checkout has the very body that the warehouse has."""
    item = files.get(problem.routine.name)
    if item is None:
        return "", 0
    start = item.text.find(problem.routine.body)
    return (str(item.path), line_at(item.text, start + problem.at)) if start >= 0 else ("", 0)


def _write_contracts(
    session: Session, project: Project, names: Iterable[str], files: Mapping[str, Object]
) -> tuple[str, ...]:
    have = contracts.read_all(project.procedures, project.root)
    lacking = [name for name in names if name not in have and name in files and _is_presentation(name)]
    there = columns_of(session, lacking)
    written = []
    for name in lacking:
        if there[name]:
            path = files[name].path.with_suffix(contracts.SUFFIX)
            contracts.write(project.root / path, name, there[name])
            written.append(str(path))
    return tuple(written)


def _is_presentation(name: str) -> bool:
    return name.partition(".")[0] == contracts.SCHEMA


def _sql(name: str) -> str:
    schema, _, bare = name.partition(".")
    return Name(bare, schema).sql()
