"""The direction of word links: the language whose words the first index of ``i-j`` counts."""

from __future__ import annotations

import re
from collections.abc import Iterable

from otx.errors import UsageError

Languages = tuple[str, str]
"""Two languages in the order of the indices: ``("en", "es")`` for en-es links."""


def ordered(names: Iterable[str], languages: Languages) -> Languages:
    """Return the two languages in the order of a corpus's name or specification.

    Users of awesome-align, fast_align and eflomal expect links in the order of the corpus's name, ``en-es`` for
    ``data/en-es``, ``opus.en-es``, ``enes`` or ``hub:org/name#en-es``. Two files that are given one by one keep their
    order.

    Args:
        names: Names and specifications of the corpus; the first that has an order decides.
        languages: The corpus's languages, returned unchanged if no name has an order.

    Returns:
        The languages in order.

    Example:
        >>> ordered(["data/en-es"], ("es", "en"))
        ('en', 'es')
        >>> ordered(["es:a.txt,en:b.txt"], ("en", "es"))
        ('es', 'en')
    """
    for name in names:
        order = _given(name, languages) or _named(name, languages)
        if order is not None:
            return order
    return languages


def is_swapped(direction: str, languages: Languages, place: str) -> bool:
    """Return whether links must be swapped to be in the order of ``languages``.

    Args:
        direction: Two languages, such as ``en-es``.
        languages: The required order.
        place: The file or setting that states the direction, for the message.

    Raises:
        UsageError: If the direction names other languages.

    Example:
        >>> is_swapped("es-en", ("en", "es"), "links.json")
        True
    """
    first, second = languages
    if direction not in (name(languages), f"{second}-{first}"):
        raise UsageError(
            f"{place}: the direction {direction} is not one of {first} and {second}",
            f"write {first}-{second}, or {second}-{first}",
        )
    return direction != name(languages)


def name(languages: Languages) -> str:
    """Return a direction as text.

    Args:
        languages: Two languages in order.

    Example:
        >>> name(("en", "es"))
        'en-es'
    """
    return "-".join(languages)


def _given(spec: str, languages: Languages) -> Languages | None:
    """Return the order of ``en:a.txt,es:b.txt`` or ``a.en,b.es``; None for any other text."""
    parts = spec.split(",")
    if len(parts) != 2:
        return None
    first, second = (_language(part, languages) for part in parts)
    if first is None or second is None or first == second:
        return None
    return first, second


def _language(part: str, languages: Languages) -> str | None:
    ending = part.removesuffix(".gz").rpartition(".")[2]
    stated = part.partition(":")[0]
    return next((code for code in (stated, ending) if code in languages), None)


def _named(spec: str, languages: Languages) -> Languages | None:
    """Return the order of the last ``en-es``, ``en_es`` or ``enes`` that is a separate part of the name."""
    first, second = (re.escape(code) for code in languages)
    pattern = rf"(?<![^\W_])(?:({first}[-_]?{second})|{second}[-_]?{first})(?![^\W_])"
    matches = [*re.finditer(pattern, spec.rpartition("/")[2], re.IGNORECASE)]
    if not matches:
        return None
    return languages if matches[-1][1] else (languages[1], languages[0])
