"""Measure the gradient that each term of a loss sends back into the encoder."""

from __future__ import annotations

import torch
from torch import Tensor

from otx.tensor_tree import map_tensors
from otx.training.health import FLAT_STEPS
from otx.types import EncodedPair

LOG_EVERY = 10
"""Number of steps from one log step to the next: a log step measures the gradient of each term."""


def is_log_step(step: int) -> bool:
    """Return whether the gradient of each term is measured in this step; a pure function of it.

    The first steps are measured too, as many as ``Health`` needs to stop at a term without effect.

    Args:
        step: The optimiser step, from 0.

    Example:
        >>> [step for step in range(25) if is_log_step(step)]
        [0, 1, 2, 10, 20]
    """
    return step < FLAT_STEPS or step % LOG_EVERY == 0


class GradientNorms:
    """Sums, by name, the squared gradient that flows back through the views that ``tap`` returned.

    A term whose gradient is exactly zero trains nothing, however large the gradient of the others; the norms side by
    side are each term's share of the step.
    """

    def __init__(self) -> None:
        self._squares: dict[str, Tensor] = {}

    def tap(
        self, name: str, pair: EncodedPair, *, measured: bool = True, factor: int = 1
    ) -> EncodedPair:
        """Return the same views, counting the gradient that flows back through them.

        Args:
            name: Name under which it is counted.
            pair: The views.
            measured: False counts nothing.
            factor: Factor of the squares. Where each of N processes computes 1/N of the gradient of every view, N makes
                the sum over processes that of the whole gradient.

        Returns:
            Views in containers of their own: what a term puts in the place of a view, no other term sees.
        """

        def count(tensor: Tensor) -> Tensor:
            return self._tap(name, tensor, factor) if measured else tensor

        return EncodedPair(
            map_tensors(count, pair.source),
            map_tensors(count, pair.pivot),
            {view: view.tap(value, count) for view, value in pair.views.items()},
            pair.declared,
        )

    def pop(self) -> dict[str, Tensor]:
        """Return the squared L2 norm ``[]`` of the gradient since the last call, by name and over all views.

        Squares add up over processes. The next call starts again at 0.
        """
        squares, self._squares = self._squares, {}
        return squares

    def _tap(self, name: str, tensor: Tensor, factor: int) -> Tensor:
        if not tensor.requires_grad:
            return tensor
        self._squares.setdefault(name, torch.zeros((), device=tensor.device))
        view = tensor.view_as(tensor)

        def count(gradient: Tensor) -> None:
            square = gradient.detach().float().square().sum()
            self._squares[name] = self._squares[name] + factor * square

        view.register_hook(count)  # type: ignore[no-untyped-call]
        return view
