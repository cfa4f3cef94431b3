"""Shares of the gradient: how much each term of the loss moved the encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otx.terms import parse_term

SMALL = 0.1
"""Share below which the terms that were asked for hardly count."""


def share_lines(shares: Mapping[str, float], objectives: Sequence[str]) -> list[str]:
    """Describe the shares of several terms, with a comment where the ones asked for hardly count.

    Args:
        shares: Term to its share of the gradient norms, summed over the run.
        objectives: Terms as they were asked for, such as ``10*sinkhorn``; the others were added by settings.

    Returns:
        Lines; none for a single term.

    Example:
        >>> share_lines({"sinkhorn": 0.3, "keep-close": 0.7}, ["sinkhorn"])
        ['shares of the gradient: sinkhorn 30%, keep-close 70%']
    """
    if len(shares) < 2:
        return []
    parts = (f"{name} {share:.0%}" for name, share in shares.items())
    lines = [f"shares of the gradient: {', '.join(parts)}"]
    asked = list(dict.fromkeys(parse_term(text).name for text in objectives))
    sum_asked = sum(shares.get(name, 0.0) for name in asked)
    added = [name for name in shares if name not in asked]
    if added and sum_asked < SMALL:
        lines.append(
            f"! {', '.join(asked)} hardly counts with {sum_asked:.0%} of the gradient: raise its weight "
            f"(such as --objective '10*{asked[0]}') or lower that of {', '.join(added)}"
        )
    return lines
