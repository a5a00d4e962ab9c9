"""The local AWS as a process: on loopback only, its state kept, gone when its daemon is."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from aws_cloud import Cloud

from deployer.errors import Unsafe, UsageError
from deployer.local.aws.environment import LocalAws, read
from deployer.local.aws.front import Identities
from deployer.local.state import describe, is_running
from deployer.operations import stacks as operations


def client(local: LocalAws, service: str) -> Any:
    import boto3

    status = local.status()
    return boto3.client(
        service,
        endpoint_url=status.endpoint_url,
        region_name="eu-central-1",
        aws_access_key_id=status.access_key,
        aws_secret_access_key=status.secret_key,
    )


def listeners(pid: int) -> set[str]:
    """The addresses on which a process and its children listen (/proc/net/tcp, hexadecimal)."""
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A":
                found.add(f"{fields[1]} {fields[9]}")
    own = set()
    for child in [pid, *map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())]:
        for entry in Path(f"/proc/{child}/fd").iterdir():
            try:
                target = os.readlink(entry)
            except FileNotFoundError:
                # Closed since it was listed.
                continue
            own.add(target.removeprefix("socket:[").removesuffix("]"))
    return {item.split()[0].rpartition(":")[0] for item in found if item.split()[1] in own}


def test_it_keeps_its_state_over_a_restart_and_loses_it_by_reset(tmp_path: Path) -> None:
    local = LocalAws(tmp_path / "home")
    try:
        first = local.up()
        assert local.up() == first, "starting it twice gives one"
        client(local, "sqs").create_queue(QueueName="kept")
        client(local, "redshift-serverless").create_namespace(namespaceName="shop")
        client(local, "s3").create_bucket(
            Bucket="kept", CreateBucketConfiguration={"LocationConstraint": "eu-central-1"}
        )
        client(local, "s3").put_object(Bucket="kept", Key="a/b", Body=b"x" * 100_000)
        if sys.platform == "linux":
            assert first.pid is not None
            assert listeners(first.pid) == {"0100007F"}, "127.0.0.1 and nothing else"
        assert not local.down().running

        second = local.up()
        assert second.endpoint_url == first.endpoint_url
        assert client(local, "sqs").get_queue_url(QueueName="kept")
        assert client(local, "redshift-serverless").get_namespace(namespaceName="shop")
        content = client(local, "s3").get_object(Bucket="kept", Key="a/b")["Body"].read()
        assert content == b"x" * 100_000
        head = client(local, "s3").head_object(Bucket="kept", Key="a/b")
        assert head["ContentLength"] == 100_000

        local.reset()
        assert not local.status().running
        local.up()
        assert client(local, "sqs").list_queues().get("QueueUrls", []) == []
    finally:
        local.down()


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's signal for a parent's death is Linux's")
def test_a_killed_daemon_takes_ministack_along_and_the_next_start_goes_on(tmp_path: Path) -> None:
    local = LocalAws(tmp_path / "home")
    try:
        status = local.up()
        assert status.pid is not None
        client(local, "sqs").create_queue(QueueName="kept")
        (child,) = Path(f"/proc/{status.pid}/task/{status.pid}/children").read_text().split()
        os.kill(status.pid, signal.SIGKILL)
        deadline = time.monotonic() + 120
        while describe(int(child)) is not None:
            assert time.monotonic() < deadline, "ministack outlives its daemon"
            time.sleep(0.05)
        assert not local.running
        local.up()
        assert client(local, "sqs").get_queue_url(QueueName="kept"), "it saved its state on its way out"
    finally:
        local.down()
    state = read(local.directory)
    assert state is not None and not is_running(state.daemon)


@pytest.mark.slow
def test_a_daemon_that_is_slow_stays_and_another_program_on_its_port_is_made_way_for(tmp_path: Path) -> None:
    local = LocalAws(tmp_path / "home")
    try:
        first = local.up()
        assert first.pid is not None
        # A machine that is busy for a while is no reason to end what runs on it.
        os.kill(first.pid, signal.SIGSTOP)
        threading.Timer(6, os.kill, (first.pid, signal.SIGCONT)).start()
        assert local.up() == first
        port = int((first.endpoint_url or "").rpartition(":")[2])
        local.down()
        with socket.socket() as taken:
            taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            taken.bind(("127.0.0.1", port))
            taken.listen()
            assert local.up().endpoint_url != f"http://127.0.0.1:{port}"
    finally:
        local.down()


def test_whose_keys_are_is_kept_of_answers_that_come_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One answer is learned while the file with another is being replaced."""

    def answer(key: str) -> str:
        arn = f"arn:aws:sts::000000000000:assumed-role/{key.lower()}/s"
        return f"<AccessKeyId>{key}</AccessKeyId><Arn>{arn}</Arn>"

    identities = Identities(tmp_path / "identities.json")
    other = threading.Thread(target=lambda: identities.learn(answer("B")))
    replace = Path.replace

    def slow(self: Path, target: Path) -> Path:
        if not other.ident:
            other.start()
            other.join(0.2)
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", slow)
    identities.learn(answer("A"))
    other.join()
    known = Identities(tmp_path / "identities.json")
    assert [known.of(key) for key in "AB"] == ["IAMR:a", "IAMR:b"]


def test_the_service_of_ours_refuses_what_aws_refuses(cloud: Cloud) -> None:
    from botocore.exceptions import ClientError

    local = LocalAws(cloud.project.home)
    service = client(local, "redshift-serverless")
    for call, parameters, code in (
        (service.get_namespace, {"namespaceName": "none"}, "ResourceNotFoundException"),
        (service.create_namespace, {"namespaceName": "shop"}, "ConflictException"),
        (service.create_workgroup, {"workgroupName": "wgx", "namespaceName": "none"}, "ResourceNotFoundException"),
        (service.get_credentials, {"workgroupName": "analytics", "durationSeconds": 60}, "ValidationException"),
        (service.create_usage_limit, {"resourceArn": "x", "usageType": "serverless-compute", "amount": 1},
         "ResourceNotFoundException"),
        (service.update_usage_limit, {"usageLimitId": "x", "amount": 1}, "ResourceNotFoundException"),
        (service.delete_namespace, {"namespaceName": "shop"}, "ConflictException"),
        (service.list_snapshots, {}, "ValidationException"),
    ):  # fmt: skip
        with pytest.raises(ClientError) as caught:
            call(**parameters)
        assert caught.value.response["Error"]["Code"] == code, parameters


def zeroshift(cloud: Cloud, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "deployer", *arguments],
        cwd=cloud.root,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_commands_print_templates_and_the_way_there(cloud: Cloud) -> None:
    import json

    made = zeroshift(cloud, "template", "--env", "prod", "--bootstrap")
    assert json.loads(made.stdout)["Resources"]["DeployerRole"]
    base = zeroshift(cloud, "template", "--env", "prod")
    assert json.loads(base.stdout) == operations.template(cloud.project, cloud.prod, "base")
    run = zeroshift(cloud, "template", "--env", "prod", "--run")
    assert (run.returncode, run.stdout) == (0, "")
    assert run.stderr == "nothing belongs into the stack run yet: it is not created\n"

    exported = zeroshift(cloud, "local", "aws", "--export").stdout.splitlines()
    status = LocalAws(cloud.project.home).status()
    assert exported == [
        f"export AWS_ENDPOINT_URL={status.endpoint_url}",
        "export AWS_ACCESS_KEY_ID=test",
        "export AWS_SECRET_ACCESS_KEY=test",
    ]
    refused = zeroshift(cloud, "destroy", "--env", "prod")
    assert refused.returncode == Unsafe.exit_code
    assert "say --yes to do it" in refused.stderr


def test_an_environment_of_kind_local_has_stacks_on_the_local_aws(
    cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    local = cloud.project.environment("local")
    with monkeypatch.context() as patched:
        patched.delenv("AWS_ENDPOINT_URL")
        assert len(operations.changes(cloud.project, local)) == 3
        operations.apply_base(cloud.project, local)
        assert operations.changes(cloud.project, local) == ()
        assert operations.destroy(cloud.project, local, yes=True).changes
    cloud.write('[project]\nname = "shop"\n[env.prod]\nkind = "local"\n')
    assert operations.changes(cloud.project, cloud.prod) == ()
    with pytest.raises(UsageError, match="has no AWS side"):
        operations.destroy(cloud.project, cloud.prod, yes=True)
