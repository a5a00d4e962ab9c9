from __future__ import annotations

from deployer.sql.plpgsql import parse_body
from deployer.sql.plpgsql_calls import CallSite, Variable, call_sites

BODY = """
<<outer_block>>
declare
    a bigint;
    fixed constant integer := 1;
    other alias for $1;
    row record;
begin
    call s.first(a, given);
    if a > 1 then
        call s.in_if(a);
    elsif a > 2 then
        null;
    else
        call s.in_else(a);
    end if;
    for i in 1..3 loop
        call s.in_loop(i);
    end loop;
    for row in select 1 as x loop
        declare
            a date;
        begin
            call s.in_block(a, outer_block.a);
        end;
    end loop;
    while a < 1 loop
        case a when 1 then call s.in_case(other); else call s.otherwise(fixed); end case;
    end loop;
    execute 'call s.written(1)';
    execute 'CALL s.' || given;
    execute 'select 1';
exception when others then
    call s.in_handler(i);
end;
"""


def sites() -> dict[str, CallSite]:
    found = call_sites(parse_body(BODY), {"given": Variable("varchar"), "$1": Variable("varchar")})
    return {site.call.name if site.call else "?": site for site in found}


def test_every_call_is_found_in_order() -> None:
    assert list(sites()) == [
        "first", "in_if", "in_else", "in_loop", "in_block", "in_case", "otherwise", "written", "?", "in_handler"
    ]  # fmt: skip


def test_a_call_sees_the_variables_of_its_place() -> None:
    found = sites()
    assert found["first"].variables["a"] == Variable("bigint")
    assert found["first"].variables["given"] == Variable("varchar")
    assert found["in_loop"].variables["i"] == Variable("integer")
    assert "i" not in found["first"].variables and "i" not in found["in_handler"].variables
    assert found["in_block"].variables["a"] == Variable("date")
    assert found["in_block"].variables["outer_block.a"] == Variable("bigint")
    assert found["in_case"].variables["other"] == Variable("varchar")
    assert found["otherwise"].variables["fixed"] == Variable("integer", constant=True)
    assert found["written"].variables == {}


def test_a_call_stands_where_it_is_written() -> None:
    assert BODY[sites()["in_block"].at :].startswith("call s.in_block")
    assert BODY[sites()["?"].at :].startswith("execute 'CALL s.'")
