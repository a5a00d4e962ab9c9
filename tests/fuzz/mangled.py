"""Statements that are cut, changed and mixed."""

from __future__ import annotations

import random
import re

from deployer.local.support import COMMANDS

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
WORDS = [
    "null", "(", ")", ",", ";", "'", '"', "$$", "$1", "::", "*", ".", "--", "/*", "1e400", "-1", "''",
    "E'\\x'", "select", "from", "where", "as", "with", "not", "in", "all", "any", "over",
    "interval '1' day", "cast(", "case", "end", "t", "u", "v", "mv", "p(1)", "a", "b", "a.b.c.d", "t.*",
    "super", "varchar(max)", "decimal(99, 1)", "cascade", "if exists", "\u00e4\u20ac", "\\", "pg_class",
    "svv_tables", "x" * 130, "9" * 40, "current_user", "sysdate", "getdate()", "array(1)", "{'a': 1}",
    "\ufeff", "\u00a0", "\r", "\x01", "[0]", "$2", ":=", "e'\\'", "%", "#t", "@", "&", "~", "\U0001f600", "exclude",
]  # fmt: skip
DANGEROUS = re.compile(
    r"drop schema|alter default|\bcancel\b|password|alter user admin|session authorization|generate_series",
    re.I,
)
"""What would end the fuzz itself."""


def mangled(rng: random.Random, seeds: list[str]) -> str:
    """A statement that was cut, or whose words were lost, doubled, swapped or replaced."""
    words = re.findall(r"\w+|'[^']*'|\s+|.", rng.choice(seeds), re.S)
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
            other = re.findall(r"\w+|'[^']*'|\s+|.", rng.choice(seeds), re.S)
            words[at:] = other[rng.randrange(len(other)) :]
        else:
            to = rng.randrange(len(words))
            words[at], words[to] = words[to], words[at]
    return "".join(words)[:4000]
