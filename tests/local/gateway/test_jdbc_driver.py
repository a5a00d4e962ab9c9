"""A JDBC driver itself, on the tour of JdbcTour.java: where Java and a driver are installed.

Debian's libpostgresql-jdbc-java is PostgreSQL's driver. Another one is named by ZEROSHIFT_JDBC_CLASSPATH, as Amazon's,
whose URL begins with jdbc:redshift.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from deployer.local.environment import Status

TOUR = Path(__file__).with_name("JdbcTour.java")
POSTGRESQL = "/usr/share/java/postgresql.jar"
AMAZON = os.environ.get("ZEROSHIFT_JDBC_CLASSPATH", "")

KEYS = {"getImportedKeys": "[customers,id,customer_id]", "getExportedKeys": "[orders,customer_id]"}
BOTH = {
    "types": '1 1 2024-02-29 10:00:00.5 2024-02-29 12.50 x true 0.5 {"a":1}',
    "prepared often": "[1,x,2024-02-29 10:00:00.5,2024-02-29,t,0.5]",
    "parameter metadata": "2 note",
    "batch": "300 [300,c9@example.com]",
    "statement batch": "[1, 1, 1]",
    "failing batch": "42P01",
    "fetch size": "300",
    "max rows": "7",
    "rollback": "[0]",
    "savepoint": "0A000",
    "update count": "3 3",
    "several results": "true false/1 true",
    "error": '42703 ERROR: column "nothing" does not exist |   Position: 8',
    "cancel": "57014",
    "query timeout": "57014",
    "alive": "true [17]",
    "call as a query": "[3]",
    "schema and catalog": "tour dev",
    "getSchemas": "[information_schema, pg_catalog, public, tour]",
    "getCatalogs": "[dev]",
    "getTables of types": "[late, recent]",
    "getProcedures": "[add_up]",
    "getTypeInfo": "true",
    "getTablePrivileges": "true",
    "getVersionColumns": "true",
    "updatable result": "1 3",
    "closed": "true",
}
"""What each step of the tour sees with either driver."""
OF_AMAZON = KEYS | {
    "product": "Redshift 8.0.2",
    "prepared decimals": "[12.50]",
    "call": "42",
    "getColumns late": "[id,int8]",
    "getPrimaryKeys": "[id,1]",
    "getBestRowIdentifier": "[id]",
}
FAIL = {
    "postgresql": {
        "prepared decimals", "call", "set transaction isolation", "getPrimaryKeys", "getImportedKeys",
        "getExportedKeys", "getCrossReference", "getBestRowIdentifier",
    },
    "redshift": {"set transaction isolation", "read only", "getProcedureColumns"},
}  # fmt: skip
"""Steps that fail, as docs/clients.md tells."""


@pytest.mark.slow
@pytest.mark.parametrize("driver", ["postgresql", "redshift"])
def test_tour(fresh_database: Status, driver: str) -> None:
    java = shutil.which("java")
    path = AMAZON if driver == "redshift" else POSTGRESQL if Path(POSTGRESQL).exists() else ""
    if java is None or not path:
        pytest.skip("no Java or no such driver on this machine")
    url = f"jdbc:{driver}://{fresh_database.host}:{fresh_database.port}/{fresh_database.database}?ssl=false"
    done = subprocess.run(
        [java, "-cp", path, str(TOUR), url, fresh_database.user, str(fresh_database.password)],
        capture_output=True, text=True, timeout=600, env=os.environ | {"TZ": "UTC"},
    )  # fmt: skip
    seen = dict(line.split("\t", 1) for line in done.stdout.splitlines())
    assert "closed" in seen, done.stderr
    wanted = BOTH | (OF_AMAZON if driver == "redshift" else {})
    assert {step: seen[step] for step in wanted} == wanted
    assert {step for step, told in seen.items() if told.startswith("FAILED")} == FAIL[driver]
