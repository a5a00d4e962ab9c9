"""What a procedure is bound to refuse, read out of its body."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deployer.project.lint.folding import Unknown, fold
from deployer.project.lint.foresee import refusal
from deployer.sql.procedure import parse_create_procedure

REPOSITORY = Path(__file__).parents[2]
KNOWN = {"word": "Stays", "empty": "", "nothing": None, "blank": "a "}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("split_part('a.b.c', '.', 2) || word", "bStays"), ("split_part(word, '.', 2)", ""),
        ("right(word, 2) = 'ys' and left(word, 9) <> 'Sta'", True), ("upper(word)", "STAYS"),
        ("length(word) = 5", True), ("word in ('a', 'Stays')", True), ("word not in ('a', null)", None),
        ("word like 'S_a%'", True), ("nothing = word", None), ("nothing is null", True),
        ("not (nothing is true)", True),
        ("coalesce(nothing, empty)", ""), ("case word when 'a' then 1 when 'Stays' then 2 end", 2),
        ("case when nothing then 1 else 3 end", 3), ("false and stranger = 1", False), ("stranger or true", True),
        ("nothing and true", None), ("nothing || word", None),
    ],
)  # fmt: skip
def test_what_can_be_told(text: str, value: Any) -> None:
    assert fold(text, KNOWN) == value


@pytest.mark.parametrize(
    "text",
    [
        "stranger", "word = 1", "blank = 'a'", "word = 'stays'", "word like 'stays'", "word > 'a'", "1 + 1", "1.5",
        "stranger and true", "getdate()", "split_part(word, '', 1)", "upper('\u00e9')", "(select max(1))",
        "word::char(2)",
        "word(", "max(word)", "word in ('a', stranger)", "'it", "word like '\\\\S%'",
    ],
)  # fmt: skip
def test_what_cannot(text: str) -> None:
    with pytest.raises(Unknown):
        fold(text, KNOWN)


def told(body: str, declared: str = "") -> str | None:
    text = (
        "create procedure archive.check_horizon(of_table varchar(20), period varchar(128), day date) as $$\n"
        f"declare\n    text_one varchar(5) := 'one';\n{declared}\nbegin\n{body}\nend;\n$$ language plpgsql"
    )
    return refusal(parse_create_procedure(text), {"of_table": "shop.sold", "period": "at"})


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise exception '% and %, 100 %%: %', of_table, text_one, day;", "shop.sold and one, 100 %: <day>"),
        ("if of_table = 'shop.sold' then raise exception 'no'; end if;", "no"),
        ("if of_table = 'a' then return; elsif period = 'at' then null; else return; end if;"
         " raise exception 'b';", "b"),
        ("text_one := 'two'; if text_one = 'two' then raise exception 'c'; end if;", "c"),
        ("select max(a) into text_one from shop.sold; update shop.sold set a = 1; raise exception 'd';", "d"),
        ("raise notice '%', day; begin raise exception 'e'; end;", "e"),
        # What is not certain.
        ("select max(a) into text_one from shop.sold; if text_one = 'one' then raise exception 'f'; end if;", None),
        ("call shop.change(text_one); if text_one = 'one' then raise exception 'g'; end if;", None),
        ("if day < '2024-01-01' then raise exception 'h'; end if; raise exception 'i';", None),
        ("text_one := 'longer than five'; if text_one = 'one' then raise exception 'j'; end if;", None),
        ("if number_one = 1 then raise exception 'k'; end if;", None),
        ("for i in 1..2 loop raise exception 'l'; end loop;", None),
        ("begin raise exception 'm'; exception when others then null; end;", None),
        ("return; raise exception 'n';", None), ("null;", None),
    ],
)  # fmt: skip
def test_a_body_is_followed_as_far_as_it_is_certain(body: str, message: str | None) -> None:
    assert told(body, "    number_one integer := 1;") == message


def test_the_pipeline_s_own_procedure() -> None:
    text = (REPOSITORY / "procedures" / "archive" / "check_horizon.sql").read_text(encoding="utf-8")
    created = parse_create_procedure(text[: text.index("-- Usage")].strip().removesuffix(";"))

    def says(table: str, period: str) -> str:
        return refusal(created, {"of_table": table, "period_column": period}) or "may"

    assert (
        says("curated.bookings", "closed_on")
        == says("metrics.occupancy_rate_monthly", "month_start")
        == "may"
    )
    assert says("shop.sold", "day") == "may"
    assert "rows of curated.bookings may be deleted by the period closed_on alone: checkin_date does" in says(
        "curated.bookings", "checkin_date"
    )
    assert "rows of curated.exchange_rates are never deleted" in says("curated.exchange_rates", "rate_date")
