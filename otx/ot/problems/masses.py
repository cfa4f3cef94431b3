"""Masses: how much each word of a sentence weighs in a transport problem.

Every function takes ``mask [B, N]`` (True = real word) and returns ``[B, N]`` in float32 or better
that sums to 1 over the real words of each problem and is exactly 0 at padding. A problem without
mass raises ProblemError, which names its index in the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor

from otx.errors import ProblemError
from otx.ot.precision import at_least_float32


def uniform(mask: Tensor) -> Tensor:
    """The same mass for every real word."""
    return _normalised(mask.float(), mask)


def by_norm(vectors: Tensor, mask: Tensor) -> Tensor:
    """Mass in proportion to the L2 norm of each vector of ``vectors [B, N, D]``, detached.

    Word Rotator's Distance (Yokoi et al., EMNLP 2020), made for the cosine cost.
    """
    return _normalised(torch.linalg.vector_norm(at_least_float32(vectors.detach()), dim=-1), mask)


def from_weights(weights: Tensor, mask: Tensor) -> Tensor:
    """Mass in proportion to ``weights [B, N]`` >= 0, such as idf; differentiable in them."""
    bad = (mask & ~(weights >= 0)).any(1)
    if bool(bad.any()):
        raise ProblemError(
            f"problem {int(bad.nonzero()[0, 0])}: a word's weight is negative or not a number",
            "give weights of at least 0",
        )
    return _normalised(at_least_float32(weights), mask)


def _normalised(weights: Tensor, mask: Tensor) -> Tensor:
    kept = weights.masked_fill(~mask, 0)
    total = kept.sum(1, keepdim=True)
    bad = ~(total.isfinite() & (total > 0))[:, 0]
    if bool(bad.any()):
        problem = int(bad.nonzero()[0, 0])
        empty = not bool(mask[problem].any())
        cause = "no real word" if empty else f"a total weight of {total[problem, 0].item():g}"
        raise ProblemError(
            f"problem {problem}: one side has {cause}, so there is no mass to transport",
            "leave empty sentences out" if empty else "use uniform masses, or mend the weights",
        )
    return kept / total
