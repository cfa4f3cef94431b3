"""Split a question and its context into overlapping windows of sub-words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from otx.data.pair_sequences import Template, pair_template
from otx.errors import UsageError
from otx.interfaces import Encoder
from otx.types import Example
from otx_tasks.qa.squad import UNLOCATED

TEXTS_AT_ONCE = 512
CLS = 0


@dataclass(frozen=True, slots=True)
class Window:
    """A question and a part of its context.

    Attributes:
        example: Id of the question.
        context: The whole context.
        ids: Sub-words ``[T]``.
        types: Type ids ``[T]``.
        special: Mask ``[T]`` of the special tokens.
        first: Position of the first of the ``C`` sub-words of the context.
        spans: First and last character ``[C, 2]`` of these sub-words in ``context``.
        label: First and last position of the answer in the window; (0, 0) if the window does not contain the whole
            answer, None if no answer is located.
    """

    example: str
    context: str
    ids: NDArray[np.int32]
    types: NDArray[np.int8]
    special: NDArray[np.bool_]
    first: int
    spans: NDArray[np.int32]
    label: tuple[int, int] | None

    @property
    def length(self) -> int:
        """Sub-words, special tokens included."""
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Lengths:
    """Limits in sub-words.

    Attributes:
        window: Maximum length of a window, special tokens included.
        stride: Maximum distance between the beginnings of two windows.
        question: Maximum length of the question; the rest is cut.
    """

    window: int
    stride: int
    question: int


def windows(encoder: Encoder, examples: Sequence[Example], lengths: Lengths) -> list[Window]:
    """Return the windows of every question, in order.

    The windows of a question together contain every sub-word of its context.

    Args:
        encoder: Encoder whose tokenizer is used.
        examples: Questions with the fields ``question`` and ``context``.
        lengths: Limits in sub-words.

    Returns:
        The windows; each has the question and as much context as fits.

    Raises:
        UsageError: If less than half a window is left for the context.
    """
    template = pair_template(encoder.tokenizer)
    if lengths.question + template.size > lengths.window // 2:
        raise UsageError(
            f"a window of {lengths.window} sub-words is too short for questions of {lengths.question}",
            "raise max_length or lower question_length",
        )
    contexts = _tokenised(encoder.tokenizer, [e.fields["context"] for e in examples])
    questions = _tokenised(encoder.tokenizer, [e.fields["question"] for e in examples])
    all_windows: list[Window] = []
    for example in examples:
        question = questions[example.fields["question"]][0][: lengths.question]
        context = contexts[example.fields["context"]]
        all_windows += _example_windows(example, question, context, template, lengths)
    return all_windows


Tokenised = tuple[NDArray[np.int32], NDArray[np.int32]]


def _tokenised(tokenizer: Any, texts: Sequence[str]) -> dict[str, Tokenised]:
    """Return sub-word ids ``[N]`` and character spans ``[N, 2]`` of each distinct text, without special tokens."""
    distinct = list(dict.fromkeys(texts))
    tokenised: dict[str, Tokenised] = {}
    for start in range(0, len(distinct), TEXTS_AT_ONCE):
        part = distinct[start : start + TEXTS_AT_ONCE]
        rows = tokenizer(part, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        for text, ids, spans in zip(part, rows["input_ids"], rows["offset_mapping"], strict=True):
            tokenised[text] = np.array(ids, np.int32), np.array(spans, np.int32).reshape(-1, 2)
    return tokenised


def _example_windows(
    example: Example,
    question: NDArray[np.int32],
    context: Tokenised,
    template: Template,
    lengths: Lengths,
) -> list[Window]:
    ids, spans = context
    bounds = window_bounds(len(ids), lengths.window - len(question) - template.size, lengths.stride)
    answer = _answer(example, spans)
    head = [*template.before, *question.tolist(), *template.between]
    parts = []
    for low, high in bounds:
        special = np.ones(len(head) + high - low + len(template.after), np.bool_)
        special[len(template.before) : len(template.before) + len(question)] = False
        special[len(head) : len(head) + high - low] = False
        types = np.full(len(special), template.types[1], np.int8)
        types[: len(head)] = template.types[0]
        parts.append(
            Window(
                example=example.id,
                context=example.fields["context"],
                ids=np.array([*head, *ids[low:high].tolist(), *template.after], np.int32),
                types=types,
                special=special,
                first=len(head),
                spans=spans[low:high],
                label=_label(answer, low, high, len(head)),
            )
        )
    return parts


def window_bounds(count: int, size: int, stride: int) -> list[tuple[int, int]]:
    """Return the first and one past the last sub-word of each window of a context.

    Args:
        count: Number of sub-words of the context.
        size: Maximum number of sub-words of a window.
        stride: Maximum distance between the beginnings of two windows.

    Example:
        >>> window_bounds(10, size=6, stride=3)
        [(0, 6), (3, 9), (6, 10)]
    """
    bounds = [(0, min(size, count))]
    while bounds[-1][1] < count:
        low = bounds[-1][0] + min(stride, size)
        bounds.append((low, min(low + size, count)))
    return bounds


def _answer(example: Example, spans: NDArray[np.int32]) -> tuple[int, int] | None:
    """Return the first and last context sub-word of the first located answer; None if there is none."""
    for text, start in zip(example.fields["answers"], example.fields["starts"], strict=True):
        if start == UNLOCATED:
            continue
        touched = (spans[:, 1] > start) & (spans[:, 0] < start + len(text))
        if touched.any():
            places = touched.nonzero()[0]
            return int(places[0]), int(places[-1])
    return None


def _label(
    answer: tuple[int, int] | None, low: int, high: int, first: int
) -> tuple[int, int] | None:
    if answer is None:
        return None
    if low <= answer[0] and answer[1] < high:
        return first + answer[0] - low, first + answer[1] - low
    return CLS, CLS
