"""Answer normalisation of SQuAD v1.1, which XTREME applies to XQuAD in every language."""

from __future__ import annotations

import re
import string

_ASCII_PUNCTUATION = str.maketrans("", "", string.punctuation)
_ARTICLES = re.compile(r"\b(a|an|the)\b")


def normalise(text: str) -> str:
    """Normalise an answer.

    The result is in lower case, without ASCII punctuation and English articles, its white space collapsed.

    Args:
        text: An answer.

    Example:
        >>> normalise("The dog, a  DOG!")
        'dog dog'

    References:
        Rajpurkar et al. (2016), "SQuAD". https://arxiv.org/abs/1606.05250
    """
    bare = text.lower().translate(_ASCII_PUNCTUATION)
    return " ".join(_ARTICLES.sub(" ", bare).split())
