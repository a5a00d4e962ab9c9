"""What an archive policy is to be carried out for now: the days that are due, and whether its table has its columns."""

from __future__ import annotations

from datetime import date, timedelta

from deployer.errors import Unsafe, UsageError
from deployer.operations.archive import columns
from deployer.operations.archive.columns import Column
from deployer.project.archive.model import DELETE, Policy, start_of
from deployer.sql.names import quote_ident
from deployer.warehouse import archive_ledger as ledger
from deployer.warehouse import catalog, landing
from deployer.warehouse.session import Session


def day(session: Session, as_of: date | None) -> date:
    """The day that decides what is closed. Raises Unsafe for one that has not come: its periods are not over."""
    today: date = session.execute("select cast(getdate() as date)").rows[0][0]
    if as_of is not None and as_of > today:
        raise Unsafe(
            f"--as-of {as_of} is in the future: what is closed then may still change; today is {today} (UTC)"
        )
    return as_of or today


def due(session: Session, policy: Policy, today: date) -> tuple[date, date] | None:
    """The half-open range of days that is to be archived now; None when there is none."""
    # A policy that deletes since lately begins anew: what was archived before it is still here, too.
    ended = [
        run
        for run in ledger.runs(session, policy.name)
        if run.finished_at is not None and (policy.after != DELETE or run.after == DELETE)
    ]
    if policy.is_snapshot:
        return None if any(run.period_from == today for run in ended) else (today, today + timedelta(days=1))
    closed = policy.closed_before(today)
    if ended:
        first = max(run.period_to for run in ended)
    else:
        table, column = columns.table_name(policy.table), quote_ident(policy.period)
        lowest = session.execute(f"select cast(min({column}) as date) from {table}").rows[0][0]
        if lowest is None:
            return None
        first = start_of(lowest, policy.unit)
    return (first, closed) if first < closed else None


def restored(session: Session, policy: Policy, today: date) -> list[tuple[date, date]]:
    """The ranges of days, the oldest first, that a policy has deleted and that were brought back since."""
    if policy.after != DELETE:
        return []
    runs = [run for run in ledger.runs(session, policy.name) if run.table_name == policy.table]
    gone = [(run.period_from, run.period_to) for run in runs if run.is_visible]
    back = {(run.period_from, run.period_to) for run in runs if run.state == ledger.RESTORED}
    closed = policy.closed_before(today)
    return sorted(
        (first, last)
        for first, last in back
        if last <= closed and not any(first < until and start < last for start, until in gone)
    )


def columns_of(session: Session, policy: Policy) -> tuple[Column, ...]:
    """The columns of the policy's table.

    Raises UsageError, at the policy's line, for a table that is not there, or a column that is not there or not of a
    type that can divide; Unsafe for a relation whose values are masked from us, whose rows cannot be deleted, or could
    never come back.
    """
    try:
        found = columns.of_relation(session, policy.table)
    except (UsageError, Unsafe) as error:
        raise type(error)(f"{policy.place.path}:{policy.place.line('table')}: {error}") from None
    if policy.after == DELETE and policy.table in catalog.view_names(session):
        raise Unsafe(
            f"{policy.place.path}:{policy.place.line('after')}: {policy.table} is a view, whose rows nobody can delete:"
            ' name its table, or write after = "keep"'
        )
    _check_masks(session, policy)
    if policy.after == DELETE:
        _check_identity(session, policy)
    types = {column.name: column.type for column in found}
    for key, names in (("period", [policy.period] if policy.period else []), ("partition", policy.partition)):
        at = f"{policy.place.path}:{policy.place.line(key)}"
        for name in names:
            if name not in types:
                raise UsageError(f"{at}: {policy.table} has no column {name}; it has: {', '.join(types)}")
            base = columns.base_of(types[name])
            if key == "period" and base not in ("date", "timestamp"):
                raise UsageError(
                    f"{at}: the period {policy.table}.{name} is {types[name]}, not DATE or TIMESTAMP"
                )
            if key == "partition" and base not in _DIVIDE:
                raise UsageError(
                    f"{at}: UNLOAD cannot divide files by {policy.table}.{name}, which is {types[name]}"
                )
    return found


def _check_masks(session: Session, policy: Policy) -> None:
    """Raise Unsafe where a mask is for us: the files would hold what it shows, and that would count as proved.

    Nobody is exempt from masks ("Considerations when using dynamic data masking"). They are shown to superusers and
    sys:secadmin only, "regular users will see 0 rows" (SVV_ATTACHED_MASKING_POLICY): then a policy that deletes is
    refused, too, since what is only masked in the files would be gone.
    """
    schema, name = policy.table.split(".")
    found = session.execute(
        "select policy_name, grantee, grantee_type, current_user from svv_attached_masking_policy"
        " where schema_name = %s and table_name = %s",
        (schema, name),
    ).rows
    if not found:
        if policy.after == DELETE and not landing.is_superuser(session):
            _check_sight(session, policy)
        return
    ours = _roles(session)
    for mask, grantee, kind, user in found:
        if kind == "public" or (kind == "user" and grantee == user) or (kind == "role" and grantee in ours):
            raise Unsafe(
                f"{policy.place.path}:{policy.place.line('table')}: the masking policy {mask} hides values of"
                f" {policy.table} from {user}, who would archive what it shows: attach it to roles that {user}"
                " does not have"
            )


def _check_sight(session: Session, policy: Policy) -> None:
    """Raise Unsafe unless we, who are no superuser, are shown masks: then there are none."""
    if not _roles(session) & {"sys:secadmin", "sys:superuser"}:
        ((user,),) = session.execute("select current_user").rows
        raise Unsafe(
            f"{policy.place.path}:{policy.place.line('after')}: whether a masking policy hides values of {policy.table}"
            f" from {user} is shown to superusers and sys:secadmin alone, and what it hides would be lost: let an"
            f' administrator run `grant role sys:secadmin to {quote_ident(user)}`, or write after = "keep"'
        )


def _roles(session: Session) -> set[str]:
    """Our own roles, and those that they have."""
    granted = session.execute("select role_name, granted_role_name from svv_role_grants").rows
    ours = {
        row[0]
        for row in session.execute(
            "select role_name from svv_user_grants where user_name = current_user"
        ).rows
    }
    while more := {inner for outer, inner in granted if outer in ours} - ours:
        ours |= more
    return ours


def _check_identity(session: Session, policy: Policy) -> None:
    schema, name = policy.table.split(".")
    found = session.execute(
        "select column_name, column_default from svv_columns where table_schema = %s and table_name = %s",
        (schema, name),
    )
    for column, default in found.rows:
        if columns.is_identity(default):
            raise Unsafe(
                f"{policy.place.path}:{policy.place.line('after')}: {policy.table}.{column} is an IDENTITY column,"
                ' whose values INSERT cannot bring back: write after = "keep"'
            )


_DIVIDE = frozenset("smallint integer bigint decimal real boolean char varchar date timestamp".split())
"""What PARTITION BY takes (developer guide, r_UNLOAD)."""
