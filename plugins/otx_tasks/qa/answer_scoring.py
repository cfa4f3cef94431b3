"""Exact match and token F1 of an answer, given a scorer's normalisation of text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

Normalise = Callable[[str], str]


def best_scores(
    prediction: str, answers: Sequence[str], normalise: Normalise
) -> tuple[float, float]:
    """Score a prediction against its gold answers.

    Args:
        prediction: The predicted answer.
        answers: The gold answers, at least one.
        normalise: Normalises a text before it is compared.

    Returns:
        Exact match and F1, each the best over the gold answers.

    Example:
        >>> best_scores("the blue dog", ["a dog", "blue dog"], str.lower)
        (0.0, 0.8)
    """
    predicted = normalise(prediction)
    gold = [normalise(answer) for answer in answers]
    return float(any(predicted == text for text in gold)), max(
        _f1(predicted, text) for text in gold
    )


def _f1(predicted: str, gold: str) -> float:
    """Return the F1 of two bags of tokens; 0 if they share none."""
    predicted_tokens, gold_tokens = predicted.split(), gold.split()
    shared = sum((Counter(predicted_tokens) & Counter(gold_tokens)).values())
    if shared == 0:
        return 0.0
    precision, recall = shared / len(predicted_tokens), shared / len(gold_tokens)
    return (2 * precision * recall) / (precision + recall)
