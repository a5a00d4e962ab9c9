from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployer.local.events.pattern import PatternError, parse

EVENT = {
    "source": "aws.redshift-data",
    "detail-type": "Redshift Data Statement Status Change",
    "resources": ["arn:aws:redshift-serverless:eu-west-1:0:workgroup/x"],
    "detail": {"state": "FAILED", "statementName": "rental-hourly", "rows": -1, "empty": "", "none": None, "on": True,
               "parts": [{"n": 1, "state": "ok"}, {"n": 2, "state": "bad"}], "nothing": [], "ratio": 3.0},
}  # fmt: skip


def detail(field: str, *alternatives: Any) -> str:
    return json.dumps({"detail": {field: list(alternatives)}})


@pytest.mark.parametrize(
    "pattern, matches",
    [
        ('{"source": ["aws.redshift-data"], "detail": {"state": ["FAILED", "ABORTED"]}}', True),
        ('{"source": ["aws.redshift-data"], "detail": {"state": ["FINISHED"]}}', False),
        ('{"resources": [{"suffix": "workgroup/x"}]}', True),
        (detail("statementName", {"prefix": "rental-"}), True),
        (detail("statementName", {"prefix": "hourly"}), False),
        (detail("statementName", {"prefix": {"equals-ignore-case": "RENTAL"}}), True),
        (detail("statementName", {"suffix": {"equals-ignore-case": "LY"}}), True),
        (detail("statementName", {"wildcard": "*al-h*ly"}), True),
        (detail("statementName", {"wildcard": "al-h*"}), False),
        (detail("state", {"equals-ignore-case": "failed"}), True),
        (detail("state", {"anything-but": "FINISHED"}), True),
        (detail("state", {"anything-but": ["FINISHED", "FAILED"]}), False),
        (detail("statementName", {"anything-but": {"prefix": "rental-"}}), False),
        (detail("statementName", {"anything-but": {"prefix": ["a", "b"]}}), True),
        (detail("statementName", {"anything-but": {"suffix": "hourly"}}), False),
        (detail("statementName", {"anything-but": {"wildcard": "*-x"}}), True),
        (detail("statementName", {"anything-but": {"equals-ignore-case": "RENTAL-HOURLY"}}), False),
        # The field must be there.
        (detail("missing", {"anything-but": "x"}), False),
        (detail("missing", {"exists": False}), True),
        (detail("missing", {"exists": True}), False),
        (detail("missing", "x", {"exists": False}), True),
        (detail("state", {"exists": False}), False),
        (detail("state", {"exists": True}), True),
        (detail("none", {"exists": True}), True),
        (detail("nothing", {"exists": True}), False),
        (detail("none", None), True),
        (detail("missing", None), False),
        (detail("empty", ""), True),
        (detail("on", True), True),
        (detail("on", 1), False),
        (detail("rows", -1), True),
        (detail("rows", "-1"), False),
        # By their text.
        ('{"detail": {"ratio": [3.0]}}', True),
        ('{"detail": {"ratio": [3]}}', False),
        ('{"detail": {"rows": [-1.0]}}', False),
        (detail("ratio", {"numeric": ["=", 3]}), True),
        (detail("rows", {"numeric": ["<", 0]}), True),
        (detail("rows", {"numeric": [">=", -1, "<", 5]}), True),
        (detail("rows", {"numeric": [">", -1, "<", 5]}), False),
        (detail("state", {"numeric": [">", 0]}), False),
        ('{"$or": [{"source": ["x"]}, {"detail": {"state": ["FAILED"]}}]}', True),
        ('{"source": ["x"], "$or": [{"source": ["x"]}, {"detail": {"state": ["FAILED"]}}]}', False),
        ('{"detail": {"$or": [{"rows": [7]}, {"state": [{"prefix": "F"}]}]}}', True),
        # Both in the same object of the list.
        ('{"detail": {"parts": {"n": [2], "state": ["bad"]}}}', True),
        ('{"detail": {"parts": {"n": [1], "state": ["bad"]}}}', False),
        ('{"detail": {"state": {"deeper": ["x"]}}}', False),
    ],
)
def test_matches_as_eventbridge_does(pattern: str, matches: bool) -> None:
    assert parse(pattern).matches(EVENT) is matches


@pytest.mark.parametrize(
    "pattern, problem",
    [
        ("[]", "it is not a JSON object"),
        ("{", "it is not JSON"),
        ("{}", "the pattern is empty"),
        ('{"detail": {}}', "detail is empty"),
        ('{"source": "x"}', "source must be an object or a list"),
        ('{"source": []}', "source is an empty list"),
        ('{"source": [["x"]]}', "source has a list inside its list"),
        ('{"source": [{"cidr": "10.0.0.0/8"}]}', "source: the local event bus has no cidr"),
        ('{"source": [{"contains": "x"}]}', "source: EventBridge has no operator contains"),
        (
            '{"source": [{"prefix": "a", "suffix": "b"}]}',
            "source: an object in a list has one operator, not 2",
        ),
        ('{"source": [{"prefix": 1}]}', "source: prefix takes a string"),
        ('{"source": [{"exists": "yes"}]}', "source: exists takes true or false"),
        ('{"source": [{"anything-but": ["a", 1]}]}', "strings only, or numbers only"),
        ('{"source": [{"anything-but": []}]}', "strings only, or numbers only"),
        ('{"source": [{"anything-but": {"numeric": ["=", 1]}}]}', "anything-but takes values, or one of"),
        ('{"source": [{"wildcard": "a**b"}]}', "no two * beside each other"),
        ('{"source": [{"wildcard": "a\\\\b"}]}', "a backslash stands before"),
        ('{"source": [{"numeric": ["!=", 1]}]}', "numeric compares with < <= > >= ="),
        ('{"source": [{"numeric": ["<", 1, ">", 0]}]}', "a range of numeric begins with"),
        ('{"source": [{"numeric": [">", 1, "<", 1]}]}', "the range of numeric is empty"),
        ('{"source": [{"numeric": [">", 5000000001]}]}', "within -5e9 and 5e9"),
        ('{"source": [{"numeric": [">", "1"]}]}', "compares with numbers"),
        ('{"$or": [{"source": ["x"]}]}', "at least two objects"),
        ('{"source": ["' + "x" * 4096 + '"]}', "EventBridge takes 4096"),
    ],
)
def test_refuses_what_eventbridge_does_not_take(pattern: str, problem: str) -> None:
    with pytest.raises(PatternError) as raised:
        parse(pattern)
    assert problem in str(raised.value)


def test_too_many_combinations_are_refused() -> None:
    choice = {"$or": [{"a": ["x"]}, {"b": ["x"]}]}
    with pytest.raises(PatternError, match="more than 1000"):
        parse(json.dumps({f"f{number}": choice for number in range(10)}))
    parse(json.dumps({f"f{number}": choice for number in range(9)}))


TEXTS = st.text(alphabet="abA-*\\é", max_size=6)
LEAVES = st.none() | st.booleans() | st.integers(-5, 5) | TEXTS
EVENTS = st.recursive(
    st.dictionaries(st.sampled_from("pqr"), LEAVES | st.lists(LEAVES, max_size=3), max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("pqr"), LEAVES | inner, min_size=1, max_size=3),
    max_leaves=6,
)


def exactly(event: dict[str, Any]) -> dict[str, Any]:
    """The pattern that asks of an event all that it says."""
    found: dict[str, Any] = {}
    for name, value in event.items():
        if isinstance(value, dict):
            if inside := exactly(value):
                found[name] = inside
        else:
            found[name] = (value if isinstance(value, list) else [value]) or [{"exists": False}]
    return found


@given(EVENTS)
def test_an_event_matches_the_pattern_made_of_it(event: dict[str, Any]) -> None:
    pattern = exactly(event)
    if pattern:
        assert parse(json.dumps(pattern)).matches(event)
        # A field that is asked in vain spoils it, as one of several it does not.
        assert not parse(json.dumps(pattern | {"z": ["x"]})).matches(event)
        assert parse(json.dumps({"$or": [pattern, {"z": ["x"]}]})).matches(event)


def one(operator: str, wanted: Any, value: Any) -> bool:
    return parse(json.dumps({"f": [{operator: wanted}]})).matches({"f": value})


@given(TEXTS, TEXTS)
def test_operators_on_text(wanted: str, value: str) -> None:
    assert one("prefix", wanted, value) == value.startswith(wanted)
    assert one("suffix", wanted, value) == value.endswith(wanted)
    assert one("equals-ignore-case", wanted, value) == (value.lower() == wanted.lower())
    assert one("prefix", {"equals-ignore-case": wanted}, value) == value.lower().startswith(wanted.lower())
    assert one("anything-but", wanted, value) == (value != wanted)
    assert one("anything-but", {"prefix": wanted}, value) == (not value.startswith(wanted))


@given(
    st.lists(st.text(alphabet="ab*\\", max_size=3), min_size=1, max_size=4),
    st.text(alphabet="ab*\\", max_size=3),
)
def test_a_wildcard_matches_what_fills_its_stars(parts: list[str], filling: str) -> None:
    literal = [part.replace("\\", "\\\\").replace("*", "\\*") for part in parts]
    wanted = "*".join(literal)
    if "" not in parts[1:-1]:
        assert one("wildcard", wanted, filling.join(parts))
        assert not one("wildcard", wanted + "c", filling.join(parts))


@given(st.floats(-1e9, 1e9), st.integers(-(10**6), 10**6))
def test_numbers_compare_by_value(value: float, bound: int) -> None:
    for operator, expected in (("<", value < bound), (">=", value >= bound), ("=", value == bound)):
        assert one("numeric", [operator, bound], value) == expected
