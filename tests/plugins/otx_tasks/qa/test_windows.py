from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx.errors import UsageError
from otx.types import Example
from otx_tasks.qa.spans import best_answers
from otx_tasks.qa.squad import read_squad
from otx_tasks.qa.windows import Lengths, Window, window_bounds, windows

LANGUAGES = ("en", "de", "es", "ru", "ar", "zh", "th", "tr")


def example(context: str, question: str, answer: str, start: int | None = None) -> Example:
    place = context.index(answer) if start is None else start
    fields = {"context": context, "question": question, "answers": [answer], "starts": [place]}
    return Example("q", "0", fields)


@given(st.integers(0, 300), st.integers(1, 60), st.integers(1, 80))
def test_windows_cover_the_context_in_steps(count: int, room: int, stride: int) -> None:
    bounds = window_bounds(count, room, stride)
    assert bounds[0][0] == 0 and bounds[-1][1] == count
    assert {place for low, high in bounds for place in range(low, high)} == {*range(count)}
    assert all(high - low <= room for low, high in bounds)
    assert all(b[0] - a[0] == min(stride, room) for a, b in pairwise(bounds))
    assert all(high < count for _, high in bounds[:-1])


@pytest.mark.parametrize("kind", ["unigram", "wordpiece"])
def test_one_window_is_the_tokenizers_own_pair(
    kind: str, tiny: Callable[..., Any], request: pytest.FixtureRequest
) -> None:
    tokenizer = request.getfixturevalue(kind)
    item = example("Мост открыл мэр города Линдау.", "Who opened the bridge?", "мэр города")
    (window,) = windows(tiny(tokenizer), [item], Lengths(384, 128, 64))
    pair = tokenizer(
        item.fields["question"],
        item.fields["context"],
        return_token_type_ids=True,
        return_special_tokens_mask=True,
    )
    assert window.ids.tolist() == pair["input_ids"]
    assert window.types.tolist() == pair["token_type_ids"]
    assert window.special.tolist() == [bool(s) for s in pair["special_tokens_mask"]]
    assert window.length == len(pair["input_ids"])


def test_long_context_question_cut_and_labels(tiny: Callable[..., Any], unigram: Any) -> None:
    context = " ".join(f"word{i}" for i in range(60))
    item = example(context, "why " * 30, "word30 word31")
    found = windows(tiny(), [item], Lengths(48, 16, 8))
    question = unigram("why " * 30, add_special_tokens=False)["input_ids"][:8]
    whole = unigram(context, add_special_tokens=False)["input_ids"]
    for number, window in enumerate(found):
        held = window.ids[window.first : window.first + len(window.spans)].tolist()
        assert held == whole[16 * number : 16 * number + len(held)]
        assert window.length <= 48
        assert window.ids[1:9].tolist() == question
    assert held[-1] == whole[-1] and 16 * number + len(held) == len(whole)
    holding = [w for w in found if w.label != (0, 0)]
    assert 0 < len(holding) < len(found)
    for window in holding:
        assert window.label is not None
        first, last = (place - window.first for place in window.label)
        text = context[window.spans[first, 0] : window.spans[last, 1]]
        assert text.strip() == "word30 word31"


def test_refused_answers_have_no_label(tiny: Callable[..., Any]) -> None:
    (window,) = windows(tiny(), [example("a b", "?", "b", start=-1)], Lengths(64, 16, 8))
    assert window.label is None


def test_windows_without_room_for_the_context_are_refused(tiny: Callable[..., Any]) -> None:
    with pytest.raises(UsageError, match="64 sub-words is too short for questions of 64"):
        windows(tiny(), [example("a b", "?", "b")], Lengths(64, 32, 64))


def gold_logits(window: Window) -> torch.Tensor:
    """High at the window's label only."""
    assert window.label is not None
    logits = torch.zeros(window.length, 2)
    if window.label != (0, 0):
        logits[window.label[0], 0] = logits[window.label[1], 1] = 9.0
    return logits


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_gold_answer_comes_back(
    shared_data: Path, tiny: Callable[..., Any], multilingual: Any, language: str
) -> None:
    """Logits at the gold sub-words decode to the answer, wherever sub-words begin and end where the answer does."""
    questions = read_squad(shared_data / "qa" / "xquad" / f"xquad.{language}.json.gz").examples
    found = windows(tiny(multilingual), questions, Lengths(384, 128, 64))
    decoded = best_answers(found, [gold_logits(w) for w in found], answer_length=384)
    holders = {w.example: w for w in found if w.label not in (None, (0, 0))}
    aligned = 0
    for question in questions:
        answer, start = question.fields["answers"][0], question.fields["starts"][0]
        window = holders[question.id]
        assert window.label is not None
        first, last = (place - window.first for place in window.label)
        low, high = int(window.spans[first, 0]), int(window.spans[last, 1])
        assert low <= start and start + len(answer) <= high
        assert start < window.spans[first, 1] and window.spans[last, 0] < start + len(answer)
        assert decoded[question.id] == question.fields["context"][low:high].strip()
        if (low, high) == (start, start + len(answer)):
            aligned += 1
            assert decoded[question.id] == answer.strip()
    assert aligned / len(questions) > (0.95 if language != "th" else 0.2)


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sub_word_of_a_real_context_is_lost(
    shared_data: Path, tiny: Callable[..., Any], multilingual: Any, language: str
) -> None:
    questions = read_squad(shared_data / "qa" / "xquad" / f"xquad.{language}.json.gz").examples[
        ::60
    ]
    by_question: dict[str, list[Window]] = {}
    for window in windows(tiny(multilingual), questions, Lengths(160, 40, 64)):
        by_question.setdefault(window.example, []).append(window)
    for question in questions:
        own = by_question[question.id]
        whole = multilingual(
            question.fields["context"],
            add_special_tokens=False,
            return_offsets_mapping=True,
            verbose=False,
        )
        spans = np.concatenate([w.spans for w in own])
        assert {*map(tuple, spans.tolist())} == {*whole["offset_mapping"]}
