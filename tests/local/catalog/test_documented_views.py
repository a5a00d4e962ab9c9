"""Every system view of the guide is there with the columns of its page, or refused by name.

documented_views.txt has the names of the guide's lists (svv_views, svl_views, svcs_views, c_intro_STL_tables,
c_intro_STV_tables, serverless_views-monitoring, c_intro_catalog_views), documented_columns.tsv columns and types of the
views that are here, as their pages have them (September 2026).
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redshift_connector import ProgrammingError

from deployer.local.support_page import views
from deployer.sql.system_views import NOT_HERE

HERE = Path(__file__).parent
SHORT = {"character varying": "varchar", "timestamp without time zone": "timestamp", "character(": "char("}


def test_every_name_is_known_once() -> None:
    documented = set((HERE / "documented_views.txt").read_text().split())
    here = set(views())
    assert set(NOT_HERE) & here == set()
    assert set(NOT_HERE) <= documented
    assert documented <= here | set(NOT_HERE)


def test_columns_and_types(fresh_database: object, connect: Callable[..., Any]) -> None:
    cursor = connect(autocommit=True).cursor()
    cursor.execute(
        "select c.relname, a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a join pg_class c"
        " on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace where n.nspname = 'pg_catalog'"
        " order by c.relname, a.attnum"
    )
    found: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for view, column, kind in cursor.fetchall():
        for long, short in SHORT.items():
            kind = kind.replace(long, short)
        # TEXT is VARCHAR(65535) to clients, as everywhere on Redshift.
        found[view].append((column, kind.replace("varchar(65535)", "text")))
    wanted: dict[str, list[tuple[str, str]]] = defaultdict(list)
    with (HERE / "documented_columns.tsv").open() as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            wanted[row["view"]].append((row["column"], row["type"]))
    assert len(wanted) > 70
    for view, columns in wanted.items():
        assert found[view] == columns, view


def test_others_are_refused_by_name(fresh_database: object, connect: Callable[..., Any]) -> None:
    cursor = connect(autocommit=True).cursor()
    for written in ("stl_scan", "pg_catalog.STL_SCAN"):
        with pytest.raises(
            ProgrammingError, match="STL_SCAN is not supported by the local Redshift: it tells how"
        ):
            cursor.execute(f"select * from {written}")
    cursor.execute("create table stv_slices (slice integer)")
    cursor.execute("select slice from stv_slices")
    with pytest.raises(ProgrammingError, match='relation \\\\?"stl_nothing\\\\?" does not exist'):
        cursor.execute("select * from stl_nothing")
