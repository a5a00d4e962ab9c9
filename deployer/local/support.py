"""What of Redshift's SQL commands the local Redshift runs: the table behind docs/local-redshift.md and its tests.

Functions have their own tables (deployer.local.functions, deployer.sql.functions.NOT_YET), which name their pages too.
"""

from __future__ import annotations

from dataclasses import dataclass

SUPPORTED = "supported"
DIFFERS = "differs"
REFUSED = "refused"


@dataclass(frozen=True)
class Command:
    """A command of the Developer Guide. `page` is its page's name without .html.

    `example` is run by a test: what is supported must succeed, what is refused must be refused by its name. `note` says
    how it differs, or what to do instead.
    """

    name: str
    verdict: str
    page: str
    example: str
    note: str = ""


def _supported(name: str, page: str, example: str) -> Command:
    return Command(name, SUPPORTED, page, example)


def _differs(name: str, page: str, example: str, note: str) -> Command:
    return Command(name, DIFFERS, page, example, note)


def _refused(name: str, page: str, example: str, note: str = "") -> Command:
    return Command(name, REFUSED, page, example, note)


SETUP = (
    "create schema sup", "set search_path to sup", "create table t (a integer, b varchar(10)) sortkey (a)",
    "create table u (a integer, b varchar(10))", "create view v as select a from t",
    "create materialized view mv as select a from t", "create group g", "create role r",
    "create function f(integer) returns integer stable as $$ select $1 $$ language sql",
    "create user w password 'Wwwww1234'", "create procedure p(n integer) as $$ begin null; end; $$ language plpgsql",
    "create rls policy rls with (a integer) using (a > 0)",
    "create masking policy msk with (b varchar(10)) using ('x'::varchar(10))",
)  # fmt: skip
"""What the examples stand on. They run in the order of the table, each in autocommit; `;;` parts several."""

COMMANDS: tuple[Command, ...] = (
    _supported("ABORT", "r_ABORT", "begin;;abort"),
    _refused("ALTER DATABASE", "r_ALTER_DATABASE", "alter database dev rename to d",
             "but that of an integration is altered"),
    _refused("ALTER DATASHARE", "r_ALTER_DATASHARE", "alter datashare s add schema sup"),
    _supported("ALTER DEFAULT PRIVILEGES", "r_ALTER_DEFAULT_PRIVILEGES",
               "alter default privileges in schema sup grant select on tables to group g"),
    _supported("ALTER FUNCTION", "r_ALTER_FUNCTION",
               "alter function f(integer) rename to f1;;alter function f1(integer) rename to f"),
    _supported("ALTER GROUP", "r_ALTER_GROUP", "alter group g add user w;;alter group g drop user w"),
    _refused("ALTER IDENTITY PROVIDER", "r_ALTER_IDENTITY_PROVIDER", "alter identity provider i namespace 'n'"),
    _supported("ALTER MASKING POLICY", "r_ALTER_MASKING_POLICY", "alter masking policy msk using ('y'::varchar(10))"),
    _differs("ALTER MATERIALIZED VIEW", "r_ALTER_MATERIALIZED_VIEW", "alter materialized view mv auto refresh yes",
             "AUTO REFRESH only"),
    _supported("ALTER PROCEDURE", "r_ALTER_PROCEDURE",
               "alter procedure p(integer) rename to p1;;alter procedure p1(integer) rename to p"),
    _supported("ALTER RLS POLICY", "r_ALTER_RLS_POLICY", "alter rls policy rls using (a > 1)"),
    _differs("ALTER ROLE", "r_ALTER_ROLE", "alter role r with rename to r1;;alter role r1 rename to r",
             "RENAME TO only"),
    _supported("ALTER SCHEMA", "r_ALTER_SCHEMA", "create schema s1;;alter schema s1 rename to s2;;drop schema s2"),
    _supported("ALTER TABLE", "r_ALTER_TABLE",
               "alter table u add constraint k unique (a);;alter table u drop constraint k"),
    _supported("ALTER TABLE APPEND", "r_ALTER_TABLE_APPEND",
               "create table t1 (a integer);;create table t2 (a integer);;alter table t1 append from t2"
               ";;drop table t1;;drop table t2"),
    _differs("ALTER USER", "r_ALTER_USER", "alter user w createdb;;alter user w session timeout 120",
             "not SET and RESET of a parameter; else as CREATE USER"),
    _supported("ANALYZE", "r_ANALYZE", "analyze t"),
    _refused("ANALYZE COMPRESSION", "r_ANALYZE_COMPRESSION", "analyze compression t", "columns are not compressed"),
    _supported("ATTACH MASKING POLICY", "r_ATTACH_MASKING_POLICY", "attach masking policy msk on u (b) to public"),
    _supported("ATTACH RLS POLICY", "r_ATTACH_RLS_POLICY", "attach rls policy rls on u to public"),
    _differs("BEGIN", "r_BEGIN", "begin;;end", "isolation levels are read and have no effect, as documented"),
    _supported("CALL", "r_CALL_procedure", "call p(1)"),
    _differs("CANCEL", "r_CANCEL", "cancel 99999999", "its message goes nowhere"),
    _supported("CLOSE", "close", "begin;;declare c cursor for select a from t;;close c;;end"),
    _differs("COMMENT", "r_COMMENT", "comment on table t is 'x'", "not on constraints"),
    _supported("COMMIT", "r_COMMIT", "begin;;commit"),
    _differs("COPY", "r_COPY", "", "from S3 only: [copy-and-unload.md](copy-and-unload.md)"),
    _refused("CREATE DATABASE", "r_CREATE_DATABASE", "create database d", "but that of an integration is made"),
    _refused("CREATE DATASHARE", "r_CREATE_DATASHARE", "create datashare s"),
    _refused("CREATE EXTERNAL FUNCTION", "r_CREATE_EXTERNAL_FUNCTION",
             "create external function f(integer) returns integer volatile lambda 'f' iam_role default"),
    _differs("CREATE EXTERNAL SCHEMA", "r_CREATE_EXTERNAL_SCHEMA", "", "[external-tables.md](external-tables.md)"),
    _differs("CREATE EXTERNAL TABLE", "r_CREATE_EXTERNAL_TABLE", "", "[external-tables.md](external-tables.md)"),
    _differs("CREATE FUNCTION", "r_CREATE_FUNCTION",
             "create function f2(int) returns integer stable as $$ select $1 $$ language sql;;drop function f2(int)",
             "LANGUAGE sql only, and not with the name of a built-in function"),
    _supported("CREATE GROUP", "r_CREATE_GROUP", "create group g1;;drop group g1"),
    _refused("CREATE IDENTITY PROVIDER", "r_CREATE_IDENTITY_PROVIDER",
             "create identity provider i type azure namespace 'n'"),
    _refused("CREATE LIBRARY", "r_CREATE_LIBRARY", "create library l language plpythonu from 's3://b/l.zip'"),
    _supported("CREATE MASKING POLICY", "r_CREATE_MASKING_POLICY",
               "create masking policy m1 with (a integer) using (0::integer);;drop masking policy m1"),
    _differs("CREATE MATERIALIZED VIEW", "materialized-view-create-sql-command",
             "create materialized view m1 as select a from t;;drop materialized view m1",
             "over tables and materialized views of the session's own database"),
    _refused("CREATE MODEL", "r_CREATE_MODEL", "create model m from t target a function f iam_role default"),
    _differs("CREATE PROCEDURE", "r_CREATE_PROCEDURE",
             "create procedure q() as $$ begin null; end; $$ language plpgsql;;drop procedure q()",
             "[procedures.md](procedures.md)"),
    _supported("CREATE RLS POLICY", "r_CREATE_RLS_POLICY", "create rls policy l1 using (true);;drop rls policy l1"),
    _supported("CREATE ROLE", "r_CREATE_ROLE", "create role r1;;drop role r1"),
    _differs("CREATE SCHEMA", "r_CREATE_SCHEMA", "create schema s1;;drop schema s1", "QUOTA is not enforced"),
    _supported("CREATE TABLE", "r_CREATE_TABLE_NEW",
               "create table t1 (a integer identity(1, 1));;create table t2 (like t1 including defaults)"
               ";;drop table t1;;drop table t2"),
    _supported("CREATE TABLE AS", "r_CREATE_TABLE_AS",
               "create table t1 diststyle all as select a from t;;drop table t1"),
    _differs("CREATE USER", "r_CREATE_USER", "create user w1 password 'Wwwww1234';;drop user w1",
             "not SYSLOG ACCESS UNRESTRICTED and EXTERNALID"),
    _differs("CREATE VIEW", "r_CREATE_VIEW",
             "create view v1 as select a from sup.t with no schema binding;;drop view v1",
             "a late-binding view reads with the rights of whoever asks"),
    _supported("DEALLOCATE", "r_DEALLOCATE", "prepare s as select a from t;;deallocate s"),
    _supported("DECLARE", "declare", "begin;;declare c cursor for select a from t;;end"),
    _supported("DELETE", "r_DELETE", "delete from t using u where t.a = u.a"),
    _refused("DESC DATASHARE", "r_DESC_DATASHARE", "desc datashare s"),
    _refused("DESC IDENTITY PROVIDER", "r_DESC_IDENTITY_PROVIDER", "desc identity provider i"),
    _supported("DETACH MASKING POLICY", "r_DETACH_MASKING_POLICY", "detach masking policy msk on u (b) from public"),
    _supported("DETACH RLS POLICY", "r_DETACH_RLS_POLICY", "detach rls policy rls on u from public"),
    _differs("DROP DATABASE", "r_DROP_DATABASE", "", "that of an integration only"),
    _refused("DROP DATASHARE", "r_DROP_DATASHARE", "drop datashare s"),
    _supported("DROP FUNCTION", "r_DROP_FUNCTION",
               "create function f2() returns integer stable as $$ select 1 $$ language sql;;drop function f2()"),
    _supported("DROP GROUP", "r_DROP_GROUP", "create group g1;;drop group g1"),
    _refused("DROP IDENTITY PROVIDER", "r_DROP_IDENTITY_PROVIDER", "drop identity provider i"),
    _refused("DROP LIBRARY", "r_DROP_LIBRARY", "drop library l"),
    _supported("DROP MASKING POLICY", "r_DROP_MASKING_POLICY",
               "create masking policy m1 with (a integer) using (0::integer);;drop masking policy m1"),
    _supported("DROP MATERIALIZED VIEW", "materialized-view-drop-sql-command",
               "create materialized view m1 as select a from t;;drop materialized view if exists m1"),
    _refused("DROP MODEL", "r_DROP_MODEL", "drop model m"),
    _supported("DROP PROCEDURE", "r_DROP_PROCEDURE",
               "create procedure q() as $$ begin null; end; $$ language plpgsql;;drop procedure q()"),
    _supported("DROP RLS POLICY", "r_DROP_RLS_POLICY", "create rls policy l1 using (true);;drop rls policy l1"),
    _supported("DROP ROLE", "r_DROP_ROLE", "create role r1;;drop role r1 force"),
    _supported("DROP SCHEMA", "r_DROP_SCHEMA", "create schema s1;;drop schema if exists s1 cascade"),
    _supported("DROP TABLE", "r_DROP_TABLE", "create table t1 (a integer);;drop table if exists t1"),
    _supported("DROP USER", "r_DROP_USER", "create user w1 password 'Wwwww1234';;drop user if exists w1"),
    _supported("DROP VIEW", "r_DROP_VIEW", "create view v1 as select a from t;;drop view v1"),
    _supported("END", "r_END", "begin;;end transaction"),
    _supported("EXECUTE", "r_EXECUTE",
               "prepare s(integer) as select a from t where a = $1;;execute s(1);;deallocate s"),
    _differs("EXPLAIN", "r_EXPLAIN", "explain select a from t", "the plan is PostgreSQL's"),
    _supported("FETCH", "fetch", "begin;;declare c cursor for select a from t;;fetch forward 2 from c;;end"),
    _differs("GRANT", "r_GRANT", "grant select on t to role r",
             "not ALTER, DROP, ASSUMEROLE, system and scoped permissions, not on datashares"),
    _supported("INSERT", "r_INSERT_30", "insert into t values (1, 'x'), (2, default)"),
    _supported("LOCK", "r_LOCK", "begin;;lock t;;end"),
    _supported("MERGE", "r_MERGE",
               "merge into t using u on t.a = u.a when matched then update set b = u.b when not matched then insert"
               " values (u.a, u.b)"),
    _supported("PREPARE", "r_PREPARE", "prepare s as select a from t;;deallocate s"),
    _differs("REFRESH MATERIALIZED VIEW", "materialized-view-refresh-sql-command", "refresh materialized view mv",
             "always computes the whole view; no CASCADE"),
    _supported("RESET", "r_RESET", "reset query_group"),
    _differs("REVOKE", "r_REVOKE", "revoke select on t from role r", "as GRANT"),
    _supported("ROLLBACK", "r_ROLLBACK", "begin;;rollback"),
    _supported("SELECT", "r_SELECT_synopsis",
               "select a, count(*) from t group by a qualify row_number() over (order by a) = 1"),
    _supported("SELECT INTO", "r_SELECT_INTO", "select a into temp t1 from t;;drop table t1"),
    _differs("SET", "r_SET", "set query_group to 'x'",
             "of parameters that change results only the value that holds here"),
    _differs("SET SESSION AUTHORIZATION", "r_SET_SESSION_AUTHORIZATION",
             "set session authorization 'w';;set session authorization default", "not in procedures"),
    _refused("SET SESSION CHARACTERISTICS", "r_SET_SESSION_CHARACTERISTICS",
             "set session characteristics as transaction isolation level serializable"),
    _supported("SHOW", "r_SHOW", "show query_group"),
    _supported("SHOW COLUMN GRANTS", "r_SHOW_COLUMN_GRANTS", "show column grants on table sup.t"),
    _supported("SHOW COLUMNS", "r_SHOW_COLUMNS", "show columns from table sup.t"),
    _supported("SHOW CONSTRAINTS", "r_SHOW_CONSTRAINTS", "show constraints primary keys from table sup.t"),
    _differs("SHOW DATABASES", "r_SHOW_DATABASES", "show databases", "not FROM DATA CATALOG"),
    _refused("SHOW DATASHARES", "r_SHOW_DATASHARES", "show datashares"),
    _differs("SHOW EXTERNAL TABLE", "r_SHOW_EXTERNAL_TABLE", "",
             "it writes ROW FORMAT SERDE, as documented, which CREATE EXTERNAL TABLE does not take here"),
    _supported("SHOW FUNCTIONS", "r_SHOW_FUNCTIONS", "show functions from schema sup"),
    _differs("SHOW GRANTS", "r_SHOW_GRANTS", "show grants on table sup.t", "not on templates, which there are none of"),
    _refused("SHOW MODEL", "r_SHOW_MODEL", "show model all"),
    _supported("SHOW PARAMETERS", "r_SHOW_PARAMETERS", "show parameters of procedure sup.p(integer)"),
    _differs("SHOW POLICIES", "r_SHOW_POLICIES", "show rls policies;;show masking policies on sup.t",
             "of the session's own database; expressions as they were written"),
    _supported("SHOW PROCEDURE", "r_SHOW_PROCEDURE", "show procedure p(integer)"),
    _supported("SHOW PROCEDURES", "r_SHOW_PROCEDURES", "show procedures from schema sup"),
    _supported("SHOW SCHEMAS", "r_SHOW_SCHEMAS", "show schemas from database dev"),
    _supported("SHOW TABLE", "r_SHOW_TABLE", "show table t"),
    _differs("SHOW TABLES", "r_SHOW_TABLES", "show tables from schema sup",
             "when a table was altered and written last is NULL"),
    _differs("SHOW VIEW", "r_SHOW_VIEW", "show view v", "the text that its user wrote"),
    _supported("START TRANSACTION", "r_BEGIN", "start transaction;;end"),
    _supported("TRUNCATE", "r_TRUNCATE", "truncate t"),
    _differs("UNLOAD", "r_UNLOAD", "", "[copy-and-unload.md](copy-and-unload.md)"),
    _supported("UPDATE", "r_UPDATE", "update t set b = u.b from u where t.a = u.a"),
    _refused("USE", "r_USE_command", "use dev", "connect to the database"),
    _supported("VACUUM", "r_VACUUM_command", "vacuum t"),
)  # fmt: skip
