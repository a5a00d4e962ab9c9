"""Statements of the guide's examples that are more than one expression: what they give."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

Ask = Callable[[str], list[list[str]]]


@pytest.fixture(scope="module")
def shop(ask: Ask) -> Iterator[Ask]:
    """`ask` in a schema with the guide's WINSALES, as far as the queries below read it."""
    for sql in (
        "drop schema if exists guide cascade", "create schema guide", "set search_path to guide",
        "create table winsales (salesid int, sellerid int, buyerid char(10), qty int, likes boolean)",
        "insert into winsales values (1, 1, 'a', 10, true), (2, 1, 'b', 30, false), (3, 2, 'a', 20, null),"
        " (4, 2, 'a', 50, true)",
    ):  # fmt: skip
        ask(sql)
    yield ask
    ask("drop schema guide cascade")
    ask("reset search_path")


def test_a_percentile_of_a_window_is_taken_over_aggregates(shop: Ask) -> None:
    """r_WF_MEDIAN, r_WF_PERCENTILE_CONT: MEDIAN(SUM(x)) OVER ()."""
    rows = shop(
        "select sellerid, median(sum(qty)) over (), percentile_disc(0.6) within group (order by sum(qty) desc) over (),"
        " listagg(sum(qty)::varchar, ',') within group (order by sum(qty)) over () from winsales group by 1 order by 1"
    )
    assert rows == [["1", "55.0", "40", "40,70"], ["2", "55.0", "40", "40,70"]]


def test_a_sub_query_s_columns_hide_the_grouped_ones_outside(shop: Ask) -> None:
    """r_Subquery_examples: the sub-query reads the table that the query around groups."""
    rows = shop(
        "select buyerid, sum(qty), (select sum(qty) from winsales where buyerid = 'a') as of_a from winsales"
        " group by buyerid order by buyerid"
    )
    assert [[row[0].strip(), *row[1:]] for row in rows] == [["a", "80", "80"], ["b", "30", "80"]]


def test_an_integer_beside_a_boolean_is_its_truth(shop: Ask) -> None:
    """r_logical_condition."""
    assert shop("select salesid from winsales where likes = 1 and qty > 10") == [["4"]]


def test_is_true_stands_in_where_only(shop: Ask) -> None:
    """r_Boolean_type."""
    assert shop("select salesid from winsales where likes is true order by 1") == [["1"], ["4"]]
    with pytest.raises(Exception, match="Not implemented"):
        shop("select likes is true as yes from winsales")


def test_the_columns_of_a_table_made_from_calls_have_the_documented_names(shop: Ask) -> None:
    """r_DATE_PART_function, r_DATEADD_function, r_DATEDIFF_function, r_NVL_function, r_NULLIF_function."""
    shop(
        "create table named as select date_part(year, date '2020-01-01'), dateadd(day, 1, date '2020-01-01'),"
        " datediff(day, '2020-01-01', '2020-01-02'), nvl(sellerid, 0), nullif(qty, 0), qty as table from winsales"
    )
    names = shop("select \"column\" from pg_table_def where tablename = 'named'")
    assert [name for (name,) in names] == ["pgdate_part", "date_add", "date_diff", "coalesce", "qty", "table"]


def test_an_interval_column_cuts_its_values_to_its_qualifier(shop: Ask) -> None:
    """r_interval_data_types."""
    shop("create table spans (y2m interval month, h2m interval hour to minute)")
    shop("insert into spans values ('20', '2 1:1:1.123456'), (null, '20')")
    assert shop("select * from spans order by h2m") == [
        ["\\N", "00:20:00"],
        ["1 year 8 mons", "2 days 01:01:00"],
    ]
    assert shop("select sum(y2m), avg(h2m) from spans") == [["1 year 8 mons", "1 day 00:40:30"]]


def test_json_parse_takes_no_attribute_twice_unless_it_is_told_to(shop: Ask) -> None:
    """super-configurations, "Parsing options for SUPER"."""
    document = '[{"a": 1, "b": {"a": 2}, "a": {"c": 3, "c": 4}}]'
    with pytest.raises(Exception, match="more than once"):
        shop(f"select json_parse('{document}')")
    shop("set json_parse_dedup_attributes = on")
    assert shop(f"select json_parse('{document}')") == [['[{"b":{"a":2},"a":{"c":4}}]']]
    long = "select len(json_parse('\"' || repeat('x', 16000000) || 'y' || '\"')::varchar)"
    with pytest.raises(Exception, match="longer than 16000000 bytes"):
        shop(long)
    shop("set json_parse_truncate_strings = on")
    assert shop(long) == [["16000000"]]
    shop("reset json_parse_truncate_strings")
    shop("reset json_parse_dedup_attributes")


def test_the_columns_of_a_view_are_records_in_a_select_list(shop: Ask) -> None:
    """PG_GET_COLS, PG_GET_LATE_BINDING_VIEW_COLS."""
    shop("create view sales_vw as select salesid, qty::numeric(8,2) from winsales")
    assert shop("select pg_get_cols('sales_vw')") == [
        ["(guide,sales_vw,salesid,integer,1)"], ['(guide,sales_vw,qty,"numeric(8,2)",2)']
    ]  # fmt: skip
    shop("create view late_vw as select salesid from guide.winsales with no schema binding")
    assert ["(guide,late_vw,salesid,integer,1)"] in shop("select pg_get_late_binding_view_cols()")
    with pytest.raises(Exception, match="does not exist with 0 arguments"):
        shop("select pg_get_cols()")


def test_time_zones_are_listed(ask: Ask) -> None:
    names = [row for (row,) in ask("select pg_timezone_names()")]
    assert any(row.startswith("(America/New_York,") for row in names)
    assert any(row.startswith("(PST,-08:00:00,f") for (row,) in ask("select pg_timezone_abbrevs()"))


def test_the_way_to_the_elements_of_a_super_value_has_any_length(shop: Ask) -> None:
    """super-examples: FROM t a, a.all_data.data.pnr.events b."""
    shop(
        'create table nested as select json_parse(\'{"data": {"pnr": {"events": [{"id": 1}, {"id": 2}]}}}\') as s'
    )
    assert shop("select b.id from nested a, a.s.data.pnr.events b order by 1") == [["1"], ["2"]]
    assert shop("select b.id, i from nested a, a.s.data.pnr.events as b at i order by 1") == [
        ["1", "0"],
        ["2", "1"],
    ]


def test_merge_reads_super_columns_whole(shop: Ask) -> None:
    """r_MERGE."""
    shop("create table target (key int, value super)")
    shop("create table source as select 1 as key, array(1, 'John') as value")
    merge = "merge into target using source on target.key = source.key when matched then update set value = {} when not"
    for part in ("source.value[0]", "source.value.name"):
        with pytest.raises(Exception, match="Partial reference of SUPER column is not supported"):
            shop(merge.format(part) + " matched then insert values (source.key, source.value)")
    shop(merge.format("source.value") + " matched then insert values (source.key, source.value)")
    assert shop("select value from target") == [['[1,"John"]']]


def test_a_percentile_of_integers_has_the_decimals_it_needs(shop: Ask) -> None:
    """r_PERCENTILE_CONT."""
    select = "select percentile_cont(0.75) within group (order by qty), median(qty) from winsales where qty in (10, 50)"
    assert shop(select) == [["40.00", "30.0"]]
    halves = "select percentile_cont(0.75) within group (order by salesid) from winsales where salesid < 3"
    assert shop(halves) == [["1.75"]]


def test_start_is_an_alias_behind_as(shop: Ask) -> None:
    """r_CONNECT_BY_clause."""
    below = "from winsales as start connect by prior salesid = sellerid and prior salesid < salesid"
    assert shop(f"select count(*) {below} start with salesid = 1") == [["4"]]


def test_an_interval_with_months_and_days_is_cut_where_the_session_wants_it(shop: Ask) -> None:
    """r_interval_forbid_composite_literals."""
    assert shop("show interval_forbid_composite_literals") == [["on"]]
    shop("set interval_forbid_composite_literals to false")
    try:
        assert shop("select interval '1 year 1 day' day to second, interval '1 year 1 day' month") == [
            ["1 day", "1 year"]
        ]
    finally:
        shop("reset interval_forbid_composite_literals")
    with pytest.raises(Exception, match="silently discard the year-month part"):
        shop("select interval '1 year 1 day' day to second")


def test_null_inside_super_is_null(shop: Ask) -> None:
    """super-examples: PIVOT counts JSON null in IN (NULL), UNPIVOT leaves it out."""
    document = '[{"q": 1, "p": "a"}, {"q": null, "p": "a"}, {"p": "b"}, null]'
    shop(f"create table nothing as select json_parse('{document}') as s")
    assert shop("select e.q is null, nvl(e.q, e.p), count(e) over () from nothing n, n.s e order by 1, 2") == [
        ["f", "1", "3"], ["t", '"a"', "3"], ["t", '"b"', "3"], ["t", "\\N", "3"]
    ]  # fmt: skip
    inner = "(select e.p::varchar, e.q from nothing n, n.s e)"
    pivot = "pivot (count(*) for q in (1, null as na)) order by 1"
    assert shop(f"select p, na from {inner} {pivot}") == [["a", "1"], ["b", "1"], ["\\N", "1"]]
    assert shop(f"select * from {inner} unpivot (v for name in (q))") == [["a", "q", "1"]]


def test_sum_and_avg_take_super(shop: Ask) -> None:
    """r_SUM, r_AVG, super-examples."""
    parts = '[{"n": "a", "p": 2.50}, {"n": "a", "p": 3.75}, {"n": "a", "p": 1.90}, {"n": "b", "p": 3}, {"n": "b"}]'
    shop(f"create table parts as select json_parse('{parts}') as s")
    inner = "(select e.n::varchar, e.p from parts t, t.s e)"
    assert shop(f"select n, sum(p), avg(p) from {inner} group by n order by n") == [
        ["a", "8.15", "2.71"], ["b", "3", "3"]
    ]  # fmt: skip
    assert shop(f"select * from {inner} pivot (avg(p) for n in ('a', 'b', 'c'))") == [["2.71", "3", "\\N"]]
    assert shop(f"select distinct sum(p) over (partition by n) from {inner} order by 1") == [["3"], ["8.15"]]
    with pytest.raises(Exception, match="DISTINCT over SUPER"):
        shop(f"select sum(distinct p) from {inner}")
