"""Follows docs/first-deploy.md word for word on the local AWS."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from walk import Create, Type, check, steps, write

from deployer.aws import bootstrap, naming
from deployer.local.aws.environment import LocalAws
from deployer.local.environment import LocalEnvironment
from deployer.project import config

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "first-deploy.md").read_text(encoding="utf-8")

SOURCE = {
    "apartments.csv": (
        "id,title,source,price,currency,listing_created_on,is_active,last_modified_timestamp\n"
        "1,Loft,web,100.00,USD,2025-12-01 00:00:00,1,2025-12-01 00:00:00\n"
    ),
    "bookings.csv": (
        "booking_id,user_id,apartment_id,booking_date,checkin_date,checkout_date,total_price,currency,booking_status\n"
        "1,7,1,2026-01-05 00:00:00,2026-02-01,2026-02-03,200.00,USD,confirmed\n"
    ),
}


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_the_page_leads_from_nothing_to_the_first_run_and_back(tmp_path: Path) -> None:
    copy, programs, home = tmp_path / "project", tmp_path / "bin", tmp_path / "home"
    for name in ("migrations", "procedures"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "source").mkdir()
    for name, content in SOURCE.items():
        (copy / "source" / name).write_text(content, encoding="utf-8")
    programs.mkdir()
    (programs / "aws").write_text(
        f'#!/bin/sh\nexec "{sys.executable}" "{ROOT}/tests/docs/aws_command.py" "$@"\n'
    )
    (programs / "aws").chmod(0o755)
    kept = {key: value for key, value in os.environ.items() if not key.startswith("AWS_")}
    environment = kept | {
        "PATH": f"{programs}{os.pathsep}{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "ZEROSHIFT_HOME": str(home),
        "ZEROSHIFT_PORT": "0",
        "COLUMNS": "100",
        "AWS_EC2_METADATA_DISABLED": "true",
    }
    os.environ["ZEROSHIFT_PORT"], before = "0", os.environ.get("ZEROSHIFT_PORT")
    try:
        environment |= LocalAws(home).up().variables
        for step in steps(PAGE):
            if not isinstance(step, Type):
                write(step, copy)
                continue
            printed = ""
            for command in step.commands:
                # An export lasts, as it does in the reader's shell.
                if exported := re.fullmatch(r"export (\w+)=(\S+)", command):
                    environment[exported.group(1)] = exported.group(2)
                    continue
                code = 0
                if told := re.search(r"\s+# exits with (\d)$", command):
                    code, command = int(told.group(1)), command[: told.start()]
                done = subprocess.run(
                    ["bash", "-c", command],
                    cwd=copy,
                    env=environment,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    text=True,
                    timeout=800,
                )
                printed += done.stdout
                assert done.returncode == code, f"{command}\n{printed}"
                assert "000000000000" not in done.stdout or command.startswith("aws"), command
            check(printed, step.expected)
    finally:
        if before is None:
            del os.environ["ZEROSHIFT_PORT"]
        else:
            os.environ["ZEROSHIFT_PORT"] = before
        LocalAws(home).down()
        LocalEnvironment(home).down()


def test_the_page_s_names_are_those_that_the_templates_make(tmp_path: Path) -> None:
    """The fast half: the configuration is read, and the names it tells are the ones that bootstrap makes."""
    (created,) = [step for step in steps(PAGE) if isinstance(step, Create)]
    write(created, tmp_path)
    project = config.load(tmp_path)
    prod = project.environment("prod")
    assert prod.remote is not None
    assert prod.remote.owner == bootstrap.deployer_name(project, prod)
    assert prod.remote.cloudformation_role == bootstrap.cloudformation_name(project, prod)
    commands = [command for step in steps(PAGE) if isinstance(step, Type) for command in step.commands]
    named = {word for command in commands for word in re.findall(r"--stack-name (\S+)", command)}
    assert named == {naming.stack(project, prod, "bootstrap"), naming.stack(project, prod, "base")}
