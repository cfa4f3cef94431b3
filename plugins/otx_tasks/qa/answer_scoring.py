"""Exact match and token F1 of an answer, given how a scorer normalises text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

Normalise = Callable[[str], str]


def best_scores(
    prediction: str, answers: Sequence[str], normalise: Normalise
) -> tuple[float, float]:
    """(exact match, F1) of the prediction, each the best over the gold answers (of which there is at least one)."""
    found = normalise(prediction)
    gold = [normalise(answer) for answer in answers]
    return float(any(found == text for text in gold)), max(_f1(found, text) for text in gold)


def _f1(found: str, gold: str) -> float:
    """Harmonic mean of precision and recall over the bags of tokens; 0 when they share none."""
    found_tokens, gold_tokens = found.split(), gold.split()
    shared = sum((Counter(found_tokens) & Counter(gold_tokens)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(found_tokens), shared / len(gold_tokens)
    return (2 * precision * recall) / (precision + recall)
