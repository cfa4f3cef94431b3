"""Answer normalisation of MLQA v1: the articles of each language, all Unicode punctuation, Chinese by character.

Scores under these rules and under SQuAD's are not comparable, even on the same English data.
"""

from __future__ import annotations

import re
import string
import unicodedata

from otx.errors import UsageError
from otx_tasks.qa.answer_scoring import Normalise

_ARTICLES = {
    "ar": r"\sال^|ال",
    "de": r"\b(ein|eine|einen|einem|eines|einer|der|die|das|den|dem|des)\b",
    "en": r"\b(a|an|the)\b",
    "es": r"\b(un|una|unos|unas|el|la|los|las)\b",
    "vi": r"\b(của|là|cái|chiếc|những)\b",
}
LANGUAGES = frozenset({*_ARTICLES, "hi", "zh"})
_IDEOGRAPH = re.compile(r"([\u4e00-\u9fa5])")


def normaliser(language: str) -> Normalise:
    """Return MLQA's normalisation of answers in a language.

    Args:
        language: One of MLQA's seven languages.

    Returns:
        A function from text to normalised text.

    Raises:
        UsageError: For another language.

    Example:
        >>> normaliser("de")("Der Hund!")
        'hund'

    References:
        Lewis et al. (2020), "MLQA". https://arxiv.org/abs/1910.07475
    """
    if language not in LANGUAGES:
        raise UsageError(
            f"MLQA has no rules for {language}", f"it has {', '.join(sorted(LANGUAGES))}"
        )
    articles = re.compile(_ARTICLES[language]) if language in _ARTICLES else None

    def normalise(text: str) -> str:
        bare = "".join(c for c in text.lower() if not _is_punctuation(c))
        if articles is not None:
            bare = articles.sub(" ", bare)
        if language == "zh":
            bare = _IDEOGRAPH.sub(r" \1 ", bare)
        return " ".join(bare.split())

    return normalise


def _is_punctuation(character: str) -> bool:
    return character in string.punctuation or unicodedata.category(character).startswith("P")
