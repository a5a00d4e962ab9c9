"""Archiving: a million bookings to Parquet in S3 and back, beside COPY of the same table as CSV on the same PostgreSQL.

    .venv/bin/python bench/archive.py [--rows 1000000]

Wanted: half of COPY's rate out, and half back in; the same memory of the daemon for four times the rows. The sizes are
compared with gzip of the CSV. At the end the policy is carried out whole (UNLOAD, counts, files read back, rows
deleted), and brought back. S3 is the local AWS. Prints one JSON object on the last line.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg

from deployer.local.aws.environment import LocalAws
from deployer.local.environment import LocalEnvironment
from deployer.operations.archive import restore
from deployer.operations.warehouses import target_of
from deployer.warehouse.session import Session

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "operations"))

from archive_project import ArchiveProject  # type: ignore[import-not-found]  # beside the tests  # noqa: E402
from small_project import SmallProject  # type: ignore[import-not-found]  # noqa: E402

COLUMNS = (
    "booking_id bigint, user_id bigint, apartment_id bigint, booking_date timestamp, checkin_date date, checkout_date"
    " date, total_price decimal(12, 2), total_price_usd decimal(31, 10), currency varchar(12), booking_status"
    " varchar(80), payment_status varchar(80), num_guests integer, is_stay boolean, is_booked_after_checkin boolean"
)
ROW = (
    "n, n % 50000, n % 20000,"
    " timestamp '2019-01-01' + n % 1500 * interval '1 day' + n % 86400 * interval '1 second',"
    " date '2019-01-05' + n % 1500, date '2019-01-09' + n % 1500, n % 100000 / 7.0,"
    " n % 100000 / 7.0 * 1.0864197531, 'EUR', (array['confirmed', 'pending', 'canceled'])[1 + n % 3],"
    " case when n % 9 > 0 then 'paid' end, n % 6, n % 3 = 0, false"
)
POLICY = 'table = "shop.bookings"\nperiod = "checkout_date"\nkeep = "0 months"\nafter = "delete"\n'
SCALE = 4
"""How many times the rows, for the memory."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    options = parser.parse_args()
    os.environ["ZEROSHIFT_PORT"] = "0"
    with tempfile.TemporaryDirectory() as directory:
        home = Path(directory) / "home"
        os.environ["ZEROSHIFT_HOME"] = str(home)
        environment, cloud = LocalEnvironment(home), LocalAws(home)
        try:
            environment.up()
            cloud.up()
            found = {"rows": options.rows, **measure(environment, Path(directory), options.rows)}
        finally:
            cloud.down()
            environment.down()
    print(json.dumps(found))
    return 0


def measure(environment: LocalEnvironment, directory: Path, rows: int) -> dict[str, Any]:
    """All numbers, on a fresh warehouse."""
    status = environment.status()
    archive = ArchiveProject(SmallProject(directory / "project"))
    archive.small.migration("0008", "0007", f"create table shop.bookings ({COLUMNS})")
    archive.policy("bookings", POLICY)
    archive.deploy()
    bucket = archive.bucket.name
    assert status.engine_dsn is not None and status.pid is not None
    with psycopg.connect(status.engine_dsn, autocommit=True) as engine, Session(target_of(status)) as session:
        fill(engine, rows)
        found = rates(session, engine, directory, bucket, rows)
        found |= memory(session, engine, bucket, rows, status.pid)
        fill(engine, rows)
        found |= whole(session, archive, rows)
    return found


def fill(engine: psycopg.Connection[Any], rows: int) -> None:
    engine.execute("truncate shop.bookings")
    engine.execute(f"insert into shop.bookings select {ROW} from generate_series(1, {rows}) as n")
    engine.execute("vacuum analyze shop.bookings")


def timed(work: Callable[[], Any]) -> float:
    started = time.monotonic()
    work()
    return time.monotonic() - started


def unload(session: Session, bucket: str, name: str) -> None:
    session.execute(
        f"unload ('select * from shop.bookings') to 's3://{bucket}/{name}/' iam_role default format as parquet"
        " manifest verbose"
    )


def load(session: Session, bucket: str, name: str) -> None:
    session.execute("drop table if exists shop.back")
    session.execute(f"create table shop.back ({COLUMNS})")
    session.execute(
        f"copy shop.back from 's3://{bucket}/{name}/manifest' iam_role default format as parquet manifest"
    )


def rates(
    session: Session, engine: psycopg.Connection[Any], directory: Path, bucket: str, rows: int
) -> dict[str, Any]:
    """Rows a second out and in, ours and COPY's, the better of two each; and the sizes."""
    csv = directory / "bookings.csv"

    def copy_out() -> None:
        with (
            csv.open("wb") as target,
            engine.cursor().copy("copy shop.bookings to stdout (format csv)") as copy,
        ):
            for data in copy:
                target.write(data)

    def copy_in() -> None:
        engine.execute("drop table if exists shop.plain")
        engine.execute("create table shop.plain (like shop.bookings)")
        with (
            csv.open("rb") as source,
            engine.cursor().copy("copy shop.plain from stdin (format csv)") as copy,
        ):
            while data := source.read(1 << 20):
                copy.write(data)

    plain_out = min(timed(copy_out) for _ in range(2))
    plain_in = min(timed(copy_in) for _ in range(2))
    out = min(timed(lambda number=number: unload(session, bucket, f"out{number}")) for number in range(2))  # type: ignore[misc]
    back = min(timed(lambda: load(session, bucket, "out0")) for _ in range(2))
    assert engine.execute("select count(*) from shop.back").fetchone() == (rows,)
    packed = directory / "bookings.csv.gz"
    with csv.open("rb") as source, gzip.open(packed, "wb", compresslevel=6) as target:
        shutil.copyfileobj(source, target)
    data = json.loads(archive_manifest(session, bucket, "out0"))
    return {
        "unload_rows_per_second": round(rows / out),
        "copy_to_csv_rows_per_second": round(rows / plain_out),
        "out_ratio": round(plain_out / out, 2),
        "load_rows_per_second": round(rows / back),
        "copy_from_csv_rows_per_second": round(rows / plain_in),
        "in_ratio": round(plain_in / back, 2),
        "parquet_bytes": data["meta"]["content_length"],
        "csv_bytes": csv.stat().st_size,
        "gzip_csv_bytes": packed.stat().st_size,
    }


def archive_manifest(session: Session, bucket: str, name: str) -> bytes:
    import boto3

    status = LocalAws(Path(os.environ["ZEROSHIFT_HOME"])).status()
    client = boto3.client(
        "s3", endpoint_url=status.endpoint_url, region_name="us-east-1", aws_access_key_id=status.access_key,
        aws_secret_access_key=status.secret_key,
    )  # fmt: skip
    data: bytes = client.get_object(Bucket=bucket, Key=f"{name}/manifest")["Body"].read()
    return data


def memory(
    session: Session, engine: psycopg.Connection[Any], bucket: str, rows: int, process: int
) -> dict[str, Any]:
    """The daemon's peak while it unloads and loads, for the rows and SCALE times as many."""
    found = {}
    for label, number in (("peak_mb", rows), (f"peak_mb_times_{SCALE}", rows * SCALE)):
        fill(engine, number)
        Path(f"/proc/{process}/clear_refs").write_text("5")
        unload(session, bucket, f"memory{number}")
        load(session, bucket, f"memory{number}")
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
        peak = next(line.split()[1] for line in lines if line.startswith("VmHWM:"))
        found[label] = round(int(peak) / 1024)
    return found


def whole(session: Session, archive: Any, rows: int) -> dict[str, Any]:
    """`zeroshift archive run` and `restore`, with all checks."""
    session.execute("drop table if exists shop.back")
    started = time.monotonic()
    (outcome,) = archive.run("bookings").outcomes
    seconds = time.monotonic() - started
    project = archive.small.load()
    back = timed(lambda: restore.restore(project, project.environment("local"), "bookings", wait=30))
    count = session.execute("select count(*) from shop.bookings").rows[0][0]
    assert outcome.run is not None and outcome.run.row_count == rows == count
    return {
        "archive_run_rows_per_second": round(rows / seconds),
        "archive_restore_rows_per_second": round(rows / back),
    }


if __name__ == "__main__":
    sys.exit(main())
