"""A question and its context as sub-words, in overlapping windows where the context is long."""

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
    """One window: ``ids [T]``, ``types [T]``, ``special [T]``, of which ``C`` from ``first`` are the context's.

    ``spans [C, 2]`` are their characters in ``context``. ``label`` is the answer's first and last position in the
    window, (0, 0) where it does not lie in the window whole, None where no answer is located.
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
    """Limits in sub-words: the window, the step between windows, the question."""

    window: int
    stride: int
    question: int


def windows(encoder: Encoder, examples: Sequence[Example], lengths: Lengths) -> list[Window]:
    """The windows of every question, in order; together they hold every sub-word of its context.

    Each window has the question, cut at ``lengths.question``, then as much context as fits. Raises UsageError if
    less than half a window is left for the context.
    """
    template = pair_template(encoder.tokenizer)
    if lengths.question + template.size > lengths.window // 2:
        raise UsageError(
            f"a window of {lengths.window} sub-words is too short for questions of {lengths.question}",
            "raise max_length or lower question_length",
        )
    contexts = _tokenised(encoder.tokenizer, [e.fields["context"] for e in examples])
    questions = _tokenised(encoder.tokenizer, [e.fields["question"] for e in examples])
    found: list[Window] = []
    for example in examples:
        question = questions[example.fields["question"]][0][: lengths.question]
        found += _cut(example, question, contexts[example.fields["context"]], template, lengths)
    return found


Tokenised = tuple[NDArray[np.int32], NDArray[np.int32]]


def _tokenised(tokenizer: Any, texts: Sequence[str]) -> dict[str, Tokenised]:
    """Sub-word ids ``[N]`` and character spans ``[N, 2]`` of each distinct text, without special tokens."""
    distinct = list(dict.fromkeys(texts))
    found: dict[str, Tokenised] = {}
    for start in range(0, len(distinct), TEXTS_AT_ONCE):
        some = distinct[start : start + TEXTS_AT_ONCE]
        rows = tokenizer(some, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        for text, ids, spans in zip(some, rows["input_ids"], rows["offset_mapping"], strict=True):
            found[text] = np.array(ids, np.int32), np.array(spans, np.int32).reshape(-1, 2)
    return found


def _cut(
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
    found = []
    for low, high in bounds:
        special = np.ones(len(head) + high - low + len(template.after), np.bool_)
        special[len(template.before) : len(template.before) + len(question)] = False
        special[len(head) : len(head) + high - low] = False
        types = np.full(len(special), template.types[1], np.int8)
        types[: len(head)] = template.types[0]
        found.append(
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
    return found


def window_bounds(count: int, room: int, stride: int) -> list[tuple[int, int]]:
    """Where windows of ``room`` sub-words begin and end in a context of ``count``, ``stride`` apart at most."""
    bounds = [(0, min(room, count))]
    while bounds[-1][1] < count:
        low = bounds[-1][0] + min(stride, room)
        bounds.append((low, min(low + room, count)))
    return bounds


def _answer(example: Example, spans: NDArray[np.int32]) -> tuple[int, int] | None:
    """First and last context sub-word of the first located answer; None if there is none."""
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
