"""Aggregates and window functions over tables: results, their types and what is refused."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

Ask = Callable[[str], list[list[str]]]

SALES = """
create table {schema}.sales (id int, city varchar(20), qty int, price decimal(12,2), ratio float8, day date)
"""
ROWS = """
insert into {schema}.sales values
(1, 'Oslo', 10, 2.50, 0.5, '2024-01-01'),
(2, 'Oslo', 10, 3.75, 1.5, '2024-01-03'),
(3, 'Oslo', 30, 1.90, null, '2024-01-05'),
(4, 'Rome', 20, 7.50, 2.5, '2024-01-02'),
(5, 'Rome', null, 15.20, 3.5, '2024-01-04'),
(6, 'Rome ', 40, null, 4.5, null)
"""


@pytest.fixture(scope="module")
def sales(ask: Ask) -> Iterator[Ask]:
    """ask() in a schema that holds the table sales."""
    ask("drop schema if exists function_tests cascade")
    ask("create schema function_tests")
    ask(SALES.format(schema="function_tests"))
    ask(ROWS.format(schema="function_tests"))
    ask("set search_path to function_tests")
    yield ask
    ask("set search_path to public")
    ask("drop schema function_tests cascade")


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("count(*)", "6"),
        ("count(qty)", "5"),
        ("count(distinct city)", "2"),  # trailing blanks do not count
        ("sum(qty)", "110"),
        ("avg(qty)", "22"),
        ("avg(-qty)", "-22"),
        ("avg(qty::decimal(10,2))", "22.00"),
        ("sum(price)", "30.85"),
        ("avg(price)", "6.17"),
        ("sum(ratio)", "12.5"),
        ("avg(ratio)", "2.5"),
        ("min(price)", "1.90"),
        ("max(city)", "Rome "),
        ("sum(price) / count(*)", "5.1417"),
        ("round(stddev_samp(qty), 6)", "13.038405"),
        ("var_pop(qty)", "136"),
        ("variance(qty)", "170"),
        ("bit_and(qty)", "0"),
        ("bit_or(qty)", "62"),
        ("bool_and(qty > 5)", "t"),
        ("bool_or(qty > 100)", "f"),
        ("median(qty)", "20.0"),
        ("median(price)", "3.75"),
        ("median(ratio)", "2.5"),
        ("median(day)", "2024-01-03"),
        ("percentile_cont(0.5) within group (order by qty desc)", "20.0"),
        ("percentile_cont(0.25) within group (order by ratio)", "1.5"),
        ("percentile_disc(0.5) within group (order by qty)", "20"),
        ("percentile_disc(0.4) within group (order by city)", "Oslo"),
        ("listagg(id, ',') within group (order by price desc)", "6,5,4,2,1,3"),
        ("listagg(id) within group (order by id)", "123456"),
        ("listagg(distinct qty, ',') within group (order by id)", "10,30,20,40"),
        ("listagg(distinct city, '|') within group (order by id)", "Oslo|Rome"),
        ("listagg(nullif(qty, 10), ',') within group (order by id)", "30,20,40"),
        ("any_value(1)", "1"),
    ],
)
def test_aggregate(sales: Ask, expression: str, expected: str) -> None:
    assert sales(f"select {expression} from sales") == [[expected]]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("sum(qty)", "\\N"),
        ("avg(price)", "\\N"),
        ("median(price)", "\\N"),
        ("listagg(city, ',') within group (order by id)", "\\N"),
        ("count(*)", "0"),
        ("percentile_disc(0.5) within group (order by qty)", "\\N"),
    ],
)
def test_aggregate_of_nothing(sales: Ask, expression: str, expected: str) -> None:
    assert sales(f"select {expression} from sales where id > 100") == [[expected]]


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("sum(qty) over (order by id rows unbounded preceding)", "10,20,50,70,70,110"),
        ("avg(qty) over (order by id rows unbounded preceding)", "10,10,16,17,17,22"),
        ("avg(price) over (partition by trim(city))", "2.71,2.71,2.71,11.35,11.35,11.35"),
        ("min(qty) over (order by id rows between 2 preceding and 1 preceding)", r"\N,10,10,10,20,20"),
        ("count(*) over ()", "6,6,6,6,6,6"),
        ("row_number() over (order by id desc)", "6,5,4,3,2,1"),
        ("rank() over (order by qty)", "1,1,4,3,6,5"),
        ("dense_rank() over (order by qty)", "1,1,3,2,5,4"),
        ("ntile(2) over (order by id)", "1,1,1,2,2,2"),
        ("lag(qty) over (order by id)", r"\N,10,10,30,20,\N"),
        ("lead(qty, 2) over (order by id)", r"30,20,\N,40,\N,\N"),
        ("lag(qty) ignore nulls over (order by id)", r"\N,10,10,30,20,20"),
        ("lag(qty, 2) ignore nulls over (order by id)", r"\N,\N,10,10,30,30"),
        ("lead(qty) ignore nulls over (order by id)", r"10,30,20,40,40,\N"),
        (
            "first_value(qty) over (order by id desc {whole})",
            "40,40,40,40,40,40",
        ),
        (
            "last_value(price ignore nulls) over (order by id {whole})",
            "15.20,15.20,15.20,15.20,15.20,15.20",
        ),
        (
            "nth_value(qty, 2) ignore nulls over (order by id desc {whole})",
            "20,20,20,20,20,20",
        ),
        ("round(ratio_to_report(nvl(qty, 0)) over (partition by trim(city)), 4)", "0.2,0.2,0.6,0.3333,0,"
         "0.6667"),
        ("median(qty) over (partition by trim(city))", "10.0,10.0,10.0,30.0,30.0,30.0"),
        ("percentile_cont(0.5) within group (order by ratio) over (partition by trim(city))",
         "1,1,1,3.5,3.5,3.5"),
        ("percentile_disc(0.5) within group (order by qty) over (partition by trim(city))",
         "10,10,10,20,20,20"),
        ("listagg(id, '+') within group (order by qty desc, id) over (partition by trim(city))",
         "3+1+2,3+1+2,3+1+2,5+6+4,5+6+4,5+6+4"),
        ("listagg(distinct city, '+') within group (order by id) over ()", ",".join(["Oslo+Rome"] * 6)),
        ("percent_rank() over (order by id)", "0,0.2,0.4,0.6,0.8,1"),
        ("cume_dist() over (order by trim(city))", "0.5,0.5,0.5,1,1,1"),
    ],
)  # fmt: skip
def test_window(sales: Ask, expression: str, expected: str) -> None:
    expression = expression.replace("{whole}", "rows between unbounded preceding and unbounded following")
    rows = sales(f"select id, {expression} as answer from sales order by id")
    assert ",".join(row[1] for row in rows) == expected


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ("select sum(qty) over (order by id) from sales", "require a frame clause"),
        ("select row_number() from sales", "requires an OVER clause"),
        ("select rank() over (order by id rows unbounded preceding) from sales", "no window frame"),
        ("select median(qty) over (order by id) from sales", "no ORDER BY"),
        ("select lag(qty) over (partition by city) from sales", "needs ORDER BY"),
        ("select sum(city) from sales", "not a number"),
        ("select upper(city) over () from sales", "not a window function"),
        ("select count(distinct qty) over (partition by city) from sales", "DISTINCT is not supported"),
        ("select percentile_cont(0.5) from sales", "needs WITHIN GROUP"),
        ("select percentile_cont(1.5) within group (order by qty) from sales", "between 0 and 1"),
        ("select percentile_cont(0.333) within group (order by price) from sales", "more than 2 decimals"),
        ("select median(price) from sales where id in (1, 2)", "more than 2 decimals"),
        ("select median(city) from sales", "needs a number"),
        ("select listagg(repeat(city, 4000), ',') from sales", "exceeds LISTAGG limit"),
        ("select sum(distinct) from sales", "syntax error"),
        ("select sum(*) from sales", "takes an expression"),
        ("select string_agg(city, ',') from sales", "LISTAGG"),
        ("select max(qty > 1) from sales", "BOOLEAN"),
        ("select listagg(id) within group (order by id), listagg(id) within group (order by qty) from sales",
         "must be the same"),
        ("select percentile_cont(0.5) within group (order by id), median(price) from sales", "must be the same"),
        ("select approximate count(qty) from sales", "APPROXIMATE is for"),
    ],
)  # fmt: skip
def test_refused(sales: Ask, query: str, words: str) -> None:
    with pytest.raises(Exception, match=words) as raised:
        sales(query)
    assert type(raised.value).__name__ == "Answered"


@pytest.mark.parametrize(
    ("expression", "expected"),
    [
        ("sum(qty)", "bigint"),
        ("sum(price)", "numeric(38,2)"),
        ("avg(qty)", "bigint"),
        ("avg(price)", "numeric(38,2)"),
        ("avg(ratio)", "double precision"),
        ("count(*)", "bigint"),
        ("median(qty)", "numeric(38,1)"),
        ("stddev_pop(price)", "double precision"),
        ("max(qty)", "integer"),
        ("max(price)", "numeric(12,2)"),
        ("listagg(city)", "character varying(65535)"),
        ("dateadd(day, 1, max(day))", "timestamp without time zone"),
        ("datediff(day, min(day), max(day))", "bigint"),
        ("last_day(max(day))", "date"),
        ("date_part(year, max(day))", "double precision"),
        ("extract(year from max(day))", "integer"),
        ("date_trunc('month', max(day))", "timestamp without time zone"),
        ("round(max(price), 1)", "numeric(12,1)"),
        ("floor(max(price))", "numeric(12,0)"),
        ("to_number('1.5', '9D99')", "numeric(3,2)"),
        ("coalesce(max(price), 0)", "numeric(12,2)"),
        ("mod(max(qty), 3)", "integer"),
        ("len(max(city))", "integer"),
    ],
)
def test_result_type(sales: Ask, expression: str, expected: str) -> None:
    sales("drop table if exists typed")
    sales(f"create table typed as select {expression} as answer from sales")
    rows = sales(
        "select format_type(atttypid, atttypmod) from pg_attribute join pg_class on pg_class.oid = attrelid "
        "join pg_namespace on pg_namespace.oid = relnamespace "
        "where relname = 'typed' and nspname = 'function_tests' and attname = 'answer'"
    )
    assert rows == [[expected]]


def test_leader_only_functions_are_refused_over_user_tables(sales: Ask) -> None:
    with pytest.raises(Exception, match="leader node"):
        sales("select now(), id from sales")
    assert len(sales("select now()")) == 1


def test_compute_only_functions_need_a_table(sales: Ask) -> None:
    with pytest.raises(Exception, match="user created tables"):
        sales("select median(1)")
