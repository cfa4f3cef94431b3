"""The interface of an objective."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING, Any, Protocol

from otx.interfaces.view import View
from otx.types import (
    EncodedPair,
    Loss,
    Scope,
)

if TYPE_CHECKING:
    pass


class Objective(Protocol):
    """A ``torch.nn.Module`` made as ``Target(options, dimension)``, without encoder, optimiser or I/O.

    It does not change its input. Everything it keeps between batches is a buffer or a parameter: the training loop
    optimises and saves what it owns.

    Attributes:
        views: The views that it reads, from ``otx.views``: a frozenset, set or tuple of values such as
            ``States(layer=-1)``. The engine computes each distinct view once per batch.
        scope: ``mean`` if the loss of a batch is the mean over ``Loss.count`` items (pairs, words or masked
            sub-words); ``batch`` if it depends on the whole batch (negatives, pooled transport, distributions).
    """

    views: Collection[View[Any]]
    scope: Scope

    def __call__(self, pair: EncodedPair) -> Loss:
        """Compute the loss of one batch of one language pair.

        Args:
            pair: The batch, with the declared views only.

        Returns:
            The loss; of scope ``mean`` with its ``count``.
        """
        ...
