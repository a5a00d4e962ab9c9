"""What is in the source: primary keys, engines, column types, foreign keys, XA, encoding. Asked over the source's own
connection, of the tables that the data filter lets through; without the key `connection` it cannot be told.

Sources: Aurora User Guide, zero-etl ("Limitations") and zero-etl.querying ("Data type differences"): what is not listed
there is not supported. Every query reads the catalog only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from deployer.data_filter import DataFilter
from deployer.errors import Unavailable
from deployer.operations import source_database
from deployer.operations.doctor.model import Check, missing, ok, unknown
from deployer.operations.source_database import Source
from deployer.project.config import Project
from deployer.project.zero_etl_aws import AURORA_MYSQL, AwsZeroEtl

_SHOWN = 5

_MYSQL_TYPES = frozenset(
    "tinyint smallint mediumint int bigint decimal float double bit binary varbinary char varchar tinytext text"
    " mediumtext longtext enum set date datetime timestamp time year json".split()
)
"""DATA_TYPE of information_schema.columns. Not among them: BLOB and its kin, and the spatial types."""

_POSTGRESQL_TYPES = frozenset(
    "int2 int4 int8 numeric float4 float8 money bool bpchar varchar text xml tsvector tsquery uuid bytea bit"
    " varbit date"
    " timestamp timestamptz time timetz interval json jsonb inet cidr macaddr oid xid cid name xid8 int2vector"
    " oidvector"
    " char pg_lsn macaddr8 jsonpath".split()
)
"""typname of the types that the guide lists; arrays are besides."""


def checks(project: Project, one: AwsZeroEtl) -> Iterator[Check]:
    """All of one source."""
    name = f"{one.name}: tables"
    if one.connection is None:
        yield unknown(
            name,
            "primary keys, engines, column types, foreign keys and XA are asked of the source itself",
            f'write connection = "{"mysql" if one.engine == AURORA_MYSQL else "postgresql"}://USER@HOST" and'
            f" password_env into the table zero_etl.{one.name} of zeroshift.toml",
        )
        return
    try:
        with source_database.opened(project, one) as source:
            yield from _mysql(source, one) if one.engine == AURORA_MYSQL else _postgresql(source, one)
    except Unavailable as error:
        yield unknown(name, str(error))


def _mysql(source: Source, one: AwsZeroEtl) -> Iterator[Check]:
    tables = source_database.tables(source, one)
    yield _count(one, len(tables))
    other = [f"{key[0]}.{key[1]} ({engine})" for key, engine in tables.items() if engine.lower() != "innodb"]
    yield _all(
        one,
        "engines",
        other,
        "only InnoDB is replicated",
        "all are InnoDB",
        "alter table SCHEMA.TABLE engine = InnoDB",
    )
    # TABLE_CONSTRAINTS and REFERENTIAL_CONSTRAINTS hide themselves from logins that may only SELECT; columns do not.
    keyed = _pairs(
        source,
        "select distinct table_schema, table_name from information_schema.columns where column_key = 'PRI'",
    )
    bare = [f"{schema}.{table}" for schema, table in tables if (schema, table) not in keyed]
    yield _primary_keys(one, bare)
    columns = [
        (str(schema), str(table), str(column), str(kind).lower())
        for schema, table, column, kind in source.rows(
            "select table_schema, table_name, column_name, data_type from information_schema.columns"
            f" where table_schema not in {source_database.MYSQL_SYSTEM} order by 1, 2, ordinal_position"
        )
    ]
    odd = [
        f"{schema}.{table}.{column} ({kind})"
        for schema, table, column, kind in columns
        if (schema, table) in tables and kind not in _MYSQL_TYPES
    ]
    yield _types(one, odd)
    cascading = [
        f"{schema}.{table} ({name}: {', '.join(rules)})"
        for schema, table in tables
        for name, rules in _foreign_keys(source, schema, table)
    ]
    yield _all(
        one, "foreign keys", cascading,
        "CASCADE, SET NULL and SET DEFAULT change rows that the binlog does not have: these tables go to Failed",
        "none changes rows by itself",
        "alter table SCHEMA.TABLE drop foreign key NAME, and add it with ON UPDATE RESTRICT ON DELETE RESTRICT",
    )  # fmt: skip
    yield _xa(source, one)


def _foreign_keys(source: Source, schema: str, table: str) -> Iterator[tuple[str, list[str]]]:
    """The foreign keys that change rows by themselves, each with how. Out of SHOW CREATE TABLE, which has a line each
    and takes no more than SELECT."""
    name = ".".join("`" + part.replace("`", "``") + "`" for part in (schema, table))
    for line in str(source.rows(f"show create table {name}")[0][1]).splitlines():
        found = re.match(r"\s*CONSTRAINT `((?:[^`]|``)+)` FOREIGN KEY .* REFERENCES ", line)
        rules = (
            re.findall(r"ON (?:DELETE|UPDATE) (?:CASCADE|SET NULL|SET DEFAULT)", line[found.end() :])
            if found
            else []
        )
        if found and rules:
            yield found[1], rules


def _xa(source: Source, one: AwsZeroEtl) -> Check:
    """Transactions that are prepared now. One of the past leaves no trace that could be asked for."""
    name = f"{one.name}: XA"
    try:
        waiting = source.rows("xa recover")
    except Unavailable as error:
        return unknown(name, f"XA RECOVER takes the right XA_RECOVER_ADMIN: {error}")
    if waiting:
        return missing(
            name, f"{len(waiting)} XA transactions are prepared; XA puts an integration into syncing",
            "xa recover; then xa commit or xa rollback each, and let applications use plain transactions",
        )  # fmt: skip
    return ok(name, "no XA transaction is prepared now")


def _postgresql(source: Source, one: AwsZeroEtl) -> Iterator[Check]:
    """The tables of the one database that the filter lets through."""
    chosen = DataFilter.parse(one.filter or f'include: "{one.database}".*.*', parts=3)

    def meant(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        return [row for row in rows if chosen.lets_through(one.database, str(row[0]), str(row[1]))]

    tables = meant(
        source.rows(
            "select n.nspname, c.relname, c.relkind, c.relpersistence, exists (select 1 from pg_index i"
            " where i.indrelid = c.oid and i.indisprimary) from pg_class c"
            " join pg_namespace n on n.oid = c.relnamespace where c.relkind = 'r' and c.relpersistence <> 't'"
            " and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' order by 1, 2"
        )
    )
    yield _count(one, len(tables))
    yield _primary_keys(one, [f"{schema}.{table}" for schema, table, _, _, keyed in tables if not keyed])
    unlogged = [f"{schema}.{table}" for schema, table, _, persistence, _ in tables if persistence == "u"]
    yield _all(
        one, "logged", unlogged, "unlogged tables are not in the WAL, and so not replicated", "all are logged",
        "alter table SCHEMA.TABLE set logged",
    )  # fmt: skip
    columns = meant(
        source.rows(
            "select n.nspname, c.relname, a.attname, t.typname, a.atttypmod, t.typelem <> 0 and t.typcategory = 'A',"
            " tn.nspname from pg_attribute a join pg_class c on c.oid = a.attrelid"
            " join pg_namespace n on n.oid = c.relnamespace join pg_type t on t.oid = a.atttypid"
            " join pg_namespace tn on tn.oid = t.typnamespace"
            " where a.attnum > 0 and not a.attisdropped and c.relkind = 'r' and c.relpersistence <> 't'"
            " and n.nspname not like 'pg\\_%' and n.nspname <> 'information_schema' order by 1, 2, a.attnum"
        )
    )
    odd = []
    for schema, table, column, kind, modifier, is_array, home in columns:
        where = f"{schema}.{table}.{column}"
        if home != "pg_catalog" or (kind not in _POSTGRESQL_TYPES and not is_array):
            odd.append(f"{where} ({kind})")
        elif kind in ("numeric", "interval") and modifier == -1:
            # Precision and scale must be declared, and an interval its fields.
            odd.append(f"{where} ({kind} without {'precision' if kind == 'numeric' else 'fields'})")
    yield _types(one, odd)
    cascading = meant(
        source.rows(
            "select n.nspname, c.relname, k.conname from pg_constraint k join pg_class c on c.oid = k.conrelid"
            " join pg_namespace n on n.oid = c.relnamespace"
            " where k.contype = 'f' and (k.confupdtype in ('c', 'n', 'd') or k.confdeltype in ('c', 'n', 'd'))"
            " order by 1, 2"
        )
    )
    # The guide has this limitation of MySQL only: PostgreSQL writes such changes into the WAL.
    yield ok(f"{one.name}: foreign keys", f"{len(cascading)} cascade, which Aurora PostgreSQL replicates")
    prepared = source.rows("select count(*) from pg_prepared_xacts where database = current_database()")[0][0]
    name = f"{one.name}: XA"
    yield (
        missing(
            name, f"{prepared} transactions are prepared; two-phase commit is not replicated",
            "select gid from pg_prepared_xacts; then commit prepared or rollback prepared each",
        )
        if prepared
        else ok(name, "no transaction is prepared now")
    )  # fmt: skip
    encoding = source.rows(
        "select pg_encoding_to_char(encoding) from pg_database where datname = current_database()"
    )
    found = str(encoding[0][0])
    yield (
        ok(f"{one.name}: encoding", "UTF8")
        if found == "UTF8"
        else missing(
            f"{one.name}: encoding", f"{found}; only databases in UTF8 are replicated",
            f"create database NEW encoding 'UTF8' template template0, and load a dump of {one.database} into it",
        )
    )  # fmt: skip


def _pairs(source: Source, sql: str) -> set[tuple[str, str]]:
    return {(str(row[0]), str(row[1])) for row in source.rows(sql)}


def _count(one: AwsZeroEtl, number: int) -> Check:
    name = f"{one.name}: tables"
    if number:
        return ok(name, f"{number} are looked at")
    return missing(
        name, "the login sees no table that the data filter lets through",
        f"grant it SELECT on them, or mend the key 'filter' of zero_etl.{one.name}",
    )  # fmt: skip


def _primary_keys(one: AwsZeroEtl, bare: list[str]) -> Check:
    return _all(
        one, "primary keys", bare, "a table without a primary key goes to Failed (integration event 0004)",
        "all tables have one", "alter table SCHEMA.TABLE add primary key (COLUMN)",
    )  # fmt: skip


def _types(one: AwsZeroEtl, odd: list[str]) -> Check:
    return _all(
        one, "column types", odd, "a type that the guide does not list takes the table out of sync (event 0005)",
        "all are supported", "exclude the table in the key 'filter', or alter the column's type",
    )  # fmt: skip


def _all(one: AwsZeroEtl, what: str, wrong: list[str], why: str, well: str, mend: str) -> Check:
    name = f"{one.name}: {what}"
    if not wrong:
        return ok(name, well)
    shown = ", ".join(wrong[:_SHOWN]) + (f" and {len(wrong) - _SHOWN} more" if len(wrong) > _SHOWN else "")
    return missing(name, f"{shown}: {why}", mend)
