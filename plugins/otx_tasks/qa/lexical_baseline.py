"""A question-answering floor without an encoder: the clause that looks most like the question."""

from __future__ import annotations

import re
from collections import Counter

_CLAUSE = re.compile(r"[^.!?…。！？؟।;；:：,，、،()（）«»„“”\"\n]+")
GRAM = 3


def most_similar_clause(question: str, context: str) -> str:
    """The stretch of the context between two punctuation marks that shares most character trigrams with the question.

    Trigrams are of the lower-cased text with white space collapsed, counted with repetition; of equals the first.
    """
    wanted = _grams(question)
    clauses = [match.group().strip() for match in _CLAUSE.finditer(context)]
    return max(clauses, key=lambda clause: (_grams(clause) & wanted).total(), default="")


def _grams(text: str) -> Counter[str]:
    flat = " ".join(text.lower().split())
    return Counter(flat[place : place + GRAM] for place in range(len(flat) - GRAM + 1))
