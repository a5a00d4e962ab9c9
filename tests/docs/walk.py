"""Reads a walk-through: a page whose blocks say what to write, what to replace, what to type and what is then seen.

    Create `path`:            a block: the whole file
    In `path` replace         a block, `with`, a block: the first stands in the file exactly once
    Type:                     a block of commands
    It prints:                a block: each of its lines was printed; `...` stands for any lines, or any words

Everything else on the page is for people. A block that nothing announces is an error, so that no step is left out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.S | re.M)
_CREATE = re.compile(r"Create `([^`]+)`[^`]*:\s*$")
_REPLACE = re.compile(r"In `([^`]+)` replace[^`]*\s*$")
_WITH = re.compile(r"^with[^`]*:?\s*$")
_TYPE = re.compile(r"Type[^`]*:\s*$")
_PRINTS = re.compile(r"It prints[^`]*:\s*$")


@dataclass(frozen=True)
class Create:
    path: str
    text: str


@dataclass(frozen=True)
class Replace:
    path: str
    old: str
    new: str


@dataclass(frozen=True)
class Type:
    commands: tuple[str, ...]
    expected: tuple[str, ...]


Step = Create | Replace | Type


def steps(page: str) -> list[Step]:
    """The steps of `page` in order."""
    found: list[Step] = []
    pending: tuple[str, str] | None = None
    at = 0
    for block in _FENCE.finditer(page):
        said = page[at : block.start()].strip().rpartition("\n\n")[2].replace("\n", " ")
        text = block.group(2)
        at = block.end()
        if pending is not None:
            assert _WITH.search(said), f"after a text to replace comes `with`, not: {said!r}"
            found.append(Replace(pending[0], pending[1], text))
            pending = None
        elif match := _CREATE.search(said):
            found.append(Create(match.group(1), text))
        elif match := _REPLACE.search(said):
            pending = (match.group(1), text)
        elif _TYPE.search(said):
            found.append(Type(tuple(line for line in text.splitlines() if line.strip()), ()))
        elif _PRINTS.search(said):
            last = found.pop()
            assert isinstance(last, Type), "only commands print"
            found.append(Type(last.commands, tuple(text.splitlines())))
        else:
            raise AssertionError(f"nothing announces the block after: {said!r}")
    assert pending is None, "a text to replace has no `with`"
    return found


def write(step: Create | Replace, root: Path) -> None:
    """Do what the step says to the files below `root`."""
    path = root / step.path
    if isinstance(step, Create):
        assert not path.exists(), f"{step.path} is there already"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(step.text, encoding="utf-8")
        return
    text = path.read_text(encoding="utf-8")
    assert text.count(step.old) == 1, f"{step.path} holds this {text.count(step.old)} times:\n{step.old}"
    path.write_text(text.replace(step.old, step.new), encoding="utf-8")


def check(printed: str, expected: tuple[str, ...]) -> None:
    """Whether the lines of `expected` stand in `printed`, one after the other; `...` stands for any lines or words."""
    lines = [line.rstrip() for line in printed.splitlines()]
    at = 0
    skipping = True
    for wanted in expected:
        if wanted.strip() == "...":
            skipping = True
            continue
        fits = [index for index in range(at, len(lines)) if _fits(lines[index], wanted.rstrip())]
        good = fits and (skipping or fits[0] == at)
        assert good, f"the page shows {wanted!r}, printed was:\n{printed}"
        at = fits[0] + 1
        skipping = False


def _fits(line: str, wanted: str) -> bool:
    return line.startswith(wanted[:-3]) if wanted.endswith("...") else line == wanted
