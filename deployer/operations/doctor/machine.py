"""What runs on this machine: the local Redshift with its Data API, and the local AWS where the environment has one."""

from __future__ import annotations

import socket
from collections.abc import Iterator

from deployer.aws.client import Aws, Endpoint
from deployer.errors import Unavailable
from deployer.operations.doctor.model import Check, Examination, missing, ok, unknown
from deployer.operations.warehouses import local_aws, local_environment
from deployer.project.environments import LOCAL

_SECONDS = 5.0


def checks(seen: Examination) -> Iterator[Check]:
    """Nothing for an environment in AWS: that it can be reached is the route's business."""
    if seen.environment.kind != LOCAL:
        return
    try:
        local = local_environment(seen.project)
    except Unavailable as error:
        yield missing("local Redshift", str(error), "pip install 'zeroshift[local]'")
        return
    status = local.status()
    if not status.running or status.host is None or status.port is None:
        yield missing("local Redshift", "it does not run", "zeroshift local up --detach")
        return
    if status.engine_version is None:
        yield missing(
            "PostgreSQL",
            "the local Redshift runs, but the PostgreSQL behind it does not answer",
            "zeroshift local down && zeroshift local up --detach",
        )
    else:
        yield ok("PostgreSQL", f"{status.engine_version} answers")
    if answers(status.host, status.port):
        yield ok("gateway", f"Redshift's protocol on {status.host}:{status.port}")
    else:
        yield missing(
            "gateway",
            f"nothing takes connections on {status.host}:{status.port}",
            "zeroshift local down && zeroshift local up --detach",
        )
    if seen.has_aws:
        yield _aws(seen)


def _aws(seen: Examination) -> Check:
    remote = seen.environment.remote
    found = local_aws(seen.project).status()
    if not found.running or found.endpoint_url is None or remote is None:
        return missing(
            "local AWS", "it does not run, and the environment says aws = true", "zeroshift local aws"
        )
    seen.aws = Aws(remote, Endpoint(found.endpoint_url, found.access_key, found.secret_key))
    return ok("local AWS", found.endpoint_url)


def answers(host: str, port: int) -> bool:
    """Whether something takes a TCP connection there."""
    try:
        with socket.create_connection((host, port), timeout=_SECONDS):
            return True
    except OSError:
        return False


def not_reached(name: str) -> Check:
    """For everything that needs a session."""
    return unknown(name, "the warehouse was not reached, see above")
