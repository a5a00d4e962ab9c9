"""Hypothesis's examples are the same in every run, whatever ran before."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest
import seeds
from hypothesis import given, settings
from hypothesis import strategies as st

pytestmark = pytest.mark.skipif(seeds.exploring(), reason="ZEROSHIFT_FUZZ_SEED asks for other examples")


def drawn() -> list[Any]:
    seen: list[Any] = []

    @settings(max_examples=200)
    @given(st.integers(), st.text(), st.binary())
    def draw(number: int, word: str, data: bytes) -> None:
        seen.append((number, word, data))

    draw()
    return seen


def test_a_module_that_is_imported_meanwhile_changes_no_example(tmp_path: Path) -> None:
    before = drawn()
    # Not a test's name, nor small numbers: hypothesis would pass over them.
    module = tmp_path / "constants_of_a_module.py"
    written = [f"{n * 1009}, 'word {n}', b'bytes {n}'" for n in range(1, 200)]
    module.write_text(f"VALUES = [{', '.join(written)}]\n")
    spec = importlib.util.spec_from_file_location(module.stem, module)
    assert spec is not None and spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    sys.modules[module.stem] = made
    try:
        spec.loader.exec_module(made)
        assert drawn() == before
    finally:
        del sys.modules[module.stem]
