"""A question-answering baseline without an encoder: the clause most similar to the question."""

from __future__ import annotations

import re
from collections import Counter

_CLAUSE = re.compile(r"[^.!?…。！？؟।;；:：,，、،()（）«»„“”\"\n]+")
GRAM = 3


def most_similar_clause(question: str, context: str) -> str:
    """Return the clause that shares most character trigrams with the question.

    A clause is the text between two punctuation marks. Trigrams are of the lower-cased text with white space
    collapsed, counted with repetition.

    Args:
        question: The question.
        context: The text that contains the answer.

    Returns:
        The clause, the first of equals; empty if the context has none.

    Example:
        >>> most_similar_clause("Where does the cat sleep?", "The dog barks, the cat sleeps here.")
        'the cat sleeps here'
    """
    question_grams = _grams(question)
    clauses = [match.group().strip() for match in _CLAUSE.finditer(context)]
    return max(clauses, key=lambda clause: (_grams(clause) & question_grams).total(), default="")


def _grams(text: str) -> Counter[str]:
    flat = " ".join(text.lower().split())
    return Counter(flat[place : place + GRAM] for place in range(len(flat) - GRAM + 1))
