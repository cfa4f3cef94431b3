"""The canonical text of a tokenizer follows its content, and nothing else."""

from __future__ import annotations

import gc
import json
from types import SimpleNamespace
from typing import Any

import pytest

from otx.data import tokenizer_rules
from otx.data.tokenizer_rules import canonical_rules, paused_collection, tokenizer_digest
from otx.errors import UsageError


def tokenizer(**rules: Any) -> Any:
    state = {"truncation": None, "padding": None, **rules}
    backend = SimpleNamespace(state=state, to_str=lambda: json.dumps(state, ensure_ascii=False))
    return SimpleNamespace(backend_tokenizer=backend)


def test_the_text_is_json_with_sorted_keys_without_truncation_and_padding() -> None:
    made = tokenizer(model={"é": 2, "a": 1}, truncation={"max_length": 3}, padding={"id": 1})
    expected = {"model": {"a": 1, "é": 2}, "padding": None, "truncation": None}
    assert canonical_rules(made) == json.dumps(expected)
    assert tokenizer_digest(made) == tokenizer_digest(tokenizer(model={"a": 1, "é": 2}))


def test_a_tokenizer_that_was_changed_is_read_again() -> None:
    made = tokenizer(model={"a": 1})
    before = tokenizer_digest(made)
    made.backend_tokenizer.state["model"]["b"] = 2
    assert tokenizer_digest(made) != before
    del made.backend_tokenizer.state["model"]["b"]
    assert tokenizer_digest(made) == before


def test_few_texts_are_kept_and_a_dropped_one_is_made_again() -> None:
    made = [tokenizer(model=number) for number in range(2 * tokenizer_rules.KEPT)]
    first = [tokenizer_digest(each) for each in made]
    assert len(tokenizer_rules._known) == tokenizer_rules.KEPT
    assert [tokenizer_digest(each) for each in made] == first
    assert len(set(first)) == len(first)


def test_a_slow_tokenizer_is_refused() -> None:
    with pytest.raises(UsageError, match="SimpleNamespace is not a fast tokenizer"):
        tokenizer_digest(SimpleNamespace())


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_is_afterwards_as_it_was(enabled: bool) -> None:
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(ValueError), paused_collection():
            assert not gc.isenabled()
            raise ValueError
        assert gc.isenabled() == enabled
    finally:
        gc.enable()
