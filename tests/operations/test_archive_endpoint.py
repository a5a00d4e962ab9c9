"""`zeroshift archive` where ZEROSHIFT_S3_ENDPOINT names another S3: the one that UNLOAD and COPY use."""

from __future__ import annotations

from pathlib import Path

import boto3
import pytest
from archive_project import TODAY, ArchiveProject, fill
from small_project import SmallProject

from deployer.local.aws.environment import LocalAws
from deployer.local.environment import LocalEnvironment
from deployer.operations.archive import look
from deployer.operations.archive.run import run
from deployer.operations.deploy import deploy
from deployer.operations.warehouses import target_of
from deployer.warehouse.session import Session


@pytest.mark.slow
def test_another_s3_by_setting(
    environment: LocalEnvironment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The other S3 is the local AWS of another home; what matters is that it is not this home's.
    other = LocalAws(environment.home).up()
    assert other.endpoint_url is not None
    home = tmp_path / "home"
    for name, value in (
        ("ZEROSHIFT_HOME", str(home)),
        ("ZEROSHIFT_PORT", "0"),
        ("ZEROSHIFT_S3_ENDPOINT", other.endpoint_url),
        ("AWS_ACCESS_KEY_ID", other.access_key),
        ("AWS_SECRET_ACCESS_KEY", other.secret_key),
    ):
        monkeypatch.setenv(name, value)
    local = LocalEnvironment(home)
    try:
        status = local.up()
        assert status.s3_endpoint == other.endpoint_url
        # From now on the daemon's setting counts, not the caller's.
        monkeypatch.delenv("ZEROSHIFT_S3_ENDPOINT")
        archive = ArchiveProject(SmallProject(tmp_path / "elsewhere"))
        archive.policy("old", 'table = "shop.closed"\nperiod = "day"\nkeep = "1 month"\nafter = "delete"\n')
        project = archive.small.load()
        there = project.environment("local")
        deploy(project, there, wait=20)
        with Session(target_of(status)) as session:
            fill(session)
        (outcome,) = run(project, there, as_of=TODAY, wait=30).outcomes
        assert outcome.run is not None and outcome.run.row_count == 3
        assert [one.problem for one in look.verify(project, there)] == [""]
        assert not LocalAws(home).running
        s3 = boto3.client(
            "s3",
            endpoint_url=other.endpoint_url,
            aws_access_key_id=other.access_key,
            aws_secret_access_key=other.secret_key,
            region_name="us-east-1",
        )
        found = s3.list_objects_v2(Bucket="zeroshift-small-local-archive")["Contents"]
        assert any(item["Key"].endswith(".parquet") for item in found)
    finally:
        local.down()
        LocalAws(home).down()
