"""Names of what an environment owns in AWS: they say whose it is, and policies are written over their prefix."""

from __future__ import annotations

import hashlib
import re

from deployer.errors import UsageError
from deployer.project.config import CONFIG_FILE, Project
from deployer.project.environments import Environment

PARTS = ("base", "run")
"""The stacks, in the order in which they are deployed: base before the SQL, run after it."""

_LONGEST = 48


def prefix(project: Project, environment: Environment) -> str:
    """`zeroshift-PROJECT-ENVIRONMENT`. Raises UsageError when it is too long for what AWS appends to it.

    A queue's name has 80 characters (SQS, CreateQueue, QueueName), of which CloudFormation needs a good 30 for the
    logical id and a random part.
    """
    slug = re.sub(r"[^A-Za-z0-9]+", "-", project.name).strip("-").lower()
    made = f"zeroshift-{slug}-{environment.name}"
    if not slug or len(made) > _LONGEST:
        raise UsageError(
            f"{project.root / CONFIG_FILE}: the project's and the environment's names together make {made!r}, the"
            f" prefix of all names in AWS: it must have at most {_LONGEST} characters, and a letter or digit of each"
        )
    return made


def stack(project: Project, environment: Environment, part: str) -> str:
    """The name of the stack `part` ("base", "run", "bootstrap")."""
    return f"{prefix(project, environment)}-{part}"


def role_path(project: Project, environment: Environment) -> str:
    """The IAM path of the environment's own roles. Policies name it rather than a prefix of the roles' names, which
    CloudFormation shortens to 64 characters."""
    return f"/zeroshift/{prefix(project, environment).removeprefix('zeroshift-')}/"


def runner_boundary(project: Project, environment: Environment) -> str:
    """The managed policy that bounds every role of the stacks. Made by bootstrap."""
    return f"{prefix(project, environment)}-runner-boundary"


def deployer_boundary(project: Project, environment: Environment) -> str:
    """The managed policy that bounds the deployer itself. Made by bootstrap."""
    return f"{prefix(project, environment)}-deployer-boundary"


def limited(text: str, longest: int) -> str:
    """`text`, or its beginning and a hash where it is longer than AWS takes."""
    if len(text) <= longest:
        return text
    return f"{text[: longest - 9]}-{digest(text)}"


def digest(text: str) -> str:
    """Eight hexadecimal digits that tell names apart which AWS would have alike."""
    return hashlib.sha256(text.encode()).hexdigest()[:8]


def rule(project: Project, environment: Environment, name: str) -> str:
    """An EventBridge rule's name, which has 64 characters (PutRule)."""
    return limited(f"{prefix(project, environment)}-{name}", 64)


def alert_machine(project: Project, environment: Environment) -> str:
    """The state machine of the alert path. The role that it acts as trusts it by name."""
    return f"{prefix(project, environment)}-alerts"


def glue_database(project: Project, environment: Environment) -> str:
    """The database of the archive's external tables, in the data catalog."""
    return prefix(project, environment).replace("-", "_").lower()


def told_table(project: Project, environment: Environment) -> str:
    """The table of the runs that people have been told of."""
    return f"{prefix(project, environment)}-alerts-told"
