"""`zeroshift integration recreate`: delete an integration, wait, make it anew. Everything is copied again, and the
history that landing has kept is lost: nothing but this brings about a change of source, target or key, or mends one
that failed.

It may be killed anywhere and run again: the ledger notes which integration is being replaced, and every step looks at
what there is. Of the stacks nothing else is changed: pending changes of the project wait for a deployment.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from deployer.aws import changesets, connect, imports, integrations, naming, stacks, templates
from deployer.aws.client import Aws
from deployer.aws.integrations import Integration
from deployer.aws.resources import integration as resource
from deployer.aws.scope import NAMESPACE_ID
from deployer.aws.stacks import Stack
from deployer.errors import StatementFailed, Unsafe, UsageError
from deployer.operations import integration_part, integration_stack, landing_plan
from deployer.operations.landing_plan import CREATE, Step
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project.config import Environment, Project
from deployer.project.environments import Remote
from deployer.project.zero_etl_aws import AwsZeroEtl
from deployer.warehouse import integration_ledger, landing, lease, ledger
from deployer.warehouse.session import Session


@dataclass(frozen=True)
class Lost:
    """What recreating loses: the history of `tables`, which have so many `rows` in landing, older versions included."""

    landing: str
    tables: tuple[str, ...]
    rows: int

    def __str__(self) -> str:
        if not self.tables:
            return f"no history: {self.landing} keeps none"
        shown = ", ".join(self.tables[:5]) + (", ..." if len(self.tables) > 5 else "")
        return (
            f"the history of {len(self.tables)} tables in {self.landing} ({shown}), {self.rows} rows with it"
        )


@dataclass(frozen=True)
class Recreated:
    """What was done."""

    name: str
    lost: Lost
    state: str


def recreate(
    project: Project,
    environment: Environment,
    name: str,
    *,
    yes: bool,
    wait: float = 0.0,
    progress: Progress = silent,
) -> Recreated:
    """Replace the integration `name` by a new one, as zeroshift.toml says it.

    Raises Unsafe without `yes`, with what would be lost; Unavailable without a superuser; LeaseHeld while a deployment
    or a run is at work.
    """
    one = chosen(environment, name)
    aws = Aws(_remote(environment))
    _need_stack(aws, project, environment, one)
    with Session(target(project, environment, progress)) as session:
        with landing_plan.administrator(environment, session) as admin:
            admin = landing_plan.need(admin, environment, "recreating an integration")
            _check_landing(aws, project, environment, session, admin, one)
            lost = _lost(admin, one)
        if not yes:
            raise Unsafe(
                f"this deletes the integration {name} and the database {one.landing}, and copies everything"
                f" anew; lost is"
                f" {lost}; until it is done no run can read {one.landing}; say --yes to do it; nothing was changed"
            )
        ledger.ensure(session)
        with _leased(session, wait, progress):
            if lease.runs_exist(session):
                lease.refuse_during_runs(session)
            _delete(aws, project, environment, session, one, progress)
            made = _make(aws, project, environment, session, one, progress)
            integration_ledger.settle(session, one.name)
        return Recreated(name, lost, made.status)


def chosen(environment: Environment, name: str) -> AwsZeroEtl:
    """The environment's integration called `name`; raises UsageError that lists those there are."""
    for one in environment.integrations:
        if one.name == name:
            return one
    there = ", ".join(one.name for one in environment.integrations) or "none"
    raise UsageError(f"environment {environment.name} has no integration {name!r}; it has: {there}")


def _need_stack(aws: Aws, project: Project, environment: Environment, one: AwsZeroEtl) -> None:
    """Raise UsageError before anything is deleted where there is no stack to make it anew in."""
    name = naming.stack(project, environment, "base")
    if stacks.status(aws, name) in (stacks.ABSENT, stacks.REVIEWED, stacks.FAILED_CREATION):
        raise UsageError(
            f"there is no stack {name} that could hold the integration {one.name};"
            f" `zeroshift deploy --env {environment.name}` makes both, or adopts the integration"
        )


def _delete(
    aws: Aws,
    project: Project,
    environment: Environment,
    session: Session,
    one: AwsZeroEtl,
    progress: Progress,
) -> None:
    """Take the old integration out of the stack base, delete it, and drop what it has fed."""
    stack = naming.stack(project, environment, "base")
    stacks.settle(aws, stack, progress)
    held = _held(aws, project, environment, one)
    live = _present(aws, environment, one, held)
    noted = integration_ledger.read(session, one.name).get(integration_ledger.DELETED)
    if live is not None and noted and live.id != noted:
        progress(f"going on with the new integration {one.name}, which an interrupted recreate has made")
        return
    if live is not None:
        # Of one that is deleted nothing tells any more which database it has fed.
        integration_ledger.write(
            session,
            one.name,
            {integration_ledger.DELETED: live.id, integration_ledger.LANDING: one.landing},
        )
    if held:
        progress(f"taking the integration {one.name} out of the stack {stack}")
        standing = Stack(stack, {}, role=_role(aws, environment))
        # It is retained: the stack lets go of it, and nothing is deleted yet.
        changesets.apply(aws, imports.without(aws, standing, resource.logical_id(one)), progress)
    if live is not None:
        integrations.delete(aws, live.arn, one.name, progress)
    integration_part.reach(session, progress)
    with landing_plan.administrator(environment, session) as admin:
        admin = landing_plan.need(admin, environment, "dropping a landing database")
        if one.landing in landing.databases(admin):
            progress(f"dropping the database {one.landing}")
            _drop(admin, one.landing)
    integration_ledger.forget(session, one.name)


def _check_landing(
    aws: Aws,
    project: Project,
    environment: Environment,
    session: Session,
    admin: Session,
    one: AwsZeroEtl,
) -> None:
    """Raise Unsafe, before anything is deleted, where the landing database is not what this integration has fed: it
    would be dropped with all that somebody else has put there."""
    if one.landing not in landing.databases(admin):
        return
    known = integration_ledger.read(session, one.name)
    live = _present(aws, environment, one, _held(aws, project, environment, one))
    rows = [row.integration for row in landing.landings(admin) if row.database == one.landing]
    if rows:
        mine = rows[0] in (live.id if live is not None else "", known.get(integration_ledger.DELETED, ""))
    else:
        mine = known.get(integration_ledger.LANDING) == one.landing
    if not mine:
        raise Unsafe(
            f"the database {one.landing} exists, and nothing shows that the integration {one.name} has fed it"
            " (SVV_INTEGRATION, and what deployments have noted), so that it is not dropped; if nobody needs what is in"
            f" it: {landing.drop_statement(one.landing)}, else choose another name, landing = ..., in"
            f" zeroshift.toml:{one.line}; nothing was changed"
        )


def _held(aws: Aws, project: Project, environment: Environment, one: AwsZeroEtl) -> str:
    """The ARN of the integration that the stack base holds, "" for none."""
    there = imports.held(aws, naming.stack(project, environment, "base"))
    return there.get(resource.logical_id(one), ("", ""))[1]


def _drop(admin: Session, name: str) -> None:
    """DROP DATABASE takes no IF EXISTS: one that went in between is no error."""
    try:
        admin.execute(landing.drop_statement(name))
    except StatementFailed:
        integration_part.reach(admin, lambda _: None)
        if name in landing.databases(admin):
            raise


def _make(
    aws: Aws,
    project: Project,
    environment: Environment,
    session: Session,
    one: AwsZeroEtl,
    progress: Progress,
) -> Integration:
    """The policy, the integration in the stack base, its landing database, and the stack run, which watches it."""
    part = integration_part.PolicyPart()
    if changes := part.changes(project, environment, session, ()):
        part.apply(project, environment, session, changes, progress)
    base = _with(aws, project, environment, one)
    changesets.apply(aws, base, progress)
    live = integrations.find(
        aws, integration_stack.source_arn(aws, one), connect.namespace(aws, environment).arn
    )
    assert live is not None
    made = integrations.wait_active(aws, live.arn, one.name, progress)
    integration_part.reach(session, progress)
    integration_part.bring_about(project, environment, session, [Step(CREATE, one)], progress)
    run = _watching(aws, project, environment, one, made.id)
    if run is not None:
        changesets.apply(aws, run, progress)
    return made


def _with(aws: Aws, project: Project, environment: Environment, one: AwsZeroEtl) -> Stack:
    """The stack base as it stands, with this integration as zeroshift.toml says it."""
    name = naming.stack(project, environment, "base")
    wanted = templates.template(project, environment, "base")
    assert wanted is not None
    standing = imports.without(aws, Stack(name, {}, role=_role(aws, environment)), resource.logical_id(one))
    body = json.loads(json.dumps(standing.template))
    logical_id, output = resource.logical_id(one), resource.id_output(one)
    body["Resources"][logical_id] = wanted["Resources"][logical_id]
    body["Outputs"] = body.get("Outputs", {}) | {output: wanted["Outputs"][output]}
    body["Parameters"] = body.get("Parameters", {}) | {NAMESPACE_ID: wanted["Parameters"][NAMESPACE_ID]}
    values = dict(standing.parameters) | {NAMESPACE_ID: connect.namespace(aws, environment).id}
    return replace(standing, template=body, parameters=values)


def _watching(
    aws: Aws, project: Project, environment: Environment, one: AwsZeroEtl, integration: str
) -> Stack | None:
    """The stack run as it stands, with the new integration's id; None where it does not watch it (yet)."""
    name = naming.stack(project, environment, "run")
    if not imports.held(aws, name):
        return None
    standing = imports.without(aws, Stack(name, {}, role=_role(aws, environment)), "")
    if resource.id_output(one) not in standing.parameters:
        return None
    return replace(standing, parameters=dict(standing.parameters) | {resource.id_output(one): integration})


def _present(aws: Aws, environment: Environment, one: AwsZeroEtl, held: str) -> Integration | None:
    """The integration that is there: the one that the stack holds, else the one of this source and target."""
    live = integrations.describe(aws, held) if held else None
    return live or integrations.find(
        aws, integration_stack.source_arn(aws, one), connect.namespace(aws, environment).arn
    )


def _lost(admin: Session, one: AwsZeroEtl) -> Lost:
    rows = admin.execute(
        "select trim(schema_name), trim(table_name), table_rows from svv_integration_table_state"
        " where trim(target_database) = %s and is_history_mode order by 1, 2",
        (one.landing,),
    ).rows
    return Lost(
        one.landing,
        tuple(f"{row[0]}.{row[1]}" for row in rows),
        sum(int(str(row[2] or 0)) for row in rows),
    )


@contextmanager
def _leased(session: Session, wait: float, progress: Progress) -> Iterator[None]:
    """Under the deployment lease, renewed meanwhile."""
    held = lease.acquire(session, wait=wait, on_wait=lambda holder: progress(f"waiting for {holder}"))
    try:
        with lease.kept(session, held):
            yield
    finally:
        lease.give_back(session, held)


def _role(aws: Aws, environment: Environment) -> str:
    role = _remote(environment).cloudformation_role
    return aws.role_arn(role) if role else ""


def _remote(environment: Environment) -> Remote:
    assert environment.remote is not None
    return environment.remote
