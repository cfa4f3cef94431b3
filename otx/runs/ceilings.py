"""The ceiling of a measure: too few errors are left for a gain to show."""

from __future__ import annotations

from collections.abc import Mapping

CHANGES = 6
"""Errors that must be left. The largest gain corrects all of them and adds none: for 5, the two-sided sign test gives
p = 2 * 2**-5 = .063; for 6, p = .031."""

AT_CEILING = "at its ceiling: cannot show a gain"
TOO_FEW = "too few examples: cannot show a gain"


def ceiling(examples: int, errors: int) -> str | None:
    """Say why a measure cannot show a gain, or return None if it can.

    Args:
        examples: Independent examples: sentence pairs, each counted once for both directions.
        errors: Examples that are not perfect.
    """
    if errors >= CHANGES:
        return None
    return AT_CEILING if examples >= CHANGES else TOO_FEW


def candidates_text(candidates: Mapping[str, int]) -> str:
    """Say among how many candidates held-out sentences are sought, over all languages."""
    fewest, most = min(candidates.values()), max(candidates.values())
    return f"{most:,} candidates" if fewest == most else f"{fewest:,} to {most:,} candidates"
