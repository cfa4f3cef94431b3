"""Decode start and end logits into the text of an answer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from otx_tasks.qa.windows import Window

CANDIDATES = 20


def best_answers(
    windows: Sequence[Window], logits: Sequence[Tensor], answer_length: int
) -> dict[str, str]:
    """Return the best span over all windows of each question.

    In each window the 20 best starts and ends among the context's sub-words are combined (XTREME's n_best_size). A
    span is valid if it ends at or after its start and has at most ``answer_length`` sub-words. Of equal sums, the
    first window's wins, then the one with the better start. BERT's rule that a start counts only in the window where
    it has most context is left out, as in today's Hugging Face examples: it can forbid the one window that contains
    the whole answer.

    Args:
        windows: The windows of all questions.
        logits: Start and end logits ``[T, 2]`` of each window, without padding.
        answer_length: Maximum number of sub-words of an answer.

    Returns:
        Question id to answer, a part of the context; empty if a question has no valid span.
    """
    scores: dict[str, float] = {}
    answers: dict[str, str] = {}
    for window, values in zip(windows, logits, strict=True):
        answers.setdefault(window.example, "")
        span = _best_span(window, values, answer_length)
        if span is None:
            continue
        score, text = span
        if score > scores.get(window.example, -np.inf):
            scores[window.example], answers[window.example] = score, text
    return answers


def _best_span(window: Window, logits: Tensor, answer_length: int) -> tuple[float, str] | None:
    context = logits.detach().float().cpu().numpy()[window.first : window.first + len(window.spans)]
    starts, ends = _highest(context[:, 0]), _highest(context[:, 1])
    sums = context[starts, 0][:, None] + context[ends, 1][None, :]
    size = ends[None, :] - starts[:, None] + 1
    valid = (size >= 1) & (size <= answer_length)
    if not valid.any():
        return None
    i, j = np.unravel_index(np.where(valid, sums, -np.inf).argmax(), sums.shape)
    low, high = window.spans[starts[i], 0], window.spans[ends[j], 1]
    return float(sums[i, j]), window.context[low:high].strip()


def _highest(values: NDArray[np.float32]) -> NDArray[np.int64]:
    """Return the positions of the 20 highest values, highest first; of equals the earlier position."""
    order: NDArray[np.int64] = np.argsort(-values, kind="stable")[:CANDIDATES]
    return order
