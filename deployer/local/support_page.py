"""The generated part of docs/local-redshift.md: `python -m deployer.local.support_page` writes it anew."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from deployer.local.bootstrap import COMPAT
from deployer.local.functions import registry
from deployer.local.support import COMMANDS, DIFFERS, REFUSED, SUPPORTED, Command
from deployer.sql.functions import NOT_YET
from deployer.sql.system_views import NOT_HERE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "local-redshift.md"
BEGIN, END = "<!-- generated from deployer/local/support.py -->\n", "<!-- end of what is generated -->\n"
GUIDE = "https://docs.aws.amazon.com/redshift/latest/dg/"

_CHAPTERS = (
    "aggregate", "array", "clients' own", "conditional", "date and time", "formatting", "hash", "JSON and SUPER",
    "math", "string", "system information", "VARBYTE", "window",
)  # fmt: skip
"""The names of registry.CHAPTERS, in their order."""


def views() -> list[str]:
    """The system views that there are, by the files that make them."""
    found = set()
    for path in sorted(COMPAT.glob("*.sql")):
        for line in path.read_text(encoding="utf-8").splitlines():
            if line.startswith("create or replace view redshift_catalog."):
                found.add(line.split("redshift_catalog.")[1].split(" ")[0].rstrip())
    return sorted(found)


def generated() -> str:
    """Tables of commands, functions and system views."""
    lines = ["", "### Commands", ""]
    lines += [
        f"Run as documented: {', '.join(_link(one) for one in COMMANDS if one.verdict == SUPPORTED)}.",
        "",
        "| command that runs | how it differs |",
        "|---|---|",
        *(f"| {_link(one)} | {one.note or 'see below'} |" for one in COMMANDS if one.verdict == DIFFERS),
        "",
        "| command that is refused by name | instead |",
        "|---|---|",
        *(f"| {_link(one)} | {one.note} |" for one in COMMANDS if one.verdict == REFUSED),
    ]
    lines += ["", "### Functions", "", "| chapter | run as documented |", "|---|---|"]
    for chapter, functions in zip(_CHAPTERS, registry.CHAPTERS, strict=True):
        lines.append(f"| {chapter} | {', '.join(sorted({one.name.upper() for one in functions}))} |")
    lines += ["", "| functions refused by name | why, or what instead |", "|---|---|"]
    lines += [f"| {', '.join(names)} | {reason} |" for reason, names in _by_reason(NOT_YET)]
    lines += [
        "| ST_..., H3_... | spatial functions |",
        "",
        "### System views",
        "",
        f"There are {', '.join(name.upper() for name in views())}.",
        "",
        "| views refused by name | why, or what instead |",
        "|---|---|",
        *(f"| {', '.join(names)} | {reason} |" for reason, names in _by_reason(NOT_HERE)),
        "",
    ]
    return "\n".join(lines)


def _by_reason(names: Mapping[str, str]) -> list[tuple[str, list[str]]]:
    """The names that share a reason, in order."""
    reasons: dict[str, list[str]] = defaultdict(list)
    for name, reason in sorted(names.items()):
        reasons[reason.removeprefix("; ")].append(name.upper())
    return sorted(reasons.items())


def page(text: str) -> str:
    """The page's text with its generated part made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + generated() + END + after


def _link(command: Command) -> str:
    return f"[{command.name}]({GUIDE}{command.page}.html)"


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
