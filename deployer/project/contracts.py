"""Contracts: which columns, of which types, analysts rely on in a view.

A contract is a TOML file beside the view's own, NAME.contract.toml:

    view = "presentation.occupancy_rate_monthly"

    [columns]
    month_start = "date"
    occupancy_rate = "decimal(18,6)"

A view may have more columns than its contract: adding one breaks nobody. One that is missing, or has another type,
breaks it; a wider type too, for extracts and reports were built for the narrow one. `varchar` alone promises a text of
any length. The file is written by hand or by `zeroshift verify --write-contracts`, and whoever changes what it promises
changes it in the same commit.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deployer.errors import Unsafe, UsageError
from deployer.sql.parse.cursor import Cursor
from deployer.sql.parse.datatypes import read_type
from deployer.sql.refused import Refused
from deployer.sql.types import RedshiftType

SUFFIX = ".contract.toml"
SCHEMA = "presentation"
"""The layer whose views are all expected to have a contract."""

ANY_LENGTH = "varchar"
"""As a promise: a text of any length. As a column's type: a length that the catalog does not tell."""

_KEYS = ("view", "columns")
_SIZED = ("varchar", "char", "varbyte")
_SHORT = {"double": "double precision"}
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")


@dataclass(frozen=True)
class Promise:
    """A column that analysts rely on, with the type and the line that promise it."""

    column: str
    type: str
    line: int


@dataclass(frozen=True)
class Contract:
    """What is promised of one view. `path` is relative to the project's root."""

    view: str
    promises: tuple[Promise, ...]
    path: Path


@dataclass(frozen=True)
class Break:
    """A promise that a view does not keep; `found` is the column's type, None when there is no such column."""

    view: str
    column: str
    promised: str
    found: str | None
    path: Path
    line: int

    @property
    def message(self) -> str:
        """What is wrong, without the place."""
        is_now = f"it is {self.found}" if self.found else "there is no such column"
        return f"{self.view}.{self.column} is promised as {self.promised}, but {is_now}"


def read_all(directory: Path, root: Path) -> dict[str, Contract]:
    """Every contract under `directory`, by view. Raises UsageError for the first bad file, and for a view twice."""
    found: dict[str, Contract] = {}
    for path in sorted(directory.rglob(f"*{SUFFIX}")):
        contract = read(path, root)
        if contract.view in found:
            raise UsageError(
                f"{contract.path}:1: {contract.view} has another contract, {found[contract.view].path}"
            )
        found[contract.view] = contract
    return found


def read(path: Path, root: Path) -> Contract:
    """One file. Raises UsageError with the line of what is wrong in it."""
    shown = path.relative_to(root)
    try:
        text = path.read_text(encoding="utf-8")
        document = tomllib.loads(text)
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {shown}: {error}") from None
    except tomllib.TOMLDecodeError as error:
        at = re.search(r"at line (\d+)", str(error))
        raise UsageError(f"{shown}:{at.group(1) if at else 1}: not valid TOML: {error}") from None
    for key in document:
        if key not in _KEYS:
            raise UsageError(
                f"{shown}:{_line(text, key)}: unknown key {key!r} in a contract; it has: {', '.join(_KEYS)}"
            )
    view = document.get("view")
    if not isinstance(view, str) or view.count(".") != 1:
        raise UsageError(f'{shown}:{_line(text, "view")}: a contract begins with view = "schema.name"')
    bare = view.rpartition(".")[2]
    if path.name != bare + SUFFIX:
        raise UsageError(
            f"{shown}:{_line(text, 'view')}: the contract of {view} must be called {bare}{SUFFIX}"
        )
    columns = document.get("columns")
    if not isinstance(columns, dict) or not columns:
        raise UsageError(
            f"{shown}:1: a contract needs a table [columns] with at least one column and its type"
        )
    promises = []
    for column, kind in columns.items():
        line = _line(text, column)
        if not isinstance(kind, str):
            raise UsageError(f'{shown}:{line}: the type of {column} must be a text like "decimal(18,2)"')
        promises.append(Promise(column, _spelled(kind, f"{shown}:{line}"), line))
    return Contract(view, tuple(promises), shown)


def breaks(contract: Contract, columns: Mapping[str, str]) -> tuple[Break, ...]:
    """The promises that a view with these columns (name to type, as `column_types` gives them) does not keep."""
    return tuple(
        Break(contract.view, item.column, item.type, columns.get(item.column), contract.path, item.line)
        for item in contract.promises
        if not _keeps(item.type, columns.get(item.column))
    )


def breaks_of(
    promised: Mapping[str, Contract],
    planned: Mapping[str, Iterable[Sequence[object]]],
    dropped: Iterable[str] = (),
) -> tuple[Break, ...]:
    """What a plan would break: `planned` are the columns (as `catalog.columns` reads them) that its changed views will
    have, `dropped` the views that will be gone.
    """
    after = {view: column_types(rows) for view, rows in planned.items()} | {view: {} for view in dropped}
    return tuple(
        item
        for view, columns in sorted(after.items())
        if view in promised
        for item in breaks(promised[view], columns)
    )


def untold(contract: Contract, columns: Mapping[str, str]) -> tuple[Promise, ...]:
    """The promises of a length that nobody can check: the local catalog keeps none for an expression's VARCHAR."""
    return tuple(
        item
        for item in contract.promises
        if columns.get(item.column) == ANY_LENGTH and item.type.startswith(f"{ANY_LENGTH}(")
    )


def _keeps(promised: str, found: str | None) -> bool:
    if found is None or promised == found:
        return found is not None
    lengths = (promised, found) if ANY_LENGTH in (promised, found) else ()
    return bool(lengths) and all(text.partition("(")[0] == ANY_LENGTH for text in lengths)


def refusal(broken: Sequence[Break]) -> Unsafe:
    """The error of a plan or a deployment that would break contracts: it names every column."""
    listed = "; ".join(f"{item.path}:{item.line}: {item.message}" for item in broken)
    return Unsafe(
        f"this would break what analysts rely on: {listed}; keep the columns (a new one beside them breaks nobody),"
        " or change the contract in the same commit once they know of it; nothing was changed"
    )


def column_types(rows: Iterable[Sequence[object]]) -> dict[str, str]:
    """Columns as `catalog.columns` reads them (name, type, length, precision, scale): name to type, as we write it."""
    found = {}
    for name, kind, length, precision, scale in rows:
        written = str(kind)
        if written in ("numeric", "decimal") and precision is not None:
            written = f"decimal({precision},{scale})"
        elif length is not None:
            written = f"{written}({length})"
        elif written in ("character varying", "varchar"):
            found[str(name)] = ANY_LENGTH
            continue
        found[str(name)] = spelling(written) or " ".join(written.lower().split())
    return found


def spelling(text: str) -> str | None:
    """A type as contracts write it: `varchar(64)`, `decimal(18,2)`, `timestamp`; None for what is not a known type."""
    if text.strip().lower() == ANY_LENGTH:
        return ANY_LENGTH
    cursor = Cursor(text)
    try:
        kind = read_type(cursor, ddl=True)
        if cursor.token.kind != "end":
            return None
    except Refused:
        return None
    return _written(kind)


def write(contract_path: Path, view: str, columns: Mapping[str, str]) -> None:
    """Write a new contract that promises all `columns`. Raises UsageError when the file exists already."""
    lines = [
        "# What analysts rely on. A change that drops or retypes one of these columns is refused; a new column is not.",
        f"view = {json.dumps(view, ensure_ascii=False)}",
        "",
        "[columns]",
    ]
    for name, kind in columns.items():
        key = name if _BARE_KEY.fullmatch(name) else json.dumps(name, ensure_ascii=False)
        lines.append(f"{key} = {json.dumps(kind)}")
    try:
        with contract_path.open("x", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")
    except FileExistsError:
        raise UsageError(f"{contract_path} exists already; delete it to have it written anew") from None


def _spelled(text: str, where: str) -> str:
    found = spelling(text)
    if found is None:
        # A type that our parser does not know (GEOMETRY) is compared by its text; a slip of the pen is an error.
        if re.fullmatch(r"geometry|geography|hllsketch|interval .+", text.strip().lower()):
            return " ".join(text.lower().split())
        raise UsageError(f"{where}: {text!r} is not a type of Redshift's")
    return found


def _written(kind: RedshiftType) -> str:
    if kind.is_decimal:
        return f"decimal({kind.precision},{kind.scale})"
    if kind.name in _SIZED and kind.length is not None:
        return f"{kind.name}({kind.length})"
    return _SHORT.get(kind.name, kind.name)


def _line(text: str, key: str) -> int:
    """The line that assigns `key`, else 1."""
    for number, line in enumerate(text.splitlines(), start=1):
        if re.match(rf"\s*[\"']?{re.escape(key)}[\"']?\s*=", line) or re.match(
            rf"\s*\[{re.escape(key)}\]", line
        ):
            return number
    return 1
