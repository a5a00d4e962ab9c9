"""What is to be done about landing databases, once their integrations are there: made, or altered.

Asked of the warehouse as a superuser where one can be had (the key `admin_secret`, or the deployer's own login), since
SVV_INTEGRATION shows itself to nobody else. Without one everything still works that does not change a landing database.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from deployer.aws import connect
from deployer.errors import Unavailable, Unsafe
from deployer.operations.integration_stack import Found
from deployer.project.config import Project
from deployer.project.environments import Environment
from deployer.project.schedules import cadence, files
from deployer.project.schedules.model import Eventbridge
from deployer.project.zero_etl_aws import AwsZeroEtl
from deployer.warehouse import integration_ledger, landing
from deployer.warehouse.session import Session

CREATE, ALTER = "create", "modify"
KIND = "landing database"


@dataclass(frozen=True)
class Step:
    """One statement to run. `setting` and `value` are those of an ALTER; `before` what it was, empty for unknown."""

    action: str
    one: AwsZeroEtl
    setting: str = ""
    value: str = ""
    before: str = ""


def wanted(one: AwsZeroEtl, eventbridge: Eventbridge) -> dict[str, str]:
    """The settings that zeroshift.toml asks for."""
    return {
        landing.QUERY_ALL_STATES: _flag(one.query_all_states),
        landing.ACCEPTINVCHARS: _flag(one.acceptinvchars),
        landing.REFRESH_INTERVAL: str(cadence.refresh_interval(one, eventbridge)),
        landing.TRUNCATECOLUMNS: _flag(one.truncatecolumns),
        landing.HISTORY_MODE: _flag(one.history_mode),
    }


def wanted_of(project: Project, one: AwsZeroEtl) -> dict[str, str]:
    """`wanted`, with the project's own schedules."""
    return wanted(one, files.load(project.root))


@contextmanager
def administrator(environment: Environment, own: Session) -> Iterator[Session | None]:
    """A session of a superuser: of the key `admin_secret`, else `own` if it is one, else None. Raises Unavailable for
    an `admin_secret` that is not a superuser's."""
    where = connect.admin_target(environment)
    if where is not None:
        with Session(where) as session:
            if not landing.is_superuser(session):
                raise Unavailable(
                    f"the user of the secret that admin_secret of [env.{environment.name}] names is no superuser, which"
                    " integrations take: name another one's secret"
                )
            yield session
    else:
        yield own if landing.is_superuser(own) else None


def steps(
    project: Project,
    environment: Environment,
    found: tuple[Found, ...],
    own: Session,
    admin: Session | None,
) -> tuple[Step, ...]:
    """What is missing, in the order of the file. Raises Unsafe for a landing database that belongs to something
    else, and for one whose tables are not in the state that turning history mode takes."""
    eventbridge = files.load(project.root)
    there = landing.databases(own)
    fed = {each.database: each for each in landing.landings(admin)} if admin is not None else {}
    made: list[Step] = []
    for each in found:
        one = each.one
        settings = wanted(one, eventbridge)
        known = integration_ledger.read(own, one.name)
        if one.landing not in there:
            feeds = {row.integration: row.database for row in fed.values()}
            _check_only(environment, each, feeds.get(each.live.id, "") if each.live is not None else "")
            made.append(Step(CREATE, one))
            continue
        row = fed.get(one.landing)
        if admin is not None or each.live is None:
            _check_owner(environment, each, row)
        if row is not None:
            # What the warehouse shows counts more than what was noted.
            shown = {
                landing.REFRESH_INTERVAL: row.refresh_interval,
                landing.HISTORY_MODE: row.history_mode,
            }
            known |= {name: value for name, value in shown.items() if value}
        made += [
            Step(ALTER, one, name, settings[name], known.get(name, ""))
            for name in landing.SETTINGS
            if known.get(name) != settings[name]
        ]
        if admin is not None and known.get(landing.HISTORY_MODE) != settings[landing.HISTORY_MODE]:
            _check_states(
                environment, one, settings[landing.HISTORY_MODE], landing.unsynced(admin, one.landing)
            )
    return tuple(made)


def _check_states(
    environment: Environment, one: AwsZeroEtl, value: str, unsynced: tuple[tuple[str, str], ...]
) -> None:
    """Raise Unsafe where history mode cannot be turned on or off as a whole."""
    if unsynced:
        shown = ", ".join(f"{table} is {state}" for table, state in unsynced[:5])
        more = f" and {len(unsynced) - 5} more are not Synced either" if len(unsynced) > 5 else ""
        raise Unsafe(
            f"history_mode of {one.name} cannot become {value} (zeroshift.toml:{one.line}): Redshift turns it only for"
            f" tables in the state Synced, and {shown}{more}; mend the source, run `zeroshift integration refresh"
            f" --failed --env {environment.name}`, and repeat"
        )


def _check_owner(environment: Environment, each: Found, row: landing.Landing | None) -> None:
    """Raise Unsafe for a database of the landing database's name that the integration does not feed."""
    if row is not None and each.live is not None and row.integration == each.live.id:
        return
    name = each.one.name
    other = f"choose another name, landing = ..., in zeroshift.toml:{each.one.line}"
    if row is not None:
        why, mend = "another integration feeds it", other
    elif each.live is not None:
        why = "no integration feeds it (SVV_INTEGRATION)"
        mend = f"{other}, or, if nobody needs what is in it, {landing.drop_statement(each.one.landing)}"
    else:
        why = f"the integration {name}, which this would make, cannot feed a database that exists"
        mend = (
            f"`zeroshift integration recreate {name} --env {environment.name}` drops it and makes it anew where it is"
            f" what that integration has left behind; else {other}"
        )
    raise Unsafe(f"the database {each.one.landing} exists, but {why}; {mend}; nothing was changed")


def _check_only(environment: Environment, each: Found, fed: str) -> None:
    """Raise Unsafe for a second landing database of an integration that feeds one, under another name."""
    one = each.one
    # Aurora PostgreSQL replicates several source databases, each into its own.
    if fed and fed != one.landing and not one.database:
        raise Unsafe(
            f'the integration {one.name} feeds the database {fed} already, and only one: write landing = "{fed}"'
            f" (zeroshift.toml:{one.line}), or let it copy everything anew into {one.landing}:"
            f" `zeroshift integration recreate {one.name} --env {environment.name}`, which leaves {fed} as it is;"
            " nothing was changed"
        )


def need(admin: Session | None, environment: Environment, what: str) -> Session:
    """The superuser's session; raises Unavailable where there is none."""
    if admin is None:
        raise Unavailable(
            f"{what} takes a superuser, and this login is none: name the secret of one, admin_secret = ..., in"
            f" [env.{environment.name}] of zeroshift.toml"
        )
    return admin


def _flag(value: bool) -> str:
    return "true" if value else "false"
