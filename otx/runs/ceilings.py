"""Ceilings of measures: too few errors are left for a gain to be significant."""

from __future__ import annotations

from collections.abc import Mapping

CHANGES = 6
"""Number of errors that must be left. The largest gain corrects all of them and adds none: for 5, the two-sided sign
test gives p = 2 * 2**-5 = .063; for 6, p = .031."""

AT_CEILING = "at its ceiling: cannot show a gain"
TOO_FEW = "too few examples: cannot show a gain"


def ceiling(examples: int, errors: int) -> str | None:
    """Return why a measure cannot show a gain, or None if it can.

    Args:
        examples: Number of independent examples: sentence pairs, each counted once for both directions.
        errors: Number of examples that are not perfect.

    Example:
        >>> ceiling(examples=100, errors=5)
        'at its ceiling: cannot show a gain'
    """
    if errors >= CHANGES:
        return None
    return AT_CEILING if examples >= CHANGES else TOO_FEW


def candidates_text(candidates: Mapping[str, int]) -> str:
    """Return the number of candidates of held-out retrieval as text.

    The text covers all languages.

    Args:
        candidates: Number of candidates by language; not empty.

    Example:
        >>> candidates_text({"de": 2000, "es": 1500})
        '1,500 to 2,000 candidates'
    """
    fewest, most = min(candidates.values()), max(candidates.values())
    return f"{most:,} candidates" if fewest == most else f"{fewest:,} to {most:,} candidates"
