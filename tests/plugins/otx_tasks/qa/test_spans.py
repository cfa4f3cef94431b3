import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from otx_tasks.qa.spans import best_answers
from otx_tasks.qa.windows import Window

CONTEXT = "abcdefghij"


def window(example: str = "q", question: int = 2) -> Window:
    """Each character of the context is a sub-word; ``question`` positions before, one after."""
    size = question + len(CONTEXT) + 1
    return Window(
        example=example,
        context=CONTEXT,
        ids=np.zeros(size, np.int32),
        types=np.zeros(size, np.int8),
        special=np.zeros(size, np.bool_),
        first=question,
        spans=np.array([(i, i + 1) for i in range(len(CONTEXT))], np.int32),
        label=None,
    )


def logits(start: dict[int, float], end: dict[int, float], question: int = 2) -> torch.Tensor:
    values = torch.full((question + len(CONTEXT) + 1, 2), -5.0)
    for place, value in start.items():
        values[question + place, 0] = value
    for place, value in end.items():
        values[question + place, 1] = value
    return values


def test_the_best_valid_pair() -> None:
    values = logits({6: 9.0, 2: 8.0}, {1: 9.0, 4: 7.0})
    assert best_answers([window()], [values], 30) == {"q": "cde"}  # 6..1 would run backwards


def test_answers_are_not_longer_than_allowed() -> None:
    values = logits({0: 9.0, 7: 1.0}, {8: 9.0, 1: 2.0})
    assert best_answers([window()], [values], 3) == {"q": "ab"}


def test_question_and_special_tokens_are_never_answers() -> None:
    values = logits({3: 1.0}, {3: 1.0})
    values[0] = values[-1] = 50.0
    assert best_answers([window()], [values], 30) == {"q": "d"}


def test_of_several_windows_the_best_wins_and_questions_stay_apart() -> None:
    items = [window("a"), window("b"), window("a")]
    values = [logits({1: 2.0}, {1: 2.0}), logits({5: 1.0}, {5: 1.0}), logits({8: 3.0}, {8: 3.0})]
    assert best_answers(items, values, 30) == {"a": "i", "b": "f"}


def test_no_valid_span_is_the_empty_answer() -> None:
    assert best_answers([window()], [logits({}, {})], 0) == {"q": ""}


@given(st.integers(0, 2**31), st.integers(1, 10))
def test_equals_a_search_over_all_pairs(seed: int, longest: int) -> None:
    values = torch.randn(13, 2, generator=torch.Generator().manual_seed(seed))
    pairs = [(i, j) for i in range(10) for j in range(i, min(10, i + longest))]
    i, j = max(pairs, key=lambda p: float(values[2 + p[0], 0] + values[2 + p[1], 1]))
    assert best_answers([window()], [values], longest) == {"q": CONTEXT[i : j + 1]}
