"""A project on the local AWS, for tests. Fixtures: see conftest.py beside."""

from __future__ import annotations

import os
from functools import cached_property
from pathlib import Path

import pytest

from deployer.aws import naming, stacks
from deployer.aws.client import Aws
from deployer.project import config
from deployer.project.config import Project
from deployer.project.environments import Environment

TOML = """\
[project]
name = "shop"

[env.local]
kind = "local"
aws = true

[env.prod]
kind = "serverless"
workgroup = "analytics"
database = "dev"
region = "eu-central-1"
alerts = ["data@example.com"]

[env.prod.tags]
team = "data"

[env.prod.trust]
roles = ["ci"]
"""


class Cloud:
    """The project on the local AWS, and the calls that were made."""

    def __init__(self, root: Path, calls: list[tuple[str, str]]) -> None:
        self.root = root
        self.calls = calls
        self.write(TOML)

    def write(self, text: str) -> Project:
        (self.root / "zeroshift.toml").write_text(text, encoding="utf-8")
        return self.project

    @property
    def project(self) -> Project:
        return config.load(self.root)

    @property
    def prod(self) -> Environment:
        return self.project.environment("prod")

    @cached_property
    def aws(self) -> Aws:
        assert self.prod.remote is not None
        return Aws(self.prod.remote)

    def stack(self, part: str = "base") -> str:
        return naming.stack(self.project, self.prod, part)

    def clear(self) -> None:
        """Delete the stacks, and what a deployment makes beside them."""
        for part in reversed(naming.PARTS):
            stacks.settle(self.aws, self.stack(part), lambda _: None)
            stacks.delete(self.aws, self.stack(part), lambda _: None)
        for limit in self.aws.call("redshift-serverless", "list_usage_limits")["usageLimits"]:
            self.aws.call("redshift-serverless", "delete_usage_limit", usageLimitId=limit["usageLimitId"])


def forget_credentials(monkeypatch: pytest.MonkeyPatch, directory: Path) -> None:
    """Take AWS's variables and files out of the environment."""
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(directory / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(directory / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
