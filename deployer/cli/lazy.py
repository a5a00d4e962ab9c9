"""The commands by name, each loaded when it is used: `zeroshift --help` should not wait for what deploys and runs."""

from __future__ import annotations

import importlib

import click

SUMMARIES = {
    "archive": "Archive closed periods to S3 by the policies of procedures/archive, and bring them back.",
    "baseline": "Adopt an existing warehouse: its views and procedures become files, and the next plan is empty.",
    "demo": "Run the whole rental pipeline on a fresh local Redshift and print its metrics.",
    "deploy": "Apply the migrations, then create or replace views and procedures.",
    "destroy": "Delete the environment's CloudFormation stacks, in reverse order.",
    "doctor": "Check every prerequisite of an environment, and say how to mend what is missing.",
    "drift": "Show what was changed by hand since the last deployment; exits 2 when something was.",
    "env": "List and drop environments that are derived from another one (a pull request's).",
    "integration": "Zero-ETL integrations: their state, their tables, copying them anew, counting both sides.",
    "lineage": "Name the source columns of NAME, schema.table.column, with the way between; of schema.table, the"
    " source tables.",
    "lint": "Check PATHS, by default procedures/ and migrations/, against what Redshift does and what breaks"
    " pipelines.",
    "local": "The Redshift on your own machine, the source behind it, and the AWS beside it.",
    "plan": "Show everything that a deployment would do, without doing it.",
    "query": "Run one SQL statement and print its rows.",
    "repair": "Mend what `zeroshift plan` found wrong with migrations, after asking.",
    "rollback": "Bring views and procedures back to their definitions after DEPLOYMENT; without it, list the"
    " deployments.",
    "run": "Run PIPELINE once: read what changed, refresh its metrics and publish them together.",
    "schedule": "Show, start and fire the schedules of an environment.",
    "status": "Show how the warehouse is doing: runs, freshness, schedules, landing, gaps, rejected rows.",
    "template": "Print a CloudFormation template of the environment, as JSON.",
    "unlock": "Take the deployment lease away from a deployment that died.",
    "verify": "Check that every deployed view can be selected, keeps its contract, and that every CALL finds its"
    " procedure.",
}
"""Each command and the first sentence of its help, which a test compares. The module in `deployer.cli` and the command
in it are called as the command is."""


class Commands(click.Group):
    """A group whose commands are modules of `deployer.cli`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(SUMMARIES)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in SUMMARIES:
            return None
        command = getattr(importlib.import_module(f"deployer.cli.{cmd_name}"), cmd_name)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        room = formatter.width - 6 - max(map(len, SUMMARIES))
        rows = [(name, _shortened(SUMMARIES[name], room)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _shortened(text: str, width: int) -> str:
    """As click shortens: whole words, then three dots."""
    if len(text) <= width:
        return text
    return text[: width - 2].rsplit(" ", 1)[0].rstrip(",;:") + "..."
