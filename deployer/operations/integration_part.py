"""Integrations as parts of a plan and a deployment: the namespace's policy before the stack base, which makes or adopts
them, and the landing databases after it, before the SQL that reads them.

Each part asks anew what there is, so that a deployment which was killed anywhere goes on there. While AWS makes an
integration the warehouse is being modified and may take no queries (Aurora User Guide, zero-etl.creating): connections
that broke meanwhile are opened again.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from deployer.aws import connect, integrations, namespace_policy
from deployer.aws.client import Aws
from deployer.aws.namespace_policy import Document, Wanted
from deployer.errors import StatementFailed, Unavailable, Unsafe
from deployer.operations import integration_stack, landing_plan
from deployer.operations import plan as plans
from deployer.operations.changes import Change
from deployer.operations.landing_plan import ALTER, CREATE, KIND, Step
from deployer.operations.progress import Progress
from deployer.project.config import CONFIG_FILE, Project
from deployer.project.environments import Environment
from deployer.project.objects import Object
from deployer.project.zero_etl_aws import AwsZeroEtl
from deployer.warehouse import integration_ledger, landing
from deployer.warehouse.retry import is_lost
from deployer.warehouse.session import Session

AWAY_SECONDS = 900.0
"""How long a warehouse that AWS modifies may be away before we stop waiting for it."""


class PolicyPart:
    """A Provider for the resource policy of the warehouse's namespace."""

    name = "integration access"
    stage = plans.BEFORE

    def __init__(self) -> None:
        self._present: Document | None = None
        self._wanted: tuple[Wanted, ...] = ()

    @property
    def fingerprint(self) -> str:
        # The changes tell all of it.
        return ""

    def changes(
        self, project: Project, environment: Environment, session: Session, coming: Sequence[Object]
    ) -> tuple[Change, ...]:
        if not environment.integrations:
            return ()
        aws = _aws(environment)
        namespace = connect.namespace(aws, environment).arn
        self._wanted = policies(aws, environment, namespace)
        self._present = namespace_policy.read(aws, namespace)
        made = []
        for one, wanted in zip(environment.integrations, self._wanted, strict=True):
            if namespace_policy.lacking(self._present, [wanted]):
                kept = len((self._present or {}).get("Statement", []))
                made.append(
                    Change(
                        "modify" if self._present else "create",
                        "namespace policy",
                        one.name,
                        CONFIG_FILE,
                        line=one.line,
                        reason=f"lets the cluster {one.source} feed the warehouse"
                        + (f"; the {kept} statements that it has stay" if kept else ""),
                    )
                )
        return tuple(made)

    def apply(
        self,
        project: Project,
        environment: Environment,
        session: Session,
        changes: Sequence[Change],
        progress: Progress,
    ) -> None:
        aws = _aws(environment)
        namespace = connect.namespace(aws, environment).arn
        progress("adding to the resource policy of the warehouse's namespace")
        namespace_policy.put(aws, namespace, self._wanted, self._present)


class LandingPart:
    """A Provider for the landing databases."""

    name = "landing databases"
    stage = plans.BEFORE

    def __init__(self) -> None:
        self._steps: tuple[Step, ...] = ()

    @property
    def fingerprint(self) -> str:
        return ""

    def changes(
        self, project: Project, environment: Environment, session: Session, coming: Sequence[Object]
    ) -> tuple[Change, ...]:
        if not environment.integrations:
            return ()
        found = integration_stack.look(_aws(environment), project, environment)
        with landing_plan.administrator(environment, session) as admin:
            self._steps = landing_plan.steps(project, environment, found, session, admin)
            lives = {each.one.name: each.live for each in found}
            made = []
            for step in self._steps:
                live = lives[step.one.name]
                change = _change(project, step, live.id if live else "")
                if admin is None:
                    needs = "takes a superuser, which this login is not: see admin_secret in docs/zero-etl.md"
                    change = _with_reason(change, needs)
                made.append(change)
        return tuple(made)

    def apply(
        self,
        project: Project,
        environment: Environment,
        session: Session,
        changes: Sequence[Change],
        progress: Progress,
    ) -> None:
        bring_about(project, environment, session, self._steps, progress)
        for name in {step.one.name for step in self._steps}:
            # A killed `zeroshift integration recreate` that had come so far is ended by this.
            integration_ledger.settle(session, name)


def bring_about(
    project: Project, environment: Environment, session: Session, planned: Sequence[Step], progress: Progress
) -> None:
    """Wait until the integrations of `planned` are active, and do exactly that. Raises Unsafe when anything else is
    to be done by now, Unavailable without a superuser or when an integration does not become active."""
    aws = _aws(environment)
    for one in dict.fromkeys(step.one for step in planned):
        live = integrations.find(
            aws, integration_stack.source_arn(aws, one), connect.namespace(aws, environment).arn
        )
        if live is None:
            raise Unavailable(
                f"there is no integration {one.name} to make the landing database of; deploy again"
            )
        live = integrations.wait_active(aws, live.arn, one.name, progress)
        reach(session, progress)
        mine = [step for step in planned if step.one == one]
        with landing_plan.administrator(environment, session) as admin:
            _carry_out(project, environment, session, admin, one, live.id, mine, progress)


def _carry_out(
    project: Project,
    environment: Environment,
    session: Session,
    admin: Session | None,
    one: AwsZeroEtl,
    integration: str,
    mine: Sequence[Step],
    progress: Progress,
) -> None:
    what = f"the landing database {one.landing}"
    admin = landing_plan.need(admin, environment, f"making {what}")
    settings = landing_plan.wanted_of(project, one)
    if any(step.action == CREATE for step in mine):
        statement = landing.create_statement(one.landing, integration, one.database, settings)
        if one.landing not in landing.databases(admin):
            progress(f"creating {what}")
            _create(admin, statement, one.landing)
        fed = {row.database: row for row in landing.landings(admin)}
        if one.landing not in fed or fed[one.landing].integration != integration:
            raise Unsafe(
                f"{what} exists, but is not fed by the integration {one.name} (SVV_INTEGRATION); somebody else has"
                " made it meanwhile: plan again"
            )
    for step in mine:
        if step.action == ALTER:
            progress(f"setting {step.setting} of {what} to {step.value}")
            # Done twice it is the same.
            admin.execute(landing.alter_statement(one.landing, step.setting, step.value))
    # By now all of them hold: what was not altered is as it should be already.
    integration_ledger.write(session, one.name, settings | {integration_ledger.LANDING: one.landing})


def _create(admin: Session, statement: str, name: str) -> None:
    """Alone, and not in a transaction. When the connection breaks nobody knows whether it took place: it is looked
    up."""
    try:
        admin.execute(statement)
    except StatementFailed as error:
        if not is_lost(error):
            raise
        reach(admin, lambda _: None)
        if name not in landing.databases(admin):
            admin.execute(statement)


def reach(session: Session, progress: Progress) -> None:
    """See that the session answers, and connect anew where it broke; raises Unavailable after a quarter of an hour."""
    deadline, told = time.monotonic() + AWAY_SECONDS, False
    while True:
        try:
            session.execute("select 1")
            return
        except StatementFailed as error:
            if not is_lost(error):
                raise
        try:
            session.reopen()
        except Unavailable:
            if time.monotonic() > deadline:
                raise
            if not told:
                progress("waiting for the warehouse, which AWS is modifying")
                told = True
            # Nothing tells when it is back but trying.
            time.sleep(2.0)


def policies(aws: Aws, environment: Environment, namespace: str) -> tuple[Wanted, ...]:
    """What the namespace's policy must allow, in the order of the file."""
    account = aws.role_arn("x").rpartition(":")[0] + ":root"
    return tuple(
        Wanted(namespace, integration_stack.source_arn(aws, one), account) for one in environment.integrations
    )


def providers() -> tuple[PolicyPart, LandingPart]:
    """Both; the stack base belongs between them."""
    return PolicyPart(), LandingPart()


def _aws(environment: Environment) -> Aws:
    assert environment.remote is not None
    return Aws(environment.remote)


def _change(project: Project, step: Step, integration: str) -> Change:
    one = step.one
    if step.action == CREATE:
        settings = landing_plan.wanted_of(project, one)
        # The id is AWS's, and known when the integration is there.
        statement = landing.create_statement(one.landing, integration, one.database, settings)
        how = ", ".join(f"{name} {value}" for name, value in settings.items())
        return Change(
            CREATE, KIND, one.landing, CONFIG_FILE, line=one.line,
            statements=(statement,) if integration else (),
            reason=f"from the integration {one.name}, once it is active, with {how}",
        )  # fmt: skip
    destructive = ""
    if step.setting == landing.HISTORY_MODE and step.value == "false":
        # Management guide, zero-etl-history-mode: the tables are renamed to TABLE_historical_TIMESTAMP, and plain ones
        # are loaded anew.
        destructive = (
            "the columns _record_is_active, _record_create_time and _record_delete_time of its tables, which are loaded"
            " anew; their history stays in tables TABLE_historical_TIMESTAMP"
        )
    return Change(
        ALTER, KIND, f"{one.landing} {step.setting}", CONFIG_FILE, line=one.line,
        statements=(landing.alter_statement(one.landing, step.setting, step.value),),
        destructive=destructive,
        reason=f"{step.setting} from {step.before or 'unknown'} to {step.value}",
    )  # fmt: skip


def _with_reason(change: Change, more: str) -> Change:
    return replace(change, reason=f"{change.reason}; {more}" if change.reason else more)
