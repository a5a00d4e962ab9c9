"""`zeroshift plan`: everything that a deployment would do, in one list, without doing any of it.

The order is that of applying: AWS resources that the SQL needs, migrations, views and procedures, grants, and at last
the AWS resources that call procedures. Other rooms than SQL bring their parts through a `Provider`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

import deployer
from deployer.errors import Unsafe, UsageError
from deployer.operations import plan_migrations, plan_objects
from deployer.operations.changes import Change
from deployer.operations.grants_part import GrantsPart
from deployer.operations.plan_migrations import PendingMigration, Problem
from deployer.operations.plan_objects import ObjectPlan
from deployer.operations.policies import PoliciesPart
from deployer.operations.progress import Progress, silent
from deployer.operations.warehouses import target
from deployer.project import contracts, graph, history_mode, migrations, objects
from deployer.project.config import CONFIG_FILE, Environment, Project
from deployer.project.contracts import Contract
from deployer.project.migrations import Migration
from deployer.project.objects import Object
from deployer.warehouse import isolation, ledger
from deployer.warehouse.retry import is_lost, retrying
from deployer.warehouse.session import Session

FORMAT = 1
"""Of plan files."""


@dataclass(frozen=True)
class Plan:
    """What a deployment into `environment` would do.

    `changes` stand in the order of applying. With any of `problems` a deployment refuses to begin. `orphans` are
    deployed and no longer in the project; they stay unless pruned. `warehouse` stands for what the warehouse was when
    the plan was made, `provided` for what the providers' changes do not tell, `checksum` for all that would be done.
    `warnings` hold no deployment back, but should be read.
    """

    project: str
    environment: str
    changes: tuple[Change, ...]
    problems: tuple[Problem, ...]
    orphans: tuple[str, ...]
    unchanged: int
    pruned: bool
    warehouse: str
    provided: tuple[str, ...]
    checksum: str
    warnings: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do, and nothing wrong."""
        return not (self.changes or self.problems)

    @property
    def destructive(self) -> tuple[Change, ...]:
        """The changes that would lose something."""
        return tuple(change for change in self.changes if change.destructive)


class Provider(Protocol):
    """A part of a deployment beside migrations and objects: grants, or CloudFormation stacks.

    `stage` says when it is applied: before the SQL, in the transaction of views and procedures (then `changes` is asked
    again there, since migrations may have made something in between), after the SQL, or as the very last.
    """

    name: str
    stage: str

    @property
    def fingerprint(self) -> str:
        """Equal for equal changes, where the Changes do not tell all of it. Asked after `changes`."""

    def changes(
        self, project: Project, environment: Environment, session: Session, coming: Sequence[Object]
    ) -> tuple[Change, ...]:
        """What it would do; changes nothing. `coming` are the objects that will exist by then."""

    def apply(
        self,
        project: Project,
        environment: Environment,
        session: Session,
        changes: Sequence[Change],
        progress: Progress,
    ) -> None:
        """Do exactly `changes`. May have been killed in the middle before, and is then called again."""


BEFORE, WITH, AFTER, LAST = "before the SQL", "with the objects", "after the SQL", "last"


@dataclass(frozen=True)
class Files:
    """What the project says: migrations, objects in order of need, contracts."""

    versions: tuple[Migration, ...]
    wanted: tuple[Object, ...]
    contracts: dict[str, Contract]


@dataclass(frozen=True)
class Draft:
    """A Plan with what it takes to carry it out."""

    plan: Plan
    files: Files
    pending: tuple[PendingMigration, ...]
    objects: ObjectPlan
    provided: tuple[tuple[Provider, tuple[Change, ...]], ...]


def read_files(project: Project) -> Files:
    """Read and check the whole project. Raises UsageError with file and line for whatever is wrong in it."""
    files = Files(
        migrations.read(project.migrations),
        graph.in_order(objects.read_all(project.procedures, project.root)),
        contracts.read_all(project.procedures, project.root),
    )
    _check_pipelines(project, files.wanted)
    return files


def _check_pipelines(project: Project, wanted: Sequence[Object]) -> None:
    """Raise UsageError for a [pipeline.<name>] without a procedure: a mistyped one would limit nothing."""
    entries = {item.name for item in wanted if item.kind == "procedure"}
    for pipeline in project.pipelines.values():
        if f"ops.run_{pipeline.name}" not in entries:
            raise UsageError(
                f"{project.root / CONFIG_FILE}:{pipeline.line}: there is no pipeline {pipeline.name!r}: no file"
                f" creates the procedure ops.run_{pipeline.name}"
            )


def plan(
    project: Project, environment: Environment, *, prune: bool = False, progress: Progress = silent
) -> Plan:
    """Compare `project` with the warehouse of `environment`; changes neither.

    Raises UsageError when the project is wrong, StatementFailed with file and line for a view that the warehouse
    refuses, Unsafe for what no deployment may do.
    """
    files = read_files(project)
    progress(f"read {len(files.versions)} migrations and {len(files.wanted)} objects")
    with Session(target(project, environment, progress)) as session:
        return draft(project, environment, session, files, prune=prune).plan


def draft(
    project: Project,
    environment: Environment,
    session: Session,
    files: Files,
    *,
    prune: bool = False,
    providers: Sequence[Provider] | None = None,
) -> Draft:
    """`plan` over a session that is open, with what it takes to carry it out.

    Made again when somebody deploys while we look: a view that we were asking about may then be gone.
    """
    stood = ""

    def once() -> Draft:
        nonlocal stood
        # First: whoever deploys while we look moves the warehouse away from this.
        stood = stand(session)
        return _draft(project, environment, session, files, stood, prune, providers)

    # Safe: a plan changes nothing.
    return retrying(once, also=lambda error: not is_lost(error) and stand(session) != stood)


def _draft(
    project: Project,
    environment: Environment,
    session: Session,
    files: Files,
    stood: str,
    prune: bool,
    providers: Sequence[Provider] | None,
) -> Draft:
    """One attempt at `draft`; `stood` is what the warehouse was when it began."""
    applied = plan_migrations.read(session)
    found = plan_migrations.problems(files.versions, applied, project.root)
    pending = tuple(
        plan_migrations.planned(migration, project.root)
        for migration in plan_migrations.pending(files.versions, applied)
    )
    deployed = ledger.read(session) if ledger.exists(session) else {}
    compared = plan_objects.plan(
        session,
        files.wanted,
        deployed,
        prune=prune,
        migrations_pending=bool(pending),
        promised=files.contracts,
    )
    _refuse_broken(files.contracts, compared)
    provided = tuple(
        (provider, provider.changes(project, environment, session, files.wanted))
        for provider in (providers if providers is not None else standard_providers(project, environment))
    )
    changes = (
        *_of_stage(provided, BEFORE),
        *(item.change for item in pending),
        *(item.change for item in compared.changes),
        *_of_stage(provided, WITH),
        *_of_stage(provided, AFTER),
        *_of_stage(provided, LAST),
    )
    fingerprints = tuple(provider.fingerprint for provider, _ in provided)
    made = Plan(
        project=project.name,
        environment=environment.name,
        changes=changes,
        problems=found,
        orphans=compared.orphans,
        unchanged=compared.unchanged,
        pruned=prune,
        warehouse=stood,
        provided=fingerprints,
        checksum=_checksum(environment.name, changes, fingerprints),
        warnings=warnings(session, project, environment),
    )
    return Draft(made, files, pending, compared, provided)


def warnings(session: Session, project: Project, environment: Environment) -> tuple[str, ...]:
    """What is wrong with the warehouse itself, as far as it concerns every deployment and run in it."""
    found = isolation.warning(session)
    return (
        *(() if found is None else (found,)),
        *history_mode.warnings(project.root, CONFIG_FILE, environment),
    )


def standard_providers(project: Project, environment: Environment) -> tuple[Provider, ...]:
    """What takes part in a deployment into this environment, beside migrations and objects."""
    if environment.remote is None:
        return sql_providers(project, environment)
    # boto3 takes longer to load than most plans to make.
    from deployer.operations import integration_part, stacks_part

    base, run = stacks_part.providers()
    if not environment.integrations:
        return (base, run, *sql_providers(project, environment))
    policy, landings = integration_part.providers()
    return (policy, base, landings, run, *sql_providers(project, environment))


def sql_providers(project: Project, environment: Environment) -> tuple[Provider, ...]:
    """Those of them that need nothing but the warehouse."""
    return (GrantsPart(WITH), PoliciesPart(WITH))


def _of_stage(provided: Iterable[tuple[Provider, tuple[Change, ...]]], stage: str) -> tuple[Change, ...]:
    return tuple(change for provider, changes in provided if provider.stage == stage for change in changes)


def _refuse_broken(promised: dict[str, Contract], compared: ObjectPlan) -> None:
    """Raise Unsafe when a view would no longer keep its contract. Views of which nothing is known yet are looked at by
    the deployment, in its transaction."""
    dropped = [item.change.name for item in compared.changes if item.change.action == "drop"]
    broken = contracts.breaks_of(promised, compared.probed.columns, dropped)
    if broken:
        raise contracts.refusal(broken)


def stand(session: Session) -> str:
    """A checksum of what the ledger says is in the warehouse: it changes with every deployment."""
    lacking = ledger.missing(session)
    heads = () if ledger.VERSION_TABLE in lacking else ledger.migration_heads(session)
    deployed = {} if "objects" in lacking else ledger.read(session)
    known = sorted((item.key, item.checksum, item.signature) for item in deployed.values())
    return _digest([list(heads), known, ledger.last_done(session)])


def _checksum(environment: str, changes: Iterable[Change], provided: Sequence[str]) -> str:
    return _digest([environment, [asdict(change) for change in changes], list(provided)])


def _digest(value: object) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


# -- plan files ---


def write(made: Plan, path: Path) -> None:
    """Write a plan file. Raises UsageError when the place does not take it."""
    content = {"format": FORMAT, "zeroshift": deployer.__version__, "plan": asdict(made)}
    try:
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write the plan to {path}: {error.strerror}") from None


def read(path: Path) -> Plan:
    """Read a plan file. Raises UsageError for one that is none, Unsafe for one that was changed."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        told = content["plan"]
        if content["format"] != FORMAT:
            raise UsageError(f"{path} was written by zeroshift {content['zeroshift']}; make the plan anew")
        changes = tuple(
            Change(**change | {"statements": tuple(change["statements"])}) for change in told["changes"]
        )
        problems = tuple(Problem(**problem) for problem in told["problems"])
        made = Plan(
            **told
            | {
                "changes": changes,
                "problems": problems,
                "orphans": tuple(told["orphans"]),
                "provided": tuple(told["provided"]),
                "warnings": tuple(told.get("warnings", ())),
            }
        )
    except OSError as error:
        raise UsageError(f"cannot read the plan {path}: {error.strerror}") from None
    except (ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{path} is no plan file ({error}); `zeroshift plan --out FILE` writes one"
        ) from None
    if _checksum(made.environment, made.changes, made.provided) != made.checksum:
        raise Unsafe(f"{path} was changed after it was written; make the plan anew")
    return made


def refuse_other(told: Plan, now: Plan, path: Path) -> None:
    """Raise Unsafe unless a plan made now is the plan that was read from `path`."""
    if told.environment != now.environment:
        raise Unsafe(f"{path} is a plan for {told.environment}, not for {now.environment}")
    if told.warehouse != now.warehouse:
        raise Unsafe(
            f"the warehouse has moved since {path} was written: somebody has deployed; make the plan anew"
        )
    if told.checksum != now.checksum:
        before = {(change.action, change.key) for change in told.changes}
        after = {(change.action, change.key) for change in now.changes}
        differs = sorted(f"{action} {key}" for action, key in before ^ after) or sorted(
            change.key for change in now.changes if change not in told.changes
        )
        raise Unsafe(
            f"the files or the warehouse differ from what {path} was made of ({', '.join(differs[:5])});"
            " make the plan anew, or check out the commit that it was made of"
        )
