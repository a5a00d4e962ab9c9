"""SQL user-defined functions: DG "CREATE FUNCTION", "DROP FUNCTION", "ALTER FUNCTION", udf-naming-udfs."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gateway_wire import Wire

from deployer.local.environment import Status

PASSWORD = "Ordinary-User-1"
GREATER = """create function f_sql_greater (float, float)
  returns float
stable
as $$
  select case when $1 > $2 then $1
    else $2
  end
$$ language sql"""
"""As the guide has it."""


@pytest.fixture
def admin(fresh_database: Status) -> Iterator[Wire]:
    with Wire(fresh_database) as wire:
        wire.login().query("create schema s; set search_path to s")
        yield wire


def test_the_guide_s_examples_run(admin: Wire) -> None:
    admin.query(
        "create table sales (commission decimal(8, 2), pricepaid decimal(8, 2)); insert into sales values (10, 100)"
    )
    assert admin.tags(GREATER) == ["CREATE FUNCTION"]
    assert admin.rows("select f_sql_greater (commission, pricepaid*0.20) from sales") == [("20",)]
    admin.query(
        "create function f_sql_commission (float, float ) returns float stable as $$ select f_sql_greater ($1, $2) $$"
        " language sql"
    )
    assert admin.rows("select f_sql_commission(1, 2), s.f_sql_commission(3, 2)") == [("2", "3")]
    # "if you drop the nested function, Amazon Redshift doesn't return an error. However, the UDF will fail"
    assert admin.tags("drop function f_sql_greater(float, float)") == ["DROP FUNCTION"]
    assert admin.error("select f_sql_commission(1, 2)")["C"] == "42883"


def test_a_name_is_overloaded_by_number_and_types_of_arguments(admin: Wire) -> None:
    for arguments, answer in (("integer", 1), ("varchar(10)", 2), ("integer, integer", 3), ("", 0)):
        admin.query(
            f"create function f({arguments}) returns int immutable as $$ select {answer} $$ language sql"
        )
    assert admin.rows("select f(7), f('x'), f(1, 2), f(), f(7::smallint)") == [("1", "2", "3", "0", "1")]
    assert admin.error("select f(date '2026-01-01')")["M"] == "function f(date) does not exist"
    assert (
        admin.error("create function f(int) returns int stable as $$ select 9 $$ language sql")["C"]
        == "42723"
    )
    assert admin.tags(
        "create or replace function f(int) returns int stable as $$ select 9 $$ language sql; drop function f()"
    ) == ["CREATE FUNCTION", "DROP FUNCTION"]
    # A kept translation sees the new one.
    assert admin.rows("select f(7), f('x')") == [("9", "2")]
    assert (
        admin.error(
            "create or replace function f(int) returns bigint stable as $$ select 9::bigint $$ language sql"
        )["C"]
        == "42P13"
    )


def test_values_have_the_declared_types(admin: Wire) -> None:
    admin.query(
        "create function f_money(decimal(8, 2)) returns decimal(10, 4) immutable as $$ select $1 * 2.5 $$ language sql;"
        "create function f_loud(varchar(4)) returns varchar(5) immutable as $$ select upper($1) || '!' $$ language sql;"
        "create function f_same(varchar(4), varchar(4)) returns boolean immutable as $$ select $1 = $2 $$ language sql"
    )
    assert admin.rows("select f_money(3.333), f_money(3) / 3, f_loud('ab'), f_loud(null)") == [
        ("8.3250", "2.500000000000000", "AB!", None)
    ]
    # Redshift's comparison ignores trailing blanks, also in there.
    assert admin.rows("select f_same('a ', 'a')") == [("t",)]
    told = admin.error("select f_loud('abcde')")
    assert (told["C"], told["M"]) == ("22001", "value too long for type character varying(4)")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("f(int) returns int stable as $$ select a from t $$", "cannot include FROM"),
        ("f(int) returns int stable as $$ select $1 where true $$", "cannot include WHERE"),
        ("f(int) returns int stable as $$ select $1 group by 1 $$", "cannot include GROUP BY"),
        ("f(int) returns int stable as $$ select $1 order by 1 $$", "cannot include ORDER BY"),
        ("f(int) returns int stable as $$ select $1 limit 1 $$", "cannot include LIMIT"),
        ("f(int) returns int stable as $$ select $1 into x $$", "cannot include INTO"),
        ("f(int) returns int stable as $$ select (select 1) $$", "cannot include a sub-query"),
        ("f(int) returns int stable as $$ select sum($1) $$", "SUM is not a scalar function"),
        ("f(int) returns int stable as $$ select $1, $1 $$", "returns one value"),
        ("f(int) returns int stable as $$ select $2 $$", "there is no parameter $2"),
        ("f(int) returns int stable as $$ select nope($1) $$", "nope"),
        ("f(int) returns int stable as $$ select nix $$", 'column "nix" does not exist'),
        ("f(int) returns varchar stable as $$ select $1 $$", "return type mismatch"),
        ("f(int) returns int as $$ select $1 $$", "needs VOLATILE, STABLE or IMMUTABLE"),
        ("f(int) returns int stable as 'select $1'", "dollar signs"),
        ("f(a int) returns int stable as $$ select $1 $$", "without names of arguments"),
        ("length(varchar) returns int stable as $$ select 1 $$", "like a built-in one"),
        (f"f({', '.join(['int'] * 33)}) returns int stable as $$ select 1 $$", "at most 32 arguments"),
    ],
)
def test_what_is_no_sql_function_is_refused(session: Wire, statement: str, words: str) -> None:
    told = session.error(f"create function {statement} language sql")
    assert words in told["M"]
    assert "redshift." not in told["M"] and "pg_catalog" not in told["M"]


@pytest.fixture(scope="module")
def session(status: Status) -> Iterator[Wire]:
    with Wire(status) as wire:
        yield wire.login()


def test_other_languages_are_refused_by_name(session: Wire) -> None:
    python = (
        "create function f_py (a float, b float) returns float stable as $$ return a $$ language plpythonu"
    )
    assert "Python user-defined functions are not run" in session.error(python)["M"]
    assert "plpythonu" in session.error("grant usage on language plpythonu to public")["M"]
    external = "create external function f(integer) returns integer volatile lambda 'f' iam_role default"
    assert "EXTERNAL FUNCTION is not supported" in session.error(external)["M"]
    assert "EXTERNAL FUNCTION" in session.error(external.replace("create", "create or replace"))["M"]


def test_views_depend_on_it_and_late_binding_ones_do_not(admin: Wire) -> None:
    admin.query("create function f(int) returns int immutable as $$ select $1 + 1 $$ language sql")
    admin.query("create table t (a int); insert into t values (1)")
    admin.query(
        "create view v as select f(a) as b from t; create materialized view m as select f(a) as b from t"
    )
    admin.query("create view l as select s.f(a) as b from s.t with no schema binding")
    assert [admin.rows(f"select b from {name}") for name in "vml"] == [[("2",)]] * 3
    assert admin.error("drop function f(int)")["C"] == "2BP01"
    assert admin.error("drop function f(int) restrict")["C"] == "2BP01"
    assert admin.tags("drop function f(int) cascade") == ["DROP FUNCTION"]
    assert admin.error("select * from v")["C"] == "42P01"
    assert admin.error("select * from l")["C"] == "42883"


def test_procedures_and_clients_with_parameters_call_it(admin: Wire) -> None:
    admin.query(
        "create function f(int) returns int immutable as $$ select $1 + 1 $$ language sql; create table t (a int)"
    )
    admin.query(
        "create procedure p(n integer) as $$ declare m integer; begin m := f(n); insert into t values (f(m)); end; $$"
        " language plpgsql"
    )
    admin.query("call p(1)")
    assert admin.rows("select a from t") == [("3",)]
    admin.query("prepare q(integer) as select f($1) from t")
    assert admin.rows("execute q(5)") == [("6",)]


def test_it_is_altered(admin: Wire) -> None:
    admin.query(
        f"create user ann password '{PASSWORD}';"
        "create function f(int) returns int stable as $$ select 1 $$ language sql"
    )
    assert (
        admin.tags("alter function f(int) rename to g; alter function g(int) owner to ann")
        == ["ALTER FUNCTION"] * 2
    )
    assert admin.rows(
        "select u.usename from pg_proc p join pg_user u on u.usesysid = p.proowner where proname = 'g'"
    ) == [("ann",)]
    assert admin.error("alter function f(int) rename to h")["M"] == "function f(integer) does not exist"
    assert admin.error("drop function lower(varchar)")["C"] == "42883"
    with Wire(admin.status) as wire:
        ann = wire.login(PASSWORD, user="ann")
        admin.query("grant usage, create on schema s to ann")
        assert ann.error("alter function s.g(int) owner to admin")["C"] == "42501"
        assert ann.tags("alter function s.g(int) rename to h") == ["ALTER FUNCTION"]


def test_everybody_may_execute_it_until_that_is_revoked(admin: Wire) -> None:
    # Default privileges on procedures are not those on functions.
    admin.query(f"create user ann password '{PASSWORD}'; create group readers")
    admin.query("alter default privileges in schema s grant execute on procedures to group readers")
    admin.query(
        "create function f(int) returns int stable as $$ select 1 $$ language sql; grant usage on schema s to ann"
    )
    assert admin.rows("select proname, proacl from pg_proc where proname = 'f'") == [
        ("f", "{admin=X/admin,=X/admin}")
    ]
    with Wire(admin.status) as wire:
        ann = wire.login(PASSWORD, user="ann")
        assert ann.rows("select s.f(1)") == [("1",)]
        admin.query("revoke execute on function s.f(a int) from public")
        told = ann.error("select s.f(1)")
        assert (told["C"], told["M"]) == ("42501", "permission denied for function f")
        admin.query("grant execute on function s.f(int) to ann")
        assert ann.rows("select s.f(1)") == [("1",)]


def test_usage_on_the_language_is_what_creating_needs(admin: Wire) -> None:
    function = "create function f(int) returns int stable as $$ select 1 $$ language sql"
    admin.query(
        f"create user ann password '{PASSWORD}'; create group udf_devs; grant usage, create on schema s to ann"
    )
    with Wire(admin.status) as wire:
        ann = wire.login(PASSWORD, user="ann")
        ann.query("set search_path to s")
        try:
            assert admin.tags("revoke usage on language sql from PUBLIC") == ["REVOKE"]
            assert ann.error(function)["M"] == "permission denied for language sql"
            assert ann.error("grant usage on language sql to ann")["C"] == "42501"
            assert admin.tags("grant usage on language sql to group udf_devs") == ["GRANT"]
            admin.query("alter group udf_devs add user ann")
            assert ann.tags(function) == ["CREATE FUNCTION"]
        finally:
            admin.query(
                "grant usage on language sql to public; revoke usage on language sql from group udf_devs"
            )
            admin.query("drop function s.f(int)")


def test_default_privileges_on_functions_are_those_of_new_ones(admin: Wire) -> None:
    admin.query(f"create user ann password '{PASSWORD}'; create group dev_test; create schema other")
    create = "create function {}(int) returns int stable as $$ select 1 $$ language sql"
    acl = "select proacl from pg_proc where proname = '{}'"
    # r_ALTER_DEFAULT_PRIVILEGES
    assert admin.tags("alter default privileges revoke execute on functions from public") == [
        "ALTER DEFAULT PRIVILEGES"
    ]
    admin.query("alter default privileges grant execute on functions to group dev_test")
    admin.query(
        "alter default privileges in schema other grant execute on functions to ann with grant option"
    )
    admin.query(create.format("f1"))
    admin.query(create.format("other.f2"))
    assert admin.rows(acl.format("f1")) == [('{admin=X/admin,"group dev_test=X/admin"}',)]
    assert admin.rows(acl.format("f2")) == [('{admin=X/admin,"group dev_test=X/admin",ann=X*/admin}',)]
    shown = (
        "select schema_name, object_type, grantee_name, admin_option from svv_default_privileges order by 3"
    )
    assert admin.rows(shown) == [
        ("other", "FUNCTION", "ann", "t"),
        (None, "FUNCTION", "dev_test", "f"),
    ]
    admin.query("alter default privileges grant execute on functions to public")
    admin.query("alter default privileges revoke execute on functions from group dev_test")
    admin.query(
        "alter default privileges in schema other revoke grant option for execute on functions from ann"
    )
    admin.query(create.format("other.f3"))
    # In the order in which PostgreSQL has put them together.
    ((rights,),) = admin.rows(acl.format("f3"))
    assert sorted((rights or "").strip("{}").split(",")) == ["=X/admin", "admin=X/admin", "ann=X/admin"]
    admin.query("alter default privileges in schema other revoke execute on functions from ann")
    admin.query("alter default privileges revoke execute on functions from public")
    admin.query("alter default privileges grant execute on functions to public")
    with Wire(admin.status) as wire:
        ann = wire.login(PASSWORD, user="ann")
        other = "alter default privileges for user admin grant execute on functions to ann"
        assert ann.error(other)["C"] == "42501"
