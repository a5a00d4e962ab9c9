"""Playing a history on the warehouse and on the oracle at once, comparing after each step."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

from oracle.closing import COLUMNS as PERIODS
from oracle.closing import Close, ClosingOracle
from oracle.histories import Load, Resync, Run, Step
from oracle.metrics import COLUMNS, VIEWS
from oracle.oracle import Oracle
from oracle.record import Curated, ListingVersion
from oracle.source import TABLES, write_csv
from oracle.warehouse import Table, Warehouse, landing_of, table_of

_SHOWN = 12


def play(warehouse: Warehouse, history: Sequence[Step | Close]) -> None:
    """Load and run as the history says, and compare every presentation view after each run.

    At the end the same instant is run again, which must write nothing, and rebuilt in full, which must change
    nothing.
    Raises AssertionError with the difference and with the history as files and commands.
    """
    warehouse.restore()
    oracle = ClosingOracle()
    try:
        for step in history:
            _step(warehouse, oracle, step)
        if oracle.published is not None:
            _finish(warehouse, oracle)
    except Exception as error:
        raise AssertionError(f"{error}\n\n{_written_down(history)}") from error


def _step(warehouse: Warehouse, oracle: ClosingOracle, step: Step | Close) -> None:
    match step:
        case Load():
            warehouse.load(step.source, step.at)
            oracle.load(step.source, step.at)
            _compare_landing(warehouse, oracle)
        case Resync():
            warehouse.resync(step.table, step.at)
            oracle.resync(step.table, step.at)
            _compare_landing(warehouse, oracle)
        case Run():
            before = warehouse.row_versions("curated", "metrics")
            expected = oracle.run(step.as_of, step.mode, publish_fails=step.publish_fails)
            # A run that was done before would be a duplicate, and end before the fault that it is to meet.
            unguarded = step.publish_fails
            outcome = warehouse.run(
                step.as_of, step.mode, publish_fails=step.publish_fails, unguarded=unguarded
            )
            assert outcome == expected, f"{step}: the run was {outcome}, not {expected}"
            if outcome in ("superseded", "stopped", "refused"):
                assert warehouse.row_versions("curated", "metrics") == before, f"a {outcome} run wrote"
            if outcome == "stopped":
                unnamed = {table for table in oracle.reseeded if table not in warehouse.last_error}
                assert not unnamed, f"{warehouse.last_error!r} does not name {', '.join(unnamed)}"
            compare(warehouse, oracle, str(step))
        case Close():
            _close(warehouse, oracle, step)


def _close(warehouse: Warehouse, oracle: ClosingOracle, step: Close) -> None:
    published = oracle.published
    as_of = datetime(2024, 1, 1) if published is None else published.as_of
    day = as_of.date() - timedelta(days=step.days_back)
    if day <= oracle.horizons.get(step.table, day.min):
        return
    told = warehouse.archive(step.table, PERIODS[step.table], day, kept=step.kept)
    if told == "refused":
        # A run that failed before it published may have left something, or nothing.
        failed = published is not None and oracle.curated is not published.curated
        assert failed or not oracle.may_close(day), f"{step} was refused: {warehouse.last_error}"
        return
    assert oracle.may_close(day) and published is not None, f"{step} was not refused"
    assert oracle.curated == published.curated, f"{step} closed what is not published"
    if told == "closed":
        oracle.close(step.table, day, kept=step.kept)
        _compare_views(warehouse, oracle, str(step))


def _finish(warehouse: Warehouse, oracle: ClosingOracle) -> None:
    """Idempotence, and incremental = full."""
    assert oracle.published is not None
    as_of = oracle.published.as_of
    if oracle.reseeded or oracle.curated is not oracle.published.curated:
        oracle.run(as_of, "accept_reseed")
        assert warehouse.run(as_of, "accept_reseed") == "published"
    else:
        oracle.run(as_of)
        assert warehouse.run(as_of) == "published"
    compare(warehouse, oracle, "the last incremental run")
    before = warehouse.row_versions("curated", "metrics")
    assert warehouse.run(as_of, unguarded=True) == "published"
    after = warehouse.row_versions("curated", "metrics")
    rewritten = [table for table in before if before[table] != after[table]]
    assert not rewritten, f"a second run with the same as_of and no change rewrote {', '.join(rewritten)}"
    assert warehouse.run(as_of, "full", unguarded=True) == "published"
    compare(warehouse, oracle, "the full refresh")


def _compare_views(warehouse: Warehouse, oracle: Oracle, when: str) -> None:
    for view in VIEWS:
        wanted = table_of(oracle.rows(view))
        _same(f"presentation.{view} after {when}", wanted, warehouse.rows(view), ", ".join(COLUMNS[view]))


def compare(warehouse: Warehouse, oracle: Oracle, when: str) -> None:
    """Every presentation view, and the curated tables that the spec names."""
    _compare_views(warehouse, oracle, when)
    if oracle.curated is not None:
        open_ = oracle.still_open(oracle.curated) if isinstance(oracle, ClosingOracle) else oracle.curated
        _compare_curated(warehouse, open_, when)
    if oracle.published is not None:
        published = oracle.published
        freshness = [
            ("rental", published.as_of, published.curated.newest_change, published.curated.rejected_rows)
        ]
        columns = "pipeline, as_of, newest_change_at, rejected_rows"
        shown = warehouse.select(f"select {columns} from presentation.freshness")
        _same(f"presentation.freshness after {when}", table_of(freshness), shown, columns)


def _compare_curated(warehouse: Warehouse, curated: Curated, when: str) -> None:
    for table, key, rejected in (
        ("rejected_bookings", "booking_id", curated.rejected_bookings),
        ("rejected_views", "viewing_id", curated.rejected_views),
    ):
        shown = warehouse.select(f"select {key}, reason from curated.{table}")
        _same(f"curated.{table} after {when}", table_of(list(rejected)), shown, f"{key}, reason")
    accounts = [
        ("rental", table, good + len(bad), good, len(bad))
        for table, good, bad in (
            ("bookings", len(curated.bookings), {key for key, _ in curated.rejected_bookings}),
            ("user_viewing", len(curated.views), {key for key, _ in curated.rejected_views}),
        )
    ]
    columns = "pipeline, table_name, landing_rows, curated_rows, rejected_rows"
    shown = warehouse.select(f"select {columns} from ops.accounts")
    if not warehouse.account_is_old:
        # A run that had nothing to do has not taken a horizon into them either.
        _same(f"ops.accounts after {when}", table_of(accounts), shown, columns)
    columns = "apartment_id, valid_from, valid_to, price, currency, is_active, listing_created_on"
    versions = warehouse.session.execute(f"select {columns} from curated.listing_versions").rows
    shown = table_of(_joined([ListingVersion(*version) for version in versions]))
    _same(f"curated.listing_versions after {when}", table_of(_joined(curated.versions)), shown, columns)


def _joined(versions: list[ListingVersion]) -> list[tuple[object, ...]]:
    """Versions as rows; those that say the same and follow one another without a gap count as one.

    After a copy anew nobody can say whether a row is a new version or the old one; it must not matter.
    """
    rows: list[tuple[object, ...]] = []
    for version in sorted(versions, key=lambda v: (v.apartment_id, v.valid_from)):
        content = (version.price, version.currency, bool(version.is_active), version.listing_created_on)
        if rows and rows[-1][0] == version.apartment_id and rows[-1][2:] == (version.valid_from, *content):
            rows[-1] = (*rows[-1][:2], version.valid_to, *content)
        else:
            rows.append((version.apartment_id, version.valid_from, version.valid_to, *content))
    return rows


def _compare_landing(warehouse: Warehouse, oracle: Oracle) -> None:
    for table, (_, key) in TABLES.items():
        wanted = landing_of(oracle.landing.tables[table], key)
        assert warehouse.landing(table) == wanted, f"the loader's history of {table} differs from the model's"


def _same(what: str, wanted: Table, shown: Table, columns: str) -> None:
    if wanted == shown:
        return
    lines = [f"{what} differs", f"  columns: {columns}"]
    for label, difference in (("missing", wanted - shown), ("too many", shown - wanted)):
        lines += [f"  {label}: {', '.join(row)}" for row in sorted(difference.elements())[:_SHOWN]]
    raise AssertionError("\n".join(lines))


def _written_down(history: Sequence[Step | Close]) -> str:
    """The history as CSV files and the commands that play it."""
    directory = Path(tempfile.mkdtemp(prefix="zeroshift-history-"))
    lines = ["The history that fails, as commands:"]
    names: Counter[str] = Counter()
    for step in history:
        match step:
            case Load():
                names["load"] += 1
                path = directory / f"{names['load']:02d}"
                write_csv(step.source, path)
                lines.append(f"  zeroshift local load {path} --at '{step.at}'")
            case Resync():
                lines.append(f"  # landing copies {step.table} anew at {step.at}")
            case Close():
                lines.append(f"  # {step}")
            case Run():
                flag = {"full": " --full-refresh", "rewind": " --rewind", "accept_reseed": " --accept-reseed"}
                note = "  # its second transaction fails" if step.publish_fails else ""
                lines.append(f"  zeroshift run rental --as-of '{step.as_of}'{flag.get(step.mode, '')}{note}")
    return "\n".join(lines)
