"""Every command of Redshift's list runs, or is refused in a sentence that names it and says that it is not there."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from deployer.local.gateway.settings import setting
from deployer.local.gateway.shows import definition_column
from deployer.local.gateway.statements import _cancel, _transaction
from deployer.local.gateway.transfers import BULK
from deployer.local.procedures.create import create_procedure
from deployer.local.translate.translator import translate
from deployer.sql.classify import classify
from deployer.sql.plpgsql import parse_call
from deployer.sql.refused import Refused
from tests.local.translate.catalog import CATALOG

REFERENCE = Path(__file__).parents[4] / "shared" / "data" / "redshift_reference" / "commands.tsv"

RUN = {
    "ABORT": "abort", "ALTER DEFAULT PRIVILEGES": "alter default privileges grant select on tables to public",
    "ALTER GROUP": "alter group g add user u",
    "ALTER ROLE": "alter role r rename to s", "ALTER SCHEMA": "alter schema s rename to t",
    "ALTER TABLE": "alter table listing add column a int",
    "ALTER TABLE APPEND": "alter table listing append from sales",
    "ALTER USER": "alter user u createdb", "ANALYZE": "analyze",
    "BEGIN": "begin", "CALL": "call p(1)", "CANCEL": "cancel 5", "CLOSE": "close c",
    "COMMENT": "comment on table listing is 'a'", "COMMIT": "commit", "COPY": "copy t from 's3://b/k' iam_role default",
    "CREATE FUNCTION": "create function f(int) returns int stable as $$ select $1 $$ language sql",
    "CREATE GROUP": "create group g",
    "CREATE PROCEDURE": "create procedure p() as $$ begin null; end $$ language plpgsql",
    "CREATE ROLE": "create role r", "CREATE SCHEMA": "create schema s", "CREATE TABLE": "create table t (a int)",
    "CREATE TABLE AS": "create table t as select id from listing", "CREATE USER": "create user u password 'Abc12345'",
    "CREATE VIEW": "create view v as select id from listing", "DEALLOCATE": "deallocate p",
    "DECLARE": "declare c cursor for select 1", "DELETE": "delete from listing", "DROP GROUP": "drop group g",
    "DROP PROCEDURE": "drop procedure p()", "DROP ROLE": "drop role r", "DROP SCHEMA": "drop schema s",
    "DROP TABLE": "drop table listing", "DROP USER": "drop user u", "DROP VIEW": "drop view v", "END": "end",
    "EXECUTE": "execute p", "EXPLAIN": "explain select 1", "FETCH": "fetch 1 from c",
    "GRANT": "grant select on listing to u", "INSERT": "insert into listing (id) values (1)", "LOCK": "lock listing",
    "MERGE": "merge into listing using sales s on listing.id = s.id when matched then delete "
    "when not matched then insert (id) values (s.id)",
    "PREPARE": "prepare p as select 1", "RESET": "reset query_group", "REVOKE": "revoke select on listing from u",
    "ROLLBACK": "rollback", "SELECT": "select id from listing", "SELECT INTO": "select id into t from listing",
    "SET": "set query_group to 'a'", "SHOW": "show search_path", "SHOW PROCEDURE": "show procedure p",
    "SHOW TABLE": "show table listing", "START TRANSACTION": "start transaction",
    "TRUNCATE": "truncate listing", "UNLOAD": "unload ('select 1') to 's3://b/k' iam_role default",
    "UPDATE": "update listing set id = 1", "VACUUM": "vacuum listing",
}  # fmt: skip
"""What runs, with a statement of it."""

ELSEWHERE = {
    *(
        f"{verb} {kind} POLICY"
        for verb in ("ALTER", "ATTACH", "CREATE", "DETACH", "DROP")
        for kind in ("MASKING", "RLS")
    ),
    *(f"{verb} MATERIALIZED VIEW" for verb in ("ALTER", "CREATE", "DROP", "REFRESH")),
    *("ALTER PROCEDURE", "CREATE EXTERNAL SCHEMA", "CREATE EXTERNAL TABLE", "DROP FUNCTION", "SHOW VIEW"),
}
"""They ask the catalog for what they change; their own tests and tests/docs/test_support_table.py run them."""

REFUSED = {
    "ANALYZE COMPRESSION": ("analyze compression listing", "ANALYZE COMPRESSION"),
    "DESC DATASHARE": ("desc datashare d", "DESC"),
    "DESC IDENTITY PROVIDER": ("desc identity provider i", "DESC"),
    "SET SESSION AUTHORIZATION": ("set session authorization u", "SESSION AUTHORIZATION"),
    "SET SESSION CHARACTERISTICS": (
        "set session characteristics as transaction isolation level serializable", "SESSION CHARACTERISTICS"
    ),
}  # fmt: skip
"""What is refused by another sentence than that of the plain CREATE, ALTER, DROP and SHOW."""


def commands() -> list[str]:
    if not REFERENCE.exists():
        return []
    with REFERENCE.open(encoding="utf-8") as file:
        return [row["command"] for row in csv.DictReader(file, delimiter="\t")]


def run(sql: str) -> None:
    """What the gateway's way for statements of this kind does with the text before it asks the engine."""
    kind = classify(sql)
    if kind.name == "show" and definition_column(sql):
        return
    if kind.name in ("set", "reset", "show"):
        setting(sql)
    elif kind.transaction_control:
        _transaction(sql, kind)
    elif kind.name == "cancel":
        _cancel(sql)
    elif kind.name == "call":
        parse_call(sql)
    elif kind.name == "create_procedure":
        create_procedure(sql, "dev", "public")
    elif kind.name not in BULK:
        translate(sql, CATALOG)


@pytest.mark.parametrize("command", commands())
def test_command(command: str) -> None:
    if command in ELSEWHERE:
        return
    if command in RUN:
        run(RUN[command])
        return
    sql, named = REFUSED.get(command, (f"{command.lower()} x", command))
    with pytest.raises(Refused) as caught:
        run(sql)
    message = caught.value.message
    assert named in message.upper() and "local Redshift" in message and "syntax error" not in message, message
