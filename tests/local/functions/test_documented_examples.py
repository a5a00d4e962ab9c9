"""Examples of Redshift's documentation give the documented rows, or are on the list below with the reason.

The cases and the program that compares are not part of the repository; without them there is nothing to run.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from psycopg.conninfo import make_conninfo

from deployer.local.environment import Status

SHARED = Path(__file__).parents[4] / "shared"
TOOL = SHARED / "tools" / "redshift_examples.py"
CASES = SHARED / "data" / "redshift_examples" / "examples.jsonl"

REFUSED: dict[str, str] = {}
"""Not run by the local Redshift yet -> what the refusal names."""

DIFFERENT = {
    "r_ANY_VALUE#4b566c24": "any of the values is right",
    "r_LISTAGG#6dd33daf": "the page's rows are not in the order that its query asks for",
    "r_WF_LISTAGG#41ae6bf0": "the page's rows are not in the order that its query asks for",
    "r_LN#87ea5eaf": "the page prints 16 digits, extra_float_digits = 0 gives 15, as on the page of PI",
    "r_QUOTE_LITERAL#f150e18a": "the comparison takes the quotes off the expected value only",
    "r_is_boolean#aa4f69ac": "the page prints a boolean as a string, the page of SIZE does not",
    "r_SIZE#048da560": "the case's set-up is not a whole statement",
}
"""Cases that cannot pass, with the reason."""

BROKEN_DATA = "venue_pipe.txt writes NULL as backslash N, which the loader of the cases sends as text"


def cases() -> list[dict[str, Any]]:
    if not (TOOL.is_file() and CASES.is_file()):
        return []
    return [json.loads(line) for line in CASES.read_text("utf-8").splitlines()]


@pytest.fixture(scope="session")
def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("redshift_examples", TOOL)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["redshift_examples"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
@pytest.mark.parametrize("case", cases(), ids=lambda case: case["id"])
def test_documented_example(status: Status, tool: ModuleType, case: dict[str, Any]) -> None:
    if "venue" in case["needs"]:
        pytest.skip(BROKEN_DATA)
    if case["id"] in DIFFERENT:
        pytest.skip(DIFFERENT[case["id"]])
    dsn = make_conninfo(
        host=status.host, port=status.port, user=status.user, password=status.password, dbname=status.database
    )
    passed, detail = tool.run_case(dsn, case)
    if case["id"] in REFUSED:
        assert not passed, "it works now: take it off the list"
        assert REFUSED[case["id"]].lower() in detail.lower()
    else:
        assert passed, detail


def test_the_lists_name_cases_that_exist() -> None:
    known = {case["id"] for case in cases()}
    if known:
        assert set(REFUSED) | set(DIFFERENT) <= known
        core = [case["id"] for case in cases() if case["class"] == "core"]
        assert sum(case not in REFUSED and case not in DIFFERENT for case in core) / len(core) > 0.95
