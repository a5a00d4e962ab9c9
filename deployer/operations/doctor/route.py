"""The way to the warehouse: that it is there, its name and port from this machine, the credentials, the login.

A private workgroup or cluster is reached from inside its VPC only (management guide, serverless-connecting): a hosted
CI runner is not there, and what it sees is a name that resolves to a private address which does not answer.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Iterator

from deployer.aws import connect, statements
from deployer.aws.client import AwsError, is_loopback
from deployer.errors import StatementFailed, Unavailable, UsageError, ZeroshiftError
from deployer.operations.doctor.caller import bootstrap_command, no_aws
from deployer.operations.doctor.machine import answers, not_reached
from deployer.operations.doctor.model import Check, Examination, missing, ok, unknown
from deployer.operations.warehouses import data_api_of, local_environment, target_of
from deployer.project.environments import CLUSTER, LOCAL, Remote
from deployer.warehouse.session import Session, Target


def checks(seen: Examination) -> Iterator[Check]:
    """From far to near. Sets `seen.place` and `seen.session`."""
    if seen.environment.kind == LOCAL:
        yield from _local(seen)
        return
    if seen.aws is None:
        for name in ("warehouse", "login", "Data API"):
            yield no_aws(name)
        return
    seen.progress("looking for the way to the warehouse")
    yield from _warehouse(seen)
    if seen.place is not None:
        yield from _network(seen, seen.place.host, seen.place.port)
    yield from _secret(seen)
    yield from _login(seen)
    yield _data_api(seen)


def _local(seen: Examination) -> Iterator[Check]:
    try:
        status = local_environment(seen.project).status()
        if not status.running:
            yield not_reached("login")
            return
        where = target_of(status)
    except Unavailable:
        yield not_reached("login")
        return
    yield from _opened(seen, where, "zeroshift local down && zeroshift local up --detach")
    try:
        api = data_api_of(status, seen.environment)
        api.ask()
    except ZeroshiftError as error:
        yield missing("Data API", str(error), "zeroshift local down && zeroshift local up --detach")
    else:
        yield ok("Data API", f"answers at {status.data_api_url}")


def _warehouse(seen: Examination) -> Iterator[Check]:
    assert seen.aws is not None
    remote = seen.aws.remote
    named = "cluster" if seen.environment.kind == CLUSTER else "workgroup"
    try:
        seen.place = connect.place(seen.aws, seen.environment)
    except UsageError as error:
        yield missing(named, str(error), _create(named, remote))
        return
    except Unavailable as error:
        resume = f"aws redshift resume-cluster --cluster-identifier {remote.identifier}"
        ask = f"aws redshift-serverless get-workgroup --workgroup-name {remote.identifier}"
        yield missing(named, str(error), resume if named == "cluster" else ask)
        return
    except AwsError as error:
        if "AccessDenied" not in error.code:
            raise
        yield missing(named, str(error), bootstrap_command(seen))
        return
    yield ok(named, f"{remote.identifier} in {remote.region}")


def _create(named: str, remote: Remote) -> str:
    if named == "workgroup":
        return (
            f"aws redshift-serverless create-workgroup --workgroup-name {remote.identifier} --namespace-name NAMESPACE"
            " --base-capacity 8 --no-publicly-accessible --config-parameters"
            " parameterKey=enable_case_sensitive_identifier,parameterValue=true"
        )
    return (
        f"aws redshift create-cluster --cluster-identifier {remote.identifier} --db-name {remote.database}"
        " --node-type ra3.large --number-of-nodes 2 --encrypted --no-publicly-accessible --manage-master-password"
        " --master-username admin --cluster-parameter-group-name GROUP"
    )


def _network(seen: Examination, host: str, port: int) -> Iterator[Check]:
    """DNS, then TCP, each with what is typical of its failing."""
    try:
        addresses = {str(item[4][0]) for item in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)}
    except OSError as error:
        yield missing(
            "DNS",
            f"{host} does not resolve here: {error.strerror or error}",
            "run this inside the workgroup's VPC, whose resolver knows the name; or "
            + _tunnel(seen, host, port),
        )
        return
    private = all(_is_private(address) for address in addresses)
    yield ok("DNS", f"{host} is {', '.join(sorted(addresses))}{', a private address' if private else ''}")
    if answers(host, port):
        yield ok("TCP", f"port {port} answers")
        return
    if is_loopback(host):
        yield missing(
            "TCP",
            f"port {port} of this machine does not answer: the tunnel that the key 'host' names is not open",
            _tunnel(seen, "ENDPOINT", connect.PORT, port),
        )
    elif private:
        yield missing(
            "TCP",
            f"port {port} does not answer: the warehouse has no public address, and this machine has no way into its"
            " VPC, or a security group is in the way",
            "run this inside the VPC (docs/ci/README.md), or " + _tunnel(seen, host, port),
        )
    else:
        yield missing(
            "TCP",
            f"port {port} does not answer: a security group of the warehouse keeps this machine out",
            f"aws ec2 authorize-security-group-ingress --group-id GROUP --protocol tcp --port {port} --cidr YOURS/32",
        )


def _is_private(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_private
    except ValueError:
        return False


def _tunnel(seen: Examination, host: str, port: int, local: int = 15439) -> str:
    """Session Manager's port forwarding (Systems Manager User Guide, session-manager-working-with-sessions-start)."""
    return (
        "open a tunnel: aws ssm start-session --target INSTANCE --document-name"
        " AWS-StartPortForwardingSessionToRemoteHost"
        f" --parameters host={host},portNumber={port},localPortNumber={local}"
        f' and write host = "localhost", port = {local} into [env.{seen.environment.name}]'
    )


def _secret(seen: Examination) -> Iterator[Check]:
    assert seen.aws is not None
    remote = seen.aws.remote
    if not remote.secret:
        return
    try:
        connect.read_secret(seen.aws, remote)
    except UsageError as error:
        yield missing(
            "secret",
            str(error),
            f"aws secretsmanager create-secret --name '{remote.secret}' --secret-string"
            """ '{"username": "...", "password": "..."}'""",
        )
    except AwsError as error:
        yield missing("secret", str(error), bootstrap_command(seen))
    else:
        yield ok("secret", f"{remote.secret} can be read, and has a user and a password")


def _login(seen: Examination) -> Iterator[Check]:
    assert seen.aws is not None
    try:
        where = connect.target(seen.environment)
    except (UsageError, Unavailable) as error:
        yield unknown("login", str(error))
        return
    except AwsError as error:
        yield missing("login", f"AWS gives no credentials: {error}", bootstrap_command(seen))
        return
    yield from _opened(seen, where, f"{seen.aws.remote.database!r} must be a database of the warehouse")


def _opened(seen: Examination, where: Target, mend: str) -> Iterator[Check]:
    try:
        seen.session = Session(where)
        (row,) = seen.session.execute("select current_user, current_database()").rows
    except (Unavailable, StatementFailed) as error:
        yield missing("login", str(error), mend)
        return
    yield ok("login", f"{row[0]} in the database {row[1]}")


def _data_api(seen: Examination) -> Check:
    """It has an address of its own, outside of the VPC: `zeroshift run` and schedules need no other way."""
    assert seen.aws is not None
    try:
        statements.DataApi(seen.aws, seen.environment).ask()
    except AwsError as error:
        return missing("Data API", str(error), bootstrap_command(seen))
    except Unavailable as error:
        return missing(
            "Data API", str(error), "let this machine reach AWS's public endpoints, or a VPC endpoint"
        )
    return ok("Data API", "answers")
