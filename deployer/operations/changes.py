"""What a plan consists of: one Change for each thing that a deployment would do, whatever part brings it about."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Change:
    """One thing that a deployment would do.

    `action` is what happens to it: apply, create, import, replace, recreate, drop, grant, revoke, modify, remove.
    `kind` is what it is: migration, view, procedure, role, grant, policy, or a CloudFormation resource's type.
    `name` tells it apart among its kind and is what `--allow-destructive` takes. `path` and `line` are where it is
    written, `statements` the SQL that will be sent, in order, `diff` the unified diff of its definition.
    `destructive` says what would be lost, and is empty when nothing is. `reason` says why an unchanged file causes it.
    """

    action: str
    kind: str
    name: str
    path: str = ""
    line: int = 0
    statements: tuple[str, ...] = ()
    diff: str = ""
    destructive: str = ""
    reason: str = ""

    @property
    def key(self) -> str:
        """Kind and name, as the ledger and the errors write it."""
        return f"{self.kind} {self.name}"

    @property
    def title(self) -> str:
        """What happens to what, for people: "replace view shown.totals", "grant select on shown.* to role reader"."""
        return f"{self.action} {self.name if self.kind == 'grant' else self.key}"
