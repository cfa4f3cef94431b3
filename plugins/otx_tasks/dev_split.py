"""Split a training set into training and development examples, and limit it, without random numbers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

from otx.errors import DataError
from otx.types import Example

DEVELOPMENT_SHARE = 0.05


def split_development(
    examples: Sequence[Example], group: Callable[[Example], str], limit: int | None
) -> tuple[list[Example], list[Example]]:
    """Hold out whole groups of a training set for development.

    Groups and examples are picked in the order of a hash of their names. The split is therefore the same for every
    seed, and the examples under a smaller limit are among those under a larger one.

    Args:
        examples: The training set.
        group: Returns the group of an example: an article, or a premise.
        limit: Maximum number of training examples; development examples shrink in proportion, to at least one. None
            keeps all.

    Returns:
        Training and development examples; 5 % of the groups, at least one, are for development.

    Raises:
        DataError: If there are fewer than two groups.
    """
    groups = sorted({group(example) for example in examples}, key=_rank)
    if len(groups) < 2:
        raise DataError(
            f"the training file has {len(groups)} groups (articles or premises)",
            "two are needed, to hold one out for development",
        )
    held_out = set(groups[: math.ceil(DEVELOPMENT_SHARE * len(groups))])
    ordered = sorted(examples, key=lambda example: _rank(example.id))
    training = [example for example in ordered if group(example) not in held_out]
    development = [example for example in ordered if group(example) in held_out]
    if limit is not None and limit < len(training):
        development = development[: max(1, round(len(development) * limit / len(training)))]
        training = training[:limit]
    return training, development


def _rank(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()
