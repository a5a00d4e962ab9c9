"""ZS9: archive policies. What is wrong in one shows on the day that it is carried out, or when the rows are missed."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.project.archive.model import DELETE, NEVER_DELETED, Policy
from deployer.project.archive.safety import HORIZONS, missed, shares
from deployer.project.lint import foresee
from deployer.project.lint.archive_files import ArchiveContent
from deployer.project.lint.catalog import Catalog
from deployer.project.lint.findings import ERROR, Rule
from deployer.project.lint.registry import on_files
from deployer.project.lint.units import Content
from deployer.sql.overloads import type_name

CHECK = "archive.check_horizon"
"""What the project itself says about horizons; called with table, period column and horizon."""

Places = Iterator[tuple[int, int, str]]

_GOOD = 'table = "curated.bookings"\nperiod = "checkout_date"\nkeep = "24 months"\n'
_DIVIDE = frozenset("smallint integer bigint decimal real boolean char varchar date timestamp".split())
_REBUILDING = frozenset(("insert", "update", "merge"))


def _policy(content: Content) -> Policy | None:
    return content.policy if isinstance(content, ArchiveContent) else None


@on_files(
    Rule(
        code="ZS901",
        name="archive-columns",
        severity=ERROR,
        problem="The policy names a table or a column that the project does not have, a period that is no date, or a"
        " column that UNLOAD cannot divide files by.",
        redshift="PARTITION BY takes columns of the types SMALLINT, INTEGER, BIGINT, DECIMAL, REAL, BOOLEAN, CHAR,"
        " VARCHAR, DATE and TIMESTAMP.",
        source="r_UNLOAD",
        mend="Name a column of the table: for the period one of type DATE or TIMESTAMP.",
        bad=_GOOD.replace("checkout_date", "num_guests"),
        good=_GOOD,
    )
)
def archive_columns(content: Content, catalog: Catalog) -> Places:
    policy = _policy(content)
    if policy is None:
        return
    parts = tuple(policy.table.split("."))
    if policy.table not in catalog.tables and policy.table not in catalog.views:
        yield (
            policy.place.line("table"),
            1,
            f"no migration creates {policy.table}, and no file is a view of that name",
        )
        return
    known = catalog.columns(parts)
    if known is None:
        return
    for key, names, allowed in (
        ("period", (policy.period,) if policy.period else (), frozenset(("date", "timestamp"))),
        ("partition", policy.partition, _DIVIDE),
    ):
        for name in names:
            kind = known.get(name)
            if name not in known:
                yield policy.place.line(key), 1, f"{policy.table} has no column {name}"
            elif kind is not None and kind.name not in allowed:
                yield policy.place.line(key), 1, f"{key}: {policy.table}.{name} is {type_name(kind)}"


@on_files(
    Rule(
        code="ZS902",
        name="archive-deletes-what-comes-back",
        severity=ERROR,
        problem="The policy deletes rows of a table that a procedure writes without a look at the archive's horizon: a"
        " full refresh brings them back, and they stand in the table and in the archive. Or the table is the only"
        " record of what its source forgets. Or another policy archives the same table, and its view would lack them."
        " Or the project's own procedure archive.check_horizon refuses this table or this period, whatever the"
        " warehouse holds: then `archive run` does, too.",
        redshift="Nothing in the warehouse knows that rows were archived: DELETE takes them, and the next INSERT brings"
        " them again.",
        source="r_DELETE",
        mend=f"Let every procedure that writes the table leave out what is before its row in {HORIZONS}, or write"
        ' after = "keep".',
        bad=_GOOD.replace("curated.bookings", "curated.listing_versions").replace("checkout_date", "valid_to")
        + 'after = "delete"\n',
        good=_GOOD + 'after = "keep"\n',
    )
)
def archive_deletes(content: Content, catalog: Catalog) -> Places:
    policy = _policy(content)
    if policy is None or policy.after != DELETE:
        return
    line = policy.place.line("after")
    if policy.table in NEVER_DELETED:
        yield line, 1, f"rows of {policy.table} are never deleted: landing forgets what they record"
        return
    if policy.table in catalog.views:
        yield line, 1, f"{policy.table} is a view: there is nothing to delete"
        return
    for other in catalog.contents:
        found = _policy(other)
        if found is not None and shares(policy, found):
            yield line, 1, missed(policy, found)
    if told := _refused(policy, catalog):
        yield line, 1, told
    for name, procedures in sorted(catalog.procedures.items()):
        writes = any(
            ".".join(item.parts) == policy.table and item.how == "write" and item.verb in _REBUILDING
            for procedure in procedures
            for item in catalog.direct(procedure)
        )
        if writes and not any(relation == HORIZONS for relation, _, _ in catalog.touched(name)):
            yield (
                line,
                1,
                f"{name} writes {policy.table} and does not read {HORIZONS}: deleted rows could come back",
            )


def _refused(policy: Policy, catalog: Catalog) -> str | None:
    """What CHECK is bound to say to the policy, whatever the day and the warehouse."""
    found = catalog.procedures.get(CHECK, [])
    if len(found) != 1 or len(found[0].created.arguments) != 3:
        return None
    table, period, _ = (argument.name for argument in found[0].created.arguments)
    told = foresee.refusal(found[0].created, {table: policy.table, period: policy.period})
    return None if told is None else f"{CHECK} refuses it: {told}"
