"""Gradient shares: how much each term of the loss moved the encoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otx.config.objective_term import GRADIENT, parse_term

SMALL = 0.1
"""Share below which the requested terms have almost no effect."""


def gradient_shares(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Return each term's share of the gradient norms that reached the encoder.

    Args:
        rows: The rows of metrics.jsonl.

    Returns:
        Share by term, averaged over the steps.

    Example:
        >>> gradient_shares([{"loss": 1.0, "l2.gradient": 1.0, "keep-close.gradient": 3.0}])
        {'l2': 0.25, 'keep-close': 0.75}
    """
    ending = f".{GRADIENT}"
    sums: dict[str, float] = {}
    for row in rows:
        norms = {k.removesuffix(ending): v for k, v in row.items() if k.endswith(ending)}
        total = sum(norms.values())
        for name, norm in norms.items():
            sums[name] = sums.get(name, 0.0) + (norm / total if total else 0.0)
    steps = sum(sums.values()) or 1.0
    return {name: value / steps for name, value in sums.items()}


def share_lines(shares: Mapping[str, float], objectives: Sequence[str]) -> list[str]:
    """Describe the gradient shares of several terms.

    A warning follows if the requested terms have almost no effect.

    Args:
        shares: Shares by term, from ``gradient_shares``.
        objectives: Terms as requested, such as ``10*sinkhorn``; settings added the others.

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
            f"! {', '.join(asked)} has almost no effect, with {sum_asked:.0%} of the gradient: raise its weight "
            f"(such as --objective '10*{asked[0]}') or lower that of {', '.join(added)}"
        )
    return lines
