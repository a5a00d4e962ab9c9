"""The [env.<name>] tables of zeroshift.toml: what stands behind an environment, as whom, and at what cost."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deployer.project import zero_etl, zero_etl_aws
from deployer.project.archive import settings as archive_settings
from deployer.project.archive.settings import ArchiveSettings
from deployer.project.toml_file import Reader, Table
from deployer.project.zero_etl import ZeroEtl
from deployer.project.zero_etl_aws import AwsZeroEtl

LOCAL, SERVERLESS, CLUSTER = "local", "serverless", "cluster"
KINDS = (LOCAL, SERVERLESS, CLUSTER)
BREACH_ACTIONS = ("log", "emit-metric", "deactivate")
PERIODS = ("daily", "weekly", "monthly")
STATEMENT_SECONDS = 86400
"""The longest statement timeout: as long as the Data API lets a query run (management guide, data-api)."""
QUERY_GROUP = r"[\w .:-]{1,64}"
"""A label for SET query_group, which takes at most 320 characters (developer guide, r_query_group)."""

_LOCAL_KEYS = ("kind", "aws", "zero_etl", "archive")
_REMOTE_KEYS = (
    "database", "region", "profile", "host", "port", "credentials", "secret", "owner", "runner",
    "cloudformation_role", "alerts", "tags", "cost", "trust", "archive", "zero_etl", "admin_secret",
)  # fmt: skip
_COST_KEYS = (
    "statement_timeout",
    "query_group",
    "usage_limit_rpu_hours",
    "usage_limit_period",
    "usage_limit_action",
)
_TRUST_KEYS = ("roles", "oidc_provider", "oidc_subject", "oidc_audience")

# Patterns of the APIs' own models (botocore: redshift-serverless WorkgroupName, iam roleNameType) and of the
# management guide's cluster identifiers ("1-63 alphanumeric characters or hyphens").
_WORKGROUP = r"[a-z0-9-]{3,64}"
_CLUSTER = r"[a-z][a-z0-9-]{0,62}"
_ROLE = r"[\w+=,.@-]{1,64}"
_REGION = r"[a-z]{2,}(-[a-z]+)+-\d"
_HOST = r"[A-Za-z0-9][A-Za-z0-9.:-]*"
_SECRET = r"[A-Za-z0-9/_+=.@!-]{1,512}"
_DATABASE_NAME = r"[a-z_][a-z0-9_$-]{0,126}"
_EMAIL = r"[^@\s]+@[^@\s]+\.[^@\s]+"
_PROVIDER = r"[a-z0-9.-]+\.[a-z]+(/[\w./-]*)?"
# A stack's name is letters, digits and hyphens (CloudFormation API, CreateStack, StackName).
_STACK_PART = r"[A-Za-z][A-Za-z0-9-]{0,39}"


@dataclass(frozen=True)
class Cost:
    """What keeps a bill small. Seconds, and RPU hours for the usage limit, which 0 leaves alone.

    The default limit only emits a metric: one that deactivates the workgroup would also stop the analysts.
    """

    statement_timeout: int = 3600
    query_group: str = "zeroshift"
    usage_limit_rpu_hours: int = 64
    usage_limit_period: str = "daily"
    usage_limit_action: str = "emit-metric"


@dataclass(frozen=True)
class Trust:
    """Who may become the deployer: IAM roles of the same account, or jobs of a CI that speaks OpenID Connect."""

    roles: tuple[str, ...] = ()
    oidc_provider: str = ""
    oidc_subject: str = ""
    oidc_audience: str = "sts.amazonaws.com"

    @property
    def is_empty(self) -> bool:
        return not self.roles and not self.oidc_provider


@dataclass(frozen=True)
class Remote:
    """A warehouse in AWS. `identifier` is the workgroup's or the cluster's name.

    `secret` is the name of the Secrets Manager secret with user and password; empty: temporary IAM credentials.
    `owner` is the IAM role that deploys and owns every object, empty: whoever calls. `runner` is the database role
    that the schedules' IAM role gets. `admin_secret` is the name of the secret of a superuser, whom only integrations
    need.
    """

    identifier: str
    database: str
    region: str
    profile: str = ""
    host: str = ""
    port: int = 0
    secret: str = ""
    owner: str = ""
    runner: str = "zeroshift_runner"
    cloudformation_role: str = ""
    alerts: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    cost: Cost = Cost()
    trust: Trust = Trust()
    admin_secret: str = ""


@dataclass(frozen=True)
class Environment:
    """One [env.<name>] table.

    `remote` is the AWS side: of a serverless or cluster environment always, of a local one with `aws = true`,
    where it stands for the local AWS. None means that the environment has no AWS side. `line` is the table's.
    `zero_etl` are the sources that are replicated into a local environment's landing databases, `integrations` those
    that AWS replicates into those of an environment in AWS.
    """

    name: str
    kind: str
    remote: Remote | None = None
    line: int = 0
    zero_etl: tuple[ZeroEtl, ...] = ()
    integrations: tuple[AwsZeroEtl, ...] = ()
    archive: ArchiveSettings = ArchiveSettings()


def read(reader: Reader, name: str, value: object) -> Environment:
    """The environment `name`; raises UsageError with file and line."""
    at: Table = ("env", name)
    table = reader.table(at, value)
    archive = archive_settings.read(reader, (*at, "archive"), table.get("archive", {}))
    kind = reader.text(at, table, "kind")
    if kind not in KINDS:
        raise reader.wrong(at, "kind", f"kind {kind!r} of env.{name} is not one of: {', '.join(KINDS)}")
    if kind == LOCAL:
        reader.check_keys(at, table, _LOCAL_KEYS)
        with_aws = reader.flag(at, table, "aws")
        return Environment(
            name,
            kind,
            Remote("local", "dev", "us-east-1") if with_aws else None,
            reader.line_of(at),
            zero_etl.read(reader, (*at, "zero_etl"), table.get("zero_etl", {})),
            archive=archive,
        )
    named = "workgroup" if kind == SERVERLESS else "cluster"
    reader.check_keys(at, table, ("kind", named, *_REMOTE_KEYS))
    _check_name(reader, at, name)
    remote = _remote(reader, at, table, kind, named)
    return Environment(
        name,
        kind,
        remote,
        reader.line_of(at),
        integrations=zero_etl_aws.read(reader, (*at, "zero_etl"), table.get("zero_etl", {}), remote.database),
        archive=archive,
    )


def _check_name(reader: Reader, at: Table, name: str) -> None:
    if not re.fullmatch(_STACK_PART, name):
        raise reader.wrong(
            at,
            None,
            f"the environment's name {name!r} becomes part of a CloudFormation stack's name:"
            " it must be letters, digits and hyphens, begin with a letter and have at most 40",
        )


def _remote(reader: Reader, at: Table, table: Mapping[str, Any], kind: str, named: str) -> Remote:
    pattern = _WORKGROUP if kind == SERVERLESS else _CLUSTER
    credentials = reader.choice(at, table, "credentials", ("iam", "secret"), "iam")
    if (credentials == "secret") != ("secret" in table):
        raise reader.wrong(
            at,
            "secret" if "secret" in table else "credentials",
            "credentials = \"secret\" and the key 'secret', the name of a secret in Secrets Manager, go together",
        )
    return Remote(
        identifier=reader.matching(at, table, named, pattern, f"a {named}'s name"),
        database=reader.matching(at, table, "database", _DATABASE_NAME, "a database's name"),
        region=reader.matching(at, table, "region", _REGION, "a region like eu-central-1"),
        profile=reader.text(at, table, "profile", ""),
        host=reader.matching(at, table, "host", _HOST, "a host's name without a scheme", ""),
        port=reader.number(at, table, "port", 1, 65535, 0) if "port" in table else 0,
        # A name, not an ARN: an ARN holds the account's id.
        secret=reader.matching(at, table, "secret", _SECRET, "a secret's name, not its ARN", ""),
        owner=reader.matching(at, table, "owner", _ROLE, "an IAM role's name, not its ARN", ""),
        runner=reader.matching(
            at, table, "runner", _DATABASE_NAME, "a database role's name", "zeroshift_runner"
        ),
        cloudformation_role=reader.matching(
            at, table, "cloudformation_role", _ROLE, "an IAM role's name, not its ARN", ""
        ),
        alerts=reader.texts(at, table, "alerts", _EMAIL, "e-mail addresses"),
        tags=_tags(reader, at, table),
        cost=_cost(reader, (*at, "cost"), table.get("cost", {}), kind),
        trust=_trust(reader, (*at, "trust"), table.get("trust", {})),
        admin_secret=reader.matching(at, table, "admin_secret", _SECRET, "a secret's name, not its ARN", ""),
    )


def _tags(reader: Reader, at: Table, table: Mapping[str, Any]) -> Mapping[str, str]:
    """Tags for every resource. AWS allows 50 of them, keys of 128 and values of 256 characters, none that begin with
    aws: (CloudFormation User Guide, aws-properties-resource-tags); three of them are ours.
    """
    inside = (*at, "tags")
    found = reader.table(inside, table.get("tags", {}))
    for key, value in found.items():
        good = isinstance(value, str) and len(value) <= 256 and 0 < len(key) <= 128
        if not good or key.lower().startswith(("aws:", "zeroshift:")):
            raise reader.wrong(
                inside,
                key,
                f"tag {key!r} of [{'.'.join(at)}] must have a text as value, and no name that begins with"
                " aws: or zeroshift:",
            )
    if len(found) > 47:
        raise reader.wrong(
            inside, None, f"[{'.'.join(inside)}] has {len(found)} tags; AWS takes 47 beside ours"
        )
    return dict(found)


def _cost(reader: Reader, at: Table, value: object, kind: str) -> Cost:
    table = reader.table(at, value)
    reader.check_keys(at, table, _COST_KEYS)
    default = Cost()
    if kind == CLUSTER:
        for key in _COST_KEYS[2:]:
            if key in table:
                raise reader.wrong(
                    at, key, f"{key} is for serverless: a cluster's price does not follow its use"
                )
    return Cost(
        statement_timeout=reader.number(
            at, table, "statement_timeout", 1, STATEMENT_SECONDS, default.statement_timeout
        ),
        query_group=reader.matching(
            at, table, "query_group", QUERY_GROUP, "letters, digits, blanks and .:_-", default.query_group
        ),
        usage_limit_rpu_hours=0
        if kind == CLUSTER
        else reader.number(at, table, "usage_limit_rpu_hours", 0, 10_000_000, default.usage_limit_rpu_hours),
        usage_limit_period=reader.choice(
            at, table, "usage_limit_period", PERIODS, default.usage_limit_period
        ),
        usage_limit_action=reader.choice(
            at, table, "usage_limit_action", BREACH_ACTIONS, default.usage_limit_action
        ),
    )


def _trust(reader: Reader, at: Table, value: object) -> Trust:
    table = reader.table(at, value)
    reader.check_keys(at, table, _TRUST_KEYS)
    provider = reader.matching(
        at, table, "oidc_provider", _PROVIDER, "a host like token.actions.githubusercontent.com", ""
    )
    subject = reader.text(at, table, "oidc_subject", "")
    if bool(provider) != bool(subject):
        raise reader.wrong(
            at,
            "oidc_provider" if provider else "oidc_subject",
            "oidc_provider and oidc_subject go together: whose tokens, and which of its jobs",
        )
    if subject and not subject.strip("*?:/ "):
        raise reader.wrong(
            at, "oidc_subject", f"oidc_subject {subject!r} would trust every job of that provider"
        )
    return Trust(
        roles=reader.texts(at, table, "roles", _ROLE, "IAM roles' names, without their ARN"),
        oidc_provider=provider,
        oidc_subject=subject,
        oidc_audience=reader.text(at, table, "oidc_audience", Trust.oidc_audience),
    )
