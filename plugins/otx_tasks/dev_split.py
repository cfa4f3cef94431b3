"""A development part out of a training set, and a limited training set, without random numbers."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence

from otx.errors import DataError
from otx.types import Example

DEVELOPMENT_SHARE = 0.05


def carve(
    examples: Sequence[Example], group: Callable[[Example], str], limit: int | None
) -> tuple[list[Example], list[Example]]:
    """(training, development): 5 % of the groups, at least one, are held out whole for development.

    ``limit`` keeps that many training examples and development examples in proportion, at least one. Groups and
    examples are picked in the order of a hash of their names: the same for every seed, and a smaller limit's
    examples are among a larger one's. Raises DataError if there are not two groups.
    """
    groups = sorted({group(example) for example in examples}, key=_rank)
    if len(groups) < 2:
        raise DataError(
            f"the training file holds {len(groups)} groups (articles or premises)",
            "two are needed, to hold one out for development",
        )
    held = set(groups[: math.ceil(DEVELOPMENT_SHARE * len(groups))])
    ordered = sorted(examples, key=lambda example: _rank(example.id))
    training = [example for example in ordered if group(example) not in held]
    development = [example for example in ordered if group(example) in held]
    if limit is not None and limit < len(training):
        development = development[: max(1, round(len(development) * limit / len(training)))]
        training = training[:limit]
    return training, development


def _rank(name: str) -> bytes:
    return hashlib.blake2b(name.encode(), digest_size=16).digest()
