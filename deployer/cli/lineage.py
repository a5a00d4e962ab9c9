"""`zeroshift lineage`: where a column comes from, and what depends on it."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

import click

from deployer.cli import encode, output
from deployer.cli.options import CONTEXT
from deployer.operations import lineage as operations
from deployer.operations.lineage import End, Hop, Lineage
from deployer.project import config

_UPSTREAM = {
    "value": "Computed from",
    "condition": "Chosen by (CASE, windows, outer joins)",
    "filter": "Rows decided by (WHERE, JOIN, GROUP BY, HAVING)",
    "control": "Run or not by (IF)",
}
_DOWNSTREAM = {
    "value": "Computed from it",
    "condition": "Chosen by it (CASE, windows, outer joins)",
    "filter": "Rows decided by it (WHERE, JOIN, GROUP BY, HAVING)",
    "control": "Run or not by it (IF)",
}
_KINDS = {"temp": "temporary table", "variable": "variable"}
"""What lives as long as a run."""


@click.command(context_settings=CONTEXT)
@click.argument("name")
@click.option("--downstream", is_flag=True, help="What depends on it, instead of where it comes from.")
@click.option(
    "--all", "everything", is_flag=True,
    help="Also what decides about what decides, and what an IF decides. In a pipeline that works by change that is"
    " nearly everything.",
)  # fmt: skip
@click.option("--temps", is_flag=True, help="Show temporary tables and variables on the way too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.option("--mermaid", is_flag=True, help="A Mermaid flowchart.")
def lineage(name: str, downstream: bool, everything: bool, temps: bool, as_json: bool, mermaid: bool) -> None:
    """Name the source columns of NAME, schema.table.column, with the way between; of schema.table, the source tables.

    Read out of the project's migrations, views and procedures; no warehouse is asked.
    """
    project = config.load(config.find_root(Path.cwd()))
    found = operations.lineage(project, name, downstream=downstream, everything=everything)
    if as_json:
        output.line(encode.dump(found))
    elif mermaid:
        output.write(f"{line}\n" for line in flowchart(found, temps=temps))
    else:
        show(found, temps=temps)


def show(found: Lineage, *, temps: bool) -> None:
    """Print an answer for people: values with their ways, the rest by table."""
    output.heading(found.relation + (f".{found.column}" if found.column else ""))
    if not found.ends:
        output.line("nothing depends on it" if found.downstream else "no source: constants only")
    titles = _DOWNSTREAM if found.downstream else _UPSTREAM
    for influence, group in groupby(found.ends, key=lambda end: end.influence):
        ends = list(group)
        output.line()
        output.heading(titles[influence])
        ways = (influence == "value" and not found.downstream) or temps
        lines = _with_ways(ends, temps, columns=bool(found.column)) if ways else _by_relation(ends)
        for line in lines:
            output.line(f"  {line}")
    if found.gaps:
        output.line()
        output.heading("Not followed: the answer may lack what comes through here")
        for gap in found.gaps:
            target = f" (writes {gap.target})" if gap.target else ""
            output.line(f"  {gap.path}:{gap.line}: {gap.reason}{target}")


def _by_relation(ends: list[End]) -> Iterator[str]:
    for relation, group in groupby(ends, key=lambda end: end.relation):
        columns = [_column(end.column) for end in group if end.column]
        yield f"{relation}: {', '.join(columns)}" if columns else relation


def _with_ways(ends: list[End], temps: bool, *, columns: bool) -> Iterator[str]:
    for end in ends:
        yield _name(end.relation, end.column)
        for hop in _shown(end.way, temps)[1:]:
            name = _name(hop.relation, hop.column if columns else "")
            owner = f" ({_KINDS.get(hop.kind, hop.kind)} of {hop.procedure})" if hop.procedure else ""
            how = f", {hop.influence}" if hop.influence not in ("", "value") else ""
            yield f"    -> {name}{owner}  {hop.path}:{hop.line}{how}"


def _shown(way: tuple[Hop, ...], temps: bool) -> list[Hop]:
    """The hops to show: those with a name outside of a run, unless temporary ones are asked for."""
    return [hop for hop in way if temps or hop.kind not in _KINDS]


def _column(name: str) -> str:
    return "its rows" if name == "*" else name


def _name(relation: str, column: str) -> str:
    if column == "*":
        return f"{relation} (its rows)"
    return f"{relation}.{column}" if column else relation


def flowchart(found: Lineage, *, temps: bool) -> Iterator[str]:
    """Mermaid (mermaid.js.org/syntax/flowchart): a box a relation, an arrow a way; dotted for what only chooses."""
    boxes: dict[str, dict[str, str]] = {}
    arrows: dict[tuple[str, str], bool] = {}
    names: dict[tuple[str, str, str], str] = {}

    def node(hop: Hop) -> str:
        column = hop.column if found.column else ""
        key = (hop.relation, column, hop.procedure)
        if key not in names:
            names[key] = f"n{len(names)}"
            title = hop.relation + (f" ({hop.procedure})" if hop.procedure else "")
            boxes.setdefault(title, {})[names[key]] = column
        return names[key]

    for end in found.ends:
        if end.influence not in ("value", "condition"):
            continue
        hops = _shown(end.way, temps)
        strong = True
        for before, after in zip(hops, hops[1:], strict=False):
            strong = all(hop.influence == "value" for hop in _between(end.way, before, after))
            one, other = node(before), node(after)
            if one != other:
                arrows[one, other] = arrows.get((one, other), False) or strong
    yield "flowchart LR"
    for number, (title, columns) in enumerate(boxes.items()):
        if found.column and any(columns.values()):
            yield f'  subgraph s{number}["{_text(title)}"]'
            for identifier, column in columns.items():
                yield f'    {identifier}["{_text(_column(column) or title)}"]'
            yield "  end"
        else:
            for identifier in columns:
                yield f'  {identifier}["{_text(title)}"]'
    for (one, other), strong in arrows.items():
        yield f"  {one} {'-->' if strong else '-.->'} {other}"


def _between(way: tuple[Hop, ...], before: Hop, after: Hop) -> tuple[Hop, ...]:
    """The hops behind `before` up to `after`."""
    start = way.index(before)
    return way[start + 1 : way.index(after, start + 1) + 1]


def _text(text: str) -> str:
    """A label: quotes and what Mermaid takes for markup become entities."""
    return text.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;").replace(">", "&gt;")
