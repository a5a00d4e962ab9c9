"""What a load does to the landing tables."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import psycopg
import pytest
from landing_source import HEADERS, Source

from deployer.errors import LeaseHeld, Unavailable, UsageError
from deployer.local.landing import integration
from deployer.local.landing.load import Progress, load
from deployer.local.landing.resync import resync
from deployer.local.landing.stage import Counts
from deployer.local.landing.tables import TABLES, table_named

DAY = [datetime(2025, 1, day) if day else None for day in range(20)]


def test_columns_land_in_the_types_of_zero_etl(source: Source) -> None:
    source.write("apartments")
    source.load()
    found = source.query(
        "select attname, format_type(atttypid, atttypmod) from pg_attribute"
        " where attrelid = '\"rental_landing.rental\".apartments'::regclass and attnum > 0 order by attnum"
    )
    assert found == [
        ("id", "bigint"),
        ("title", "character varying(1020)"),
        ("source", "character varying(200)"),
        ("price", "numeric(12,2)"),
        ("currency", "character varying(12)"),
        ("listing_created_on", "timestamp without time zone"),
        ("is_active", "smallint"),
        ("last_modified_timestamp", "timestamp without time zone"),
        ("_record_is_active", "boolean"),
        ("_record_create_time", "timestamp without time zone"),
        ("_record_delete_time", "timestamp without time zone"),
    ]


def test_rows_are_inserted_changed_and_deleted_with_their_history(source: Source) -> None:
    source.write("exchange_rates", "EUR,2024-01-01,1.1", "EUR,2024-01-02,1.2", "GBP,2024-01-01,1.3")
    first = source.load()
    assert first.at == DAY[1]
    assert first.tables == {"exchange_rates": Counts(inserted=3)}
    source.write("exchange_rates", "INR,2024-01-01,0.012", "GBP,2024-01-01,1.30", "EUR,2024-01-02,1.25")
    assert source.load().tables == {"exchange_rates": Counts(inserted=1, updated=1, deleted=1, unchanged=1)}
    assert source.history("exchange_rates", "currency, rate_date, usd_per_unit") == [
        ("EUR", date(2024, 1, 1), Decimal("1.10000000"), False, DAY[1], DAY[2]),
        ("EUR", date(2024, 1, 2), Decimal("1.20000000"), False, DAY[1], DAY[2]),
        ("EUR", date(2024, 1, 2), Decimal("1.25000000"), True, DAY[2], None),
        ("GBP", date(2024, 1, 1), Decimal("1.30000000"), True, DAY[1], None),
        ("INR", date(2024, 1, 1), Decimal("0.01200000"), True, DAY[2], None),
    ]


def test_a_deleted_row_may_come_back(source: Source) -> None:
    for rows in (["EUR,2024-01-01,1"], [], ["EUR,2024-01-01,1"]):
        source.write("exchange_rates", *rows)
        source.load()
    assert [row[1:] for row in source.history("exchange_rates", "currency")] == [
        (False, DAY[1], DAY[2]),
        (True, DAY[3], None),
    ]


def test_two_changes_at_one_instant_leave_a_version_of_no_length(source: Source) -> None:
    for rate in ("1.1", "1.2"):
        source.write("exchange_rates", f"EUR,2024-01-01,{rate}")
        source.load(DAY[5])
    assert source.history("exchange_rates", "usd_per_unit::text") == [
        ("1.10000000", False, DAY[5], DAY[5]),
        ("1.20000000", True, DAY[5], None),
    ]


def test_time_only_goes_on(source: Source) -> None:
    source.write("exchange_rates", "EUR,2024-01-01,1.1")
    source.load(DAY[5])
    before = source.state()
    with pytest.raises(UsageError) as caught:
        source.load(DAY[5] - timedelta(microseconds=1))
    assert str(caught.value) == (
        "2025-01-04 23:59:59.999999 precedes the last load, which was as of 2025-01-05 00:00:00;"
        " history cannot be changed afterwards"
    )
    assert source.state() == before


def test_an_instant_with_a_zone_is_taken_to_utc(source: Source) -> None:
    source.write("exchange_rates", "EUR,2024-01-01,1.1")
    source.load(datetime(2025, 1, 1, 12, tzinfo=UTC))
    source.write("exchange_rates")
    result = source.load(datetime(2025, 1, 1, 12, 30, tzinfo=timezone(-timedelta(hours=5))))
    assert result.at == datetime(2025, 1, 1, 17, 30)
    assert source.history("exchange_rates", "currency") == [
        ("EUR", False, datetime(2025, 1, 1, 12), datetime(2025, 1, 1, 17, 30))
    ]


def test_an_empty_value_is_null_quoted_or_not(source: Source) -> None:
    source.write("apartments", '1,,"",,"",,,', '2," ",s,"0.50",EUR,2024-02-29,1,"2024-03-01 10:11:12"')
    source.load()
    assert source.rows("apartments")[0][:8] == (1, None, None, None, None, None, None, None)
    assert source.rows("apartments")[1][:8] == (
        2,
        " ",
        "s",
        Decimal("0.50"),
        "EUR",
        datetime(2024, 2, 29),
        1,
        datetime(2024, 3, 1, 10, 11, 12),
    )


@pytest.mark.parametrize(
    "written, stored",
    [("0", 0), ("1", 1), ("true", 1), ("FALSE", 0), ("False", 0), ("tRuE", 1), ('"True"', 1), ("", None)],
)
def test_booleans(source: Source, written: str, stored: int | None) -> None:
    source.write("apartments", f"1,t,s,1,EUR,,{written},")
    source.load()
    assert source.rows("apartments", "is_active") == [(stored,)]


@pytest.mark.parametrize(
    "written, stored",
    [
        ("2024-02-29", datetime(2024, 2, 29)),
        ("2024-02-29 23:59", datetime(2024, 2, 29, 23, 59)),
        ("2024-02-29T23:59:58", datetime(2024, 2, 29, 23, 59, 58)),
        ("2024-02-29 23:59:58.000000", datetime(2024, 2, 29, 23, 59, 58)),
        ("1000-01-01", datetime(1000, 1, 1)),
        ("9999-12-31 23:59:59", datetime(9999, 12, 31, 23, 59, 59)),
    ],
)
def test_timestamps(source: Source, written: str, stored: datetime) -> None:
    source.write("apartments", f"1,t,s,1,EUR,{written},1,")
    source.load()
    assert source.rows("apartments", "listing_created_on") == [(stored,)]


@pytest.mark.parametrize(
    "form, day, moment",
    [
        ("%d/%m/%Y", "09/07/2024", "09/07/2024 10:20"),
        ("%d/%m/%Y", "9/7/2024", "9/7/2024T10:20:00"),
        ("%m-%d-%Y", "07-09-2024", "07-09-2024 10:20:00"),
        ("%d.%m.%Y", "09.07.2024", "9.7.2024 10:20"),
        ("%Y%m%d", "20240709", "20240709 10:20"),
        ("%Y %m %d", "2024 7 9", "2024 07 09 10:20"),
        ("%d%%%m%%%Y", "09%07%2024", "9%7%2024 10:20"),
    ],
)
def test_other_date_formats(source: Source, form: str, day: str, moment: str) -> None:
    source.write("bookings", f"1,2,3,{moment},{day},{day},1,EUR,confirmed,paid,1")
    source.load(date_format=form)
    assert source.rows("bookings", "booking_date, checkin_date") == [
        (datetime(2024, 7, 9, 10, 20), date(2024, 7, 9))
    ]


@pytest.mark.parametrize(
    "form", ["%d/%m", "%d/%m/%y", "%d/%m/%Y %H:%M", "%d/%d/%Y", "", "%", "%d,%m,%Y", "%d1%m1%Y"]
)
def test_a_date_format_that_names_no_day_is_refused(source: Source, form: str) -> None:
    source.write("bookings")
    with pytest.raises(UsageError, match="it takes %Y, %m and %d once each, such as %d/%m/%Y"):
        source.load(date_format=form)


def test_columns_stand_in_any_order_and_text_may_hold_anything(source: Source) -> None:
    title = "a “quoted”, \"title\"\r\nwith 'lines'\n\\.\n\\N 東京 🏠 é"
    quoted = '"' + title.replace('"', '""') + '"'
    source.write(
        "apartments",
        f"2024-01-01,1,USD,9,s,{quoted},2024-01-01,5000000000",
        header="last_modified_timestamp,is_active,currency,price,source,title,listing_created_on,id",
    )
    source.load()
    assert source.rows("apartments", "id, title, price") == [(5_000_000_000, title, Decimal("9.00"))]
    assert source.load().tables["apartments"] == Counts(unchanged=1)


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("last", [True, False])
def test_line_ends_and_byte_order_mark(source: Source, end: str, mark: bytes, last: bool) -> None:
    path = source.write("exchange_rates", '"EUR",2024-01-01,1.5', "GBP,2024-01-01,", end=end)
    content = mark + path.read_bytes()
    path.write_bytes(content if last else content[: -len(end)])
    assert source.load().tables == {"exchange_rates": Counts(inserted=2)}
    assert source.rows("exchange_rates", "currency, usd_per_unit") == [("EUR", Decimal("1.5")), ("GBP", None)]


def test_numbers_at_their_limits(source: Source) -> None:
    source.write(
        "bookings",
        "9223372036854775807,-9223372036854775808,+0003,,,,9999999999.99,,,,2147483647",
        "2,,,,,,-000.010,,,,-2147483648",
        "3,,,,,,.5,,,,",
        "4,,,,,,0001234567890.000000,,,,",
    )
    source.load()
    assert source.rows("bookings", "total_price::text, num_guests") == [
        ("-0.01", -(2**31)),
        ("0.50", None),
        ("1234567890.00", None),
        ("9999999999.99", 2**31 - 1),
    ]


def test_widths_count_characters_and_char_loses_its_last_blanks(source: Source) -> None:
    wide = "🏠" * 255
    source.write("apartments", f"1,{wide},{'é' * 50},1,EU ,,1,", f'2,"{wide}  ",x,1,"é é   ",,1,')
    source.load()
    assert source.rows("apartments", "title, source, currency") == [
        (wide, "é" * 50, "EU"),
        (wide, "x", "é é"),
    ]


def test_a_text_of_mysqls_full_width(source: Source) -> None:
    row = '1,c,"{}",,1.5,2,,,,,,,,x,y,1,2'
    source.write("apartment_attributes", row.format("ab" * 32_767 + '""'))
    source.load()
    assert source.query('select octet_length(body) from "rental_landing.rental".apartment_attributes') == [
        (65_535,)
    ]


def test_a_missing_optional_column_is_null_and_said_once(source: Source) -> None:
    header = HEADERS["bookings"].removesuffix(",payment_status,num_guests")
    source.write("bookings", "1,2,3,2024-01-01,2024-01-02,2024-01-03,10,USD,confirmed", header=header)
    result = source.load()
    assert result.notices == (
        "there is no apartments.csv: the table is left as it is",
        "there is no apartment_attributes.csv: the table is left as it is",
        "there is no user_viewing.csv: the table is left as it is",
        "bookings.csv has no column payment_status: it is NULL in every row",
        "bookings.csv has no column num_guests: it is NULL in every row",
        "there is no exchange_rates.csv: the table is left as it is",
    )
    assert source.rows("bookings", "booking_status, payment_status, num_guests") == [
        ("confirmed", None, None)
    ]


def test_a_missing_file_leaves_its_table(source: Source) -> None:
    path = source.write("exchange_rates", "EUR,2024-01-01,1.1")
    source.load()
    path.unlink()
    source.write("apartments")
    result = source.load()
    assert "there is no exchange_rates.csv: the table is left as it is" in result.notices
    assert len(source.rows("exchange_rates")) == 1


def test_viewings_without_a_number_get_stable_ones(source: Source) -> None:
    header = HEADERS["user_viewing"].removeprefix("viewing_id,")
    a, b, c = "7,1,2024-01-01,0,", "8,1,2024-01-02,1,Contact Agent", "9,1,2024-01-03,0,"
    source.write("user_viewing", a, b, a, header=header)
    result = source.load()
    assert (
        "user_viewing.csv has no column viewing_id:"
        " rows keep the number of an equal row, new ones get the next" in result.notices
    )
    assert source.rows("user_viewing", "viewing_id, user_id") == [(1, 7), (2, 8), (3, 7)]
    source.write("user_viewing", c, a, b, header=header)
    assert source.load().tables["user_viewing"] == Counts(inserted=1, deleted=1, unchanged=2)
    assert source.rows("user_viewing", "viewing_id, user_id") == [(1, 7), (2, 8), (4, 9)]
    # The number of a deleted row is not given again.
    source.write("user_viewing", a, a, header=header)
    source.load()
    assert source.rows("user_viewing", "viewing_id, user_id") == [(1, 7), (5, 7)]


def test_one_commit_for_all_tables(source: Source) -> None:
    source.write("apartments", "1,t,s,1,EUR,,1,")
    source.write("exchange_rates", "EUR,2024-01-01,1.1")
    source.load()
    xids = source.query(
        'select xmin::text from "rental_landing.rental".apartments'
        ' union select xmin::text from "rental_landing.rental".exchange_rates'
    )
    assert len(xids) == 1
    # A bad file takes the good ones with it, whatever their order.
    before = source.state()
    source.write("apartments", "1,changed,s,1,EUR,,1,")
    source.write("exchange_rates", "EUR,2024-01-01,1.2", "EUR,2024-01-01,1.2")
    with pytest.raises(UsageError):
        source.load()
    assert source.state() == before


def test_the_integrations_state_is_kept(source: Source) -> None:
    source.write("exchange_rates", "EUR,2024-01-01,1.1", "GBP,2024-01-01,1.1")
    source.load()
    source.write("exchange_rates", "EUR,2024-01-01,1.2")
    source.load()
    assert source.query(
        "select target_database, state, last_applied_at, txn_seq from zeroshift.integrations"
    ) == [("rental_landing", "CdcRefreshState", DAY[2], 2)]
    assert source.query(
        "select table_name, table_state, table_rows, txn_seq, last_updated_timestamp, copied_at"
        " from zeroshift.integration_tables where table_name in ('bookings', 'exchange_rates') order by 1"
    ) == [("bookings", "Synced", 0, 0, None, None), ("exchange_rates", "Synced", 3, 2, DAY[2], DAY[1])]
    assert source.query(
        "select checkpoint_type, inserted_rows, updated_rows, deleted_rows"
        " from zeroshift.integration_activity"
        " order by txn_seq"
    ) == [("snapshot", 2, 0, 0), ("cdc", 0, 1, 1)]


def test_a_load_without_changes_writes_nothing(source: Source) -> None:
    source.write("exchange_rates", "EUR,2024-01-01,1.10")
    source.load()
    before = source.query('select ctid::text, xmin::text from "rental_landing.rental".exchange_rates')
    source.write("exchange_rates", "EUR,2024-01-01,1.1")
    assert source.load().tables == {"exchange_rates": Counts(unchanged=1)}
    assert source.query('select ctid::text, xmin::text from "rental_landing.rental".exchange_rates') == before


def test_resync_keeps_the_present_and_loses_the_past(source: Source) -> None:
    for rate in ("1.1", "1.2"):
        source.write(
            "exchange_rates", f"EUR,2024-01-01,{rate}", *(["GBP,2024-01-01,1"] if rate == "1.1" else [])
        )
        source.load()
    assert resync(source.dsn, "exchange_rates", DAY[9]) == 1
    assert source.history("exchange_rates", "currency, usd_per_unit::text") == [
        ("EUR", "1.20000000", True, DAY[9], None)
    ]
    assert source.query(
        "select table_rows, copied_at from zeroshift.integration_tables where table_name = 'exchange_rates'"
    ) == [(1, DAY[9])]
    with pytest.raises(UsageError, match="precedes the last load"):
        resync(source.dsn, "exchange_rates", DAY[8])
    with pytest.raises(UsageError, match="there is no source table 'rates'; there are: apartments, "):
        resync(source.dsn, "rates", DAY[9])


def test_progress_tells_bytes_and_rows(source: Source) -> None:
    path = source.write(
        "exchange_rates", *(f"EUR,{2000 + n // 300}-{n % 12 + 1:02}-{n % 25 + 1:02},1" for n in range(300))
    )
    told: list[Progress] = []
    source.load(progress=told.append)
    size = path.stat().st_size
    assert told[-1] == Progress("exchange_rates", 300, size, size)


def test_old_zone_maps_stay_narrow(source: Source) -> None:
    """A few changes all over a table do not make its old blocks candidates for the newest record time."""
    many = [f"{n},1,1,2024-01-01 00:00:00,0," for n in range(30_000)]
    source.write("user_viewing", *many)
    source.load()
    for n in range(0, 30_000, 1000):
        many[n] = many[n].replace(",0,", ",1,")
    source.write("user_viewing", *many)
    assert source.load().tables["user_viewing"].updated == 30
    with psycopg.connect(source.dsn, autocommit=True) as connection:
        connection.execute("set enable_seqscan = off; set max_parallel_workers_per_gather = 0")
        (plan,) = connection.execute(
            "explain (analyze, buffers, format json)"
            ' select count(*) from "rental_landing.rental".user_viewing'
            f" where _record_create_time >= '{DAY[2]}' or _record_delete_time >= '{DAY[2]}'"
        ).fetchone()  # type: ignore[misc]
    scan = plan[0]["Plan"]["Plans"][0]
    assert scan["Actual Rows"] == 60
    pages = source.query("select pg_relation_size('\"rental_landing.rental\".user_viewing') / 8192")[0][0]
    assert scan["Exact Heap Blocks"] + scan["Lossy Heap Blocks"] < pages / 4


# Locks, crashes and kills.


def _is_untouched_after(source: Source, before: object) -> bool:
    """Whether nothing remains of a load that was killed, and the next one works."""
    return source.state() == before and source.load(DAY[10]).tables["user_viewing"].inserted > 0


def _write_many(source: Source, count: int = 40_000) -> None:
    source.write("user_viewing", *(f"{n},1,1,2024-01-01 00:00:00,0," for n in range(count)))


def test_a_connection_that_is_cut_leaves_nothing(source: Source) -> None:
    source.write("user_viewing")
    source.load()
    before = source.state()
    _write_many(source)

    def cut(progress: Progress) -> None:
        source.query(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity"
            " where application_name = 'zeroshift load'"
        )

    with pytest.raises(Unavailable, match="cannot be reached or went away"):
        source.load(progress=cut)
    assert _is_untouched_after(source, before)


def test_a_killed_client_leaves_nothing(source: Source) -> None:
    source.write("user_viewing")
    source.load()
    before = source.state()
    _write_many(source)
    program = (
        "import os, signal, sys\nfrom datetime import datetime\nfrom pathlib import Path\n"
        "from deployer.local.landing.load import load\n"
        "load(sys.argv[1], Path(sys.argv[2]), datetime(2025, 1, 5),\n"
        "     progress=lambda p: os.kill(os.getpid(), signal.SIGKILL) if p.rows > 9000 else None)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, source.dsn, str(source.directory)], check=False)
    assert done.returncode == -9
    assert _is_untouched_after(source, before)


def test_one_load_at_a_time(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    _write_many(source, 10)
    monkeypatch.setattr(integration, "_LOCK_WAIT", "200ms")
    with psycopg.connect(source.dsn) as other:
        other.execute("select pg_advisory_xact_lock(%s)", (integration._LOCK,))
        with pytest.raises(LeaseHeld, match="another load has been writing"):
            source.load()


def test_a_load_waits_for_another(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two loads at once are two loads one after the other."""
    monkeypatch.setattr(integration, "_LOCK_WAIT", "120s")
    results = []
    rows = [f"{n},1,1,2024-01-01 00:00:00,0," for n in range(2_000)]
    directories = []
    for number in range(2):
        directory = source.directory.parent / f"part{number}"
        directory.mkdir()
        (directory / "user_viewing.csv").write_text("\n".join([HEADERS["user_viewing"], *rows]))
        directories.append(directory)
    threads = [
        threading.Thread(target=lambda where=where: results.append(load(source.dsn, where, DAY[3])))
        for where in directories
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(result.tables["user_viewing"].inserted for result in results) == [0, 2_000]


def test_readers_see_the_old_state_until_the_commit(source: Source) -> None:
    source.write("user_viewing")
    source.load()
    _write_many(source)
    seen = []
    source.load(progress=lambda progress: seen.append(len(source.rows("user_viewing"))))
    assert set(seen) == {0}
    assert len(source.rows("user_viewing")) == 40_000


def test_without_an_engine(source: Source) -> None:
    source.write("user_viewing")
    with pytest.raises(Unavailable, match="start it with `zeroshift local up`"):
        load("host=127.0.0.1 port=1 connect_timeout=2", source.directory, DAY[1])


# The directory.


def test_directories_that_are_no_snapshot(source: Source, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds no CSV file; a snapshot may hold: apartments.csv, "):
        source.load()
    with pytest.raises(UsageError, match="cannot read the directory .*: No such file or directory"):
        load(source.dsn, tmp_path / "nowhere", DAY[1])
    (source.directory / "README.txt").write_text("not read")
    (source.directory / "booking.csv").write_text("x")
    source.write("bookings")
    with pytest.raises(UsageError, match=r"/booking.csv is named as no source table; a snapshot may hold: "):
        source.load()


def test_only_admin_may_read_landing_and_nobody_write(source: Source) -> None:
    if source.query("select from pg_roles where rolname = 'admin'") == []:
        pytest.skip("the engine has no role admin")
    source.write("exchange_rates")
    source.load()
    assert source.query(
        "select has_table_privilege('admin', c.oid, 'select'),"
        " has_table_privilege('public', c.oid, 'select'), has_table_privilege('public', c.oid, 'insert')"
        " from pg_class as c where c.oid = '\"rental_landing.rental\".exchange_rates'::regclass"
    ) == [(True, False, False)]


def test_every_table_has_its_key_first() -> None:
    for table in TABLES:
        assert table.names[: len(table.key)] == table.key
        assert table_named(table.name) is table
