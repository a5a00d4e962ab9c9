"""`zeroshift archive prune`: delete from S3 what nobody needs, and bring the ledger in line with what S3 expired."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from deployer.errors import Unsafe
from deployer.mask import mask
from deployer.operations.archive import external
from deployer.operations.archive.look import held_runs
from deployer.operations.archive.place import place
from deployer.operations.archive.run import Work, give_up, opened, transaction
from deployer.operations.progress import Progress, silent
from deployer.project.archive.model import RUN_COLUMN
from deployer.project.config import Environment, Project
from deployer.warehouse import archive_ledger as ledger
from deployer.warehouse.archive_ledger import ArchiveRun

GIVE_UP, DELETE, EXPIRED, LEFT = "give up", "delete", "expired", "left over"


@dataclass(frozen=True)
class Step:
    """One run and what is done about it: GIVE_UP an interrupted one, DELETE its files, EXPIRED by S3 already, LEFT
    files of a run that was given up."""

    archive_run: str
    policy: str
    what: str
    row_count: int | None
    files: int


@dataclass(frozen=True)
class Pruned:
    """What was done, or would be (`done` False).

    Left alone are `strangers`, prefixes that the ledger does not know (masked), and `elsewhere`, runs whose files are
    in another bucket.
    """

    steps: tuple[Step, ...]
    strangers: tuple[str, ...]
    done: bool
    elsewhere: tuple[str, ...] = ()


def prune(
    project: Project,
    environment: Environment,
    names: Sequence[str] = (),
    *,
    before: date | None = None,
    runs: Sequence[str] = (),
    do: bool = False,
    wait: float = 0.0,
    progress: Progress = silent,
) -> Pruned:
    """Clean up; nothing is changed without `do`.

    Interrupted runs named in `runs` are given up, and with `before` files of the policies `names` (by default all)
    whose periods ended by then are deleted. Raises Unsafe where S3 has the only copy.
    """
    where = place(project, environment, progress)
    with opened(project, environment, where, wait, progress) as work:
        in_s3, strangers = _in_s3(work)
        steps, elsewhere = [], []
        for run in held_runs(work.session, [*names, *runs]):
            if not run.location.startswith(where.bucket.url("")):
                # Whether its files are there cannot be told from here.
                elsewhere += [run.archive_run] if run.state in ledger.HELD else []
                continue
            step = _step(run, in_s3.get(run.archive_run, 0), before, run.archive_run in runs)
            if step is None:
                continue
            steps.append(step)
            if do:
                progress(f"{run.policy}: {step.what} {run.archive_run}")
                _do(work, run, step)
    return Pruned(tuple(steps), strangers, do, tuple(elsewhere))


def _step(run: ArchiveRun, files: int, before: date | None, named: bool) -> Step | None:
    def step(what: str) -> Step:
        return Step(run.archive_run, run.policy, what, run.row_count, files)

    if run.state in (*ledger.UNFINISHED, ledger.ABANDONED):
        return step(GIVE_UP) if named or run.state == ledger.ABANDONED else None
    if run.state not in ledger.HELD:
        return step(LEFT) if files else None
    if not files and run.file_count:
        if run.is_visible:
            raise Unsafe(
                f"S3 has none of the {run.row_count} rows of {run.archive_run} any more, and the warehouse has deleted"
                " them: restore the objects' versions in the bucket"
            )
        return step(EXPIRED)
    if not named and (before is None or run.period_to > before):
        return None
    if run.is_visible:
        raise Unsafe(
            f"{run.archive_run} is the only copy of {run.row_count} rows of {run.table_name}: restore it first"
            f" (`zeroshift archive restore {run.archive_run}`)"
        )
    return step(DELETE)


def _do(work: Work, run: ArchiveRun, step: Step) -> None:
    if step.what == GIVE_UP:
        give_up(work, run)
        return
    if step.what != LEFT:
        # The ledger first: what it says S3 holds must be there.
        state = ledger.EXPIRED if step.what == EXPIRED else ledger.PRUNED
        with transaction(work):
            ledger.set_state(work.session, run.archive_run, state)
            ledger.forget_partitions(work.session, run.archive_run)
    if work.place.spectrum:
        external.hide(work.session, run)
    bucket = work.place.bucket
    bucket.delete([item.key for item in bucket.list(bucket.key(run.location))])


def _in_s3(work: Work) -> tuple[dict[str, int], tuple[str, ...]]:
    """The number of files of each run, and the prefixes of runs that the ledger does not know."""
    known = {run.archive_run for run in ledger.runs(work.session)}
    counts: dict[str, int] = {}
    strangers: dict[str, None] = {}
    for item in work.place.bucket.list(work.place.folder):
        start, _, rest = item.key.partition(f"/{RUN_COLUMN}=")
        name = rest.partition("/")[0]
        if name in known:
            counts[name] = counts.get(name, 0) + 1
        else:
            strangers[work.place.bucket.url(f"{start}/{RUN_COLUMN}={name}/" if name else item.key)] = None
    return counts, tuple(map(mask, strangers))
