"""Statements that are cut, changed and mixed: each gets an answer, and no error tells of the engine's own names."""

from __future__ import annotations

import random
import re
from typing import Any

import pytest
from gateway_wire import Wire

from deployer.local.environment import Status
from deployer.local.gateway import codec
from deployer.local.gateway.codec import message, text
from deployer.local.support import COMMANDS, SETUP

OURS = re.compile(
    r"zeroshift|redshift_catalog|redshift_newer|redshift_information|zs_bytes|zs protected|redshift\.|pg_temp_\d|"
    r"\bzs\d+|\bzp\d+|internal error",
    re.I,
)
"""What no error may show."""

QUERIES = (
    "select a, sum(a) over (partition by b order by a rows unbounded preceding) from t where b like 'x%' limit 3",
    "with c as (select a from t union all select a from u) select top 2 * from c order by 1 desc",
    "select listagg(b, ',') within group (order by a), median(a), count(distinct b) from t group by cube (a, b)",
    "select case when a > 1 then 'x' else b end, decode(a, 1, 'one'), nvl2(b, 1, 2), a::decimal(10, 2) / 3 from t",
    "select json_parse('{\"k\": [1, 2]}').k[0], cast('2024-01-01' as date) + 1, dateadd(day, 1, getdate())",
    "select t.*, u.b from t left join u using (a) where exists (select 1 from u where u.a = t.a) and a between 1 and 2",
    "select b from t where a in (select a from u) minus select b from u",
    "select regexp_substr(b, '[a-z]+', 1, 1), b || 'x', substring(b from 1 for 2), a % 2, -a, not true from t",
    "insert into t (a, b) select a + 1, upper(b) from u",
    "update t set b = default, a = (select max(a) from u) where a is not null",
    "create table f (a bigint identity(1, 1) encode az64, b char(3) not null, primary key (a)) distkey (a)",
    "select table_name, ordinal_position from svv_columns where table_schema = 'sup' order by 1, 2",
    "select pg_get_viewdef('v'), has_table_privilege('t', 'select'), version() from pg_class limit 1",
    "select trim(query_text), status from sys_query_history order by query_id desc limit 1",
)
SEEDS = [part for command in COMMANDS for part in command.example.split(";;") if part] + list(QUERIES)
_DANGEROUS = re.compile(r"drop schema|alter default|\bcancel\b|password", re.I)
WORDS = [
    "null", "(", ")", ",", ";", "'", '"', "$$", "$1", "::", "*", ".", "--", "/*", "1e400", "-1", "''",
    "E'\\x'", "select", "from", "where", "as", "with", "not", "in", "all", "any", "over",
    "interval '1' day", "cast(", "case", "end", "t", "u", "v", "mv", "p(1)", "a", "b", "a.b.c.d", "t.*",
    "super", "varchar(max)", "decimal(99, 1)", "cascade", "if exists", "\u00e4\u20ac", "\\", "pg_class",
    "svv_tables", "x" * 130, "9" * 40, "current_user", "sysdate", "getdate()", "array(1)", "{'a': 1}",
    "union", "order by 1", "(+)",
]  # fmt: skip


def mangled(rng: random.Random) -> str:
    """A statement that was cut, or whose words were lost, doubled, swapped or replaced."""
    words = re.findall(r"\w+|'[^']*'|\s+|.", rng.choice(SEEDS), re.S)
    for _ in range(rng.randint(1, 4)):
        if not words:
            break
        at = rng.randrange(len(words))
        change = rng.randrange(6)
        if change == 0:
            del words[at:]
        elif change == 1:
            del words[at]
        elif change == 2:
            words[at] = rng.choice(WORDS)
        elif change == 3:
            words[at:at] = [" ", rng.choice(WORDS), " "]
        elif change == 4:
            other = re.findall(r"\w+|'[^']*'|\s+|.", rng.choice(SEEDS), re.S)
            words[at:] = other[rng.randrange(len(other)) :]
        else:
            to = rng.randrange(len(words))
            words[at], words[to] = words[to], words[at]
    return "".join(words)[:4000]


def parsed(connection: Wire, sql: str) -> list[tuple[bytes, bytes]]:
    """The answer to Parse and Describe of `sql`, which does not run it."""
    connection.send(
        message(b"P", text(""), text(sql), codec.int16(0)), message(b"D", b"S", text("")), message(b"S")
    )
    return connection.until()


def told(answer: list[tuple[bytes, bytes]]) -> list[dict[str, str]]:
    return [codec.unpack_fields(data) for kind, data in answer if kind == b"E"]


def wrong(connection: Wire, sql: str, *, run: bool) -> list[Any]:
    """What an answer tells that it should not."""
    answer = connection.query(sql) if run else parsed(connection, sql)
    found = []
    for fields in told(answer):
        shown = " ".join(fields.get(letter, "") for letter in "MDHW")
        leaked = {name.lower() for name in OURS.findall(shown)} - {name.lower() for name in OURS.findall(sql)}
        if leaked:
            found.append((sql, shown, sorted(leaked)))
    return found


def fuzz(status: Status, seed: int, count: int) -> list[Any]:
    rng = random.Random(seed)
    found: list[Any] = []
    with Wire(status) as connection:
        connection.login()
        for statement in (*SETUP, "set statement_timeout to 10000"):
            assert not told(connection.query(statement)), statement
        for _ in range(count):
            sql = mangled(rng).replace("\0", "")
            if _DANGEROUS.search(sql):
                continue
            found += wrong(connection, sql, run=rng.random() < 0.6)
            # Whatever it was: the session is there, and no transaction stays open or failed.
            connection.query("rollback")
            assert connection.rows("select 17") == [("17",)], sql
    return found


def test_what_it_found(fresh_database: Status) -> None:
    with Wire(fresh_database) as connection:
        connection.login()
        connection.query("create user w password 'Wwwww1234'")
        assert "syntax error" in connection.error("alter user w ")["M"]
        # A number, a dot and a word: the tokens themselves are wrong.
        for shown in ("constraints primary keys from table 99.t", "table 99.t", "view 99.t", "procedure 99.t"):
            assert 'syntax error at or near "t"' in connection.error(f"show {shown}")["M"]


def test_mangled_statements(fresh_database: Status) -> None:
    assert fuzz(fresh_database, random.randrange(10**9), 250) == []


@pytest.mark.slow
def test_many_mangled_statements(fresh_database: Status) -> None:
    assert fuzz(fresh_database, random.randrange(10**9), 4000) == []
