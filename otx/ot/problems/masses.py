"""Masses: how much each word of a sentence weighs in a transport problem.

Every function takes a mask ``[B, N]`` (True = real word) and returns masses ``[B, N]`` in float32 or better. They sum
to 1 over the real words of each problem and are exactly 0 at padding. With ``checked=False`` nothing waits for the
device: masses of a side whose weights sum to 0 are NaN, which every solver refuses.
"""

from __future__ import annotations

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.precision import at_least_float32


def uniform(mask: Tensor, *, checked: bool = True) -> Tensor:
    """Give every real word the same mass.

    Args:
        mask: Real words ``[B, N]``; False marks padding.
        checked: Raise the error below.

    Returns:
        Masses ``[B, N]`` in float32.

    Raises:
        ProblemError: If a problem has no real word, naming the problem's index.

    Example:
        >>> uniform(torch.tensor([[True, True, False], [True, True, True]]))
        tensor([[0.5000, 0.5000, 0.0000],
                [0.3333, 0.3333, 0.3333]])
    """
    return _normalise(mask.float(), mask, checked)


def by_norm(vectors: Tensor, mask: Tensor, *, checked: bool = True) -> Tensor:
    """Give every word a mass in proportion to the L2 norm of its vector.

    Word Rotator's Distance, made for the cosine cost. The masses are detached.

    Args:
        vectors: Word vectors ``[B, N, D]``; finite, also at padding.
        mask: Real words ``[B, N]``; False marks padding.
        checked: Raise the error below.

    Returns:
        Masses ``[B, N]``, constants to the gradient.

    Raises:
        ProblemError: If a problem has no real word, or its norms sum to 0 or to a number that is not finite, naming
            the problem's index.

    Example:
        >>> by_norm(torch.tensor([[[3.0, 4.0], [0.0, 15.0]]]), torch.ones(1, 2, dtype=torch.bool))
        tensor([[0.2500, 0.7500]])

    References:
        Yokoi et al. (2020), "Word Rotator's Distance". https://aclanthology.org/2020.emnlp-main.236
    """
    norms = torch.linalg.vector_norm(at_least_float32(vectors.detach()), dim=-1)
    return _normalise(norms.masked_fill(~mask, 0), mask, checked)


def from_weights(weights: Tensor, mask: Tensor, *, checked: bool = True) -> Tensor:
    """Give every word a mass in proportion to a weight, such as its idf.

    Args:
        weights: Weights ``[B, N]`` of at least 0, differentiable. Padding may hold anything.
        mask: Real words ``[B, N]``; False marks padding.
        checked: Raise the error below.

    Returns:
        Masses ``[B, N]``, differentiable by ``weights``.

    Raises:
        ProblemError: If a word's weight is negative or NaN, a problem has no real word, or its weights sum to 0 or to
            a number that is not finite, naming the problem's index.

    Example:
        >>> from_weights(torch.tensor([[1.0, 3.0, 9.0]]), torch.tensor([[True, True, False]]))
        tensor([[0.2500, 0.7500, 0.0000]])
    """
    if checked:
        bad = (mask & ~(weights >= 0)).any(1)
        if bool(bad.any()):
            raise ProblemError(
                f"problem {int(bad.nonzero()[0, 0])}: a word's weight is negative or not a number",
                "give weights of at least 0",
            )
    return _normalise(at_least_float32(weights).masked_fill(~mask, 0), mask, checked)


def _normalise(weights: Tensor, mask: Tensor, checked: bool) -> Tensor:
    total = weights.sum(1, keepdim=True)
    if checked:
        bad = ~(total.isfinite() & (total > 0))[:, 0]
        if bool(bad.any()):
            problem = int(bad.nonzero()[0, 0])
            empty = not bool(mask[problem].any())
            cause = "no real word" if empty else f"a total weight of {total[problem, 0].item():g}"
            raise ProblemError(
                f"problem {problem}: one side has {cause}, so there is no mass to transport",
                "leave empty sentences out"
                if empty
                else "use uniform masses, or correct the weights",
            )
    return weights / total
