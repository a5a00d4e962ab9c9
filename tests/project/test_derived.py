"""Derived environments, as far as the files alone say: names, patterns, what is copied, how SQL is rewritten."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.errors import UsageError
from deployer.project import config
from deployer.project.derived.closure import Needs, copied
from deployer.project.derived.names import DEFAULT_HOURS, derive, suffix
from deployer.project.derived.rewrite import late_binding, rewritten
from deployer.sql.lexer import tokenize

TOML = '[project]\nname = "p"\n\n[env.local]\nkind = "local"\n\n'
MEMBERS = {"curated.bookings", "raw.bookings", "metrics.refresh", "Odd Schema.t"}


def load(root: Path, text: str) -> config.Project:
    (root / "zeroshift.toml").write_text(TOML + text)
    return config.load(root)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("pr-123", "__pr_123"),
        ("PR.9", "__pr_9"),
        ("feature/new--thing", "__feature_new_thing"),
        ("a" * 24, f"__{'a' * 24}"),
    ],
)
def test_a_suffix_is_made_of_the_name(name: str, wanted: str) -> None:
    assert suffix(name) == wanted


def test_a_long_name_is_cut_and_stays_its_own() -> None:
    long = "a" * 25
    assert re.fullmatch(r"__a{15}_[0-9a-f]{8}", suffix(long))
    assert suffix(long) != suffix(f"{long}a")


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,127}", fullmatch=True))
def test_a_suffix_needs_no_quotes_and_is_short(name: str) -> None:
    assert re.fullmatch(r"__[a-z0-9][a-z0-9_]{0,23}", suffix(name))


def test_a_pattern_of_the_configuration_derives(tmp_path: Path) -> None:
    project = load(tmp_path, '[env."pr-*"]\nbase = "local"\nhours = 5\n\n[env."pr-big-*"]\nbase = "local"\n')
    assert list(project.environments) == ["local"]
    small, big = project.derived("pr-1"), project.derived("pr-big-1")
    assert small is not None and (small.base, small.hours, small.suffix) == ("local", 5, "__pr_1")
    # The longest pattern says how long it lives.
    assert big is not None and big.hours == DEFAULT_HOURS
    assert project.derived("local") is None and project.derived("other") is None
    with pytest.raises(UsageError, match="is no environment's name"):
        derive(project.patterns, "pr-ä")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[env."pr-*"]\nbase = "nowhere"\n', ":8: base 'nowhere' of env.pr-* is no environment of this file"),
        ('[env."pr-*"]\nhours = 3\n', ':7: [env.pr-*] lacks the key \'base\''),
        ('[env."pr-*"]\nbase = "local"\nkind = "local"\n', ":9: unknown key 'kind'"),
        ('[env."pr-*"]\nbase = "local"\nhours = 0\n', ":9: hours"),
    ],
)  # fmt: skip
def test_a_wrong_pattern_is_told_with_its_line(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        load(tmp_path, text)
    assert sentence in str(caught.value)


# -- what is copied ----------------------------------------------------------------------------------------------------

NEEDS = Needs(
    reads={
        "raw.b": frozenset(), "curated.load": frozenset(["raw.b"]), "metrics.one": frozenset(["curated.t"]),
        "metrics.two": frozenset(["other.t"]), "ops.run": frozenset(), "shown.one": frozenset(["metrics.t1"]),
        "shown.top": frozenset(["shown.one"]), "shown.two": frozenset(["metrics.t2"]),
        "elsewhere.run": frozenset(["other.t"]),
    },
    writes={
        "raw.b": frozenset(), "curated.load": frozenset(["curated.t"]), "metrics.one": frozenset(["metrics.t1"]),
        "metrics.two": frozenset(["metrics.t2"]), "ops.run": frozenset(["ops.log"]), "shown.one": frozenset(),
        "shown.top": frozenset(), "shown.two": frozenset(), "elsewhere.run": frozenset(["elsewhere.t"]),
    },
    calls={"ops.run": frozenset(["curated.load", "metrics.one", "metrics.two"])},
    exports={},
)  # fmt: skip
PIPELINE = {"curated.load", "metrics.one", "metrics.two", "ops.run", "shown.one", "shown.top", "shown.two"}
WRITTEN = {"curated.t", "metrics.t1", "metrics.t2", "ops.log"}


@pytest.mark.parametrize(
    ("objects", "tables", "own", "stored"),
    [
        ([], [], set(), set()),
        (["shown.top"], [], {"shown.top"}, set()),
        (["shown.one"], [], {"shown.one", "shown.top"}, set()),
        (["metrics.one"], [], PIPELINE, WRITTEN),
        (["raw.b"], [], PIPELINE | {"raw.b"}, WRITTEN),
        ([], ["metrics.t2"], PIPELINE, WRITTEN),
        ([], ["other.t"], PIPELINE | {"elsewhere.run"}, WRITTEN | {"other.t", "elsewhere.t"}),
        (["elsewhere.run"], [], {"elsewhere.run"}, {"elsewhere.t"}),
    ],
)
def test_what_differs_takes_along_what_follows(
    objects: list[str], tables: list[str], own: set[str], stored: set[str]
) -> None:
    assert copied(NEEDS, objects, tables) == (own, stored)


# -- rewriting ---------------------------------------------------------------------------------------------------------


def again(text: str) -> str:
    return rewritten(text, MEMBERS, "__pr_1", "f.sql", 10)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("select * from curated.bookings", 'select * from "curated__pr_1".bookings'),
        ("select CURATED . Bookings.id from Curated.bookings",
         'select "curated__pr_1" . Bookings.id from "curated__pr_1".bookings'),
        ('select 1 from "raw".bookings, raw.apartments', 'select 1 from "raw__pr_1".bookings, raw.apartments'),
        ('select 1 from "Odd Schema".t', 'select 1 from "Odd Schema__pr_1".t'),
        ("select bookings.id from curated.users as bookings", "select bookings.id from curated.users as bookings"),
        ("select 'curated.bookings' /* curated.bookings */ -- curated.bookings",
         "select 'curated.bookings' /* curated.bookings */ -- curated.bookings"),
        ("create table curated.bookings (a integer encode raw)",
         'create table "curated__pr_1".bookings (a integer encode raw)'),
        ("create or replace procedure metrics.refresh(a curated.bookings.id%type) as $$ begin -- curated.bookings\n"
         "call metrics.refresh(1); insert into log values ('curated.bookings'); end; $$ language plpgsql",
         'create or replace procedure "metrics__pr_1".refresh(a "curated__pr_1".bookings.id%type) as $$ begin'
         ' -- curated.bookings\ncall "metrics__pr_1".refresh(1); insert into log values (\'curated.bookings\'); end;'
         " $$ language plpgsql"),
    ],
)  # fmt: skip
def test_names_get_the_suffix(text: str, wanted: str) -> None:
    assert again(text) == wanted


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("select 1\nfrom dev.curated.bookings", "f.sql:11: a name with its database cannot be rewritten"),
        ("select curated.id\nfrom curated.bookings as curated", "f.sql:11: curated is a schema and the name of"),
        ("create procedure x.y() as $$ declare\n curated record;\nbegin select 1 from curated.bookings; end; $$",
         "f.sql:11: curated is a schema"),
    ],
)  # fmt: skip
def test_what_could_be_something_else_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError) as caught:
        again(text)
    assert str(caught.value).startswith(sentence)


WORDS = st.sampled_from(
    ["curated.bookings", "raw.bookings", "curated.users", "bookings.id", "'curated.bookings'", "x", "(", ")", ",",
     "--curated.bookings\n", "/* raw.bookings */", '"raw"."bookings"', "1.5", "select"]
)  # fmt: skip


@given(st.lists(WORDS, max_size=12))
def test_nothing_else_changes(words: list[str]) -> None:
    text = " ".join(words)
    before, after = tokenize(text), tokenize(again(text))
    assert len(before) == len(after)
    for index, (old, new) in enumerate(zip(before, after, strict=True)):
        is_schema = index + 2 < len(before) and f"{old.value}.{before[index + 2].value}" in MEMBERS
        if is_schema and before[index + 1].value == "." and old.kind in ("word", "quoted"):
            assert (new.kind, new.value) == ("quoted", f"{old.value}__pr_1")
        else:
            assert (new.kind, new.value) == (old.kind, old.value)


def test_a_view_is_made_late_binding_once() -> None:
    bound = "create or replace view a.b as select 1 as x from c.d"
    loose = late_binding(bound)
    assert loose == f"{bound}\nwith no schema binding"
    assert late_binding(loose) == loose
